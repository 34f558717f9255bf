"""Where a track whose motor burns may still go: for warnings only, since the rest of a burn cannot be known.

With constant flow the specific force grows as 1/f(t) = 1/f - t/c (Tsiolkovsky 1903), and the burn ends when
it reaches what an empty missile has: a spread of values, of which those below the present one are ruled out.
So a missile that pulls hard is near its end, one that has just lit a stage is not. Thrust along the velocity,
a gravity turn. A further stage is not foreseen: a stated limit, on the short side.

The specific force comes from the change of the velocity over twenty seconds; when the newest ten say much
less, the burn may be over, and nothing is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ext.elementary import exp, log
from ext.linalg import cholesky
from ext.motion import fall, step
from fusion.core.prediction import STATE, Forecast, PredictionRules, ground_track, vague
from sharing.messages import Floats, S

POINTS = 16
ORDER = (8, 3, 14, 5, 1, 12, 7, 10, 0, 15, 4, 11, 6, 9, 2, 13)
"""Which share of the burns goes with which point of the state: every axis gets short and long ones."""
GM = 3.986004418e14
MOST_FORCE_MPS2 = 200.0


@dataclass(frozen=True, slots=True)
class BurnRules:
    """What is assumed of motors. NOTIONAL."""

    exhaust_mps: float = 2600.0
    """Speed c of the exhaust: 265 s, between solid and storable liquid propellants."""
    empty_mps2: float = 80.0
    empty_spread: float = 0.25
    """Median specific force of an empty missile; scale of its logarithm's logistic distribution."""
    step_s: float = 5.0
    least_mps2: float = 15.0
    """Less is no burn, but a manoeuvre or a start of the track."""
    least_power: float = 0.3
    """A motor less probable to burn than this is not looked ahead of."""
    fading_mps2: float = 15.0
    """The burn may be over when the newest force is less by this: two sigma of what 10 s tell."""


class Sample(NamedTuple):
    """A track in boost at a time: ECEF position and velocity (3,)."""

    t_ns: int
    position: Floats
    velocity: Floats


def specific_force(run: Sequence[Sample], rules: BurnRules) -> float | None:
    """Specific force in m/s² at the last of two or three samples; None: not a steady burn.

    The change of the velocity gives that of the middle of the time; it has grown since.
    """
    if len(run) < 2:
        return None
    whole, newest = _force(run[0], run[-1]), _force(run[-2], run[-1])
    if whole < rules.least_mps2 or newest < whole - rules.fading_mps2:
        return None
    late_s = (run[-1].t_ns - run[0].t_ns) / (2.0 * S)
    return min(whole / max(1.0 - whole * late_s / rules.exhaust_mps, 0.5), MOST_FORCE_MPS2)


def _force(first: Sample, last: Sample) -> float:
    """Change of the velocity, less gravity (a sphere's, at the mean place)."""
    middle = 0.5 * (first.position + last.position)
    r2 = _square(middle)
    change = (last.velocity - first.velocity) * (S / (last.t_ns - first.t_ns))
    return float(np.sqrt(_square(change + GM * middle / (r2 * np.sqrt(r2)))))


def _square(v: Floats) -> float:
    return float(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])


def predict_burn(
    t_ns: int,
    state: Floats,
    covariance: Floats,
    force_mps2: float,
    flight: PredictionRules,
    rules: BurnRules,
) -> Forecast | None:
    """Paths of a track whose motor burns, with ECEF `state` (6,), `covariance` (6, 6) and specific force.

    None for a vague track, and for one that does not climb.
    """
    climb = state[0] * state[3] + state[1] * state[4] + state[2] * state[5]
    if vague(covariance, flight) or climb <= 0.0:
        return None
    burn_s = _remaining_burns(force_mps2, rules)[list(ORDER)]
    states = _burnt_out(_points(state, covariance), force_mps2, burn_s, rules)
    inverse_beta = np.full(POINTS, 1.0 / flight.ballistic_coefficient_kg_m2)
    t_fall, _, reached, path = fall(
        states, inverse_beta, flight.step_s, flight.horizon_s, 0.0, flight.path_every
    )
    path_s = flight.step_s * flight.path_every
    track = ground_track(path, float(t_fall.max()), path_s)
    begun_ns = t_ns + round(_steps(burn_s, rules) * rules.step_s * S)
    weight = np.full(POINTS, 1.0 / POINTS)
    return Forecast(begun_ns, None, (), track, path_s, weight, reached.astype(np.float64))


def _remaining_burns(force_mps2: float, rules: BurnRules) -> Floats:
    """Equally likely remaining times of the burn (16,), s, rising.

    Quantiles of a log-logistic specific force at its end, cut off below the present one.
    """
    middle = log(np.array([rules.empty_mps2 / force_mps2]))[0]
    below = 1.0 / (1.0 + exp(np.array([middle / rules.empty_spread]))[0])
    share = below + (1.0 - below) * (np.arange(POINTS) + 0.5) / POINTS
    logit = log(np.ascontiguousarray(share / (1.0 - share)))
    end_mps2 = rules.empty_mps2 * exp(np.ascontiguousarray(rules.empty_spread * logit))
    return rules.exhaust_mps * (1.0 / force_mps2 - 1.0 / end_mps2)


def _points(state: Floats, covariance: Floats) -> Floats:
    """States (16, 6) with the mean and covariance given: both ends of six axes, and four times the mean."""
    root = cholesky(np.ascontiguousarray(covariance)).T * np.sqrt(POINTS / 2.0)
    middle = np.tile(state, (POINTS - 2 * STATE, 1))
    return np.concatenate((state + root, state - root, middle))


def _steps(burn_s: Floats, rules: BurnRules) -> int:
    return int(np.ceil(burn_s.max() / rules.step_s))


def _burnt_out(states: Floats, force_mps2: float, burn_s: Floats, rules: BurnRules) -> Floats:
    """The states (n, 6) when the longest of their burns is over: half thrusts around steps of free flight."""
    exhaust = rules.exhaust_mps
    half_s = rules.step_s / 2.0
    gained = np.zeros(len(states))
    free = np.zeros(len(states))
    for k in range(2 * _steps(burn_s, rules)):
        spent = np.minimum((k + 1) * half_s, burn_s)
        total = -exhaust * log(np.ascontiguousarray(1.0 - force_mps2 * spent / exhaust))
        velocity = states[:, 3:]
        speed = np.sqrt(
            velocity[:, 0] * velocity[:, 0]
            + velocity[:, 1] * velocity[:, 1]
            + velocity[:, 2] * velocity[:, 2]
        )
        states = states.copy()
        states[:, 3:] += velocity * ((total - gained) / speed)[:, None]
        gained = total
        if k % 2 == 0:
            states, _ = step(states, free, rules.step_s)
    return states
