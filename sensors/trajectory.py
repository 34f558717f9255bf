"""Truth: how an object flies, and the programme that meets what is asked of it.

Equations of motion: `sensors.forces`. One flight: `sensors.flight`. The thrust axis rises vertically, tilts
smoothly to a final elevation and keeps it (the tilt programme of the early liquid missiles). `solve` finds
the programme that meets the asked (bearing, range, apogee): first in vacuum after the boost
(`sensors.vacuum`), which needs no flight, then by Newton's method on whole flights.
"""

import functools
import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from sensors import geodesy, vacuum
from sensors.flight import Flight, TrajectoryError, climbing, fly, ground, lift_off
from sensors.forces import Forces, Programme, gravity, height_m
from sensors.threats import GLIDING, Threat

__all__ = ["Flight", "Programme", "TrajectoryError", "apogee_for", "fly", "gravity", "height_m", "solve"]

Array = npt.NDArray[np.float64]
Shape = Literal["minimum-energy", "depressed", "lofted"]

APOGEE_SHARE: dict[Shape, float] = {"minimum-energy": 1.0, "depressed": 0.5, "lofted": 2.0}
"""Apogee of a shape over that of the slowest vacuum shot to the same range: one is the definition of
minimum energy (without air and rotation), the two others are NOTIONAL."""
_TILTS_DEG = (
    3, 6, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 64, 68, 72, 75, 78, 80, 82, 84, 85.5, 87, 88, 89, 89.7
)  # fmt: skip
_STEPS = np.array([math.radians(0.02), math.radians(0.02), 0.05])
"""Differences for the slopes of azimuth, tilt and the third unknown (s)."""
_LARGEST = np.array([math.radians(8.0), math.radians(5.0), 60.0])
"""Largest change of an unknown in one step."""
_LONGER_S = (0.0, 40.0, 100.0, 180.0, 280.0, 430.0, 680.0, 1000.0, 1400.0)
"""Glides that are tried first: this much longer than the shortest."""
_SHORTEST_PULL_UP_S, _SHORTEST_GLIDE_S, _GLIDE_HEIGHT_M, _FALL_MPS2 = 20.0, 120.0, 40_000.0, 8.0
Unknowns = Array
"""Azimuth rad, tilt rad, and seconds: of the burn, or of the glide."""


def apogee_for(shape: Shape, range_m: float) -> float:
    """The apogee in metres that a shape has for a range."""
    return APOGEE_SHARE[shape] * vacuum.minimum_energy_apogee_m(range_m)


class _Aim:
    """What one flight has to meet, and how far a programme misses it."""

    def __init__(
        self, threat: Threat, launch: tuple[float, float], bearing_deg: float, range_m: float, apogee_m: float
    ) -> None:
        self.threat, self.launch, self.range_m, self.apogee_m = threat, launch, range_m, apogee_m
        target = geodesy.destination(*launch, bearing_deg, range_m)
        back = math.radians(geodesy.geodesic(*target, *launch)[1])
        east, north, _ = geodesy.enu_axes(*target)
        beyond = -(math.sin(back) * east + math.cos(back) * north)
        self.axes = np.array([beyond, np.cross(beyond, geodesy.enu_axes(*target)[2])])
        self.aim = geodesy.ecef(*target)
        start = geodesy.ecef(*launch)
        self.radius_m = float(np.linalg.norm(start))
        velocity, _ = vacuum.impulsive_shot(start, self.aim, apogee_m)
        sideways = geodesy.enu_axes(*launch) @ velocity
        self.azimuth_rad = math.atan2(sideways[0], sideways[1])
        self.longest_s = sum(stage.burn_s for stage in threat.stages)
        self.shortest_s = 0.2 * self.longest_s

    def past(self, places: Array) -> Array:
        """How far beyond the target (along the bearing) places (..., 3) are, and how far to its right."""
        return np.asarray((places - self.aim) @ self.axes.T)

    def miss(self, programme: Programme) -> Array:
        """Beyond, right of and above what is asked, in metres (3,). Raises TrajectoryError."""
        flown = fly(self.threat, self.launch, programme, 1e-8, dense=False)
        place = geodesy.ecef(flown.impact_lat_deg, flown.impact_lon_deg)
        return np.array([*self.past(place), flown.apogee_m - self.apogee_m])

    def after_boost(self, tilt_rad: float) -> tuple[Array, Array]:
        """Times and states (n, 6) at which the thrust of one tilt might be cut."""
        programme = Programme(self.azimuth_rad, tilt_rad, self.longest_s)
        run = lift_off(Forces(self.threat, self.launch, programme), self.longest_s, 1e-5, dense=True)
        times = np.linspace(self.shortest_s, self.longest_s, 120)
        leg_of = np.searchsorted([end for _, end, _ in run.legs[:-1]], times, side="left")
        states = np.stack([run.legs[leg][2](t) for leg, t in zip(leg_of.tolist(), times, strict=True)])
        fair = [climbing(t, y) > 0.0 and ground(t, y) > 0.0 for t, y in zip(times, states, strict=True)]
        return times[fair], states[fair]

    def cut_off(self, tilt_deg: float) -> tuple[float, float]:
        """When a tilt's thrust must end for the apogee, in vacuum, and how far beyond the target it falls.

        NaN and infinity where the tilt is too low to rise that far.
        """
        times, states = self.after_boost(math.radians(tilt_deg))
        arc = vacuum.ballistic(states, self.radius_m)
        enough = np.flatnonzero(arc.apogee_m >= self.apogee_m)
        if not len(enough):
            return math.nan, math.inf
        at = int(enough[0])
        first = max(at - 1, 0)
        low, high = arc.apogee_m[first], arc.apogee_m[at]
        share = (self.apogee_m - low) / (high - low) if high > low else 1.0
        beyond = self.past(arc.impact_ecef_m)[:, 0]
        return (
            float(times[first] + share * (times[at] - times[first])),
            float(beyond[first] + share * (beyond[at] - beyond[first])),
        )


