"""`sharedsky plot coverage`: maps, a row an altitude, a column a nation; who sees alone, who together."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fusion.figures import maps, style
from fusion.figures.flown import OBJECT, ways
from fusion.figures.footprint import Footprints, extent, footprints
from fusion.figures.labels import Label, place
from fusion.figures.projection import View, around
from fusion.figures.style import BODY, FAINT, INK, NATION, SMALL, SOFT, NothingToDraw, look, sheet
from sensors.radar import Radar
from sensors.scenario import Scenario
from sharing.messages import NATIONS

ALTITUDES_KM = (10.0, 50.0, 100.0)
CELLS = 280
"""Map cells along the longer side."""
LEVELS = (0.22, 0.42, 0.62, 0.82)
"""Opacity where one, two, three, four or more sensors see a cell."""
ALONE = 0.55
"""Opacity where one nation only sees a cell, in that nation's colour."""
SHARED = {2: ("#8c8c8c", 0.60), 3: ("#3f3f3f", 0.75)}
"""Ink and opacity where two and where three nations see a cell."""
_LEFT_IN, _GAP_IN, _TOP_IN, _FOOT_IN = 0.25, 0.09, 1.05, 0.5
_MAP_IN = (style.WIDTH_IN - 2 * _LEFT_IN - 3 * _GAP_IN) / 4
_SHAPES = (0.8, 1.4)
_WIDEST_KM = 3000.0


Ink = tuple[float, float, float]


def draw(scenario: Scenario, altitudes_km: Sequence[float] = ALTITUDES_KM) -> Figure:
    """The coverage of a scenario's radars. Raises NothingToDraw when it has none."""
    radars = [sensor for sensor in scenario.sensors if isinstance(sensor, Radar)]
    if not radars:
        raise NothingToDraw(f"{scenario.name}: none of these sensors is a radar: no coverage to draw")
    view = view_of(radars, max(altitudes_km))
    map_in = _MAP_IN * (view.top_km - view.bottom_km) / (view.right_km - view.left_km)
    height_in = _TOP_IN + len(altitudes_km) * (map_in + _GAP_IN) + _FOOT_IN
    with look():
        figure = sheet(height_in, f"Who can see what: {scenario.title}", _caption(scenario))
        for row, altitude_km in enumerate(sorted(altitudes_km, reverse=True)):
            seen = footprints(radars, view, altitude_km, CELLS)
            for column, nation in enumerate((*NATIONS, "")):
                left, top = _LEFT_IN + column * (_MAP_IN + _GAP_IN), _TOP_IN + row * (map_in + _GAP_IN)
                axes = style.box(figure, left, top, _MAP_IN, map_in)
                maps.draw(axes, view, scale_bar=row == 0 and column == 1)
                _shade(axes, seen, nation)
                _ground_tracks(axes, view, scenario)
                _stand(axes, view, radars, nation, names=row == 0)
                if not column:
                    _say_altitude(axes, altitude_km)
                if not row:
                    _head(axes, nation, radars)
        _keys(figure, height_in)
    return figure


def _caption(scenario: Scenario) -> str:
    others = [s.id for s in scenario.sensors if not isinstance(s, Radar)]
    return (
        "How many radars see an object of 1 m² (mean SNR 13 dB or more; masks with refraction, sectors)."
        + (" Black: the way over ground." if any(t.counts for t in scenario.truth) else "")
        + (f" Not drawn: {', '.join(others)} (infrared)." if others else "")
    )


def _say_altitude(axes: Axes, altitude_km: float) -> None:
    axes.text(
        0.03, 0.97, f"{altitude_km:g} km up", transform=axes.transAxes, va="top", size=BODY,
        weight="bold", color=INK, zorder=9, bbox={"fc": "white", "ec": "none", "pad": 1.5},
    )  # fmt: skip


def view_of(radars: Sequence[Radar], altitude_km: float) -> View:
    """A view that holds the sensors and everything that they see at the highest altitude."""
    lat = np.array([r.lat_deg for r in radars])
    lon = np.array([r.lon_deg for r in radars])
    wide = around(lat, lon, 1.0, least_km=_WIDEST_KM)
    seen_lat, seen_lon = extent(radars, wide, altitude_km)
    all_lat, all_lon = np.concatenate([lat, seen_lat]), np.concatenate([lon, seen_lon])
    free = around(all_lat, all_lon, 1.0, margin=0.02)
    x, y = free.project(all_lat, all_lon)
    shape = float(np.clip((np.ptp(x) + 1) / (np.ptp(y) + 1), *_SHAPES))
    return around(all_lat, all_lon, shape, margin=0.02)


