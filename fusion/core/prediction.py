"""Where a track comes down, and which ground it passes over.

Free flight (`predict_impact`): every motion model that can be flown is flown to the ground from its own
mean and covariance, by the third-degree cubature rule (Arasaratnam and Haykin 2009, eq. 31) over seven
dimensions, the state and the logarithm of the ballistic coefficient, with gravity (J2), rotation and drag.
The fallen points, weighted by the models' probabilities, give mean and covariance (moments of a mixture,
Bar-Shalom, Li and Kirubarajan 2001, section 1.4.16). Rules:

- models less probable than `negligible` are left out, the others' probabilities made to sum to one
- a burn and a manoeuvre are flown as if they ended now: their own wide covariance widens the answer
- nothing is said where free flight is less probable than `least_free`, of vague tracks, and of what stays up
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ext.elementary import cos, exp, log, sin
from ext.geodesy import geodetic
from ext.linalg import cholesky
from ext.motion import fall
from fusion.core.filters import COAST, MANOEUVRE, POWERED, REENTRY
from sharing.messages import Floats, S

DEGREES = 180.0 / 3.141592653589793
STATE = 6


@dataclass(frozen=True, slots=True)
class PredictionRules:
    """How far tracks are flown, and what is assumed of their drag. NOTIONAL."""

    ballistic_coefficient_kg_m2: float = 5000.0
    ballistic_spread: float = 0.7
    """Standard deviation of the ballistic coefficient's natural logarithm, where no filter estimates it."""
    step_s: float = 2.0
    horizon_s: float = 4500.0
    path_every: int = 2
    negligible: float = 0.05
    least_free: float = 0.5
    vague_m: float = 25_000.0
    vague_mps: float = 500.0
    """Root traces of the covariances of position and velocity beyond which a track says nothing of its ends.
    So it is with lines of sight from one satellite, whose range is an assumption."""


