"""What flies in a scenario: the entries of its file become `Truth`.

A salvo is one flight, copied: gravity is zonal and the air is in layers, so a flight turned about the Earth's
axis is a flight, exactly. Copies stand side by side on the launch point's parallel and follow each other in
whole seconds.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt

from sensors import geodesy
from sensors.threats import Degrees, Latitude, Longitude, NotNegative, Positive, Spec, load_threat
from sensors.trajectory import solve
from sharing.messages import COALITION, S, Truth, floats, ints

Array = npt.NDArray[np.float64]


class ThreatEntry(Spec, frozen=True, kw_only=True):
    """One launch, or a salvo of equal ones: a class, from where, when, and what it has to reach."""

    threat: str = msgspec.field(name="class")
    name: str
    lat_deg: Latitude
    lon_deg: Longitude
    bearing_deg: Degrees
    range_km: Positive
    apogee_km: Positive
    liftoff_s: int = 0
    """Whole seconds, so that the truth's grid begins at liftoff."""
    count: Annotated[int, msgspec.Meta(ge=1, le=20_000)] = 1
    """Size of a salvo; its members are called NAME-1, NAME-2, …"""
    every_s: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 0
    """Time between the launches of a salvo."""
    spacing_m: NotNegative = 0.0
    """Distance between the launch points of a salvo, towards the east."""


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


def fly(entry: ThreatEntry) -> tuple[Truth, ...]:
    """The truth of one entry on the 1 Hz grid: every member of the salvo, each with its parts.

    Raises TrajectoryError, SettingsError, UnknownName.
    """
    paths = _paths(entry)
    return tuple(truth for member in range(entry.count) for truth in _copies(entry, member, paths))


def _paths(entry: ThreatEntry) -> list[Path]:
    threat = load_threat(entry.threat)
    launch = (entry.lat_deg, entry.lon_deg)
    flight = solve(threat, launch, entry.bearing_deg, entry.range_km * 1e3, entry.apogee_km * 1e3)
    seconds = np.arange(math.floor(flight.impact_s) + 1, dtype=np.int64)
    impact = (flight.impact_s, flight.impact_lat_deg, flight.impact_lon_deg)
    phase = flight.phases(seconds.astype(float))
    return [Path("", entry.threat, threat.counts, seconds, flight.state(seconds), phase, impact)]


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
