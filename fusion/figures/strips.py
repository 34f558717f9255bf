"""One line a sensor along time: how well it could see, when it saw, and what."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from fusion.figures.projection import Array
from fusion.figures.style import FAINT, INK, NATION, SMALL, SOFT, tint

ROW_IN = 0.21
_NONE = np.empty(0)
_NATION_AT = -0.155
_PIXELS = 900.0
"""Ticks of one kind closer than one of these parts of the time axis are drawn once."""


@dataclass(frozen=True)
class Strip:
    """One line: `probability` of a detection per look at times `t_s`, and when there were plots of what.

    `note` stands at the right end.
    """

    nation: str
    sensor: str
    t_s: Array = field(default_factory=lambda: _NONE)
    probability: Array = field(default_factory=lambda: _NONE)
    of_objects_s: Array = field(default_factory=lambda: _NONE)
    of_parts_s: Array = field(default_factory=lambda: _NONE)
    of_others_s: Array = field(default_factory=lambda: _NONE)
    note: str = ""
    off_s: tuple[tuple[float, float], ...] = ()
    """Intervals without scans."""

    @property
    def first_s(self) -> float:
        """When it first saw or could have seen something; infinite for never."""
        could = self.t_s[self.probability > 0.01] if len(self.t_s) else _NONE
        times = [a.min() for a in (could, self.of_objects_s, self.of_parts_s, self.of_others_s) if len(a)]
        return float(min(times)) if times else float("inf")


def ordered(strips: Sequence[Strip]) -> tuple[list[Strip], list[Strip]]:
    """Those with something to show, by nation and then by who is first; and the others."""
    shown = [s for s in strips if np.isfinite(s.first_s)]
    order = list(NATION)
    shown.sort(key=lambda s: (order.index(s.nation), s.first_s, s.sensor))
    return shown, [s for s in strips if not np.isfinite(s.first_s)]


def draw(axes: Axes, strips: Sequence[Strip]) -> None:
    """The strips into axes whose x is scenario minutes; y is one unit a strip, downwards."""
    axes.set_ylim(len(strips) - 0.5, -0.5)
    for row, strip in enumerate(strips):
        colour, base = NATION[strip.nation], row + 0.25
        if row == 0 or strips[row - 1].nation != strip.nation:
            axes.text(
                _NATION_AT, row, strip.nation, transform=axes.get_yaxis_transform(), ha="left", va="center",
                size=SMALL, color=colour, weight="bold",
            )  # fmt: skip
        axes.axhline(base, color=FAINT, linewidth=0.5, zorder=0.5)
        if len(strip.t_s):
            seen = base - 0.62 * strip.probability
            axes.fill_between(
                strip.t_s / 60, base, seen, where=strip.probability > 0.005, color=tint(colour, 0.3),
                linewidth=0, zorder=1,
            )  # fmt: skip
        for begin_s, end_s in strip.off_s:
            _off(axes, begin_s / 60, end_s / 60, row)
        _ticks(axes, strip.of_objects_s, base - 0.42, base, colour, 0.8)
        _ticks(axes, strip.of_parts_s, base + 0.05, base + 0.24, INK, 0.6)
        _ticks(axes, strip.of_others_s, base + 0.05, base + 0.18, SOFT, 0.5)
        axes.text(
            -0.008, row, strip.sensor, transform=axes.get_yaxis_transform(), ha="right", va="center",
            size=SMALL, color=colour,
        )  # fmt: skip
        axes.text(
            1.006, row, strip.note, transform=axes.get_yaxis_transform(), ha="left", va="center", size=SMALL,
            color=SOFT,
        )  # fmt: skip


def _off(axes: Axes, begin: float, end: float, row: int) -> None:
    """A dashed line and the word, where a sensor makes no scans."""
    left, right = axes.get_xlim()
    begin, end = max(begin, left), min(end, right)
    if begin < end:
        axes.plot([begin, end], [row, row], color=SOFT, linewidth=0.7, linestyle=(0, (3, 3)), zorder=1.5)
        axes.text(
            (begin + end) / 2, row, "off", ha="center", va="center", size=SMALL - 1, color=SOFT, zorder=3,
            bbox={"fc": "white", "ec": "none", "pad": 1.0},
        )  # fmt: skip


def _ticks(axes: Axes, t_s: Array, low: float, high: float, colour: str, width: float) -> None:
    """Short upright lines at times, as one path."""
    if not len(t_s):
        return
    left, right = axes.get_xlim()
    cell = (right - left) / _PIXELS
    minutes = np.unique(np.round((t_s / 60 - left) / cell)) * cell + left
    minutes = minutes[(minutes >= left) & (minutes <= right)]
    if not len(minutes):
        return
    points = np.stack([np.repeat(minutes, 2), np.tile([low, high], len(minutes))], axis=1)
    codes = np.tile([Outline.MOVETO, Outline.LINETO], len(minutes))
    patch = PathPatch(Outline(points, codes), fill=False, edgecolor=colour, linewidth=width, zorder=2)
    patch.set_capstyle("butt")
    axes.add_patch(patch)
