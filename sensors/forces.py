"""Equations of motion on a rotating WGS-84 Earth: what acts on an object under power, falling, gliding.

Everything is in ECEF: gravity with J2–J4, centrifugal and Coriolis terms, US-1976 air, Mach-dependent drag,
staged thrust with back pressure, lift. `free_fall`, `gravity` and `height_m` take numbers or arrays.
Nothing depends on time but thrust, so a fall may be counted from any moment.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sensors import atmosphere, geodesy
from sensors.geodesy import GM, J2, J3, J4, RADIUS_M, ROTATION_RADPS
from sensors.threats import Glide, Threat

Array = npt.NDArray[np.float64]
Slope = Callable[[float, Array], list[float]]
X = TypeVar("X", float, Array)

# Zero-lift drag coefficient against Mach number: the shape published for the V-2
# (Sutton & Biblarz, Rocket Propulsion Elements, ch. 4); NOTIONAL for every class here.
_MACH = (0.0, 0.8, 1.0, 1.15, 1.5, 2.0, 3.0, 4.0, 5.0)
_DRAG = (0.15, 0.16, 0.30, 0.41, 0.35, 0.28, 0.21, 0.18, 0.15)
HYPERSONIC_DRAG = _DRAG[-1]
AIR_SCALE_M = 7_200.0
"""Scale height of the air where gliders fly."""


@dataclass(frozen=True)
class Programme:
    """How a flight is steered: what `solve` varies."""

    azimuth_rad: float
    tilt_rad: float
    """Elevation of the thrust axis above the launch horizon when its tilt is complete."""
    burn_s: float
    """Thrust is cut this long after liftoff."""
    glide_s: float = 0.0
    """Lift is used for this long after the apogee."""
    bend_per_s: float = 0.0
    """After the tilt the tangent of the elevation falls linearly at this rate: into an orbit."""


def height_m(x: X, y: X, z: X) -> X:
    """Height above the ellipsoid along the radius: exact at zero, a few metres off at 1000 km."""
    r2 = x * x + y * y + z * z
    ratio2 = (1.0 - geodesy.FLATTENING) ** 2
    return r2**0.5 - RADIUS_M * (ratio2 / (ratio2 + (1.0 - ratio2) * (z * z / r2))) ** 0.5


def gravity(x: X, y: X, z: X) -> tuple[X, X, X]:
    """Gravitational acceleration m/s² with J2–J4 at ECEF positions (Vallado, 4th ed., section 8.7)."""
    r2 = x * x + y * y + z * z
    r = r2**0.5
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


def free_fall(x: X, y: X, z: X, vx: X, vy: X) -> tuple[X, X, X]:
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


class Forces:
    """The right-hand sides of the equations of motion of one flight."""

    def __init__(self, threat: Threat, launch: tuple[float, float], programme: Programme) -> None:
        self.threat = threat
        self.programme = programme
        self.launch = geodesy.ecef(*launch)
        east, north, up = geodesy.enu_axes(*launch)
        azimuth = programme.azimuth_rad
        self.up: list[float] = up.tolist()
        self.downrange: list[float] = (math.sin(azimuth) * east + math.cos(azimuth) * north).tolist()
        self.air = atmosphere.standard()
        self.starts = np.concatenate([[0.0], np.cumsum([s.burn_s for s in threat.stages])]).tolist()

    def marks(self, end_s: float) -> list[float]:
        """Liftoff, every moment before `end_s` at which the forces jump or bend, and `end_s`."""
        tilted = self.threat.vertical_s + self.threat.tilt_s
        marks = {self.threat.vertical_s, tilted, *self.starts[1:-1]}
        if self.threat.shroud:
            marks.add(self.threat.shroud.t_s)
        return [0.0, *sorted(mark for mark in marks if 0.0 < mark < end_s), end_s]

    def elevation(self, t: float) -> float:
        """Elevation of the thrust axis above the launch horizon: vertical, smooth tilt, then constant.

        Into an orbit it is bent further, by the linear tangent law tan e = tan e0 - b t, the optimum over
        a flat Earth without air (Lawden 1963; Bryson & Ho, Applied Optimal Control, 1975, section 2.7).
        """
        since = t - self.threat.vertical_s
        f = min(max(since / self.threat.tilt_s, 0.0), 1.0)
        tilt, bend = self.programme.tilt_rad, self.programme.bend_per_s
        if f == 1.0 and bend:
            return math.atan(math.tan(tilt) - bend * (since - self.threat.tilt_s))
        return math.pi / 2 - (math.pi / 2 - tilt) * f * f * (3.0 - 2.0 * f)

    def mass_kg(self, t: float, number: int) -> float:
        """Mass at time `t` while stage `number` (from zero) burns."""
        stages, shroud = self.threat.stages, self.threat.shroud
        above = sum(s.propellant_kg + s.dry_kg for s in stages[number:])
        burnt = stages[number].flow_kgps * (t - self.starts[number])
        covered = shroud.mass_kg if shroud and t < shroud.t_s else 0.0
        return self.threat.payload_kg + above + covered - burnt

    def boost(self, start_s: float) -> Slope:
        """Equations of powered flight from `start_s` to the next of the `marks`."""
        stages = self.threat.stages
        number = int(np.searchsorted(self.starts[1:-1], start_s, side="right"))
        stage, mass_at_start = stages[number], self.mass_kg(start_s, number)
        flow = stage.flow_kgps
        drag_area = stage.area_m2 * self.threat.drag_factor
        vacuum, loss = stage.thrust_vacuum_kn * 1e3, (stage.thrust_vacuum_kn - stage.thrust_sea_kn) * 1e3
        (ux, uy, uz), (dx, dy, dz) = self.up, self.downrange

        def slope(t: float, state: Array) -> list[float]:
            x, y, z, vx, vy, vz = state.tolist()
            mass = mass_at_start - flow * (t - start_s)
            density, sound, pressure = self.air.at(height_m(x, y, z))
            speed = math.sqrt(vx * vx + vy * vy + vz * vz)
            drag = 0.5 * density * speed * drag_coefficient(speed / sound) * drag_area / mass
            push = (vacuum - loss * pressure) / mass
            elevation = self.elevation(t)
            up, along = push * math.sin(elevation), push * math.cos(elevation)
            ax, ay, az = free_fall(x, y, z, vx, vy)
            return [
                vx, vy, vz,
                ax - drag * vx + up * ux + along * dx,
                ay - drag * vy + up * uy + along * dy,
                az - drag * vz + up * uz + along * dz,
            ]  # fmt: skip

        return slope

    def fall(self, _t: float, state: Array) -> list[float]:
        """Equations of an unpowered body without lift."""
        x, y, z, vx, vy, vz = state.tolist()
        density, sound, _ = self.air.at(height_m(x, y, z))
        speed = math.sqrt(vx * vx + vy * vy + vz * vz)
        relative = drag_coefficient(speed / sound) / HYPERSONIC_DRAG
        drag = 0.5 * density * speed * relative / self.threat.reentry_beta_kg_m2
        ax, ay, az = free_fall(x, y, z, vx, vy)
        return [vx, vy, vz, ax - drag * vx, ay - drag * vy, az - drag * vz]

    def pull_up(self, t: float, state: Array) -> list[float]:
        """Equations of a body that uses lift to arrest its descent and then to hold its height.

        The lift is what would bring the climb rate to zero with a time constant of 8 s, bounded by the air
        (largest lift coefficient), by the structure, and from below by zero.
        """
        slope = self.fall(t, state)
        speed, climb, most = self._aerodynamics(state)
        x, y, z = state[:3].tolist()
        r = math.sqrt(x * x + y * y + z * z)
        sinking = (x * slope[3] + y * slope[4] + z * slope[5] + speed * speed - climb * climb) / r
        level = math.sqrt(max(1.0 - (climb / speed) ** 2, 1e-6))
        return self._lifted(slope, state, min(max((-climb / 8.0 - sinking) / level, 0.0), most))

    def glide(self, t: float, state: Array) -> list[float]:
        """Equations of a glider: constant lift coefficient, which from a fall gives skips (phugoids).

        Where lift and centrifugal force carry the weight g - v²/r the glide is in equilibrium (Vinh,
        Busemann & Culp, Hypersonic and Planetary Entry Flight Mechanics, 1980, ch. 11). About it the air's
        scale height H gives the frequency √(g'/H); the lift is varied with the climb rate so that a skip
        is damped with `skip_damping`, between none and twice the lift.
        """
        glide = self._glide
        speed, climb, most = self._aerodynamics(state)
        r = float(np.linalg.norm(state[:3]))
        weight = max(GM / r**2 - speed * speed / r, 1.0)
        share = 1.0 - 2.0 * glide.skip_damping * climb / math.sqrt(weight * AIR_SCALE_M)
        lift = min(most * min(max(share, 0.0), 2.0), glide.limit_mps2)
        return self._lifted(self.fall(t, state), state, lift)

    def push_over(self, t: float, state: Array) -> list[float]:
        """Equations of a glider that lifts downwards, into its dive."""
        return self._lifted(self.fall(t, state), state, -self._aerodynamics(state)[2])

    @property
    def _glide(self) -> Glide:
        assert self.threat.glide is not None
        return self.threat.glide

    def _aerodynamics(self, state: Array) -> tuple[float, float, float]:
        """Speed and climb rate m/s, and the lift acceleration at the class's lift coefficient, m/s²."""
        glide = self._glide
        x, y, z, vx, vy, vz = state.tolist()
        speed = math.sqrt(vx * vx + vy * vy + vz * vz)
        climb = (x * vx + y * vy + z * vz) / math.sqrt(x * x + y * y + z * z)
        pressure = 0.5 * self.air.at(height_m(x, y, z))[0] * speed * speed
        return (
            speed,
            climb,
            min(pressure * glide.lift_coefficient * glide.area_m2 / glide.mass_kg, glide.limit_mps2),
        )

    def _lifted(self, slope: list[float], state: Array, lift: float) -> list[float]:
        """The slope with lift m/s² across the velocity in the vertical plane, up, and with what it costs."""
        x, y, z, vx, vy, vz = state.tolist()
        r = math.sqrt(x * x + y * y + z * z)
        speed = math.sqrt(vx * vx + vy * vy + vz * vz)
        sine = (x * vx + y * vy + z * vz) / (r * speed)
        level = math.sqrt(max(1.0 - sine * sine, 1e-6))
        cost = abs(lift) / self._glide.lift_to_drag
        for axis, (place, velocity) in enumerate(((x, vx), (y, vy), (z, vz))):
            across = (place / r - sine * velocity / speed) / level
            slope[3 + axis] += lift * across - cost * velocity / speed
        return slope
