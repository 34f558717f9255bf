"""Truth: how an object flies. Boost, coast, re-entry and pull-up on a rotating WGS-84 Earth.

Everything is integrated in ECEF with scipy's DOP853: gravity with J2–J4, centrifugal and Coriolis terms,
US-1976 air, Mach-dependent drag, staged thrust with back pressure, lift where the class has it.
The thrust axis rises vertically, tilts smoothly to a final elevation and keeps it (the tilt programme of
the early liquid missiles). `solve` finds the programme that meets the asked (bearing, range, apogee).

Legs are integrated one by one, so that no step crosses a jump of the forces.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

from sensors import atmosphere, geodesy
from sensors.geodesy import GM, J2, J3, J4, RADIUS_M, ROTATION_RADPS
from sensors.threats import Threat
from sharing.messages import PHASES

Array = npt.NDArray[np.float64]
Vector = tuple[float, float, float]

BOOST, COAST, REENTRY, PULL_UP = (PHASES.index(name) for name in ("boost", "coast", "reentry", "pull-up"))
REENTRY_HEIGHT_M = 100_000.0
LONGEST_S = 10_000.0
# Zero-lift drag coefficient against Mach number: the shape published for the V-2
# (Sutton & Biblarz, Rocket Propulsion Elements, ch. 4); NOTIONAL for every class here.
_MACH = (0.0, 0.8, 1.0, 1.15, 1.5, 2.0, 3.0, 4.0, 5.0)
_DRAG = (0.15, 0.16, 0.30, 0.41, 0.35, 0.28, 0.21, 0.18, 0.15)
HYPERSONIC_DRAG = _DRAG[-1]


class TrajectoryError(ValueError):
    """No trajectory of this class meets the asked range and apogee."""


@dataclass(frozen=True)
class Programme:
    """How a flight is steered: what `solve` varies."""

    azimuth_rad: float
    tilt_rad: float
    """Final elevation of the thrust axis above the launch horizon."""
    burn_s: float
    """Thrust is cut this long after liftoff."""
    glide_s: float = 0.0
    """Lift is used for this long after the apogee."""


@dataclass(frozen=True)
class Flight:
    """A flown trajectory. `state(t_s)` gives (n, 6) ECEF position m and velocity m/s, t from liftoff."""

    programme: Programme
    legs: tuple[tuple[float, float, Callable[[Array], Array]], ...]
    burnout_s: float
    apogee_s: float
    apogee_m: float
    lift_s: tuple[float, float]
    impact_s: float
    impact_lat_deg: float
    impact_lon_deg: float

    def state(self, t_s: npt.ArrayLike) -> Array:
        """States (n, 6) at the asked times (n,), each between liftoff and impact."""
        times = np.atleast_1d(np.asarray(t_s, dtype=float))
        leg_of = np.searchsorted([end for _, end, _ in self.legs[:-1]], times, side="left")
        states = np.empty((len(times), 6))
        for number, (_, _, dense) in enumerate(self.legs):
            chosen = leg_of == number
            if chosen.any():
                states[chosen] = dense(times[chosen]).T
        return states

    def phases(self, t_s: Array) -> npt.NDArray[np.int64]:
        """Phase numbers of `sharing.messages.PHASES` at the times (n,)."""
        height = geodesy.geodetic(self.state(t_s)[:, :3])[2]
        phase = np.full(len(t_s), COAST)
        phase[(t_s > self.apogee_s) & (height < REENTRY_HEIGHT_M)] = REENTRY
        phase[(t_s >= self.lift_s[0]) & (t_s < self.lift_s[1])] = PULL_UP
        phase[t_s < self.burnout_s] = BOOST
        return phase


def height_m(x: float, y: float, z: float) -> float:
    """Height above the ellipsoid along the radius: exact at zero, a few metres off at 1000 km."""
    r = math.sqrt(x * x + y * y + z * z)
    sin2 = (z / r) ** 2
    ratio2 = (1.0 - geodesy.FLATTENING) ** 2
    return r - RADIUS_M * math.sqrt(ratio2 / (ratio2 + (1.0 - ratio2) * sin2))


def gravity(x: float, y: float, z: float) -> Vector:
    """Gravitational acceleration m/s² with J2–J4 at an ECEF position (Vallado, 4th ed., section 8.7)."""
    r2 = x * x + y * y + z * z
    r = math.sqrt(r2)
    s = z / r
    s2 = s * s
    q = RADIUS_M / r
    two, three, four = J2 * q * q, J3 * q**3, J4 * q**4
    common = GM / (r2 * r)
    horizontal = -common * (
        1.0
        + 1.5 * two * (1.0 - 5.0 * s2)
        + 2.5 * three * s * (3.0 - 7.0 * s2)
        - 1.875 * four * (1.0 - 14.0 * s2 + 21.0 * s2 * s2)
    )
    vertical = -common * (
        z * (1.0 + 1.5 * two * (3.0 - 5.0 * s2) - 1.875 * four * (5.0 - 70.0 / 3.0 * s2 + 21.0 * s2 * s2))
        + 2.5 * three * r * (6.0 * s2 - 7.0 * s2 * s2 - 0.6)
    )
    return horizontal * x, horizontal * y, vertical


def free_fall(x: float, y: float, z: float, vx: float, vy: float) -> Vector:
    """Acceleration in the rotating frame without air: gravity, centrifugal and Coriolis."""
    gx, gy, gz = gravity(x, y, z)
    w = ROTATION_RADPS
    return gx + w * w * x + 2.0 * w * vy, gy + w * w * y - 2.0 * w * vx, gz


def drag_coefficient(mach: float) -> float:
    """Zero-lift drag coefficient at a Mach number."""
    if mach >= _MACH[-1]:
        return HYPERSONIC_DRAG
    i = 0
    while mach >= _MACH[i + 1]:
        i += 1
    f = (mach - _MACH[i]) / (_MACH[i + 1] - _MACH[i])
    return _DRAG[i] + f * (_DRAG[i + 1] - _DRAG[i])


class _Forces:
    """The right-hand sides of the equations of motion of one flight."""

    def __init__(self, threat: Threat, launch: tuple[float, float], programme: Programme) -> None:
        self.threat = threat
        self.programme = programme
        east, north, up = geodesy.enu_axes(*launch)
        azimuth = programme.azimuth_rad
        self.up: list[float] = up.tolist()
        self.downrange: list[float] = (math.sin(azimuth) * east + math.cos(azimuth) * north).tolist()
        self.air = atmosphere.standard()
        self.starts = np.concatenate([[0.0], np.cumsum([s.burn_s for s in threat.stages])]).tolist()

    def elevation(self, t: float) -> float:
        """Elevation of the thrust axis above the launch horizon: vertical, smooth tilt, constant."""
        f = min(max((t - self.threat.vertical_s) / self.threat.tilt_s, 0.0), 1.0)
        return math.pi / 2 - (math.pi / 2 - self.programme.tilt_rad) * f * f * (3.0 - 2.0 * f)

    def boost(self, number: int) -> Callable[[float, Sequence[float]], list[float]]:
        """Equations while stage `number` burns."""
        stages = self.threat.stages
        stage, start = stages[number], self.starts[number]
        mass_at_start = self.threat.payload_kg + sum(s.propellant_kg + s.dry_kg for s in stages[number:])
        drag_area = stage.area_m2 * self.threat.drag_factor
        vacuum, loss = stage.thrust_vacuum_kn * 1e3, (stage.thrust_vacuum_kn - stage.thrust_sea_kn) * 1e3

        def slope(t: float, y: Sequence[float]) -> list[float]:
            x, yy, z, vx, vy, vz = y
            mass = mass_at_start - stage.flow_kgps * (t - start)
            density, sound, pressure = self.air.at(height_m(x, yy, z))
            speed = math.sqrt(vx * vx + vy * vy + vz * vz)
            drag = 0.5 * density * speed * drag_coefficient(speed / sound) * drag_area / mass
            push = (vacuum - loss * pressure) / mass
            elevation = self.elevation(t)
            sin_e, cos_e = push * math.sin(elevation), push * math.cos(elevation)
            u, d = self.up, self.downrange
            ax, ay, az = free_fall(x, yy, z, vx, vy)
            return [
                vx, vy, vz,
                ax - drag * vx + sin_e * u[0] + cos_e * d[0],
                ay - drag * vy + sin_e * u[1] + cos_e * d[1],
                az - drag * vz + sin_e * u[2] + cos_e * d[2],
            ]  # fmt: skip

        return slope

    def _drag_rate(self, density: float, sound: float, speed: float) -> float:
        """Zero-lift drag deceleration over speed after burn-out, 1/s."""
        relative = drag_coefficient(speed / sound) / HYPERSONIC_DRAG
        return 0.5 * density * speed * relative / self.threat.reentry_beta_kg_m2

    def fall(self, _t: float, y: Sequence[float]) -> list[float]:
        """Equations of an unpowered body without lift."""
        x, yy, z, vx, vy, vz = y
        density, sound, _ = self.air.at(height_m(x, yy, z))
        drag = self._drag_rate(density, sound, math.sqrt(vx * vx + vy * vy + vz * vz))
        ax, ay, az = free_fall(x, yy, z, vx, vy)
        return [vx, vy, vz, ax - drag * vx, ay - drag * vy, az - drag * vz]

    def lift(self, _t: float, y: Sequence[float]) -> list[float]:
        """Equations of a body that uses lift to arrest its descent and then to hold its height.

        The lift stands across the velocity in the vertical plane. It is what would bring the climb rate
        to zero with a time constant of 8 s, bounded by the air (largest lift coefficient), by the
        structure, and from below by zero; drag pays for it at `lift_to_drag`.
        """
        glide = self.threat.glide
        assert glide is not None
        x, yy, z, vx, vy, vz = y
        slope = self.fall(_t, y)
        density, _, _ = self.air.at(height_m(x, yy, z))
        speed = math.sqrt(vx * vx + vy * vy + vz * vz)
        r = math.sqrt(x * x + yy * yy + z * z)
        climb = (x * vx + yy * vy + z * vz) / r
        fall_rate = (x * slope[3] + yy * slope[4] + z * slope[5]) / r + (speed * speed - climb * climb) / r
        level = math.sqrt(max(1.0 - (climb / speed) ** 2, 1e-6))
        pressure = 0.5 * density * speed**2
        most = min(pressure * glide.lift_coefficient * glide.area_m2 / glide.mass_kg, glide.limit_mps2)
        lift = min(max((-climb / 8.0 - fall_rate) / level, 0.0), most)
        for axis, (place, velocity) in enumerate(zip((x, yy, z), (vx, vy, vz), strict=True)):
            across = (place / r - climb / speed * velocity / speed) / level
            slope[3 + axis] += lift * across - lift / glide.lift_to_drag * velocity / speed
        return slope


def _falling(_t: float, y: Sequence[float] | Array) -> float:
    return float(y[0] * y[3] + y[1] * y[4] + y[2] * y[5])


def _ground(_t: float, y: Sequence[float] | Array) -> float:
    return height_m(y[0], y[1], y[2])


_falling.terminal, _falling.direction = True, -1  # type: ignore[attr-defined]
_ground.terminal, _ground.direction = True, -1  # type: ignore[attr-defined]


def fly(
    threat: Threat, launch: tuple[float, float], programme: Programme, tolerance: float = 1e-10
) -> Flight:
    """Fly one programme from a launch point (latitude, longitude in degrees, at sea level) to impact.

    Raises TrajectoryError when the object falls back under power or does not come down.
    """
    forces = _Forces(threat, launch, programme)
    legs: list[tuple[float, float, Callable[[Array], Array]]] = []
    state = np.concatenate([geodesy.ecef(*launch), np.zeros(3)])

    def leg(
        slope: Callable[..., list[float]], start: float, end: float, events: list[Callable[..., float]]
    ) -> float:
        nonlocal state
        scale = tolerance * np.array([1e6, 1e6, 1e6, 1e3, 1e3, 1e3])
        run = solve_ivp(
            slope, (start, end), state, "DOP853", rtol=tolerance, atol=scale, dense_output=True, events=events
        )
        state = run.y[:, -1]
        legs.append((start, float(run.t[-1]), run.sol))
        return float(run.t[-1])

    burn = min(programme.burn_s, forces.starts[-1])
    marks = {threat.vertical_s, threat.vertical_s + threat.tilt_s, *forces.starts[1:-1]}
    edges = [0.0, *sorted(mark for mark in marks if 0.0 < mark < burn), burn]
    for start, end in pairwise(edges):
        number = int(np.searchsorted(forces.starts[1:-1], start, side="right"))
        leg(forces.boost(number), start, end, [])
    if _falling(0.0, state) <= 0.0 or _ground(0.0, state) <= 0.0:
        raise TrajectoryError("falls back before its engine stops")
    apogee_s = leg(forces.fall, burn, burn + LONGEST_S, [_falling])
    apogee_m = float(geodesy.geodetic(state[:3])[2])
    now, lift = apogee_s, (LONGEST_S, LONGEST_S)
    if programme.glide_s > 0.0:
        now = leg(forces.lift, now, now + programme.glide_s, [_ground])
        lift = (apogee_s, now)
    if _ground(0.0, state) > 1.0:
        now = leg(forces.fall, now, now + LONGEST_S, [_ground])
    if _ground(0.0, state) > 1.0:
        raise TrajectoryError("does not come down")
    lat, lon, _ = geodesy.geodetic(state[:3])
    return Flight(programme, tuple(legs), burn, apogee_s, apogee_m, lift, now, float(lat), float(lon))


@functools.lru_cache(maxsize=64)
def solve(
    threat: Threat, launch: tuple[float, float], bearing_deg: float, range_m: float, apogee_m: float
) -> Flight:
    """The flight of a class that meets the geodesic bearing and range from the launch point, and the apogee.

    Ballistic classes vary azimuth, final tilt and thrust cut-off; quasi-ballistic ones burn out and vary
    azimuth, final tilt and the length of the glide. Raises TrajectoryError when that cannot be met.
    """
    target = geodesy.destination(*launch, bearing_deg, range_m)
    axes = geodesy.enu_axes(*target)
    aim = geodesy.ecef(*target)
    longest = sum(stage.burn_s for stage in threat.stages)
    gliding = threat.kind == "quasi-ballistic"

    def programme(unknowns: Sequence[float]) -> Programme:
        azimuth, tilt, third = map(float, unknowns)
        if gliding:
            return Programme(math.radians(azimuth), math.radians(tilt), longest, third)
        return Programme(math.radians(azimuth), math.radians(tilt), third)

    def miss(unknowns: Sequence[float]) -> list[float]:
        try:
            flown = fly(threat, launch, programme(unknowns), 1e-8)
        except TrajectoryError:
            return [range_m, range_m, apogee_m]
        off = axes @ (geodesy.ecef(flown.impact_lat_deg, flown.impact_lon_deg) - aim)
        return [off[0], off[1], flown.apogee_m - apogee_m]

    low, high = (30.0, 600.0) if gliding else (0.4 * longest, longest)
    level = math.degrees(math.atan2(4.0 * apogee_m, range_m))
    for lift in (8.0, 20.0):
        guess = [bearing_deg, min(level + lift, 88.0), low + (0.4 if gliding else 0.8) * (high - low)]
        bounds = ([bearing_deg - 40.0, 2.0, low], [bearing_deg + 40.0, 89.9, high])
        found = least_squares(
            miss, guess, bounds=bounds, x_scale=[1.0, 3.0, 10.0], diff_step=1e-3, xtol=1e-10, max_nfev=20
        )
        if max(abs(v) for v in found.fun) < 1e-4 * max(range_m, apogee_m):
            return fly(threat, launch, programme(found.x))
    raise TrajectoryError(
        f"{threat.title}: no trajectory of {range_m / 1e3:g} km range and {apogee_m / 1e3:g} km apogee "
        f"(best attempt misses by {max(abs(v) for v in found.fun) / 1e3:.1f} km)"
    )
