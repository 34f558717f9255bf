"""A nation's log against the truth: the numbers of summary.json, from the as-known picture.

A `Scorer` reads a log line by line, from the event loop or from a recording, and keeps only what it needs.
Definitions (all times in scenario seconds, all on the 1 Hz grid of ticks):

- pairing: GOSPA assignment of confirmed and coasting tracks to objects by position, cutoff 10 km, order 2,
  α 2. A track assigned to debris, an aircraft or a satellite is neither a hit nor false.
- a detection is true when it lies within 5σ (noise and bias) of an object in all that it measures.
- custody: paired, and the largest semi-axis of the 95 % position ellipsoid (χ², 3 degrees) is at most 10 km.
- `gospa_m`: mean over the ticks at which some object flies (of every tick up to the end, where nothing was
  launched). `siap`: over the same ticks, its completeness over the objects' ticks. `false_tracks`: over every
  tick of the session, before liftoff and after impact too.
- a region's dangers are, for each object, its impact inside (kind `impact`) and its closest passage to the
  middle of a region that its path lies over (kind `overflight`).
- a warning is right when a danger of its region and of its kind is still to come; its lead is measured to
  the nearest of these, and is negative when people would hear of it too late. A warning of the other kind
  for a region in danger is neither right nor false; a false one names a region without any danger. Warnings
  issued after the session's end do not count. Only declarations are warnings in this sense; beside them
  `retracted_warnings` counts those taken back before what they warned of was over, `revised_warnings` the
  revisions.

A value that does not exist is None.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from pymap3d import ecef2geodetic, geodetic2enu

from fusion.core.regions import Region, inside
from fusion.core.warning import DECLARE, IMPACT, OVERFLIGHT, PASSED, RETRACT, REVISE
from fusion.metrics import gospa, nees, siap
from fusion.session import Entry
from fusion.truths import Sky, is_of
from sharing.messages import (
    MEASUREMENTS,
    PHASES,
    Floats,
    Ints,
    Los,
    Measurement,
    Picture,
    S,
    Site,
    Truth,
    Warning,
)

CUTOFF_M = 10_000.0
CUSTODY_M = 10_000.0
HELD_TICKS = 10
"""An object is tracked when it is paired in this many consecutive ticks."""
TIMES_TO_GO_S = (180, 120, 60)
"""Seconds before impact at which the impact ellipse is judged."""
SCORED_TO_GO_S = 120
CHI2_2D, CHI2_3D = 5.991464547107979, 7.814727903251179
"""95 % points of χ² with two and three degrees of freedom."""
UPPER = np.triu_indices(6)
NOTHING = np.empty(0, np.int64), np.empty((0, 6)), np.empty((0, 21))
"""Ids, states and covariances of an empty picture: a quiet day has many."""

Metrics = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ImpactJudged:
    """An impact estimate some seconds before impact: error, 95 % ellipse, whether that holds the truth."""

    to_go_s: int
    error_km: float
    ellipse_km2: float
    contained: bool


@dataclass(frozen=True, slots=True)
class Score:
    """`metrics` is the M of summary.json; the rest is what it was made from, for studies.

    The last six have one row per tick and object paired there, in order of time: the object's number among
    those that count, the tick, the flight phase, the error (n, 6) in m and m/s in ECEF, the NEES, and the id
    of the track.
    """

    metrics: Metrics
    impacts: tuple[ImpactJudged, ...]
    object_number: Ints
    t_s: Floats
    phase: tuple[str, ...]
    error_ecef: Floats
    nees: Floats
    track_id: Ints

    def keys(self) -> list[tuple[int, float]]:
        """Object and tick of every row."""
        return list(zip(self.object_number.tolist(), self.t_s.tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class _Shown:
    """The confirmed and coasting tracks of one as-known picture."""

    t_ns: int
    track_id: Ints
    state: Floats
    covariance: Floats
    impacts: dict[int, tuple[float, float, Floats]]


@dataclass
class _Paired:
    """One row per tick, object and track paired there; tables of siap; the distance of every tick."""

    t_ns: list[int] = field(default_factory=list)
    target: list[int] = field(default_factory=list)
    track_id: list[int] = field(default_factory=list)
    truth: list[Floats] = field(default_factory=list)
    state: list[Floats] = field(default_factory=list)
    covariance: list[Floats] = field(default_factory=list)
    distances: list[float] = field(default_factory=list)
    on_object: list[tuple[int, int, int, float, float]] = field(default_factory=list)
    seen: dict[int, bool] = field(default_factory=dict)
    """Every track id, and whether it was ever on anything."""


class Scorer:
    """Scores one nation's log.

    `regions` are those it warns of; pictures and warnings after `t_end_ns` do not count.
    """

    def __init__(
        self, nation: str, truth: Sequence[Truth], regions: Sequence[Region], t_start_ns: int, t_end_ns: int
    ) -> None:
        self.nation = nation
        self._objects = [o for o in truth if o.counts]
        self._others = [o for o in truth if not o.counts]
        self._regions = {r.name: r for r in regions}
        self._t_start_ns, self._t_end_ns = t_start_ns, t_end_ns
        self._judged = {
            o.impact[0] // S * S - to_go * S for o in self._objects if o.impact for to_go in TIMES_TO_GO_S
        }
        self._sites: dict[tuple[str, str], Site] = {}
        self._first_ns: int | None = None
        self._first_range_ns: int | None = None
        self._shown: list[_Shown] = []
        self._warnings: list[Warning] = []
        self._settled = hashlib.sha256()

    def take(self, entry: Entry) -> None:
        """The next line of the log; lines of other nations are passed over."""
        message = entry.message
        if entry.nation != self.nation or message is None:
            return
        if isinstance(message, Picture):
            if message.picture == "settled":
                self._settled.update(entry.bytes())
            elif message.t_valid_ns <= self._t_end_ns:
                self._shown.append(self._keep(message))
        elif isinstance(message, Warning):
            # A partner warns of all regions; those of others are their business.
            if message.t_available_ns <= self._t_end_ns and message.region in self._regions:
                self._warnings.append(message)
        elif isinstance(message, Site):
            self._sites[message.originator, message.sensor] = message
        elif isinstance(message, MEASUREMENTS) and self._objects:
            self._look(message, max(entry.t_ns, message.t_available_ns))

    def _look(self, plots: Measurement, t_ns: int) -> None:
        """Keep the time of the first true detection, and of the first that has a range."""
        first_ns = self._first_ns if isinstance(plots, Los) else self._first_range_ns
        if first_ns is not None and first_ns <= t_ns:
            return
        site = self._sites.get((plots.originator, plots.sensor))
        if site is None or not any(is_of(plots, site, o) for o in self._objects):
            return
        if not isinstance(plots, Los):
            self._first_range_ns = t_ns
        self._first_ns = t_ns if self._first_ns is None else min(self._first_ns, t_ns)

    def _keep(self, picture: Picture) -> _Shown:
        rows = np.flatnonzero(picture.status >= 1)
        if not len(rows):
            return _Shown(picture.t_valid_ns, *NOTHING, {})
        impacts = {}
        if picture.t_valid_ns in self._judged:
            for k, row in enumerate(picture.impact_row.tolist()):
                where = float(picture.impact_lat_deg[k]), float(picture.impact_lon_deg[k])
                covariance = picture.impact_covariance_m2[3 * k : 3 * k + 3]
                impacts[int(picture.track_id[row])] = (*where, covariance)
        return _Shown(
            picture.t_valid_ns,
            picture.track_id[rows],
            picture.state_ecef.reshape(-1, 6)[rows],
            picture.covariance.reshape(-1, 21)[rows],
            impacts,
        )

    # ------------------------------------------------------------------------------------------ the score

    def score(self) -> Score:
        """Everything, from what has been taken."""
        paired = self._pair()
        impacts = self._judge_impacts(paired)
        t_ns, target = np.array(paired.t_ns, np.int64), np.array(paired.target, np.int64)
        truth, state = _stack(paired.truth, 6), _stack(paired.state, 6)
        covariance = _square(_stack(paired.covariance, 21))
        values = nees(truth, state, covariance)
        at = zip(paired.t_ns, paired.target, strict=True)
        phases = tuple(_phase_at(self._objects[j], t) for t, j in at)
        error = state - truth
        scored = [i for i in impacts if i.to_go_s == SCORED_TO_GO_S]
        metrics = {
            "picture_sha256": self._settled.hexdigest(),
            "objects": len(self._objects),
            "tracked": sum(_longest(t_ns[target == j]) >= HELD_TICKS for j in range(len(self._objects))),
            "first_detection_s": _seconds(self._first_ns),
            "first_range_detection_s": _seconds(self._first_range_ns),
            "first_track_s": float(t_ns.min()) / S if len(t_ns) else None,
            **self._judge_warnings(),
            "impact_error_km": _median(i.error_km for i in scored),
            "impact_ellipse_km2": _median(i.ellipse_km2 for i in scored),
            "custody_fraction": self._custody(covariance),
            "position_rmse_m": _rms(error[:, :3]),
            "velocity_rmse_mps": _rms(error[:, 3:]),
            "nees": float(values.mean()) if len(values) else None,
            "gospa_m": float(np.mean(paired.distances)) if paired.distances else None,
            "siap": self._siap(paired),
            "false_tracks": sum(not hit for hit in paired.seen.values()),
            "id_switches": self._switches(paired),
        }
        track_id = np.array(paired.track_id, np.int64)
        return Score(metrics, tuple(impacts), target, t_ns / S, phases, error, values, track_id)

    def _pair(self) -> _Paired:
        """Pair every tick."""
        paired = _Paired()
        objects, others = Sky(self._objects), Sky(self._others)
        for shown in self._shown:
            targets, where = objects.at(shown.t_ns)
            excused = _on(others.at(shown.t_ns)[1], where, shown.state)
            for track_id, excuse in zip(shown.track_id.tolist(), excused, strict=True):
                paired.seen[track_id] = paired.seen.get(track_id, False) or bool(excuse)
            if len(targets) or (not self._objects and shown.t_ns >= self._t_start_ns):
                _pair_tick(paired, shown, np.flatnonzero(~excused), targets, where)
        return paired

    def _custody(self, covariance: Floats) -> float | None:
        ticks = sum(len(o.t_valid_ns) for o in self._objects)
        if not ticks:
            return None
        largest = np.linalg.eigvalsh(covariance[:, :3, :3])[:, -1]
        return float(np.count_nonzero(CHI2_3D * largest <= CUSTODY_M**2)) / ticks

    def _switches(self, paired: _Paired) -> int:
        """Changes of the paired id, summed over objects."""
        last: dict[int, int] = {}
        changes = 0
        for target, track_id in zip(paired.target, paired.track_id, strict=True):
            changes += last.get(target, track_id) != track_id
            last[target] = track_id
        return changes

    def _siap(self, paired: _Paired) -> dict[str, float | None]:
        there = [(t // S, j) for j, o in enumerate(self._objects) for t in o.t_valid_ns.tolist()]
        ticks, objects = np.array(there, np.int64).reshape(-1, 2).T
        table = np.array(paired.on_object, np.float64).reshape(-1, 5)
        tick, track, on = np.array([row[:3] for row in paired.on_object], np.int64).reshape(-1, 3).T
        return asdict(siap(ticks, objects, tick, track, on, table[:, 3], table[:, 4]))

    def _judge_impacts(self, paired: _Paired) -> list[ImpactJudged]:
        """The impact estimate of each object's paired track, at each of `TIMES_TO_GO_S`."""
        pairs = dict(zip(zip(paired.t_ns, paired.target, strict=True), paired.track_id, strict=True))
        estimates = {s.t_ns: s.impacts for s in self._shown if s.t_ns in self._judged}
        judged = []
        for j, target in enumerate(self._objects):
            if target.impact is None:
                continue
            for to_go in TIMES_TO_GO_S:
                t_ns = target.impact[0] // S * S - to_go * S
                estimate = estimates.get(t_ns, {}).get(pairs.get((t_ns, j), -1))
                if estimate is not None:
                    judged.append(judge_point(to_go, *target.impact[1:], estimate))
        return judged

    # --------------------------------------------------------------------------------------- warnings

    def _judge_warnings(self) -> Metrics:
        """First right warning and its lead; regions warned for nothing; what was taken back and revised."""
        said = sorted(self._warnings, key=lambda w: w.t_available_ns)
        declared = [w for w in said if w.action == DECLARE]
        names = dict.fromkeys(w.region for w in declared)
        dangers = {(r, kind): self._dangers(r, kind) for r in names for kind in (IMPACT, OVERFLIGHT)}
        counts = {
            "false_warnings": sum(not dangers[r, IMPACT] and not dangers[r, OVERFLIGHT] for r in names),
            "retracted_warnings": sum(w.action == RETRACT and w.reason != PASSED for w in said),
            "revised_warnings": sum(w.action == REVISE for w in said),
        }
        for warning in declared:
            t_ns = warning.t_available_ns
            coming = [danger for danger in dangers[warning.region, warning.kind] if danger > t_ns]
            if coming:
                lead_s = (min(coming) - t_ns) / S - self._regions[warning.region].dissemination_s
                return {"warning_s": t_ns / S, "warning_lead_s": lead_s, **counts}
        return {"warning_s": None, "warning_lead_s": None, **counts}

    def _dangers(self, name: str, kind: str) -> list[int]:
        """When each object comes down in a region, or when it passes over it."""
        region = self._regions.get(name)
        time_of = impact_inside if kind == IMPACT else passage
        times = [] if region is None else [time_of(region, o) for o in self._objects]
        return [t for t in times if t is not None]


