"""Direct labels that do not overlap: each is put where it hides least, around its own point.

Candidates stand in eight directions at a few distances; a label that stands off gets a line to its point. The
first label gets the best place, so the most important ones come first; a label without a free place is left
out unless it must be there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from fusion.figures.projection import Array
from fusion.figures.style import DPI, INK, SMALL

_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
_DISTANCES_PT = (5.0, 10.0, 17.0, 27.0, 40.0)
_LED_PT = 15.0
"""A label that stands farther off than this has a line to its point."""
_MISLEADING = 40.0
"""Price of a place that is nearer to another label's point than to its own."""
_PIXELS = DPI / 72.0
_PADDING = 3.0
_EVERY_PIXELS = 4.0


Spot = tuple[float, float, float, float]
"""Left, bottom, right and top of a place, in pixels."""


@dataclass(frozen=True)
class Label:
    """A text for a point in data coordinates; one that `must` be there is placed even where it covers."""

    x: float
    y: float
    text: str
    colour: str = INK
    size: float = SMALL
    weight: str = "normal"
    must: bool = False


def place(axes: Axes, labels: Sequence[Label], avoid: Sequence[Array] = ()) -> list[str]:
    """Write labels into axes, clear of one another, of their points and of lines (n, 2) to avoid.

    Points outside the frame get none. Gives the texts of those that found no place.
    """
    renderer = axes.figure.canvas.get_renderer()  # type: ignore[attr-defined]
    frame = axes.get_window_extent(renderer)
    own = [(label.x, label.y) for label in labels]
    lines = [_dense(axes.transData.transform(line)) for line in avoid if len(line)]
    dots = np.concatenate([axes.transData.transform(np.reshape(own, (-1, 2))), *lines])
    taken: list[Spot] = []
    left_out = []
    for number, label in enumerate(labels):
        if not frame.contains(*dots[number]):
            continue
        text = axes.annotate(
            label.text, (label.x, label.y), xytext=(0, 0), textcoords="offset points", size=label.size,
            color=label.colour, weight=label.weight, annotation_clip=False, zorder=9,
            path_effects=[withStroke(linewidth=2.0, foreground="white")],
        )  # fmt: skip
        extent = text.get_window_extent(renderer)
        best = None
        for distance in _DISTANCES_PT:
            for across, up in _DIRECTIONS:
                dx, dy = _corner(across, up, distance * _PIXELS, extent.width, extent.height)
                x, y = dots[number][0] + dx, dots[number][1] + dy
                spot = (x, y, x + extent.width, y + extent.height)
                price = _price(spot, taken, dots, np.asarray(frame.extents)) + 0.5 * distance
                price += _MISLEADING * _misleads(spot, dots[: len(labels)], number)
                if best is None or price < best[0]:
                    best = (price, spot, (dx, dy), distance)
        assert best is not None
        price, spot, offset, distance = best
        if price >= 1000.0 and not label.must:
            text.remove()
            left_out.append(label.text)
            continue
        taken.append(spot)
        text.set_position((offset[0] / _PIXELS, offset[1] / _PIXELS))
        if distance > _LED_PT:
            _lead(axes, dots[number], spot, label.colour)
    return left_out


def _lead(axes: Axes, dot: Array, spot: Spot, colour: str) -> None:
    """A thin line from a point to the nearest edge of its label."""
    edge = np.clip(dot, spot[:2], spot[2:])
    ends = axes.transData.inverted().transform([dot, edge])
    axes.plot(*ends.T, color=colour, linewidth=0.5, zorder=8)


def _misleads(spot: Spot, points: Array, own: int) -> bool:
    """Whether a place is nearer to another label's point than to its own."""
    away = np.hypot(*(points - np.clip(points, spot[:2], spot[2:])).T)
    return bool(away.min() < away[own])


def _dense(line: Array) -> Array:
    """Points every few pixels along a line (n, 2) in pixels."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.linspace(0.0, along[-1], min(int(along[-1] / _EVERY_PIXELS) + 2, 2000))
    return np.stack([np.interp(at, along, line[:, 0]), np.interp(at, along, line[:, 1])], axis=1)


def _corner(across: int, up: int, away: float, width: float, height: float) -> tuple[float, float]:
    """Lower left corner of a text, in pixels from its point, in a direction."""
    reach = away if not (across and up) else away * 0.7
    x = reach if across > 0 else -reach - width if across < 0 else -width / 2
    y = reach if up > 0 else -reach - height if up < 0 else -height / 2
    return x, y


def _price(
    spot: Spot,
    taken: Sequence[Spot],
    dots: Array,
    frame: Array,
) -> float:
    """How bad a place is: 1000 and more when it covers another label or leaves the frame."""
    left, bottom, right, top = spot
    price = 0.0
    if left < frame[0] + 2 or right > frame[2] - 2 or bottom < frame[1] + 2 or top > frame[3] - 2:
        price += 1500.0
    for a, b, c, d in taken:
        if left < c + _PADDING and right > a - _PADDING and bottom < d + _PADDING and top > b - _PADDING:
            price += 1000.0
    covered = (dots[:, 0] > left - 2) & (dots[:, 0] < right + 2)
    covered &= (dots[:, 1] > bottom - 2) & (dots[:, 1] < top + 2)
    return price + 8.0 * float(np.count_nonzero(covered))
