"""Objects close together: how many tracks there are of them, and how often tracks change places, by method.

``python -m fusion.study.closeness 004 --seeds 5 --chart 004.png``

Each row is one method of association (`fusion.core.association`) over the same detections of the seeds
1 … N, as COALITION knows it (full-mesh). *Swaps* are changes of the track that an object is paired with,
parts of missiles included; *count error* is the mean of |tracks − objects in the air| over the ticks with
something in the air. Cells are medians with the extremes.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import msgspec
import numpy as np
import numpy.typing as npt

from configs import resolve
from fusion.command import check_out, invoke
from fusion.scoring import Metrics, Scorer
from fusion.session import Entry, Session, run
from fusion.study.beside import cell
from fusion.tables import plain_table, show
from sensors.scenario import load_scenario
from sharing.messages import COALITION, Picture, S, Truth
from sharing.settings import load_policy

Ticks = npt.NDArray[np.float64]
COLOURS = ("#1f77b4", "#d95f02")
METHODS = ("gnn", "jpda")
CONFIRMED = 1
"""Status of a picture's track from which on it counts."""


@dataclass(frozen=True)
class Counted:
    """One run: confirmed tracks and objects in the air by second, and the metrics over all objects."""

    t_s: Ticks
    tracks: Ticks
    objects: Ticks
    metrics: Metrics

    @property
    def count_error(self) -> float | None:
        """Mean of |tracks - objects| while there is something."""
        aloft = self.objects > 0
        return float(np.abs(self.tracks - self.objects)[aloft].mean()) if aloft.any() else None


def count(session: Session, method: str) -> Counted:
    """What COALITION's tracks are with this method. Needs a session that knows the truth."""
    session = replace(session, metadata={**session.metadata, "association": method})
    alike = tuple(msgspec.structs.replace(t, counts=True) for t in session.truth)
    scorer = Scorer(COALITION, alike, (), session.t_start_ns, session.t_end_ns)
    tracks: dict[float, int] = {}

    def sink(entry: Entry) -> None:
        scorer.take(entry)
        message = entry.message
        if isinstance(message, Picture) and message.picture == "as-known":
            tracks[message.t_valid_ns / S] = int(np.count_nonzero(message.status >= CONFIRMED))

    run(session, nations=[COALITION], regions={}, sink=sink, keep=False)
    t_s = np.array(sorted(t for t in tracks if t * S <= session.t_end_ns))
    objects = np.array([in_the_air(alike, t) for t in t_s], float)
    return Counted(t_s, np.array([tracks[t] for t in t_s], float), objects, scorer.score().metrics)


def in_the_air(truth: Sequence[Truth], t_s: float) -> int:
    """How many objects fly at this second."""
    return sum(bool(t.t_valid_ns[0] <= t_s * S <= t.t_valid_ns[-1]) for t in truth)


def draw(runs: dict[str, list[Counted]], title: str, path: Path) -> None:
    """Tracks of the first seed over time, by method, beside the objects in the air."""
    from fusion.figures.style import INK, box, look, quiet, save, sheet

    with look():
        figure = sheet(4.0, title, "confirmed tracks of COALITION and objects in the air, seed 1")
        axes = box(figure, 0.7, 0.95, 10.9, 2.5)
        quiet(axes, "left", "bottom")
        for (method, (first, *_)), colour in zip(runs.items(), COLOURS, strict=False):
            axes.plot(first.t_s, first.tracks, color=colour, lw=1.2, drawstyle="steps-post", label=method)
        axes.plot(first.t_s, first.objects, color=INK, lw=1.4, ls="--", label="objects in the air")
        axes.set_xlabel("time, s")
        axes.legend(frameon=False, fontsize=8)
        save(figure, path)


@click.command()
@click.argument("scenario")
@click.option("--seeds", type=click.IntRange(1), default=5, show_default=True, help="Seeds 1 … N.")
@click.option("--chart", type=click.Path(path_type=Path), help="Also draw the first seed's counts (PNG).")
@click.option("--markdown", is_flag=True, help="As docs/decisions/association.md holds it.")
def main(scenario: str, seeds: int, chart: Path | None, markdown: bool) -> None:
    """Count the tracks of SCENARIO's objects with each method of association."""
    loaded, policy = load_scenario(scenario), load_policy(resolve("policies", "full-mesh"))
    if chart:
        check_out(chart)
    runs: dict[str, list[Counted]] = {method: [] for method in METHODS}
    for seed in range(1, seeds + 1):
        session = Session.generate(loaded, seed, policy).held()
        for method in METHODS:
            runs[method].append(count(session, method))
    if chart:
        draw(runs, loaded.title, chart)
    columns = ["method", "tracked", "count error", "swaps", "false tracks", "RMSE m", "NEES"]
    table = [[method, *cells(counted)] for method, counted in runs.items()]
    if markdown:
        for line in (columns, ["---"] * len(columns), *table):
            click.echo(f"| {' | '.join(line)} |")
        return
    show(plain_table(f"{loaded.name}, seeds 1 to {seeds}", columns, table))


def cells(counted: Sequence[Counted]) -> list[str]:
    """One row of the table."""
    names = {"tracked": ".0f", "id_switches": ".0f", "false_tracks": ".0f", "position_rmse_m": ".0f"}
    names["nees"] = ".1f"
    tracked, *others = (cell([c.metrics[name] for c in counted], form) for name, form in names.items())
    return [tracked, cell([c.count_error for c in counted], ".1f"), *others]


if __name__ == "__main__":
    sys.exit(invoke(main, sys.argv[1:], "python -m fusion.study.closeness"))
