"""Do the launch and impact ellipses hold what they say, and are warnings as probable as they say?

``python -m fusion.study.containment 007 009 --seeds 20 --markdown``

COALITION's as-known pictures under full-mesh sharing, seeds 1 to N. Every flown object that counts and comes
down gives one sample a seed and cell: its track is the nearest confirmed one within 10 km. Cells:

- *impact*, 180, 120 and 60 s to go, where the object flies freely then: does the 95 % ellipse hold the true
  impact, do 1.96 sigma of the time hold its time
- *launch*, one second after the motor stops: the same of launch point and time

Intervals are Wilson's, 95 %. A cell fails when its containment differs from 0.95 by an exact binomial test,
Holm's (1979) level over all cells being 5 %. Warnings are put in classes of the probability that they were
declared with: the share that came true, beside the mean probability.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import click
import numpy as np
from pymap3d import geodetic2enu
from pymap3d.ecef import ecef2geodetic
from scipy.stats import binomtest

from configs import resolve
from fusion.arms import by_recipient
from fusion.command import Number, invoke
from fusion.metrics import Proportion, contained, wilson
from fusion.regions import load_regions
from fusion.scoring import CUTOFF_M, TIMES_TO_GO_S, impact_inside, passage
from fusion.session import Entry, Session, run
from fusion.tables import plain_table, show
from sensors.scenario import Scenario, load_scenario
from sharing.messages import COALITION, PHASES, Picture, S, Truth, Warning
from sharing.settings import load_policy

LEVEL = 0.95
SIGMAS = 1.959963984540054
FREE = (PHASES.index("coast"), PHASES.index("reentry"))
BOOST = PHASES.index("boost")
CLASSES = ((0.0, 0.7), (0.7, 0.9), (0.9, 0.9999), (0.9999, 1.0))
"""Of the probabilities with which warnings were declared; the last is certainty."""
Cell = tuple[str, str, str]
"""Scenario, what (``impact 120 s``, ``launch``), and ``place`` or ``time``."""


@dataclass
class Tally:
    """What was held, by cell, and what was declared: pairs of probability and whether it came true."""

    held: dict[Cell, list[bool]] = field(default_factory=lambda: defaultdict(list))
    declared: list[tuple[float, bool]] = field(default_factory=list)


@dataclass(frozen=True)
class Judged:
    """One cell: its proportion, and whether it passes."""

    cell: Cell
    held: int
    count: int
    interval: Proportion
    passes: bool


def study(names: Sequence[str], seeds: Iterable[int]) -> Tally:
    """Runs every scenario with every seed."""
    tally = Tally()
    policy = load_policy(resolve("policies", "full-mesh"))
    for name in names:
        scenario = load_scenario(name)
        for seed in seeds:
            _watch(tally, scenario, Session.generate(scenario, seed, policy))
    return tally


def _watch(tally: Tally, scenario: Scenario, session: Session) -> None:
    """One run: what COALITION knew at the moments that count."""
    flown = [t for t in session.truth if t.counts and t.impact is not None]
    moments = _moments(flown)
    regions = by_recipient([r for n in scenario.regions for r in load_regions(resolve("regions", n))])
    named = {r.name: r for r in regions[COALITION]}

    def sink(entry: Entry) -> None:
        message = entry.message
        if isinstance(message, Picture) and message.picture == "as-known":
            for what, target in moments.get(message.t_valid_ns, ()):
                _judge(tally, scenario.name[:3], what, target, message)
        elif isinstance(message, Warning) and message.action == "declare":
            time_of = impact_inside if message.kind == "impact" else passage
            true = any(time_of(named[message.region], t) is not None for t in flown)
            tally.declared.append((message.probability, true))

    run(session, nations=(COALITION,), regions=regions, sink=sink, keep=False)


def _moments(flown: Sequence[Truth]) -> Mapping[int, list[tuple[str, Truth]]]:
    """Which objects are judged at which tick, and as what."""
    moments: dict[int, list[tuple[str, Truth]]] = defaultdict(list)
    for target in flown:
        assert target.impact is not None
        phase = dict(zip(target.t_valid_ns.tolist(), target.phase.tolist(), strict=True))
        for to_go in TIMES_TO_GO_S:
            t_ns = target.impact[0] // S * S - to_go * S
            if phase.get(t_ns) in FREE:
                moments[t_ns].append((f"impact {to_go} s", target))
        boost = target.t_valid_ns[target.phase == BOOST]
        if len(boost):
            moments[int(boost[-1]) + S].append(("launch", target))
    return moments


def _judge(tally: Tally, scenario: str, what: str, target: Truth, picture: Picture) -> None:
    """One sample of place and time, where the object is held and its end estimated."""
    row = _nearest(target, picture)
    end = what.split()[0]
    if row is None or row not in getattr(picture, f"{end}_row"):
        return
    k = int(np.flatnonzero(getattr(picture, f"{end}_row") == row)[0])
    if end == "impact":
        assert target.impact is not None
        t_ns, lat, lon = target.impact
    else:
        t_ns = target.liftoff_t_ns
        lat, lon, _ = ecef2geodetic(*target.state_ecef[:3])
    said_lat, said_lon = (float(getattr(picture, f"{end}_{c}_deg")[k]) for c in ("lat", "lon"))
    east, north, _ = geodetic2enu(lat, lon, 0.0, said_lat, said_lon, 0.0)
    ee, en, nn = getattr(picture, f"{end}_covariance_m2")[3 * k : 3 * k + 3]
    place = contained([[east, north]], [[0.0, 0.0]], [[[ee, en], [en, nn]]], LEVEL)[0]
    late_s = abs(int(getattr(picture, f"{end}_t_ns")[k]) - t_ns) / S
    tally.held[scenario, what, "place"].append(bool(place))
    tally.held[scenario, what, "time"].append(
        late_s <= SIGMAS * float(getattr(picture, f"{end}_t_sigma_s")[k])
    )


def _nearest(target: Truth, picture: Picture) -> int | None:
    """The row of the nearest confirmed track within the cutoff."""
    at = int(np.searchsorted(target.t_valid_ns, picture.t_valid_ns))
    if at >= len(target.t_valid_ns) or not len(picture.track_id):
        return None
    where = target.state_ecef.reshape(-1, 6)[at, :3]
    distance = np.linalg.norm(picture.state_ecef.reshape(-1, 6)[:, :3] - where, axis=1)
    distance[picture.status < 1] = np.inf
    row = int(np.argmin(distance))
    return row if distance[row] < CUTOFF_M else None


def judged(tally: Tally) -> list[Judged]:
    """Every cell's containment; it passes unless Holm's step-down test over all cells rejects 0.95."""
    cells = sorted(tally.held)
    chance = {c: binomtest(sum(tally.held[c]), len(tally.held[c]), LEVEL).pvalue for c in cells}
    rejected: set[Cell] = set()
    for k, cell in enumerate(sorted(cells, key=lambda c: (chance[c], c))):
        if chance[cell] > (1.0 - LEVEL) / (len(cells) - k):
            break
        rejected.add(cell)
    found = []
    for cell in cells:
        held, count = sum(tally.held[cell]), len(tally.held[cell])
        interval = wilson(held, count)
        assert interval is not None
        found.append(Judged(cell, held, count, interval, cell not in rejected))
    return found


def calibration(tally: Tally) -> list[tuple[float, int, Proportion]]:
    """Mean probability, number and share that came true of the warnings declared, by class."""
    rows = []
    for low, high in CLASSES:
        inside = [(p, true) for p, true in tally.declared if low < p <= high]
        share = wilson(sum(true for _, true in inside), len(inside))
        if share is not None:
            rows.append((sum(p for p, _ in inside) / len(inside), len(inside), share))
    return rows


@click.command()
@click.argument("scenarios", nargs=-1, required=True)
@click.option("--seeds", type=Number(int, 1, 10_000), default=20, help="Seeds 1 to N of each scenario.")
@click.option("--markdown", is_flag=True, help="Tables for a page.")
def main(scenarios: tuple[str, ...], seeds: int, markdown: bool) -> None:
    """Containment of launch and impact estimates, and calibration of warnings.

    Example: python -m fusion.study.containment 007 009 --seeds 20
    """
    tally = study(scenarios, range(1, seeds + 1))
    heads = ["scenario", "estimate", "of", "held", "share", "95 % interval", "Holm"]
    rows = [
        [
            *j.cell, f"{j.held}/{j.count}", f"{j.interval.value:.3f}",
            f"{j.interval.low:.3f} … {j.interval.high:.3f}", "passes" if j.passes else "fails",
        ]
        for j in judged(tally)
    ]  # fmt: skip
    warned = [
        [f"{p:.2f}", str(n), f"{s.value:.2f}", f"{s.low:.2f} … {s.high:.2f}"]
        for p, n, s in calibration(tally)
    ]
    warned_heads = ["mean probability", "declared", "came true", "95 % interval"]
    for title, names, cells in (
        (f"Containment, seeds 1 to {seeds}", heads, rows),
        ("Warnings as declared", warned_heads, warned),
    ):
        if markdown:
            click.echo(_markdown(names, cells))
        else:
            show(plain_table(title, names, cells))


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(invoke(main, sys.argv[1:], "python -m fusion.study.containment"))
