"""One look for all figures: few inks, the same nation in the same colour everywhere, files without dates.

The palette is that of Okabe & Ito (Color Universal Design, 2008), which people with any common kind of colour
vision tell apart. Figures are 1200 pixels wide. The same data give the same bytes with the same matplotlib.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

NATION = {"JPN": "#d55e00", "KOR": "#0072b2", "USA": "#009e73", "COALITION": "#222222"}
INK, SOFT, FAINT = "#222222", "#767676", "#c9c9c9"
LAND, SEA, BORDER = "#e9e6df", "#ffffff", "#cfcabd"
PHASE = {
    "boost": "#e69f00",
    "coast": "#444444",
    "reentry": "#cc79a7",
    "pull-up": "#56b4e9",
    "glide": "#56b4e9",
    "other": "#9a9a9a",
}
PHASE_NAME = {"reentry": "re-entry", "other": "unpowered"}
WIDTH_IN, DPI = 12.0, 100
TITLE, BODY, SMALL = 14.0, 9.5, 8.0
INKS = 176
"""Colours of a PNG besides those named here; together at most 256."""
FORMATS = (".png", ".svg")

_RC: Any = {  # the names of settings differ between versions
    "font.family": "DejaVu Sans",
    "font.size": BODY,
    "axes.labelsize": BODY,
    "axes.titlesize": BODY,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.solid_capstyle": "round",
    "path.simplify": True,
    "svg.hashsalt": "sharedsky",
    "svg.fonttype": "path",
    "figure.dpi": DPI,
}


class NothingToDraw(ValueError):
    """The figure would be empty: one line says why."""


@contextmanager
def look() -> Iterator[None]:
    """Draw inside this: matplotlib's defaults, then ours, whatever the user's own settings say."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield


def tint(colour: str, share: float) -> tuple[float, float, float]:
    """A colour mixed with white: `share` 1 is the colour itself, 0 is white."""
    red, green, blue = (1.0 - share * (1.0 - part) for part in to_rgb(colour))
    return red, green, blue


def sheet(height_in: float, title: str, caption: str) -> Figure:
    """An empty figure with its headline, what is shown in one line, and the label that every figure bears."""
    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI)
    FigureCanvasAgg(figure)
    top = 1.0 - 0.18 / height_in
    figure.text(0.02, top, title, size=TITLE, weight="bold", color=INK, va="top")
    figure.text(0.02, top - 0.33 / height_in, caption, size=BODY, color=SOFT, va="top")
    figure.text(
        0.98, top, "SIMULATED · NOTIONAL", size=SMALL, color=SOFT, va="top", ha="right", weight="bold"
    )
    return figure


def box(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at inches from the figure's upper left corner."""
    wide, high = figure.get_size_inches()
    return figure.add_axes((left / wide, 1.0 - (top + height) / high, width / wide, height / high))


def quiet(axes: Axes, *keep: str) -> None:
    """Take away all spines and ticks but those on the sides named."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in keep)
    axes.tick_params(left="left" in keep, labelleft="left" in keep)
    axes.tick_params(bottom="bottom" in keep, labelbottom="bottom" in keep)


def save(figure: Figure, out: Path) -> None:
    """Write the figure, whole or not at all: PNG or SVG as the suffix says, no dates in it.

    Raises ValueError for another suffix, OSError for what the disk refuses.
    """
    kind = out.suffix.lower()
    if kind not in FORMATS:
        raise ValueError(f"{out}: a figure is written as {' or '.join(FORMATS)}")
    part = out.with_name(out.name + ".part")
    try:
        if kind == ".svg":
            with look():
                figure.savefig(part, format="svg", metadata={"Date": None, "Creator": None})
        else:
            _paint(figure).save(part, format="png", optimize=True)
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)


def _paint(figure: Figure) -> Image.Image:
    """The figure as an image of its most frequent inks: a third of the size, and it looks the same.

    Flat areas and lines keep their exact colour; what is rare stands at the edges of text and lines.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    red, green, blue, _ = np.moveaxis(np.asarray(canvas.buffer_rgba()).astype(np.int64), -1, 0)
    packed, where, count = np.unique(red << 16 | green << 8 | blue, return_inverse=True, return_counts=True)
    inks = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1)
    named = [*NATION.values(), *PHASE.values(), SOFT, FAINT]
    always = (255 * np.array([tint(ink, share) for ink in named for share in (1.0, 0.5)])).round()
    kept = np.concatenate([always.astype(np.int64), inks[np.argsort(-count, kind="stable")[:INKS]]])
    nearest = np.array([int(np.argmin(((kept - ink) ** 2).sum(axis=1))) for ink in inks], np.uint8)
    image = Image.fromarray(nearest[where].reshape(red.shape), mode="P")
    image.putpalette(kept.astype(np.uint8).tobytes())
    return image