@dataclass(frozen=True, slots=True)
class GroundPoint:
    """A place on the ground and a time, with a covariance (east-east, east-north, north-north) in m²."""

    t_ns: int
    lat_deg: float
    lon_deg: float
    covariance_m2: tuple[float, float, float]
    t_sigma_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What one motion model knows of a track: ECEF `state` (d,) and `covariance` (d, d), d = 6 or 7.

    The seventh is the natural logarithm of the ballistic coefficient over the nominal one.
    """

    mode: int
    probability: float
    state: Floats
    covariance: Floats


@dataclass(frozen=True, slots=True)
class Forecast:
    """How a track goes on. `point` is None while its motor burns.

    parts
        Probabilities and impacts of the motion models; none while the motor burns.
    path_lat_lon_deg
        Ground tracks (points, samples, 2) from `t_ns` on, every `path_s`, held at their ends.
    weight
        Probability of every ground track.
    landed
        Which of them end on the ground.
    """

    t_ns: int
    point: GroundPoint | None
    parts: tuple[tuple[float, GroundPoint], ...]
    path_lat_lon_deg: Floats
    path_s: float
    weight: Floats
    landed: Floats


def predict_impact(t_ns: int, hypotheses: Sequence[Hypothesis], rules: PredictionRules) -> Forecast | None:
    """Impact of a track at `t_ns` by all that its motion models hold possible; None: nothing can be said."""
    flown = _flyable(hypotheses, rules)
    if not flown:
        return None
    clouds = [_cubature(h, rules) for h in flown]
    states = np.concatenate([c[0] for c in clouds])
    inverse_beta = np.concatenate([c[1] for c in clouds])
    t_fall, ground, reached, path = fall(
        states, inverse_beta, rules.step_s, rules.horizon_s, 0.0, rules.path_every
    )
    if not reached.all():
        return None
    total = _sum([h.probability for h in flown])
    count = len(states) // len(flown)
    rows = [slice(i * count, (i + 1) * count) for i in range(len(flown))]
    share = [h.probability / total for h in flown]
    weight = np.concatenate([np.full(count, s / count) for s in share])
    parts = tuple(
        (s, ground_point(t_ns, t_fall[r], ground[r], np.full(count, 1.0 / count)))
        for s, r in zip(share, rows, strict=True)
    )
    point = parts[0][1] if len(parts) == 1 else ground_point(t_ns, t_fall, ground, weight)
    path_s = rules.step_s * rules.path_every
    track = ground_track(path, float(t_fall.max()), path_s)
    return Forecast(t_ns, point, parts, track, path_s, weight, np.ones(len(states)))


def _flyable(hypotheses: Sequence[Hypothesis], rules: PredictionRules) -> list[Hypothesis]:
    """The hypotheses to be flown, none where nothing can be said."""
    free = _sum([h.probability for h in hypotheses if h.mode in (COAST, REENTRY)])
    if free < rules.least_free:
        return []
    fly = (POWERED, COAST, REENTRY, MANOEUVRE)
    flown = [h for h in hypotheses if h.mode in fly and h.probability >= rules.negligible]
    return [] if any(vague(h.covariance, rules) for h in flown if h.mode in (COAST, REENTRY)) else flown


def vague(covariance: Floats, rules: PredictionRules) -> bool:
    """Whether a track of this covariance (6, 6) is too uncertain for any prediction."""
    position = covariance[0, 0] + covariance[1, 1] + covariance[2, 2]
    velocity = covariance[3, 3] + covariance[4, 4] + covariance[5, 5]
    return bool(position > rules.vague_m * rules.vague_m or velocity > rules.vague_mps * rules.vague_mps)


def _cubature(known: Hypothesis, rules: PredictionRules) -> tuple[Floats, Floats]:
    """14 states (14, 6) and inverse ballistic coefficients (14,), equally likely."""
    size = len(known.state)
    root = np.zeros((7, 7))
    root[:size, :size] = cholesky(np.ascontiguousarray(known.covariance))
    mean = np.zeros(7)
    mean[:size] = known.state
    if size == STATE:
        root[6, 6] = rules.ballistic_spread
    radius = np.sqrt(7.0)
    points = np.concatenate((mean + radius * root.T, mean - radius * root.T))
    inverse_beta = exp(np.ascontiguousarray(-points[:, 6])) / rules.ballistic_coefficient_kg_m2
    return np.ascontiguousarray(points[:, :6]), inverse_beta


def ground_point(t_ns: int, t_fall: Floats, ground: Floats, weight: Floats) -> GroundPoint:
    """Mean and covariance of fallen points: times (n,) s after `t_ns`, ECEF places (n, 3), weights (n,)."""
    mean = np.array([_weighted(ground[:, k], weight) for k in range(3)])
    lat, lon, _ = geodetic(mean[None, :])
    offsets = tangent(ground - mean, lat, lon)
    east, north = offsets[:, 0], offsets[:, 1]
    ee, en, nn = (_weighted(a * b, weight) for a, b in ((east, east), (east, north), (north, north)))
    after = _weighted(t_fall, weight)
    late = t_fall - after
    sigma_s = float(np.sqrt(_weighted(late * late, weight)))
    t_impact = t_ns + round(after * S)
    return GroundPoint(t_impact, float(lat[0] * DEGREES), float(lon[0] * DEGREES), (ee, en, nn), sigma_s)


def ground_track(path: Floats, longest_s: float, path_s: float) -> Floats:
    """Latitudes and longitudes (n, samples, 2), degrees, of ECEF paths, up to the last that comes down."""
    samples = min(path.shape[1], int(longest_s / path_s) + 2)
    cut = np.ascontiguousarray(path[:, :samples].reshape(-1, 3))
    lat, lon, _ = geodetic(cut)
    track: Floats = (np.stack((lat, lon), axis=-1) * DEGREES).reshape(len(path), samples, 2)
    return track


def tangent(offsets: Floats, lat: Floats, lon: Floats) -> Floats:
    """ECEF offsets (n, 3) as east, north (n, 2) at one place, rad."""
    sin_lat, cos_lat, sin_lon, cos_lon = sin(lat)[0], cos(lat)[0], sin(lon)[0], cos(lon)[0]
    x, y, z = offsets[:, 0], offsets[:, 1], offsets[:, 2]
    east = -sin_lon * x + cos_lon * y
    north = -sin_lat * cos_lon * x - sin_lat * sin_lon * y + cos_lat * z
    return np.stack((east, north), axis=-1)


def _sum(values: Sequence[float]) -> float:
    """Sum in the order given, the same on every machine."""
    total = 0.0
    for value in values:
        total += value
    return total


def _weighted(values: Floats, weight: Floats) -> float:
    return _sum((values * weight).tolist())


def equal_probability_points(rings: int = 8, spokes: int = 8) -> Floats:
    """Points (rings · spokes, 2) that stand for equal shares of a two-dimensional standard normal."""
    share = (np.arange(rings) + 0.5) / rings
    radius = np.sqrt(-2.0 * log(np.ascontiguousarray(1.0 - share)))
    turn = np.ascontiguousarray((np.arange(spokes) + 0.5) * (2.0 * 3.141592653589793 / spokes))
    x = radius[:, None] * cos(turn)[None, :]
    y = radius[:, None] * sin(turn)[None, :]
    return np.stack((x.reshape(-1), y.reshape(-1)), axis=-1)
