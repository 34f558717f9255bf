"""One flight under a given programme: from liftoff to impact, in legs of scipy's DOP853.

Legs are integrated one by one, so that no step crosses a jump of the forces.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.integrate import solve_ivp

from sensors import geodesy
from sensors.forces import Forces, Programme, height_m
from sensors.threats import Threat
from sharing.messages import PHASES

Array = npt.NDArray[np.float64]
Event = Callable[[float, Array], float]

BOOST, COAST, REENTRY, PULL_UP, GLIDE = (
    PHASES.index(name) for name in ("boost", "coast", "reentry", "pull-up", "glide")
)
REENTRY_HEIGHT_M = 100_000.0
LIFT_HEIGHT_M = 80_000.0
"""Above it a glider's lift is below a hundredth of its weight: it still coasts."""
LONGEST_S = 10_000.0
SCALE = np.array([1e6, 1e6, 1e6, 1e3, 1e3, 1e3])
"""Size of a state's components, m and m/s: absolute tolerances are relative to it."""
Leg = tuple[float, float, Callable[[Array], Array]]


class TrajectoryError(ValueError):
    """No trajectory of this class meets what is asked."""


@dataclass(frozen=True)
class Flight:
    """A flown trajectory. `state(t_s)` gives (n, 6) ECEF position m and velocity m/s, t from liftoff."""

    programme: Programme
    legs: tuple[Leg, ...]
    burnout_s: float
    apogee_s: float
    apogee_m: float
    lift_s: tuple[float, float]
    level_s: float
    """When a pull-up has become a glide."""
    impact_s: float
    """Infinite for a flight into an orbit, whose states and place are those up to its injection."""
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
        falls = t_s > self.apogee_s
        phase = np.full(len(t_s), COAST)
        phase[falls & (height < REENTRY_HEIGHT_M)] = REENTRY
        lifts = (t_s >= self.lift_s[0]) & (t_s < self.lift_s[1])
        phase[lifts] = np.where(height[lifts] < LIFT_HEIGHT_M, PULL_UP, COAST)
        phase[lifts & (t_s >= self.level_s)] = GLIDE
        phase[t_s < self.burnout_s] = BOOST
        return phase


def climbing(_t: float, y: Array) -> float:
    """An event: zero where the radial velocity is."""
    return float(y[0] * y[3] + y[1] * y[4] + y[2] * y[5])


def ground(_t: float, y: Array) -> float:
    """An event: zero where the height is."""
    return height_m(float(y[0]), float(y[1]), float(y[2]))


climbing.terminal, climbing.direction = True, -1  # type: ignore[attr-defined]
ground.terminal, ground.direction = True, -1  # type: ignore[attr-defined]


def _steeper(dive_deg: float) -> Event:
    """An event: the path points downwards by an angle."""
    sine = float(np.sin(np.radians(dive_deg)))

    def event(_t: float, y: Array) -> float:
        return float(y[:3] @ y[3:] / np.linalg.norm(y[:3]) / np.linalg.norm(y[3:])) + sine

    event.terminal, event.direction = True, -1  # type: ignore[attr-defined]
    return event


class Integration:
    """A state that is carried forward leg by leg."""

    def __init__(self, state: Array, tolerance: float, dense: bool) -> None:
        self.state = state
        self.now_s = 0.0
        self.legs: list[Leg] = []
        self._options = {"rtol": tolerance, "atol": tolerance * SCALE, "dense_output": dense}

    def leg(self, slope: Callable[..., list[float]], end_s: float, events: tuple[Event, ...] = ()) -> bool:
        """Carry on to `end_s` or to the first of the events; whether one of them came."""
        start = self.now_s
        run = solve_ivp(slope, (start, end_s), self.state, "DOP853", events=events or None, **self._options)
        self.state, self.now_s = run.y[:, -1], float(run.t[-1])
        self.legs.append((start, self.now_s, run.sol))
        return bool(run.status == 1)


def lift_off(forces: Forces, burn_s: float, tolerance: float, dense: bool) -> Integration:
    """Powered flight from the launch point until thrust is cut."""
    run = Integration(np.concatenate([forces.launch, np.zeros(3)]), tolerance, dense)
    for start, end in pairwise(forces.marks(burn_s)):
        run.leg(forces.boost(start), end)
    return run


def fly(
    threat: Threat,
    launch: tuple[float, float],
    programme: Programme,
    tolerance: float = 1e-10,
    dense: bool = True,
) -> Flight:
    """Fly one programme from a launch point (latitude, longitude in degrees, at sea level) to impact.

    Without `dense` the flight has no states between its ends, and is quicker.
    Raises TrajectoryError when the object falls back under power or does not come down.
    """
    forces = Forces(threat, launch, programme)
    burn = min(programme.burn_s, forces.starts[-1])
    run = lift_off(forces, burn, tolerance, dense)
    if climbing(0.0, run.state) <= 0.0 or ground(0.0, run.state) <= 0.0:
        raise TrajectoryError(f"{threat.title}: falls back before its engine stops")
    if not run.leg(forces.fall, burn + LONGEST_S, (climbing,)):
        raise TrajectoryError(f"{threat.title}: does not come down")
    apogee_s, apogee_m = run.now_s, float(geodesy.geodetic(run.state[:3])[2])
    lift_s, level_s = _lift(forces, run)
    if ground(0.0, run.state) > 1.0 and not run.leg(forces.fall, run.now_s + LONGEST_S, (ground,)):
        raise TrajectoryError(f"{threat.title}: does not come down")
    lat, lon = map(float, geodesy.geodetic(run.state[:3])[:2])
    legs = tuple(run.legs)
    return Flight(programme, legs, burn, apogee_s, apogee_m, lift_s, level_s, run.now_s, lat, lon)


def _lift(forces: Forces, run: Integration) -> tuple[tuple[float, float], float]:
    """Flight with lift, from the apogee on: when it begins and ends, and when a pull-up is over."""
    start = run.now_s
    if forces.programme.glide_s <= 0.0:
        return (LONGEST_S, LONGEST_S), LONGEST_S
    gliding = forces.threat.kind == "boost-glide"
    landed = run.leg(forces.glide if gliding else forces.pull_up, start + forces.programme.glide_s, (ground,))
    end = level = run.now_s
    if gliding and run.legs[-1][2] is not None:
        times = np.arange(start + 1.0, end)
        states = run.legs[-1][2](times)
        climbs = np.flatnonzero(np.einsum("ij,ij->j", states[:3], states[3:]) > 0.0)
        level = float(times[climbs[0]]) if len(climbs) else end
    if gliding and not landed and forces.threat.glide and forces.threat.glide.dive_deg:
        run.leg(forces.push_over, run.now_s + LONGEST_S, (_steeper(forces.threat.glide.dive_deg), ground))
    return (start, end), level
