"""Maps without a network: land from `configs/maps/coast.geojson`, drawn in the projection of `projection`."""

import functools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

import configs
from fusion.figures.projection import RADIUS_KM, Array, View
from fusion.figures.style import BORDER, LAND, SMALL, SOFT

_EDGE_KM = math.pi * RADIUS_KM


@dataclass(frozen=True)
class Coast:
    """Polygons and borders, the world's and those of a finer region.

    Rings are (n, 2) longitudes and latitudes in degrees; outer ones run clockwise.
    """

    world: list[list[Array]]
    region: list[list[Array]]
    region_box: tuple[float, float, float, float]
    borders: list[Array]


@functools.cache
def coast() -> Coast:
    """The land that ships with the package: public domain, see the file's own note."""
    path = configs.ROOT / "maps" / "coast.geojson"
    features = {f["properties"]["name"]: f for f in json.loads(path.read_text(encoding="utf-8"))["features"]}
    polygons = {
        name: [[np.array(ring) for ring in polygon] for polygon in features[name]["geometry"]["coordinates"]]
        for name in ("world", "region")
    }
    west, south, east, north = features["region"]["properties"]["box"]
    borders = [np.array(line) for line in features["borders"]["geometry"]["coordinates"]]
    return Coast(polygons["world"], polygons["region"], (west, south, east, north), borders)


def draw(axes: Axes, view: View, scale_bar: bool = True) -> Array:
    """Land and borders of a view into axes, without ticks; with a scale bar in the lower right corner.

    Gives points (n, 2) on the scale bar, for labels to keep clear of.
    """
    axes.set_xlim(view.left_km, view.right_km)
    axes.set_ylim(view.bottom_km, view.top_km)
    axes.set_aspect("equal")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(BORDER)
    land = coast()
    fine = _within(view, land.region_box)
    for polygon in land.region if fine else land.world:
        outline = _outline(view, polygon)
        if outline is not None:
            axes.add_patch(PathPatch(outline, facecolor=LAND, edgecolor=BORDER, linewidth=0.4, zorder=0.1))
    if fine:
        lines = [np.stack(view.project(line[:, 1], line[:, 0]), axis=1) for line in land.borders]
        axes.add_collection(LineCollection(lines, colors=BORDER, linewidths=0.8, zorder=0.2))
    return _scale_bar(axes, view) if scale_bar else np.empty((0, 2))


def _within(view: View, region: tuple[float, float, float, float]) -> bool:
    """Whether the rectangle of a view lies in the box (west, south, east, north)."""
    x = np.linspace(view.left_km, view.right_km, 9)
    y = np.linspace(view.bottom_km, view.top_km, 9)
    lat, lon = view.geographic(*(part.reshape(-1) for part in np.meshgrid(x, y)))
    west, south, east, north = region
    return bool(np.all((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)))


def _outline(view: View, polygon: Sequence[Array]) -> Outline | None:
    """A polygon on the map; None where it lies outside the view.

    Land that holds the antipode of the centre surrounds the map: its outline then runs the other way round,
    and is filled outwards.
    """
    rings = [np.stack(view.project(ring[:, 1], ring[:, 0]), axis=1) for ring in polygon]
    x, y = rings[0].T
    if np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) > 0.0:
        turn = np.linspace(0.0, 2 * np.pi, 181)
        rings = [_EDGE_KM * np.stack([np.cos(turn), np.sin(turn)], axis=1), *rings]
    elif (
        x.max() < view.left_km or x.min() > view.right_km or y.max() < view.bottom_km or y.min() > view.top_km
    ):
        return None
    return Outline.make_compound_path(*(Outline(ring, closed=True) for ring in rings))


def _scale_bar(axes: Axes, view: View) -> Array:
    width, height = view.right_km - view.left_km, view.top_km - view.bottom_km
    length = max(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if n <= max(width / 5, 1))
    x, y = view.right_km - 0.03 * width - length, view.bottom_km + 0.03 * height
    axes.plot([x, x + length], [y, y], color=SOFT, linewidth=1.2, solid_capstyle="butt", zorder=5)
    axes.text(x, y + 0.01 * height, f"{length} km", size=SMALL, color=SOFT, va="bottom", zorder=5)
    across, up = np.meshgrid(np.linspace(x, x + length, 12), np.linspace(y, y + 0.04 * height, 3))
    return np.stack([across.reshape(-1), up.reshape(-1)], axis=1)
