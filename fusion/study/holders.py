"""Who detects and holds the missile when: every radar of a scenario on its own.

``python -m fusion.study.holders 001``

Geometry and mean SNR come from the scenario; detection and track are one draw (``--seed``) of a nation that
has this one radar and nothing else.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import click
import numpy as np
import numpy.typing as npt

from configs import resolve
from fusion.arms import run_arm
from fusion.command import invoke
from fusion.session import Session
from fusion.tables import number, plain_table, show
from sensors.scenario import Coverage, Scenario, load_scenario, who_sees
from sharing.messages import S, Truth
from sharing.settings import load_policy

GOOD_SNR_DB = 13.0
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Holder:
    """One radar and the first object: spans are (first, last) seconds, None where there is none."""

    sensor: str
    visible: Span | None
    """Inside the sector and unmasked."""
    good: Span | None
    """The same, with a mean SNR of at least 13 dB."""
    best_snr_db: float | None
    first_detection_s: float | None
    held: Span | None
    held_fraction: float
    """Ticks held ÷ ticks of the flight."""


def first_object(scenario: Scenario) -> Truth | None:
    """The first object that counts, None where none does."""
    return next((truth for truth in scenario.truth if truth.counts), None)


def coverage_of_first(scenario: Scenario) -> list[Coverage]:
    """Its coverage by every radar, in order of nation and id."""
    first = first_object(scenario)
    return [c for c in who_sees(scenario) if c.truth is first]


def holders(scenario: Scenario, seed: int) -> list[Holder]:
    """Every radar on its own, in order of nation and id."""
    coverages = coverage_of_first(scenario)
    return [_holder(scenario, coverage, seed) for coverage in coverages]


def _holder(scenario: Scenario, coverage: Coverage, seed: int) -> Holder:
    radar = coverage.radar
    name = f"{radar.nation}/{radar.id}"
    alone = scenario.with_sensors((name,))
    session = Session.generate(alone, seed, load_policy(resolve("policies", "national-only")))
    score = run_arm(session, session.policy, (radar.nation,), regions={}).scores[radar.nation]
    seconds = coverage.truth.t_valid_ns / S
    seen = coverage.sight.visible
    snr_db = mean_snr_db(coverage)
    held_s = score.t_s[score.object_number == 0]
    return Holder(
        sensor=name,
        visible=_span(seconds[seen]),
        good=_span(seconds[snr_db >= GOOD_SNR_DB]),
        best_snr_db=float(snr_db.max()) if seen.any() else None,
        first_detection_s=score.metrics["first_detection_s"],
        held=_span(held_s),
        held_fraction=len(held_s) / len(seconds),
    )


def mean_snr_db(coverage: Coverage) -> npt.NDArray[np.float64]:
    """Mean signal-to-noise ratio (n,) in dB on the truth's grid, -inf where the object is not visible."""
    seen = coverage.sight.visible
    level = np.full(len(seen), -np.inf)
    level[seen] = 10.0 * np.log10(coverage.sight.snr[seen])
    return level


def watched(scenario: Scenario) -> npt.NDArray[np.bool_]:
    """On the first object's grid: whether some radar has it unmasked at a mean SNR of at least 13 dB."""
    levels = [mean_snr_db(c) for c in coverage_of_first(scenario)]
    return np.asarray(np.max(levels, axis=0) >= GOOD_SNR_DB)


def _span(seconds: npt.NDArray[np.float64]) -> Span | None:
    return (float(seconds[0]), float(seconds[-1])) if len(seconds) else None


def _text(span: Span | None) -> str:
    return "–" if span is None else f"{span[0]:.0f}–{span[1]:.0f}"


def rows_of(found: Sequence[Holder]) -> list[list[str]]:
    """The table's cells."""
    return [
        [
            h.sensor, _text(h.visible), _text(h.good), number(h.best_snr_db, ".1f"),
            number(h.first_detection_s, ".1f"), _text(h.held), f"{h.held_fraction:.2f}",
        ]
        for h in found
    ]  # fmt: skip


COLUMNS = (
    "radar alone", "visible, s", "≥ 13 dB, s", "best dB", "first plot, s", "holds, s", "share of flight"
)  # fmt: skip


@click.command()
@click.argument("scenario")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
def main(scenario: str, seed: int) -> None:
    """Print who detects and holds the first object of SCENARIO when, by radar."""
    loaded = load_scenario(scenario)
    first = first_object(loaded)
    if first is None:
        raise click.ClickException(f"{scenario}: nothing flies in this scenario")
    flight = f"flight {first.t_valid_ns[-1] / S:.0f} s"
    rows = rows_of(holders(loaded, seed))
    show(plain_table(f"{loaded.name}, seed {seed}, {flight}", COLUMNS, rows))


if __name__ == "__main__":
    sys.exit(invoke(main, sys.argv[1:], "python -m fusion.study.holders"))
