"""Real rockets, notional radars: how well recorded webcast ascents are held.

``python -m fusion.study.ascents FOLDER`` takes every CSV in FOLDER as flown from scenario 009's site and
bearing, observed by its radars, and follows it with COALITION's core under full-mesh sharing.

*Watched* are the ticks of the record in which some radar has the rocket unmasked at a mean SNR of at least
13 dB, the first ten seconds of them excepted; *held* is the share of these in which it is paired.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from configs import resolve
from fusion.arms import run_arm
from fusion.command import invoke
from fusion.session import Session
from fusion.study.holders import watched
from fusion.tables import markdown_table, number, plain_table, show
from sensors.readers.ascent import ascent_truth
from sensors.scenario import Scenario, load_scenario
from sharing.messages import COALITION, PHASES, S, Truth
from sharing.settings import load_policy

LAT_DEG, LON_DEG, BEARING_DEG = 40.6112, 126.4257, 80.0
"""Scenario 009's launch site and bearing (NOTIONAL)."""
GRACE_S = 10


@dataclass(frozen=True, slots=True)
class Held:
    """How one ascent was held. `by_phase` has phase, watched ticks and share held of them."""

    name: str
    recorded_s: float
    watched_s: int
    fraction: float | None
    by_phase: tuple[tuple[str, int, float], ...]
    position_rmse_m: float | None
    velocity_rmse_mps: float | None
    nees: float | None
    tracks: int
    """Ids it had, one after the other."""


def follow(scenario: Scenario, truth: Truth, seed: int) -> Held:
    """One ascent, seen by the scenario's radars."""
    flown = scenario.with_truth((truth,))
    policy = load_policy(resolve("policies", "full-mesh"))
    session = Session.generate(flown, seed, policy)
    score = run_arm(session, policy, (COALITION,), regions={}).scores[COALITION]
    seconds = truth.t_valid_ns / S
    ticks = np.flatnonzero(watched(flown))[GRACE_S:]
    paired = np.isin(seconds, score.t_s)
    phases = truth.phase[ticks]
    by_phase = tuple(
        (PHASES[p], int(np.count_nonzero(phases == p)), float(paired[ticks[phases == p]].mean()))
        for p in np.unique(phases).tolist()
    )
    m = score.metrics
    return Held(
        name=truth.name,
        recorded_s=float(seconds[-1]),
        watched_s=len(ticks),
        fraction=float(paired[ticks].mean()) if len(ticks) else None,
        by_phase=by_phase,
        position_rmse_m=m["position_rmse_m"],
        velocity_rmse_mps=m["velocity_rmse_mps"],
        nees=m["nees"],
        tracks=m["id_switches"] + (m["first_track_s"] is not None),
    )


def _row(held: Held) -> list[str]:
    phases = ", ".join(f"{name} {share:.2f} of {count} s" for name, count, share in held.by_phase)
    return [
        held.name, f"{held.recorded_s:.0f}", str(held.watched_s), number(held.fraction, ".3f"), phases,
        number(held.position_rmse_m, ".0f"), number(held.velocity_rmse_mps, ".1f"), number(held.nees, ".2f"),
        str(held.tracks),
    ]  # fmt: skip


COLUMNS = (
    "ascent", "record, s", "watched, s", "held", "by phase", "RMSE, m", "RMSE, m/s", "NEES", "tracks"
)  # fmt: skip


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--scenario", default="009", show_default=True, help="Whose radars watch.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--markdown", is_flag=True, help="A table for a page.")
def main(folder: Path, scenario: str, seed: int, markdown: bool) -> None:
    """Follow every ascent in FOLDER and print how well it was held."""
    loaded = load_scenario(scenario)
    paths = sorted(folder.glob("*.csv"))
    if not paths:
        raise click.ClickException(f"{folder}: no CSV file in it")
    rows = [_row(follow(loaded, ascent_truth(path, LAT_DEG, LON_DEG, BEARING_DEG), seed)) for path in paths]
    if markdown:
        click.echo(markdown_table(COLUMNS, rows))
        return
    show(plain_table(f"Webcast ascents before the radars of {loaded.name}, seed {seed}", COLUMNS, rows))


if __name__ == "__main__":
    sys.exit(invoke(main, sys.argv[1:], "python -m fusion.study.ascents"))