# ------------------------------------------------------------------------------------------------ helpers


def _seconds(t_ns: int | None) -> float | None:
    return None if t_ns is None else t_ns / S


def _on(others: Floats, objects: Floats, tracks: Floats) -> npt.NDArray[np.bool_]:
    """Which tracks are assigned to what does not count, when everything in the sky is assigned together."""
    excused = np.zeros(len(tracks), np.bool_)
    if len(others) and len(tracks):
        everything = np.vstack([objects, others])
        pairs = gospa(everything[:, :3], tracks[:, :3], cutoff=CUTOFF_M).pairs
        excused[pairs[pairs[:, 0] >= len(objects), 1]] = True
    return excused


def _pair_tick(paired: _Paired, shown: _Shown, rows: Ints, targets: Ints, where: Floats) -> None:
    """Add one tick: the tracks in `rows` against the objects `targets` at `where`."""
    state = shown.state[rows]
    result = gospa(where[:, :3], state[:, :3], cutoff=CUTOFF_M)
    paired.distances.append(result.distance)
    for i, k in result.pairs.tolist():
        paired.t_ns.append(shown.t_ns)
        paired.target.append(int(targets[i]))
        paired.track_id.append(int(shown.track_id[rows[k]]))
        paired.truth.append(where[i])
        paired.state.append(state[k])
        paired.covariance.append(shown.covariance[rows[k]])
        paired.seen[paired.track_id[-1]] = True
    for k, row in enumerate(rows.tolist()):
        distance = np.linalg.norm(where[:, :3] - state[k, :3], axis=1)
        i = int(np.argmin(distance)) if len(where) else -1
        near = i >= 0 and distance[i] < CUTOFF_M
        speed = float(np.linalg.norm(where[i, 3:] - state[k, 3:])) if near else 0.0
        on, error = (int(targets[i]), float(distance[i])) if near else (-1, 0.0)
        paired.on_object.append((shown.t_ns // S, int(shown.track_id[row]), on, error, speed))


def judge_point(
    to_go_s: int, lat_deg: float, lon_deg: float, estimate: tuple[float, float, Floats]
) -> ImpactJudged:
    """A place on the ground against its estimate, in the tangent plane of that."""
    lat, lon, (ee, en, nn) = estimate
    east, north, _ = geodetic2enu(lat_deg, lon_deg, 0.0, lat, lon, 0.0)
    determinant = ee * nn - en * en
    distance2 = (nn * east * east - 2 * en * east * north + ee * north * north) / determinant
    return ImpactJudged(
        to_go_s,
        float(np.hypot(east, north)) / 1e3,
        float(np.pi * CHI2_2D * np.sqrt(determinant)) / 1e6,
        bool(distance2 <= CHI2_2D),
    )


def impact_inside(region: Region, target: Truth) -> int | None:
    """When the object comes down in the region."""
    if target.impact is None:
        return None
    t_ns, lat, lon = target.impact
    return t_ns if inside(region.polygon, np.array([lat]), np.array([lon]))[0] else None


def passage(region: Region, target: Truth) -> int | None:
    """When the object, of the ticks at which it is over the region, is nearest to the region's middle."""
    position = target.state_ecef.reshape(-1, 6)[:, :3]
    lat, lon, _ = ecef2geodetic(*position.T)
    over = np.flatnonzero(inside(region.polygon, np.asarray(lat), np.asarray(lon)))
    if not len(over):
        return None
    middle = np.mean(region.polygon[:-1], axis=0)
    east, north, up = geodetic2enu(lat[over], lon[over], 0.0 * over, middle[0], middle[1], 0.0)
    closest = over[np.argmin(east**2 + north**2 + up**2)]
    return int(target.t_valid_ns[closest])


def _phase_at(target: Truth, t_ns: int) -> str:
    return PHASES[int(target.phase[np.searchsorted(target.t_valid_ns, t_ns)])]


def _stack(rows: Sequence[Floats], width: int) -> Floats:
    return np.array(rows, np.float64).reshape(-1, width)


def _square(upper: Floats) -> Floats:
    """Covariances (n, 6, 6) from their upper triangles (n, 21)."""
    full = np.zeros((len(upper), 6, 6))
    full[:, UPPER[0], UPPER[1]] = upper
    full[:, UPPER[1], UPPER[0]] = upper
    return full


def _longest(t_ns: Ints) -> int:
    """Most consecutive ticks."""
    if not len(t_ns):
        return 0
    breaks = np.flatnonzero(np.diff(t_ns) != S)
    edges = np.concatenate([[-1], breaks, [len(t_ns) - 1]])
    return int(np.diff(edges).max())


def _rms(errors: Floats) -> float | None:
    return float(np.sqrt(np.mean(np.sum(errors**2, axis=1)))) if len(errors) else None


def _median(values: Iterable[float]) -> float | None:
    there = list(values)
    return float(np.median(there)) if there else None


# --------------------------------------------------------------------------------------------------- cost


def cost(policy: Metrics, against: Metrics) -> dict[str, float | None]:
    """What the arm `against` loses compared with `policy`; a positive number is a loss by withholding.

    A nation that is never warned, or too late, has a lead of 0 here; everything else that does not exist
    gives None.
    """
    objects = policy["objects"]
    areas = against["impact_ellipse_km2"], policy["impact_ellipse_km2"]
    custody = policy["custody_fraction"], against["custody_fraction"]
    return {
        "first_detection_later_s": _later(policy, against, "first_detection_s"),
        "first_track_later_s": _later(policy, against, "first_track_s"),
        "warning_lead_lost_s": _useful(policy["warning_lead_s"]) - _useful(against["warning_lead_s"]),
        "impact_ellipse_ratio": None if None in areas else areas[0] / areas[1],
        "custody_lost": None if None in custody else custody[0] - custody[1],
        "raid_fraction_lost": (policy["tracked"] - against["tracked"]) / objects if objects else None,
    }


def rmse_more(policy: Score, against: Score) -> dict[str, float | None]:
    """By how much the errors grow, over the ticks at which an object is paired in both arms."""
    row = {key: i for i, key in enumerate(against.keys())}
    both = [(i, row[key]) for i, key in enumerate(policy.keys()) if key in row]
    mine, theirs = np.array(both, np.int64).reshape(-1, 2).T
    a, b = policy.error_ecef[mine], against.error_ecef[theirs]
    return {
        "position_rmse_more_m": _minus(_rms(b[:, :3]), _rms(a[:, :3])),
        "velocity_rmse_more_mps": _minus(_rms(b[:, 3:]), _rms(a[:, 3:])),
    }


def _useful(lead_s: float | None) -> float:
    return max(lead_s or 0.0, 0.0)


def _later(policy: Metrics, against: Metrics, metric: str) -> float | None:
    return _minus(against[metric], policy[metric])


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
