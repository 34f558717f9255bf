"""What a scenario's objects do and who could see them, as columns to draw. No matplotlib."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from fusion.figures.projection import RADIUS_KM, Array
from sensors import geodesy
from sensors.scenario import Scenario, who_sees
from sharing.messages import PHASES, Ints, S, Truth

OBJECT, PART, BACKGROUND = "object", "part", "background"
MOST_JUDGED = 40
"""Of a raid, this many objects are asked who could see them, evenly chosen."""
MOST_DRAWN = 400
"""Parts and background beyond this are not drawn, and the figure says so."""


@dataclass(frozen=True)
class Way:
    """One object's way: scenario time, place, height, phase number, distance from its launch."""

    truth: Truth
    group: str
    t_s: Array
    lat_deg: Array
    lon_deg: Array
    alt_km: Array
    downrange_km: Array
    phase: Ints

    def runs(self) -> Iterator[tuple[str, slice]]:
        """Name of each phase and the rows it takes, one row into the next so that lines meet."""
        turns = np.flatnonzero(np.diff(self.phase)) + 1
        edges = [0, *turns.tolist(), len(self.phase)]
        for first, last in pairwise(edges):
            yield PHASES[int(self.phase[first])], slice(first, min(last + 1, len(self.phase)))


def group_of(truth: Truth) -> str:
    """Whether an object is scored, a part of one (``CLASS/PART``), or background."""
    if truth.counts:
        return OBJECT
    return PART if "/" in truth.kind else BACKGROUND


def way(truth: Truth, most: int = 600, origin_ecef_m: Array | None = None) -> Way:
    """The way of one object, thinned to `most` samples, the last one and all changes of phase kept.

    Its distance is over ground from an origin, by default from its own first sample.
    """
    kept = _thinned(truth.phase, most)
    position = truth.state_ecef.reshape(-1, 6)[kept, :3]
    lat, lon, alt = geodesy.geodetic(position)
    direction = position / np.linalg.norm(position, axis=1)[:, None]
    start = direction[0] if origin_ecef_m is None else origin_ecef_m / np.linalg.norm(origin_ecef_m)
    turn = np.arctan2(np.linalg.norm(np.cross(start, direction), axis=1), direction @ start)
    return Way(
        truth=truth,
        group=group_of(truth),
        t_s=truth.t_valid_ns[kept] / S,
        lat_deg=lat,
        lon_deg=lon,
        alt_km=alt / 1e3,
        downrange_km=RADIUS_KM * turn,
        phase=truth.phase[kept],
    )


def _thinned(phase: Ints, most: int) -> Ints:
    every = np.arange(0, len(phase), max(1, len(phase) // most))
    turns = np.flatnonzero(np.diff(phase)) + 1
    return np.unique(np.concatenate([every, turns, [len(phase) - 1]]))


def ways(truths: Sequence[Truth]) -> list[Way]:
    """Ways of all objects that count and of some others: background, then parts, then objects."""
    chosen = [t for t in truths if t.counts]
    others = [t for t in truths if not t.counts]
    few = 600 if len(truths) < 60 else 120
    starts = {t.name: t.state_ecef[:3] for t in truths}
    made = [way(t, few, starts.get(t.name.partition("/")[0])) for t in [*evenly(others, MOST_DRAWN), *chosen]]
    order = {BACKGROUND: 0, PART: 1, OBJECT: 2}
    return sorted(made, key=lambda w: order[w.group])


def evenly(items: Sequence[Truth], most: int) -> list[Truth]:
    """At most `most` of some items, evenly chosen, first and last among them."""
    if len(items) <= most:
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, most).round().astype(int)]


@dataclass(frozen=True)
class Sights:
    """How well each sensor could see the best-placed object: Pd per look (seconds,) on a 1 Hz grid."""

    t_s: Array
    probability: dict[str, Array]
    judged: int
    """How many objects were asked about."""


def sights(scenario: Scenario) -> Sights:
    """Pd of the best-placed object that counts, for every sensor (``NATION/id``) and second; 0 in outages."""
    t_ns = np.arange(scenario.t_start_ns, scenario.t_end_ns + S, S)
    best = {f"{s.nation}/{s.id}": np.zeros(len(t_ns)) for s in scenario.sensors}
    chosen = evenly([t for t in scenario.truth if t.counts], MOST_JUDGED)
    for truth in chosen:
        row = (truth.t_valid_ns - scenario.t_start_ns) // S
        inside = (row >= 0) & (row < len(t_ns))
        for seen in who_sees(replace(scenario, truth=(truth,))):
            line = best[f"{seen.radar.nation}/{seen.radar.id}"]
            np.maximum.at(line, row[inside], seen.probability[inside])
    for sensor in scenario.sensors:
        for begin_s, end_s in sensor.station.outages_s:
            off = (t_ns / S >= begin_s) & (t_ns / S < end_s)
            best[f"{sensor.nation}/{sensor.id}"][off] = 0.0
    return Sights(t_ns / S, best, len(chosen))
