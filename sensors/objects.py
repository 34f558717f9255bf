"""What flies in a scenario: the entries of its file become `Truth`.

A missile counts from liftoff to its end. Its end is the impact of its payload; after a cut-off in flight the
impact of the whole missile; after a break-up the break-up itself, for no piece is the missile and none is
what a warning is about: its impact is None, and a warning of any region is a false one. Stages, shrouds,
and pieces do not count (docs/decisions/objects.md).

A salvo is one flight, copied: gravity is zonal and the air is in layers, so a flight turned about the Earth's
axis is a flight, exactly. Copies stand side by side on the launch point's parallel and follow each other in
whole seconds.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from sensors import geodesy, parts
from sensors.flight import BOOST, COAST, REENTRY, REENTRY_HEIGHT_M, Flight, TrajectoryError
from sensors.orbit import into_orbit
from sensors.parts import Fall
from sensors.threats import (
    Degrees,
    Latitude,
    Longitude,
    NotNegative,
    Positive,
    Spec,
    Threat,
    load_threat,
)
from sensors.trajectory import Shape, apogee_for, solve
from sharing.messages import COALITION, S, Truth, floats, ints
from sharing.settings import SettingsError

Array = npt.NDArray[np.float64]

ORBIT_S = 1800
"""How long an orbit is followed after its injection where the scenario does not say."""


class Failure(Spec, frozen=True, kw_only=True):
    """What goes wrong in flight, `t_s` after liftoff: the thrust ends, or the missile breaks up."""

    t_s: Positive
    kind: Literal["cut-off", "break-up"]
    pieces: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    """Of a break-up."""


class Orbit(Spec, frozen=True, kw_only=True):
    """The circular orbit of a space launch."""

    altitude_km: Annotated[float, msgspec.Meta(ge=150.0, le=2000.0)]
    """Above the equatorial radius."""
    inclination_deg: Annotated[float, msgspec.Meta(ge=0.0, le=180.0)]
    toward: Literal["north", "south"] = "south"


class ThreatEntry(Spec, frozen=True, kw_only=True):
    """One launch, or a salvo of equal ones: a class, from where, when, and what it has to reach.

    Either bearing, range, and apogee or shape, or an orbit.
    """

    threat: str = msgspec.field(name="class")
    name: str
    lat_deg: Latitude
    lon_deg: Longitude
    bearing_deg: Degrees | None = None
    range_km: Positive | None = None
    apogee_km: Positive | None = None
    shape: Shape | None = None
    """Instead of an apogee: `sensors.trajectory.apogee_for` chooses it for the range."""
    orbit: Orbit | None = None
    liftoff_s: int = 0
    """Whole seconds, so that the truth's grid begins at liftoff."""
    count: Annotated[int, msgspec.Meta(ge=1, le=20_000)] = 1
    """Size of a salvo; its members are called NAME-1, NAME-2, …"""
    every_s: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 0
    """Time between the launches of a salvo."""
    spacing_m: NotNegative = 0.0
    """Distance between the launch points of a salvo, towards the east."""
    failure: Failure | None = None
    """The flight is solved as if it had been meant to succeed."""
    stages: bool | None = None
    """Whether spent stages and shroud are objects; without it the class says (`drops_stages`)."""
    debris: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    """Pieces shed when the last stage has burnt out."""

    def __post_init__(self) -> None:
        asked = (self.bearing_deg, self.range_km, self.apogee_km, self.shape)
        if self.orbit is not None:
            if any(value is not None for value in asked):
                raise ValueError("orbit: stands instead of bearing_deg, range_km, apogee_km and shape")
            return
        if self.bearing_deg is None or self.range_km is None:
            raise ValueError("bearing_deg and range_km are needed, or orbit")
        if (self.apogee_km is None) == (self.shape is None):
            raise ValueError("one of apogee_km and shape is needed")


@dataclass(frozen=True)
class Path:
    """One object's way, before a salvo copies it: states (n, 6) ECEF at whole seconds after liftoff."""

    part: str
    """What follows the entry's name, empty for the object itself."""
    kind: str
    counts: bool
    seconds: npt.NDArray[np.int64]
    states: Array
    phase: npt.NDArray[np.int64]
    impact: tuple[float, float, float] | None
    """Seconds after liftoff, latitude, longitude in degrees."""


def fly(entry: ThreatEntry, end_s: int | None = None) -> tuple[Truth, ...]:
    """The truth of one entry on the 1 Hz grid: every member of the salvo, each with its parts.

    What reaches an orbit is followed to `end_s` of the scenario, or `ORBIT_S` beyond its injection.
    Raises TrajectoryError, SettingsError, UnknownName.
    """
    paths = _paths(entry, end_s)
    return tuple(truth for member in range(entry.count) for truth in _copies(entry, member, paths))


def planned(entry: ThreatEntry) -> Flight:
    """The flight that an entry is meant to make, without its failure. Raises as `fly` does."""
    threat, launch = load_threat(entry.threat), (entry.lat_deg, entry.lon_deg)
    if not threat.stages:
        raise SettingsError(f"{entry.name}: class {entry.threat} has no stages to fly with")
    if entry.orbit:
        return into_orbit(
            threat, launch, entry.orbit.altitude_km * 1e3, entry.orbit.inclination_deg, entry.orbit.toward
        )
    assert entry.range_km is not None and entry.bearing_deg is not None
    range_m = entry.range_km * 1e3
    apogee_m = apogee_for(entry.shape, range_m) if entry.shape else (entry.apogee_km or 0.0) * 1e3
    return solve(threat, launch, entry.bearing_deg, range_m, apogee_m)


