"""What a class of missile can fly ballistically: its farthest range at every apogee.

Two things bound it. Energy: the flight whose thrust lasts to the end. Strength: under power the body is bent
by dynamic pressure times angle of attack, more the flatter it is steered; an airframe is taken to stand
`SAFETY` times what its own longest flight puts on it. What is flatter than that only lift can fly. Thrust may
be cut before its end, but only that of the last stage: a missile flies with all its stages.
"""

import functools
import math
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

import configs
from sensors import geodesy, vacuum
from sensors.forces import Forces, Programme
from sensors.threats import Threat, load_threat
from sensors.trajectory import Flight, TrajectoryError, fly

Array = npt.NDArray[np.float64]

SAFETY = 1.4
"""Ultimate factor of safety of flight structures (NASA-STD-5001B, table 1)."""
LAUNCH = (39.0, 126.0)
BEARING_DEG = 90.0
"""Where reach is measured, and what is assumed of claims that do not say."""
STANDARD_GRAVITY = 9.80665
_TILTS_DEG = (
    2.0,
    4.0,
    7.0,
    11.0,
    15.0,
    19.0,
    23.0,
    27.0,
    31.0,
    35.0,
    40.0,
    46.0,
    55.0,
    65.0,
    75.0,
    83.0,
    89.0,
)
_SHARES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Thrust cut-offs that are looked at, as shares of the last stage's burn."""
_LOOK_S = 0.5


@dataclass(frozen=True)
class Reach:
    """The edge of what a class can fly ballistically, from the flattest and shortest to straight up."""

    name: str
    threat: Threat
    mass_kg: float
    flattest_deg: float
    """Lowest final elevation of the thrust axis that the airframe stands."""
    range_m: Array
    apogee_m: Array

    @property
    def longest_m(self) -> float:
        """Greatest range at any apogee."""
        return float(self.range_m.max())

    @property
    def highest_m(self) -> float:
        """Greatest apogee at any range."""
        return float(self.apogee_m.max())

    def range_at_m(self, apogee_m: float) -> float:
        """Farthest range with that apogee; zero above `highest_m`."""
        if apogee_m > self.highest_m:
            return 0.0
        return float(np.interp(apogee_m, self.apogee_m, self.range_m))

    def holds(self, range_m: float, apogee_m: float) -> bool:
        """Whether a ballistic flight of this class has that range and apogee."""
        return range_m <= self.range_at_m(apogee_m)


def without_lift(threat: Threat) -> Threat:
    """The class flown as a ballistic one: a quasi-ballistic missile that does not pull up."""
    return msgspec.structs.replace(threat, kind="ballistic", glide=None)


@functools.cache
def missiles() -> tuple[tuple[str, Threat], ...]:
    """Every class that may fly ballistically, lightest first.

    Those that only glide are left out, and space launchers (three stages and more).
    """
    found = []
    for path in configs.available("threats"):
        threat = load_threat(path.stem)
        if threat.kind in ("ballistic", "quasi-ballistic") and len(threat.stages) < 3:
            found.append((path.stem, without_lift(threat)))
    return tuple(sorted(found, key=lambda pair: launch_mass_kg(pair[1])))


def launch_mass_kg(threat: Threat) -> float:
    """Mass at liftoff."""
    return threat.payload_kg + sum(stage.propellant_kg + stage.dry_kg for stage in threat.stages)


def ideal_mps(threat: Threat) -> float:
    """Speed that all propellant gives without gravity and air (Tsiolkovsky 1903)."""
    mass, speed = launch_mass_kg(threat), 0.0
    for stage in threat.stages:
        speed += stage.isp_vacuum_s * STANDARD_GRAVITY * math.log(mass / (mass - stage.propellant_kg))
        mass -= stage.propellant_kg + stage.dry_kg
    return speed


def needed_mps(range_m: float, apogee_m: float) -> float:
    """Speed over the ground of the impulsive vacuum shot: what no engine and no air can undercut."""
    aim = geodesy.ecef(*geodesy.destination(*LAUNCH, BEARING_DEG, range_m))
    return float(np.linalg.norm(vacuum.impulsive_shot(geodesy.ecef(*LAUNCH), aim, apogee_m)[0]))


def bending(threat: Threat, flight: Flight) -> float:
    """Largest dynamic pressure times angle of attack under power, Pa rad.

    The angle is that between thrust axis and velocity through the air; looked at every half second.
    """
    forces = Forces(threat, LAUNCH, flight.programme)
    times = np.arange(_LOOK_S, flight.burnout_s, _LOOK_S)
    states = flight.state(times)
    speed = np.linalg.norm(states[:, 3:], axis=1)
    density = np.array([forces.air.at(h)[0] for h in geodesy.geodetic(states[:, :3])[2].tolist()])
    elevation = np.array([forces.elevation(t) for t in times.tolist()])[:, None]
    axis = np.sin(elevation) * np.array(forces.up) + np.cos(elevation) * np.array(forces.downrange)
    along = np.einsum("ij,ij->i", axis, states[:, 3:]) / speed
    return float(np.max(0.5 * density * speed**2 * np.arccos(np.clip(along, -1.0, 1.0))))


@functools.lru_cache(maxsize=64)
def reach(name: str) -> Reach:
    """The reach of a class of `missiles()`, or of a path. Raises SettingsError, UnknownName."""
    threat = without_lift(load_threat(name))
    longest_s = sum(stage.burn_s for stage in threat.stages)
    full = [(t, f) for t in _TILTS_DEG if (f := _flown(threat, t, longest_s)) is not None]
    farthest = max(range(len(full)), key=lambda i: _range_m(full[i][1]))
    loads = [bending(threat, flight) for _, flight in full]
    flattest = farthest
    while flattest and loads[flattest - 1] <= SAFETY * loads[farthest]:
        flattest -= 1
    tilt = _crossing(full, loads, flattest, SAFETY * loads[farthest])
    last_s = threat.stages[-1].burn_s
    short = [_flown(threat, tilt, longest_s - (1.0 - share) * last_s) for share in _SHARES]
    edge = [f for f in short if f is not None] + [f for t, f in full if t > tilt]
    ranges = [0.0, 0.0, *(_range_m(f) for f in edge), 0.0]
    apogees = [0.0, 0.99 * edge[0].apogee_m, *(f.apogee_m for f in edge), 1.001 * edge[-1].apogee_m]
    rising = np.maximum.accumulate(apogees)
    return Reach(name, threat, launch_mass_kg(threat), tilt, np.array(ranges), rising)


def _crossing(full: list[tuple[float, Flight]], loads: list[float], at: int, most: float) -> float:
    """The tilt below full[at] at which the load is `most`, by a straight line; full[0]'s at the end."""
    if not at:
        return full[0][0]
    (low, _), (high, _) = full[at - 1], full[at]
    return low + (high - low) * (loads[at - 1] - most) / (loads[at - 1] - loads[at])


def _flown(threat: Threat, tilt_deg: float, burn_s: float) -> Flight | None:
    try:
        return fly(threat, LAUNCH, Programme(math.radians(BEARING_DEG), math.radians(tilt_deg), burn_s), 1e-6)
    except TrajectoryError:
        return None


def _range_m(flight: Flight) -> float:
    return geodesy.geodesic(*LAUNCH, flight.impact_lat_deg, flight.impact_lon_deg)[0]
