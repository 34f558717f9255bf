"""An arrangement as a picture: whose items whom reach, how late and under which terms."""

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fusion.figures import style
from sharing.matrix import OTHERS, Cell, matrix
from sharing.messages import NATIONS, RECIPIENTS
from sharing.policy import Policy

ROW_IN, HEAD_IN, FOOT_IN = 1.15, 1.25, 0.35
LINE_CHARACTERS = 36
MOST_LINES = 6
SOON_S, LATE_S = 2.0, 30.0
KINDS = {
    "nothing": style.FAINT,
    "within 2 s": style.NATION["USA"],
    "within 30 s": style.NATION["KOR"],
    "later": style.NATION["JPN"],
    "on request": style.SOFT,
}
"""What a cell's colour says: how late its latest item may be."""


def draw(policy: Policy) -> Figure:
    """The matrix of an arrangement, a block of rows for each product."""
    cells = matrix(policy)
    rows = list(dict.fromkeys((c.product, c.originator, c.sensor) for c in cells))
    with style.look():
        figure = style.sheet(
            HEAD_IN + ROW_IN * len(rows) + FOOT_IN, f"Arrangement {policy.name}", policy.title or "–"
        )
        axes = style.box(figure, 2.0, HEAD_IN, style.WIDTH_IN - 2.25, ROW_IN * len(rows))
        style.quiet(axes)
        axes.set_xlim(0, len(RECIPIENTS))
        axes.set_ylim(len(rows), 0)
        for column, recipient in enumerate(RECIPIENTS):
            axes.text(
                column + 0.5, -0.12, f"to {recipient}", ha="center", va="bottom", weight="bold",
                color=style.NATION[recipient],
            )  # fmt: skip
        for row, (product, originator, sensor) in enumerate(rows):
            name = f"{originator}, {product}" if sensor == OTHERS else sensor
            colour = style.NATION[originator]
            axes.text(-0.05, row + 0.5, name, ha="right", va="center", color=colour, weight="bold")
        _fill(axes, cells, rows)
        _legend(figure, cells)
    return figure


def _fill(axes: Axes, cells: Sequence[Cell], rows: Sequence[tuple[str, str, str]]) -> None:
    for cell in cells:
        row = rows.index((cell.product, cell.originator, cell.sensor))
        column = RECIPIENTS.index(cell.recipient)
        colour = style.tint(KINDS[kind_of(cell)], 0.25)
        axes.add_patch(_square(column, row, colour))
        lines = textwrap.wrap(cell.told, LINE_CHARACTERS)
        if len(lines) > MOST_LINES:
            lines = [*lines[: MOST_LINES - 1], "…"]
        axes.text(
            column + 0.5, row + 0.5, "\n".join(lines), ha="center", va="center", size=style.SMALL,
            color=style.INK if cell.released else style.SOFT,
        )  # fmt: skip
    for row, (_, originator, _) in enumerate(rows):
        if originator in NATIONS:
            axes.text(RECIPIENTS.index(originator) + 0.5, row + 0.5, "its own", ha="center", va="center",
                      size=style.SMALL, color=style.FAINT)  # fmt: skip


def _square(column: int, row: int, colour: tuple[float, float, float]) -> Rectangle:
    return Rectangle((column + 0.02, row + 0.03), 0.96, 0.94, facecolor=colour, edgecolor="none")


def kind_of(cell: Cell) -> str:
    """Which of `KINDS` a cell is."""
    if not cell.released:
        return "nothing"
    pushed = [rule for rule in cell.rules if rule.trigger == "push"]
    if not pushed:
        return "on request"
    latest_s = max(rule.bounds_s()[1] for rule in pushed)
    return "within 2 s" if latest_s <= SOON_S else "within 30 s" if latest_s <= LATE_S else "later"


def _legend(figure: Figure, cells: Sequence[Cell]) -> None:
    used = {kind_of(cell) for cell in cells}
    x = 0.02
    for kind, colour in KINDS.items():
        if kind in used:
            y = 0.12 / figure.get_size_inches()[1]
            figure.text(x, y, "■", color=style.tint(colour, 0.5), size=style.BODY)
            figure.text(x + 0.015, y, kind, color=style.SOFT, size=style.SMALL)
            x += 0.1
