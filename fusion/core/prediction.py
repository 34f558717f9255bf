"""Where a track comes down, and where it came from.

Impact: the third-degree cubature rule (Arasaratnam and Haykin 2009, eq. 31) over seven dimensions, the
track's state and the logarithm of its unknown ballistic coefficient, each point flown to the ground with
gravity (J2), rotation and drag. Mean and covariance of the fallen points, in the tangent plane, give the
ellipse. Only for tracks in free flight: the rest of a burn cannot be known.

Launch: for tracks confirmed in boost. A gravity turn starts upright, so the ground already covered is less
than the straight line back along the velocity: between 0.35 and 0.85 of it. NOTIONAL, with that spread as
its standard deviation.
"""

from dataclasses import dataclass

import numpy as np

from ext.elementary import cos, exp, log, sin
from ext.geodesy import geodetic
from ext.linalg import cholesky
from ext.motion import fall
from sharing.messages import Floats, S


@dataclass(frozen=True, slots=True)
class PredictionRules:
    """How far tracks are flown, and what is assumed of their drag. NOTIONAL."""

    ballistic_coefficient_kg_m2: float = 5000.0
    ballistic_spread: float = 0.7
    """Standard deviation of the natural logarithm of the ballistic coefficient."""
    step_s: float = 2.0
    horizon_s: float = 4500.0
    path_every: int = 2
    launch_fraction: float = 0.6
    launch_spread: float = 0.15
    launch_height_m: float = 150_000.0
    """No launch estimate for tracks first confirmed above this height."""
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


@dataclass(frozen=True, slots=True)
class Impact:
    """A predicted impact, and the ground tracks (points, samples, 2) of the cubature points."""

    point: GroundPoint
    path_lat_lon_deg: Floats


DEGREES = 180.0 / 3.141592653589793


def predict_impact(t_ns: int, state: Floats, covariance: Floats, rules: PredictionRules) -> Impact | None:
    """Impact of a track with ECEF `state` (6,) and `covariance` (6, 6) at `t_ns`.

    None when it stays up (a satellite does), and for a vague track.
    """
    if vague(covariance, rules):
        return None
    states, inverse_beta = _cubature(state, covariance, rules)
    t_fall, ground, reached, path = fall(
        states, inverse_beta, rules.step_s, rules.horizon_s, 0.0, rules.path_every
    )
    if not reached.all():
        return None
    count = len(states)
    mean = _column_mean(ground)
    lat, lon, _ = geodetic(mean[None, :])
    offsets = _tangent(ground - mean, lat, lon)
    east, north = offsets[:, 0], offsets[:, 1]
    spread = (_mean(east * east), _mean(east * north), _mean(north * north))
    t_impact = t_ns + round(_mean(t_fall) * S)
    point = GroundPoint(t_impact, float(lat[0] * DEGREES), float(lon[0] * DEGREES), spread)
    path_lat, path_lon, _ = geodetic(path.reshape(-1, 3))
    track = np.stack((path_lat, path_lon), axis=-1) * DEGREES
    return Impact(point, track.reshape(count, -1, 2))


def vague(covariance: Floats, rules: PredictionRules) -> bool:
    """Whether a track of this covariance (6, 6) is too uncertain for any prediction."""
    position = covariance[0, 0] + covariance[1, 1] + covariance[2, 2]
    velocity = covariance[3, 3] + covariance[4, 4] + covariance[5, 5]
    return bool(position > rules.vague_m * rules.vague_m or velocity > rules.vague_mps * rules.vague_mps)


def _cubature(state: Floats, covariance: Floats, rules: PredictionRules) -> tuple[Floats, Floats]:
    """14 states (14, 6) and inverse ballistic coefficients (14,), equally likely."""
    root = np.zeros((7, 7))
    root[:6, :6] = cholesky(covariance)
    root[6, 6] = rules.ballistic_spread
    mean = np.append(state, 0.0)
    radius = np.sqrt(7.0)
    points = np.concatenate((mean + radius * root.T, mean - radius * root.T))
    inverse_beta = exp(np.ascontiguousarray(-points[:, 6])) / rules.ballistic_coefficient_kg_m2
    return np.ascontiguousarray(points[:, :6]), inverse_beta


