"""What nations saw and knew in a recording, as columns to draw. No matplotlib.

All is from the as-known pictures: confirmed and coasting tracks at every tick. An object's error is the
distance of the nearest of these, where one lies within 10 km; beside it stands that track's largest 95 %
semi-axis.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fusion.figures.observed import Observed, Observer
from fusion.figures.projection import Array
from fusion.session import Session, readable
from fusion.truths import states_at
from sensors import geodesy
from sharing.messages import COALITION, RECIPIENTS, Floats, Ints, Picture, S, Truth, Warning
from sharing.recording import Recording

NEAR_M = 10_000.0
CHI2_3D = 7.814727903251179
"""95 % point of χ² with three degrees of freedom."""
_DIAGONAL_BLOCK = [0, 1, 2, 6, 7, 11]
"""Where position-position stands in the upper triangle of a 6 × 6 covariance."""


@dataclass(frozen=True)
class Trail:
    """One track: times, places and heights at the ticks of one nation's picture."""

    track_id: int
    t_s: Array
    lat_deg: Array
    lon_deg: Array
    alt_km: Array


@dataclass(frozen=True)
class Knowledge:
    """One nation's knowledge: tracks; error and 95 % semi-axis of objects on their ticks; its warnings.

    `held_*` have a row per tick and object that a track was near to; `warned` has (time s, region, kind),
    the first of each region and kind.
    """

    nation: str
    trails: list[Trail]
    held_t_s: Array
    held_error_m: Array
    held_axis_m: Array
    tracks_t_s: Array
    tracks_axis_m: Array
    """Median 95 % semi-axis of all tracks of a tick, at the ticks with any."""
    warned: list[tuple[float, str, str]]


@dataclass(frozen=True)
class Log:
    """A recording: what was asked, what was true, what was seen, what was known."""

    session: Session
    observed: list[Observed]
    known: list[Knowledge]
    nation: str | None


@dataclass
class _Rows:
    """Rows of one nation's pictures while they are read: one per track and tick."""

    t_ns: list[int] = field(default_factory=list)
    track_id: list[Ints] = field(default_factory=list)
    position: list[Floats] = field(default_factory=list)
    covariance: list[Floats] = field(default_factory=list)
    warned: dict[tuple[str, str], float] = field(default_factory=dict)

    def take(self, message: Picture | Warning) -> None:
        if isinstance(message, Warning):
            self.warned.setdefault((message.region, message.kind), message.t_available_ns / S)
            return
        rows = np.flatnonzero(message.status >= 1)
        if message.picture != "as-known" or not len(rows):
            return
        self.t_ns.append(message.t_valid_ns)
        self.track_id.append(message.track_id[rows])
        self.position.append(message.state_ecef.reshape(-1, 6)[rows, :3])
        self.covariance.append(message.covariance.reshape(-1, 21)[rows][:, _DIAGONAL_BLOCK])


def read(path: Path | str, nation: str | None) -> Log:
    """A recording as one nation (None: everybody) saw and knew it.

    Raises RecordingError for what cannot be read, SessionError for what is no session.
    """
    session = Session.load(path)
    wanted = RECIPIENTS if nation is None else (nation,)
    observer = Observer(session.truth)
    rows: dict[str, _Rows] = defaultdict(_Rows)
    with Recording.open(path) as recording:
        for record in recording:
            kind, *rest = record.topic.split("/")
            if kind in ("picture", "warning") and rest[0] in wanted:
                message = readable(record)
                if isinstance(message, Picture | Warning):
                    rows[rest[0]].take(message)
            elif _reaches(kind, rest, nation):
                message = readable(record)
                if message is not None:
                    observer.take(message)
    there = [n for n in wanted if n in rows]
    return Log(session, observer.observed(), [_knowledge(n, rows[n], session.truth) for n in there], nation)


def _reaches(kind: str, rest: Sequence[str], nation: str | None) -> bool:
    """Whether a topic carries plots to a nation; for everybody, each feed once."""
    if kind == "feed":
        return nation in (None, rest[0])
    return kind == "released" and nation is not None and rest[1] == nation


def _knowledge(nation: str, rows: _Rows, truth: Sequence[Truth]) -> Knowledge:
    count = [len(ids) for ids in rows.track_id]
    t_ns = np.repeat(np.array(rows.t_ns, np.int64), count)
    track_id = np.concatenate([np.empty(0, np.int64), *rows.track_id])
    position = np.concatenate([np.empty((0, 3)), *rows.position])
    axis_m = _axes(np.concatenate([np.empty((0, 6)), *rows.covariance]))
    tick, first = np.unique(t_ns, return_index=True)
    medians = [float(np.median(part)) for part in np.split(axis_m, first[1:])] if len(tick) else []
    held = _held(t_ns, position, axis_m, [o for o in truth if o.counts])
    return Knowledge(
        nation=nation,
        trails=_trails(t_ns, track_id, position),
        held_t_s=held[0],
        held_error_m=held[1],
        held_axis_m=held[2],
        tracks_t_s=tick / S,
        tracks_axis_m=np.array(medians),
        warned=sorted((t_s, region, kind) for (region, kind), t_s in rows.warned.items()),
    )


def _axes(covariance: Array) -> Array:
    """Largest semi-axis in m of the 95 % position ellipsoids of upper triangles (n, 6)."""
    square = np.empty((len(covariance), 3, 3))
    for k, (i, j) in enumerate(((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))):
        square[:, i, j] = square[:, j, i] = covariance[:, k]
    return np.asarray(np.sqrt(CHI2_3D * np.maximum(np.linalg.eigvalsh(square)[:, -1], 0.0)))


def _held(t_ns: Ints, position: Array, axis_m: Array, objects: Sequence[Truth]) -> tuple[Array, Array, Array]:
    """Time in s, error and 95 % semi-axis in m, a row per tick and object that a track is near to."""
    found: list[Array] = [np.empty((0, 3))]
    for target in objects:
        rows = np.flatnonzero((t_ns >= target.t_valid_ns[0]) & (t_ns <= target.t_valid_ns[-1]))
        error_m = np.linalg.norm(position[rows] - states_at(target, t_ns[rows])[:, :3], axis=1)
        near = error_m < NEAR_M
        rows, error_m = rows[near], error_m[near]
        order = np.lexsort((error_m, t_ns[rows]))
        _, best = np.unique(t_ns[rows][order], return_index=True)
        chosen = order[best]
        found.append(np.stack([t_ns[rows[chosen]] / S, error_m[chosen], axis_m[rows[chosen]]], axis=1))
    table = np.concatenate(found)
    table = table[np.argsort(table[:, 0], kind="stable")]
    return table[:, 0], table[:, 1], table[:, 2]


def _trails(t_ns: Ints, track_id: Ints, position: Array) -> list[Trail]:
    """One trail a track, longest last."""
    lat, lon, alt = geodesy.geodetic(position)
    trails = []
    for one in np.unique(track_id).tolist():
        rows = np.flatnonzero(track_id == one)
        trails.append(Trail(one, t_ns[rows] / S, lat[rows], lon[rows], alt[rows] / 1e3))
    return sorted(trails, key=lambda trail: len(trail.t_s))


def shown_first(log: Log) -> Knowledge | None:
    """Whose tracks stand for the whole on the map: the asked nation's, or COALITION's, or the only one's."""
    by_nation = {k.nation: k for k in log.known}
    return by_nation.get(log.nation or COALITION, log.known[0] if log.known else None)
