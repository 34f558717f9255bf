"""Warning regions from GeoJSON: a shell around `fusion.core.regions.Region`.

A file is a FeatureCollection with ``nation``; every feature is a Polygon whose properties are ``name``,
``kind`` (``land`` or ``sea``) and ``dissemination_s``, and may be ``cost_of_delay`` and ``cost_of_false``
(both 1 by default): a region is warned when its probability exceeds false / (false + delay). With ``like`` a
file takes the regions of its neighbour of that name (without ``.geojson``) at costs of its own.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from fusion.core.regions import Region
from sharing.settings import SettingsError, read_text

Latitude = Annotated[float, msgspec.Meta(ge=-90.0, le=90.0)]
Cost = Annotated[float, msgspec.Meta(gt=0.0, le=1e6)]
Longitude = Annotated[float, msgspec.Meta(ge=-180.0, le=180.0)]


class _Properties(msgspec.Struct):
    name: str
    kind: Literal["land", "sea"]
    dissemination_s: Annotated[float, msgspec.Meta(ge=0.0)]
    cost_of_delay: Cost = 1.0
    cost_of_false: Cost = 1.0


class _Geometry(msgspec.Struct):
    type: Literal["Polygon"]
    coordinates: Annotated[list[list[tuple[Longitude, Latitude]]], msgspec.Meta(min_length=1, max_length=1)]


class _Feature(msgspec.Struct):
    properties: _Properties
    geometry: _Geometry


class _Collection(msgspec.Struct):
    nation: str
    features: list[_Feature]
    like: str | None = None
    cost_of_delay: Cost | None = None
    cost_of_false: Cost | None = None


def load_regions(path: Path | str) -> tuple[Region, ...]:
    """The regions of one GeoJSON file. Raises SettingsError."""
    try:
        collection = msgspec.json.decode(read_text(path), type=_Collection)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise SettingsError(f"{path}: {error}") from None
    regions = tuple(_region(feature, collection.nation) for feature in collection.features)
    if collection.like is None:
        return regions
    others = load_regions(Path(path).parent / f"{collection.like}.geojson")
    delay, false = collection.cost_of_delay, collection.cost_of_false
    return (*regions, *(_at_costs(region, delay, false) for region in others))


def _at_costs(region: Region, delay: float | None, false: float | None) -> Region:
    """A region at other costs; None keeps its own."""
    return replace(
        region,
        cost_of_delay=region.cost_of_delay if delay is None else delay,
        cost_of_false=region.cost_of_false if false is None else false,
    )


def _region(feature: _Feature, nation: str) -> Region:
    ring = feature.geometry.coordinates[0]
    corners = tuple((lat, lon) for lon, lat in ring)
    about = feature.properties
    costs = about.cost_of_delay, about.cost_of_false
    return Region(about.name, nation, about.kind, corners, about.dissemination_s, *costs)
