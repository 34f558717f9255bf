"""Warning regions from GeoJSON: a shell around `fusion.core.warning.Region`.

A file is a FeatureCollection with ``nation``; every feature is a Polygon whose properties are ``name``,
``kind`` (``land`` or ``sea``) and ``dissemination_s``.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from fusion.core.warning import Region
from sharing.settings import SettingsError, read_text

Latitude = Annotated[float, msgspec.Meta(ge=-90.0, le=90.0)]
Longitude = Annotated[float, msgspec.Meta(ge=-180.0, le=180.0)]


class _Properties(msgspec.Struct):
    name: str
    kind: Literal["land", "sea"]
    dissemination_s: Annotated[float, msgspec.Meta(ge=0.0)]


class _Geometry(msgspec.Struct):
    type: Literal["Polygon"]
    coordinates: Annotated[list[list[tuple[Longitude, Latitude]]], msgspec.Meta(min_length=1, max_length=1)]


class _Feature(msgspec.Struct):
    properties: _Properties
    geometry: _Geometry


class _Collection(msgspec.Struct):
    nation: str
    features: list[_Feature]


def load_regions(path: Path | str) -> tuple[Region, ...]:
    """The regions of one GeoJSON file. Raises SettingsError."""
    try:
        collection = msgspec.json.decode(read_text(path), type=_Collection)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise SettingsError(f"{path}: {error}") from None
    return tuple(_region(feature, collection.nation) for feature in collection.features)


def _region(feature: _Feature, nation: str) -> Region:
    ring = feature.geometry.coordinates[0]
    corners = tuple((lat, lon) for lon, lat in ring)
    about = feature.properties
    return Region(about.name, nation, about.kind, corners, about.dissemination_s)