def _between(low: tuple[float, float], high: tuple[float, float]) -> float:
    """Where the line through two points (x, y) has y = 0; one end when that is not finite."""
    share = low[1] / (low[1] - high[1]) if math.isfinite(low[1]) and low[1] != high[1] else 1.0
    return low[0] + min(max(share, 0.0), 1.0) * (high[0] - low[0])


def _guess_cut(aim: _Aim) -> Unknowns | None:
    """Start for a flight whose thrust is cut: the tilt at which range turns from far to short."""
    low, high = 0, len(_TILTS_DEG) - 1
    found = {high: aim.cut_off(_TILTS_DEG[high])}
    if not math.isfinite(found[high][0]):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        found[middle] = aim.cut_off(_TILTS_DEG[middle])
        low, high = (middle, high) if found[middle][1] > 0.0 else (low, middle)
    beyond = found[low][1] if low in found else math.inf
    tilt = _between((_TILTS_DEG[low], beyond), (_TILTS_DEG[high], found[high][1]))
    burn = aim.cut_off(tilt)[0]
    return np.array([aim.azimuth_rad, math.radians(tilt), burn if math.isfinite(burn) else found[high][0]])


def _guess_glide(aim: _Aim) -> Unknowns | None:
    """Start for a flight that burns out and glides: the tilt that meets the apogee, then the glide."""
    tilt = None
    before = (0.0, -math.inf)
    for degrees in _TILTS_DEG:
        _, states = aim.after_boost(math.radians(degrees))
        apogee = vacuum.ballistic(states[-1:], aim.radius_m).apogee_m if len(states) else np.array([np.nan])
        excess = float(apogee[0]) - aim.apogee_m
        if excess > 0.0:
            tilt = math.radians(_between(before, (degrees, excess)))
            break
        before = (degrees, excess if math.isfinite(excess) else -math.inf)
    if tilt is None:
        return None
    reached: tuple[float, float] | None = None
    for longer in _LONGER_S:
        glide = shortest_glide_s(aim.threat, aim.apogee_m) + longer
        try:
            miss = aim.miss(Programme(aim.azimuth_rad, tilt, aim.longest_s, glide))
        except TrajectoryError:
            return None
        if miss[0] > 0.0:
            return np.array([aim.azimuth_rad, tilt, _between(reached, (glide, miss[0]))]) if reached else None
        reached = (glide, float(miss[0]))
    return None


def shortest_glide_s(threat: Threat, apogee_m: float) -> float:
    """The least time after the apogee that a class uses its lift (NOTIONAL).

    A pull-up takes seconds; a glide is one only after the fall to where the air carries.
    """
    if threat.kind == "boost-glide":
        return math.sqrt(2.0 * max(apogee_m - _GLIDE_HEIGHT_M, 0.0) / _FALL_MPS2) + _SHORTEST_GLIDE_S
    return _SHORTEST_PULL_UP_S


