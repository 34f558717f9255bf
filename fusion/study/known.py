"""What a recipient knew of a launch, object by object: held from when to when, what range it said.

An object is *held* when it is paired in ten consecutive ticks of the as-known picture; spent stages and
pieces are objects here as well. The range that a recipient *says* is the distance from the true launch point
to the impact that it predicts, as of the last tick at which the track had a plot within `FRESH_S` seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
from pymap3d import ecef2geodetic
from pymap3d.vincenty import vdist

from configs import resolve
from fusion.arms import by_recipient
from fusion.regions import load_regions
from fusion.scoring import CUTOFF_M, HELD_TICKS, Metrics, Scorer
from fusion.session import Entry, Regions, Session, run
from sensors.scenario import Scenario
from sharing.messages import Picture, S, Truth

FRESH_S = 10
"""The longest scan: a track without a plot for longer is only extrapolated."""
Ticks = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Known:
    """What one recipient knew in one run. Times in scenario seconds."""

    metrics: Metrics
    """The M of summary.json, over what counts."""
    held: Mapping[str, Ticks]
    """By the name of every object that was held, parts too: the ticks at which it was paired."""
    range_km: float | None
    """What it said last of the first object."""
    truth: tuple[Truth, ...]

    @property
    def first(self) -> Truth:
        """The first object of the scenario that counts."""
        return next(t for t in self.truth if t.counts)

    def ticks(self, name: str) -> Ticks:
        """Ticks at which an object was paired, none where it was not held."""
        return self.held.get(name, np.empty(0))

    def gap_s(self, name: str) -> float | None:
        """The longest time without the object between two ticks with it; 0 without a gap."""
        ticks = self.ticks(name)
        return float(np.diff(ticks).max()) - 1.0 if len(ticks) > 1 else None


class _Range:
    """Follows the predicted impact of one object through the as-known pictures."""

    def __init__(self, truth: Truth) -> None:
        states = truth.state_ecef.reshape(-1, 6)
        self._where = dict(zip(truth.t_valid_ns.tolist(), states[:, :3], strict=True))
        lat, lon, _ = ecef2geodetic(*states[0, :3])
        self._launch = float(lat), float(lon)
        self.said_km: float | None = None

    def take(self, picture: Picture) -> None:
        """The next as-known picture."""
        where = self._where.get(picture.t_valid_ns)
        if where is None or not len(picture.impact_row):
            return
        rows = picture.impact_row
        distance = np.linalg.norm(picture.state_ecef.reshape(-1, 6)[rows, :3] - where, axis=1)
        fresh = picture.t_valid_ns - picture.t_update_ns[rows] <= FRESH_S * S
        distance[~fresh | (picture.status[rows] < 1)] = np.inf
        k = int(np.argmin(distance))
        if distance[k] < CUTOFF_M:
            lat, lon = float(picture.impact_lat_deg[k]), float(picture.impact_lon_deg[k])
            self.said_km = float(vdist(*self._launch, lat, lon)[0]) / 1e3


def watch(session: Session, nations: Sequence[str], regions: Regions) -> dict[str, Known]:
    """What the recipients in `nations` knew in a session under its own policy."""
    alike = tuple(msgspec.structs.replace(t, counts=True) for t in session.truth)
    span = session.t_start_ns, session.t_end_ns
    proper = {n: Scorer(n, session.truth, regions.get(n, ()), *span) for n in nations}
    every = {n: Scorer(n, alike, (), *span) for n in nations}
    said = {n: _Range(next(t for t in session.truth if t.counts)) for n in nations}

    def sink(entry: Entry) -> None:
        if entry.nation not in proper:
            return
        proper[entry.nation].take(entry)
        picture = entry.message
        if isinstance(picture, Picture):
            every[entry.nation].take(entry)
            if picture.picture == "as-known" and picture.t_valid_ns <= session.t_end_ns:
                said[entry.nation].take(picture)

    run(session, nations=nations, regions=regions, sink=sink, keep=False)
    return {
        n: Known(proper[n].score().metrics, _held(every[n], alike), said[n].said_km, session.truth)
        for n in nations
    }


def _held(scorer: Scorer, truth: Sequence[Truth]) -> dict[str, Ticks]:
    """The paired ticks of every object that was held."""
    score = scorer.score()
    ticks = {t.name: score.t_s[score.object_number == j] for j, t in enumerate(truth)}
    return {name: t for name, t in ticks.items() if _longest_run(t) >= HELD_TICKS}


def _longest_run(ticks: Ticks) -> int:
    """Most consecutive whole seconds."""
    breaks = np.flatnonzero(np.diff(ticks) != 1.0)
    return int(np.diff(np.concatenate([[-1], breaks, [len(ticks) - 1]])).max()) if len(ticks) else 0


def regions_of(scenario: Scenario) -> Regions:
    """The scenario's warning regions, by recipient."""
    return by_recipient([r for n in scenario.regions for r in load_regions(resolve("regions", n))])
