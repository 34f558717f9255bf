"""Tables and progress for people at a terminal (rich); colours follow NO_COLOR and the terminal."""

import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from fusion.core.registration import MEANS, SIGMAS
from fusion.session import Session
from sharing.clock import monotonic_ns
from sharing.messages import Bias, S

ROWS = (
    ("objects", "objects", "d"),
    ("tracked", "tracked", "d"),
    ("first_detection_s", "first detection, s", ".1f"),
    ("first_track_s", "first track, s", ".0f"),
    ("warning_s", "first right warning, s", ".0f"),
    ("warning_lead_s", "warning lead, s", ".0f"),
    ("impact_error_km", "impact error 120 s before, km", ".1f"),
    ("impact_ellipse_km2", "95 % impact ellipse then, km²", ".0f"),
    ("custody_fraction", "custody", ".3f"),
    ("position_rmse_m", "position RMSE, m", ".0f"),
    ("velocity_rmse_mps", "velocity RMSE, m/s", ".1f"),
    ("nees", "NEES (1 is right)", ".2f"),
    ("gospa_m", "GOSPA, m", ".0f"),
    ("false_tracks", "false tracks", "d"),
    ("false_warnings", "false warnings", "d"),
    ("retracted_warnings", "retracted warnings", "d"),
    ("id_switches", "id switches", "d"),
)
"""Key of M, label, format."""
PLAIN_WIDTH = 120


def number(value: Any, form: str) -> str:
    """A value as a table shows it; what does not exist is a dash."""
    return "–" if value is None else format(value, form)


def arm_table(title: str, metrics: Mapping[str, Mapping[str, Any]]) -> Table:
    """The metrics M of each nation, side by side."""
    table = Table(title=title, caption="SIMULATED, NOTIONAL", title_justify="left", caption_justify="left")
    table.add_column("as known")
    for nation in metrics:
        table.add_column(nation, justify="right")
    for key, label, form in ROWS if metrics else ():
        table.add_row(label, *(number(m[key], form) for m in metrics.values()))
    return table


def newest(biases: Sequence[Bias]) -> list[Bias]:
    """The last message of each sensor, in the order of their names."""
    last = {bias.subject: bias for bias in biases}
    return [last[subject] for subject in sorted(last)]


def plain_bias(bias: Bias) -> dict[str, float]:
    """What a node knows of one sensor, by the names of the wire."""
    return {name: getattr(bias, name) for name in ("plots", "applied", *MEANS, *SIGMAS)}


def bias_table(title: str, biases: Sequence[Bias]) -> Table:
    """Estimates and their sigmas, a row a sensor; a star where the bias is taken off the plots."""
    heads = ["", "plots", "range, m", "azimuth, mrad", "elevation, mrad", "clock, ms"]
    rows = []
    for bias in biases:
        cells = [bias.subject, str(bias.plots)]
        for i, (mean, sigma) in enumerate(zip(MEANS, SIGMAS, strict=True)):
            scale, form = (1.0, ".1f") if i == 0 else (1e3, ".3f")
            star = "*" if bias.applied >> i & 1 else " "
            value, doubt = (getattr(bias, name) * scale for name in (mean, sigma))
            cells.append(f"{value:{form}} ± {doubt:{form}}{star}")
        rows.append(cells)
    return plain_table(title, heads, rows)


def plain_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table of texts, the first column to the left."""
    table = Table(title=title, caption="SIMULATED, NOTIONAL", title_justify="left", caption_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left", no_wrap=not i)
    for row in rows:
        table.add_row(*row)
    return table


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same for a page."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def show(table: Table) -> None:
    """Print a table on stdout, whole where no terminal says how wide it is."""
    Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH).print(table)


class Progress:
    """A bar on stderr while a session runs, on terminals only; also holds a replay to `speed` × real time.

    Call it with each tick's scenario time.
    """

    def __init__(self, what: str, session: Session, speed: float | None = None) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        hidden = not sys.stderr.isatty()
        self._bar = Bar(*columns, console=Console(stderr=True), disable=hidden, transient=True)
        self._start_ns = session.t_start_ns
        self._task = self._bar.add_task(f"{what} {session.name}", total=session.seconds)
        self._speed = speed
        self._begun_ns = monotonic_ns()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, t_ns: int) -> None:
        """Scenario time has reached `t_ns`."""
        elapsed_s = (t_ns - self._start_ns) / S
        self._bar.update(self._task, completed=elapsed_s)
        if self._speed is not None:
            time.sleep(max(elapsed_s / self._speed - (monotonic_ns() - self._begun_ns) / 1e9, 0.0))