def _newton(
    miss: Callable[[Unknowns], Array], start: Unknowns, low: Array, high: Array, good_m: float
) -> tuple[Unknowns, float]:
    """Newton's method with Broyden's updates and halved steps: the best unknowns and their largest miss."""
    x = np.clip(start, low, high)
    try:
        f = miss(x)
    except TrajectoryError:
        return x, math.inf
    slope, age = _slope(miss, x, f, high), 0
    for _ in range(30):
        if np.abs(f).max() < good_m:
            break
        step: Array = np.linalg.lstsq(slope, -f, rcond=None)[0].astype(np.float64)
        step /= max(1.0, float((np.abs(step) / _LARGEST).max()))
        better = _step(miss, x, f, step, low, high)
        if better is None and age == 0:
            break
        if better is None or age == 8:
            slope, age = _slope(miss, x, f, high), 0
            continue
        moved, gained = better[0] - x, better[1] - f
        x, f = better
        slope += np.outer(gained - slope @ moved, moved) / max(float(moved @ moved), 1e-30)
        age += 1
    return x, float(np.abs(f).max())


def _slope(miss: Callable[[Unknowns], Array], x: Unknowns, f: Array, high: Array) -> Array:
    """Derivative of the miss (3, 3) by differences, backwards where an unknown stands at its bound."""
    columns = []
    for axis in range(3):
        step = np.zeros(3)
        step[axis] = _STEPS[axis] if x[axis] + _STEPS[axis] <= high[axis] else -_STEPS[axis]
        try:
            columns.append((miss(x + step) - f) / step[axis])
        except TrajectoryError:
            columns.append(np.zeros(3))
    return np.stack(columns, axis=1)


def _step(
    miss: Callable[[Unknowns], Array], x: Unknowns, f: Array, step: Array, low: Array, high: Array
) -> tuple[Unknowns, Array] | None:
    """The longest of a few halved steps that comes nearer, None when none does."""
    for _ in range(5):
        there = np.clip(x + step, low, high)
        try:
            found = miss(there)
            if np.linalg.norm(found) < np.linalg.norm(f):
                return there, found
        except TrajectoryError:
            pass
        step = step / 2.0
    return None


@functools.lru_cache(maxsize=512)
def solve(
    threat: Threat, launch: tuple[float, float], bearing_deg: float, range_m: float, apogee_m: float
) -> Flight:
    """The flight of a class that meets the geodesic bearing and range from the launch point, and the apogee.

    Ballistic classes vary azimuth, final tilt and thrust cut-off. Classes that glide burn out and vary
    azimuth, final tilt and the length of the glide; where even a short glide comes too far, their thrust is
    cut instead, in place of the detours by which a solid missile loses energy, and the glide stays short.
    Raises TrajectoryError when that cannot be met.
    """
    aim = _Aim(threat, launch, bearing_deg, range_m, apogee_m)
    best = math.inf
    shortest_s = shortest_glide_s(threat, apogee_m)
    for glide_s in (None, shortest_s) if threat.kind in GLIDING else (0.0,):
        start = _guess_glide(aim) if glide_s is None else _guess_cut(aim)
        if start is None:
            continue

        def programme(x: Unknowns, glide_s: float | None = glide_s) -> Programme:
            azimuth, tilt, third = x.tolist()
            if glide_s is None:
                return Programme(azimuth, tilt, aim.longest_s, third)
            return Programme(azimuth, tilt, third, glide_s)

        reach = (5.0, 2000.0) if glide_s is None else (aim.shortest_s, aim.longest_s)
        low = np.array([start[0] - math.pi, math.radians(1.0), reach[0]])
        high = np.array([start[0] + math.pi, math.radians(89.95), reach[1]])
        x, off = _newton(lambda x: aim.miss(programme(x)), start, low, high, 0.5)
        if off < 1e-4 * max(range_m, apogee_m):
            return fly(threat, launch, programme(x))
        best = min(best, off)
    best_is = f"best attempt misses by {best / 1e3:.1f} km" if math.isfinite(best) else "not enough energy"
    raise TrajectoryError(
        f"{threat.title}: no trajectory of {range_m / 1e3:g} km range and {apogee_m / 1e3:g} km apogee "
        f"({best_is})"
    )