def _shade(axes: Axes, seen: Footprints, nation: str) -> None:
    """One nation's number of sensors as depth of its colour; without a nation, who sees alone or together."""
    image = np.zeros((len(seen.y_km), len(seen.x_km), 4))
    if nation:
        count = seen.of(nation)
        image[..., :3] = to_rgb(NATION[nation])
        image[..., 3] = np.array([0.0, *LEVELS])[np.minimum(count, len(LEVELS))]
    else:
        flags = seen.nations()
        number = flags.sum(axis=0)
        for name, flag in zip(NATIONS, flags, strict=True):
            image[flag & (number == 1)] = (*to_rgb(NATION[name]), ALONE)
        for several, (ink, opacity) in SHARED.items():
            image[number == several] = (*to_rgb(ink), opacity)
    view = seen.view
    frame = (view.left_km, view.right_km, view.bottom_km, view.top_km)
    axes.imshow(image, extent=frame, origin="lower", interpolation="nearest", zorder=0.5, aspect="equal")
    for sensor, flag in zip(seen.sensors, seen.seen, strict=True):
        if sensor.nation == nation and flag.any() and not flag.all():
            axes.contour(
                seen.x_km, seen.y_km, flag.astype(float), levels=[0.5], colors=[NATION[nation]],
                linewidths=0.5, zorder=0.6,
            )  # fmt: skip


def _ground_tracks(axes: Axes, view: View, scenario: Scenario) -> None:
    for way in ways(scenario.truth):
        if way.group == OBJECT:
            x, y = view.project(way.lat_deg, way.lon_deg)
            axes.plot(x, y, color=INK, linewidth=0.8, zorder=2)
            axes.plot(x[:1], y[:1], "o", color=INK, markersize=2.5, zorder=2)


def _stand(axes: Axes, view: View, radars: Sequence[Radar], nation: str, names: bool) -> None:
    """Where the radars are; with names in a nation's own column."""
    mine = [r for r in radars if r.nation == nation or not nation]
    if not mine:
        return
    x, y = view.project([r.lat_deg for r in mine], [r.lon_deg for r in mine])
    colours = [NATION[r.nation] for r in mine]
    axes.scatter(x, y, s=10, c=colours, edgecolors="white", linewidths=0.5, zorder=3)
    if nation and names:
        labels = [Label(a, b, r.id, NATION[nation], SMALL - 1.5) for a, b, r in zip(x, y, mine, strict=True)]
        place(axes, labels)


def _head(axes: Axes, nation: str, radars: Sequence[Radar]) -> None:
    count = sum(r.nation == nation for r in radars)
    text = f"{nation}: {count} radar{'' if count == 1 else 's'}" if nation else "Who alone, who together"
    axes.set_title(text, loc="left", color=NATION.get(nation, INK), weight="bold", pad=4)


def _keys(figure: Figure, height_in: float) -> None:
    """Swatches under the columns: what the depths of colour stand for."""
    for column, nation in enumerate(NATIONS):
        depths = zip(LEVELS, ("1", "2", "3", "4+"), strict=True)
        words = [(style.tint(NATION[nation], level), text) for level, text in depths]
        _key(figure, height_in, column, words, "radars")
    alone = [(style.tint(NATION[nation], ALONE), nation) for nation in NATIONS]
    shared = [(style.tint(ink, opacity), f"{n}") for n, (ink, opacity) in SHARED.items()]
    _key(figure, height_in, 3, [*alone, *shared], "nations")


def _key(figure: Figure, height_in: float, column: int, words: Sequence[tuple[Ink, str]], unit: str) -> None:
    """One column's swatches, each with its word, and their unit."""
    left, bottom = _LEFT_IN + column * (_MAP_IN + _GAP_IN), 0.2
    middle = (bottom + 0.07) / height_in
    for ink, text in words:
        corner = (left / style.WIDTH_IN, bottom / height_in)
        patch = Rectangle(
            corner, 0.15 / style.WIDTH_IN, 0.14 / height_in, facecolor=ink, edgecolor=FAINT, linewidth=0.4,
            transform=figure.transFigure,
        )  # fmt: skip
        figure.add_artist(patch)
        figure.text((left + 0.2) / style.WIDTH_IN, middle, text, size=SMALL, color=SOFT, va="center")
        left += 0.28 + 0.085 * len(text)
    figure.text((left + 0.02) / style.WIDTH_IN, middle, unit, size=SMALL, color=SOFT, va="center")
