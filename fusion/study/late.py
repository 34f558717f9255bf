"""Late data taken in one step beside late data reprocessed: errors of the as-known picture, and time.

``python -m fusion.study.late 007 --runs 10``

Of the looks (a scan and its plots together) a part is late by a time that is uniform from 0 to `--longest`
seconds, keyed by seed, sensor and scan; the sites are not. Everybody gets everything, COALITION is scored.
Three runs of each seed: nothing late; late and reprocessed; late and taken in one step. Errors are the root
mean squares over the ticks that all three have in common; the settled pictures must be the same bytes.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from resource import RUSAGE_SELF, getrusage

import click
import msgspec
import numpy as np

from configs import resolve
from fusion.command import invoke
from fusion.scoring import Score, Scorer
from fusion.session import Item, Session, run
from fusion.tables import plain_table, show
from sensors.draws import uniforms
from sensors.scenario import load_scenario
from sharing.messages import MEASUREMENTS, Floats, S, Scan
from sharing.settings import load_policy

NATION = "COALITION"
ARMS = ("in time", "reprocess", "step")
COLUMNS = (
    "scenario", "late data", "runs", "settled alike", "ticks", "position, m", "velocity, m/s", "NEES / 6",
    "held, ticks", "false tracks", "CPU, s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run of one arm: its score, the hash of its settled pictures, the processor's time in s."""

    score: Score
    settled: str
    cpu_s: float


def delayed(session: Session, share: float, longest_s: float) -> Session:
    """The session with a `share` of its looks late by up to `longest_s` seconds; its feed is in memory."""
    items = tuple(_late(item, session.seed, share, longest_s) for item in session.items())
    lag_s = float(session.metadata["feed_lag_s"]) + longest_s
    return replace(session, items=lambda: items, metadata={**session.metadata, "feed_lag_s": str(lag_s)})


def _late(item: Item, seed: int, share: float, longest_s: float) -> Item:
    message = item.message
    if not isinstance(message, (Scan, *MEASUREMENTS)):
        return item
    u = uniforms(1, 4, seed, "late", message.originator, message.sensor, message.scan)[0]
    lag_ns = round(u[1] * longest_s * S) if u[0] < share else 0
    late = msgspec.structs.replace(message, t_available_ns=message.t_available_ns + lag_ns)
    return Item(item.topic, late)


def outcome(session: Session, late: str) -> Outcome:
    """A run of the session in which late data is treated like this."""
    session = replace(session, metadata={**session.metadata, "late": late})
    scorer = Scorer(NATION, session.truth, (), session.t_start_ns, session.t_end_ns)
    began = getrusage(RUSAGE_SELF).ru_utime
    result = run(session, nations=(NATION,), sink=scorer.take, keep=False)[NATION]
    return Outcome(scorer.score(), result.picture_sha256, getrusage(RUSAGE_SELF).ru_utime - began)


def compare(name: str, seed: int, share: float, longest_s: float) -> dict[str, Outcome]:
    """The outcomes of one seed, by arm. All wait for the settled picture alike."""
    made = Session.generate(load_scenario(name), seed, load_policy(resolve("policies", "full-mesh"))).held()
    in_time, late = delayed(made, 0.0, longest_s), delayed(made, share, longest_s)
    return {
        "in time": outcome(in_time, "reprocess"),
        "reprocess": outcome(late, "reprocess"),
        "step": outcome(late, "step"),
    }


def squares(found: dict[str, Outcome]) -> dict[str, Floats]:
    """By arm: squared errors of position and velocity and the NEES (n, 3), at the ticks common to all."""
    rows = {arm: {key: i for i, key in enumerate(found[arm].score.keys())} for arm in ARMS}
    common = [key for key in rows[ARMS[0]] if all(key in rows[arm] for arm in ARMS)]
    together = {}
    for arm in ARMS:
        score, at = found[arm].score, [rows[arm][key] for key in common]
        error = score.error_ecef[at].reshape(-1, 6)
        columns = (np.sum(error[:, :3] ** 2, 1), np.sum(error[:, 3:] ** 2, 1), score.nees[at])
        together[arm] = np.column_stack(columns)
    return together


def table(name: str, found: Sequence[dict[str, Outcome]]) -> Iterator[list[str]]:
    """A row for each arm, over all seeds."""
    measured = [squares(one) for one in found]
    for arm in ARMS:
        of_arm = [one[arm] for one in found]
        alike = sum(one[arm].settled == one["in time"].settled for one in found)
        mean = np.concatenate([m[arm] for m in measured]).mean(axis=0)
        yield [
            name,
            arm,
            str(len(found)),
            f"{alike} of {len(found)}",
            str(sum(len(m[arm]) for m in measured)),
            f"{np.sqrt(mean[0]):.1f}",
            f"{np.sqrt(mean[1]):.2f}",
            f"{mean[2]:.2f}",
            str(sum(len(o.score.keys()) for o in of_arm)),
            str(sum(o.score.metrics["false_tracks"] for o in of_arm)),
            f"{np.mean([o.cpu_s for o in of_arm]):.2f}",
        ]


@click.command()
@click.argument("scenario", nargs=-1, required=True)
@click.option("--runs", type=click.IntRange(1), default=5, show_default=True, help="Seeds 1 … N.")
@click.option("--share", type=click.FloatRange(0, 1), default=0.3, show_default=True, help="Of looks, late.")
@click.option(
    "--longest", type=click.FloatRange(0, 60), default=5.0, show_default=True, help="By at most, s."
)
@click.option("--markdown", is_flag=True, help="As docs/decisions/two-pictures.md holds it.")
def main(scenario: tuple[str, ...], runs: int, share: float, longest: float, markdown: bool) -> None:
    """Print errors and time of both ways with late data in SCENARIO."""
    rows: list[list[str]] = []
    for name in scenario:
        found = [compare(name, seed, share, longest) for seed in range(1, runs + 1)]
        rows += table(name, found)
    if markdown:
        for line in (COLUMNS, ["---"] * len(COLUMNS), *rows):
            click.echo(f"| {' | '.join(line)} |")
        return
    show(plain_table(f"{share:.0%} late by 0 to {longest:g} s, seeds 1 to {runs}", COLUMNS, rows))


if __name__ == "__main__":
    sys.exit(invoke(main, sys.argv[1:], "python -m fusion.study.late"))