def _paths(entry: ThreatEntry, end_s: int | None) -> list[Path]:
    """The object and its parts, before a salvo copies them."""
    threat, flight = load_threat(entry.threat), planned(entry)
    until = math.inf
    if entry.orbit:
        until = flight.burnout_s + ORBIT_S if end_s is None else float(end_s - entry.liftoff_s)
    failed_s = _failed_s(entry, flight)
    pieces = []
    if threat.drops_stages if entry.stages is None else entry.stages:
        pieces += parts.spent(threat, flight, failed_s)
    if entry.debris and flight.burnout_s < failed_s:
        pieces += parts.fragments(entry.name, flight, flight.burnout_s, entry.debris, parts.SHED_MPS)
    whole = None
    if entry.failure and entry.failure.kind == "break-up":
        pieces += parts.fragments(entry.name, flight, failed_s, entry.failure.pieces, parts.BREAK_UP_MPS)
    elif entry.failure:
        whole = parts.unpowered(threat, flight, failed_s)
    elif entry.orbit:
        whole = parts.coasting(threat, flight)
    fallen = parts.falls([*([whole] if whole else []), *pieces], max(until, flight.burnout_s + 1.0))
    rest = [_part(entry.threat, fall) for fall in (fallen[1:] if whole else fallen)]
    return [_body(entry, threat, flight, failed_s, fallen[0] if whole else None), *rest]


def _failed_s(entry: ThreatEntry, flight: Flight) -> float:
    """When the flight fails, infinity when it does not. Raises TrajectoryError for a time after its end.

    A space launch ends, for this, with its injection.
    """
    if entry.failure is None:
        return math.inf
    end_s = flight.burnout_s if entry.orbit else flight.impact_s
    if entry.failure.t_s >= end_s:
        raise TrajectoryError(
            f"{entry.name}: failure.t_s = {entry.failure.t_s:g}: flight lasts {end_s:.0f} s"
        )
    return entry.failure.t_s


def _body(entry: ThreatEntry, threat: Threat, flight: Flight, failed_s: float, after: Fall | None) -> Path:
    """The object itself: to its impact, to its failure and beyond it (`after`), or into its orbit."""
    kind = entry.threat
    if after is None:
        last = min(flight.impact_s, failed_s)
        seconds = np.arange(math.floor(last) + 1, dtype=np.int64)
        whole = last == flight.impact_s
        impact = (flight.impact_s, flight.impact_lat_deg, flight.impact_lon_deg) if whole else None
        return Path("", kind, threat.counts, seconds, flight.state(seconds), _phases(flight, seconds), impact)
    if after.piece.kind_part:
        kind = f"{kind}/{after.piece.kind_part}"
    first = np.arange(math.ceil(after.piece.start_s), dtype=np.int64)
    seconds = np.concatenate([first, after.seconds])
    states = np.concatenate([flight.state(first), after.states])
    phase = np.concatenate([np.full(len(first), BOOST), _fall_phases(after.states)])
    return Path("", kind, threat.counts, seconds, states, phase, after.impact)


def _phases(flight: Flight, seconds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return flight.phases(seconds.astype(float))


def _part(threat: str, fall: Fall) -> Path:
    """A part: it does not count."""
    kind = f"{threat}/{fall.piece.kind_part}"
    return Path(
        fall.piece.part, kind, False, fall.seconds, fall.states, _fall_phases(fall.states), fall.impact
    )


def _fall_phases(states: Array) -> npt.NDArray[np.int64]:
    """Phases of unpowered states (n, 6): re-entry when they come down below 100 km."""
    height = geodesy.geodetic(states[:, :3])[2]
    comes_down = np.einsum("ij,ij->i", states[:, :3], states[:, 3:]) < 0.0
    return np.where(comes_down & (height < REENTRY_HEIGHT_M), REENTRY, COAST)


def _copies(entry: ThreatEntry, member: int, paths: list[Path]) -> Iterator[Truth]:
    """The truth of a salvo's member, counted from zero: the paths turned about the axis, shifted in time."""
    name = entry.name if entry.count == 1 else f"{entry.name}-{member + 1}"
    liftoff = (entry.liftoff_s + member * entry.every_s) * S
    x, y, _ = geodesy.ecef(entry.lat_deg, entry.lon_deg)
    turn = member * entry.spacing_m / math.hypot(x, y)
    for path in paths:
        impact = None
        if path.impact:
            t_s, lat, lon = path.impact
            impact = (
                liftoff + round(t_s * S),
                lat,
                float(geodesy.wrap(math.radians(lon) + turn) * 180 / np.pi),
            )
        yield Truth(
            originator=COALITION,
            name=f"{name}/{path.part}" if path.part else name,
            kind=path.kind,
            counts=path.counts,
            t_valid_ns=ints(liftoff + path.seconds * S),
            state_ecef=floats(_turned(path.states, turn) if turn else path.states),
            phase=ints(path.phase),
            liftoff_t_ns=liftoff,
            impact=impact,
        )


def _turned(states: Array, angle_rad: float) -> Array:
    """States (n, 6) turned about the Earth's axis."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    return (states.reshape(-1, 2, 3) @ turn.T).reshape(-1, 6)