def _tangent(offsets: Floats, lat: Floats, lon: Floats) -> Floats:
    """ECEF offsets (n, 3) as east, north (n, 2) at one place."""
    sin_lat, cos_lat, sin_lon, cos_lon = sin(lat)[0], cos(lat)[0], sin(lon)[0], cos(lon)[0]
    x, y, z = offsets[:, 0], offsets[:, 1], offsets[:, 2]
    east = -sin_lon * x + cos_lon * y
    north = -sin_lat * cos_lon * x - sin_lat * sin_lon * y + cos_lat * z
    return np.stack((east, north), axis=-1)


def _mean(values: Floats) -> float:
    """Mean in a fixed order of summation, the same on every machine."""
    total = 0.0
    for value in values.tolist():
        total += value
    return total / len(values)


def _column_mean(values: Floats) -> Floats:
    return np.array([_mean(values[:, k]) for k in range(values.shape[1])])


def estimate_launch(
    t_ns: int, state: Floats, covariance: Floats, rules: PredictionRules
) -> GroundPoint | None:
    """Launch point of a track in boost with ECEF `state` (6,) and `covariance` (6, 6) at `t_ns`.

    Position and velocity errors are taken as isotropic. None for a track too high, not climbing, or vague: it
    says nothing of its launch.
    """
    if vague(covariance, rules):
        return None
    lat, lon, height = geodetic(np.ascontiguousarray(state[None, :3]))
    sin_lat, cos_lat, sin_lon, cos_lon = sin(lat)[0], cos(lat)[0], sin(lon)[0], cos(lon)[0]
    vx, vy, vz = state[3:].tolist()
    up = cos_lat * (cos_lon * vx + sin_lon * vy) + sin_lat * vz
    if height[0] > rules.launch_height_m or height[0] <= 0.0 or up <= 100.0:
        return None
    east, north = _tangent(state[None, 3:], lat, lon)[0].tolist()
    back_s = float(height[0]) / up
    covered = rules.launch_fraction * back_s
    east_m, north_m = -east * covered, -north * covered
    east_spread, north_spread = east * rules.launch_spread * back_s, north * rules.launch_spread * back_s
    position = (covariance[0, 0] + covariance[1, 1] + covariance[2, 2]) / 3.0
    velocity = (covariance[3, 3] + covariance[4, 4] + covariance[5, 5]) / 3.0
    # Errors of the horizontal velocity act by the time gone back, those of the climb by that and the slope.
    slope2 = (east * east + north * north) / (up * up)
    blur = position + velocity * covered * covered * (1.0 + slope2)
    ground = (
        blur + east_spread * east_spread,
        east_spread * north_spread,
        blur + north_spread * north_spread,
    )
    radius_m = 6_371_000.0
    speed = float(np.sqrt(vx * vx + vy * vy + vz * vz))
    climb = float(np.sqrt(east_m * east_m + north_m * north_m + height[0] * height[0]))
    # Constant acceleration from rest covers the path s at speed v in 2 s / v.
    t_launch = t_ns - round(2.0 * climb / speed * S)
    return GroundPoint(
        t_launch,
        float((lat[0] + north_m / radius_m) * DEGREES),
        float((lon[0] + east_m / (radius_m * cos_lat)) * DEGREES),
        (float(ground[0]), float(ground[1]), float(ground[2])),
    )


def equal_probability_points(rings: int = 8, spokes: int = 8) -> Floats:
    """Points (rings · spokes, 2) that stand for equal shares of a two-dimensional standard normal."""
    share = (np.arange(rings) + 0.5) / rings
    radius = np.sqrt(-2.0 * log(np.ascontiguousarray(1.0 - share)))
    turn = np.ascontiguousarray((np.arange(spokes) + 0.5) * (2.0 * 3.141592653589793 / spokes))
    x = radius[:, None] * cos(turn)[None, :]
    y = radius[:, None] * sin(turn)[None, :]
    return np.stack((x.reshape(-1), y.reshape(-1)), axis=-1)
