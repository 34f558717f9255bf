"""The life of a track as a picture, drawn from the table that the tracker runs by.

``python -m fusion.figures.life [docs/life.svg]``

States stand side by side above a bar for "no track"; every arrow carries the events of
`fusion.core.lifecycle.LIFE` that lead from one to the other.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from fusion.core.lifecycle import COASTING, CONFIRMED, EVENTS, FREE, LIFE, TENTATIVE, Change
from fusion.figures import style

OUT = Path("docs/life.svg")
NAMES = {FREE: "no track", TENTATIVE: "tentative", CONFIRMED: "confirmed", COASTING: "coasting"}
PLACES = {TENTATIVE: 2.9, CONFIRMED: 6.2, COASTING: 9.5}
"""Middles of the boxes, inches from the left."""
ROW, BAR, HALF_WIDTH, HALF_HEIGHT = 3.0, 0.4, 0.75, 0.25


def label(change: Change) -> str:
    """What the figure says of a change."""
    return f"{EVENTS[change.event]}: {change.when}"


def arrows() -> Iterator[tuple[int, int, list[str]]]:
    """From, to and the labels of every arrow, in the order of the table."""
    ends = dict.fromkeys((change.state, change.to) for change in LIFE)
    for state, to in ends:
        yield state, to, [label(c) for c in LIFE if (c.state, c.to) == (state, to)]


def draw() -> Figure:
    """The figure."""
    with style.look():
        figure = style.sheet(4.6, "The life of a track", "its states, and what leads from one to another")
        axes = style.box(figure, 0.0, 0.7, style.WIDTH_IN, 3.8)
        axes.set(xlim=(0.0, style.WIDTH_IN), ylim=(0.0, 3.8))
        axes.set_axis_off()
        _box(axes, style.WIDTH_IN / 2, BAR, style.WIDTH_IN / 2 - 0.5, NAMES[FREE])
        for state, x in PLACES.items():
            _box(axes, x, ROW, HALF_WIDTH, NAMES[state])
        for state, to, labels in arrows():
            _arrow(axes, state, to, labels)
    return figure


def _box(axes: Axes, x: float, y: float, half: float, name: str) -> None:
    corner, round_off = (x - half, y - HALF_HEIGHT), "round,pad=0,rounding_size=0.1"
    patch = FancyBboxPatch(corner, 2 * half, 2 * HALF_HEIGHT, round_off, edgecolor=style.INK, facecolor="w")
    axes.add_patch(patch)
    axes.text(x, y, name, size=style.BODY + 1, weight="bold", color=style.INK, ha="center", va="center")


def _arrow(axes: Axes, state: int, to: int, labels: Sequence[str]) -> None:
    """Between neighbours side by side, or down to the bar; the way back lies below the way there."""
    if FREE in (state, to):
        up = state == FREE
        x = PLACES[to] - 0.3 if up else PLACES[state] + 0.1
        ends = [(x, BAR + HALF_HEIGHT), (x, ROW - HALF_HEIGHT)]
        middle, side = (x + (-0.08 if up else 0.08), 1.9), "right" if up else "left"
    else:
        forth = PLACES[to] > PLACES[state]
        y = ROW + (0.12 if forth else -0.12)
        left, right = sorted((PLACES[state], PLACES[to]))
        ends = [(left + HALF_WIDTH, y), (right - HALF_WIDTH, y)]
        middle, side = ((left + right) / 2, y + (0.3 if forth else -0.3)), "center"
    down = state != FREE and to == FREE
    back = not down and state != FREE and PLACES[to] < PLACES[state]
    start, end = reversed(ends) if down or back else ends
    line = {"arrowstyle": "-|>", "color": style.SOFT, "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=line)
    for row, text in enumerate(labels):
        axes.text(
            middle[0], middle[1] - 0.22 * row, text, size=style.SMALL, color=style.INK, ha=side, va="center"
        )


def main() -> None:
    """Write the figure to the file named."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    style.save(draw(), out)
    print(f"{out}: {out.stat().st_size // 1000} kB", flush=True)


if __name__ == "__main__":
    main()
