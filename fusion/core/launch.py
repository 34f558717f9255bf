"""Where and when a climbing track was launched.

The boost is flown backwards along a stated profile (NOTIONAL). With s the share of the time since liftoff,
the speed is the present one times s^p, and the velocity has bent from the vertical by its present angle
times s^q: upright start, gravity turn, acceleration that grows as the tanks empty. So the height
h = v T ∫ s^p cos(bend) ds gives the time T since liftoff; the ground covered is v T ∫ s^p sin(bend) ds. The
exponents depend on the speed already won (`LaunchRules`): p rises from 1 to 2, q falls from 3 to 1.

Mean and covariance by the cubature rule (Arasaratnam and Haykin 2009, eq. 31) over eight dimensions, the
state and the two exponents.
"""

from dataclasses import dataclass

import numpy as np

from ext.elementary import atan2, cos, exp, log, sin
from ext.geodesy import geodetic
from ext.linalg import cholesky
from fusion.core.prediction import GroundPoint, ground_point
from sharing.messages import Floats

NODES = 24
EARTH_M = 6_371_000.0


@dataclass(frozen=True, slots=True)
class LaunchRules:
    """The profile of a boost. NOTIONAL: read off the ascents of the threat table, 2 to 120 km high.

    `*_mean`, `*_slope`: the exponent's mean at 1 km/s and by the logarithm of the speed; `*_spread`: its
    standard deviation.
    """

    highest_m: float = 150_000.0
    """No launch estimate for tracks first confirmed above this height."""
    least_climb_mps: float = 100.0
    p_mean: float = 1.5
    p_slope: float = 0.33
    p_spread: float = 0.2
    q_mean: float = 1.8
    q_slope: float = -0.7
    q_spread: float = 0.45


def estimate_launch(t_ns: int, state: Floats, covariance: Floats, profile: LaunchRules) -> GroundPoint | None:
    """Launch point of a track in boost with ECEF `state` (6,) and `covariance` (6, 6) at `t_ns`.

    None for a track too high or not climbing: it says nothing of its launch.
    """
    lat, lon, height = geodetic(np.ascontiguousarray(state[None, :3]))
    climb = float(_dot(state[None, 3:], _up(lat, lon))[0])
    if not 0.0 < height[0] <= profile.highest_m or climb <= profile.least_climb_mps:
        return None
    states, p, q = _points(state, covariance, profile)
    lat, lon, height = geodetic(np.ascontiguousarray(states[:, :3]))
    up = _up(lat, lon)
    climb_mps = _dot(states[:, 3:], up)
    across = states[:, 3:] - climb_mps[:, None] * up
    across_mps = np.sqrt(_dot(across, across))
    height_m = np.maximum(height, 1.0)
    rise, run = _shares(p, q, atan2(across_mps, np.maximum(climb_mps, 1.0)))
    speed = np.sqrt(across_mps * across_mps + climb_mps * climb_mps)
    covered = height_m * run / rise
    # Seen from here the ground falls away with the square of the distance.
    drop_m = height_m + covered * covered / (2.0 * EARTH_M)
    elapsed_s = drop_m / (speed * rise)
    back = (drop_m * run / rise / np.maximum(across_mps, 1e-6))[:, None] * across
    ground = states[:, :3] - back - drop_m[:, None] * up
    count = len(states)
    return ground_point(t_ns, -elapsed_s, ground, np.full(count, 1.0 / count))


def _points(state: Floats, covariance: Floats, profile: LaunchRules) -> tuple[Floats, Floats, Floats]:
    """16 equally likely states (16, 6) and exponents p and q (16,)."""
    won = 0.5 * float(log(_dot(state[None, 3:], state[None, 3:]) * 1e-6)[0])
    exponents = profile.p_mean + profile.p_slope * won, profile.q_mean + profile.q_slope * won
    mean = np.concatenate((state, exponents))
    root = np.zeros((8, 8))
    root[:6, :6] = cholesky(np.ascontiguousarray(covariance))
    root[6, 6], root[7, 7] = profile.p_spread, profile.q_spread
    radius = np.sqrt(8.0)
    points = np.concatenate((mean + radius * root.T, mean - radius * root.T))
    return points[:, :6], np.maximum(points[:, 6], 0.5), np.maximum(points[:, 7], 0.3)


def _shares(p: Floats, q: Floats, bend: Floats) -> tuple[Floats, Floats]:
    """∫ s^p cos(bend s^q) ds and ∫ s^p sin(bend s^q) ds from 0 to 1, by the midpoint rule; all (n,)."""
    log_s = log((np.arange(NODES) + 0.5) / NODES)
    size = len(p) * NODES
    fast = exp((p[:, None] * log_s).reshape(size)).reshape(-1, NODES)
    turned = (bend[:, None] * exp((q[:, None] * log_s).reshape(size)).reshape(-1, NODES)).reshape(size)
    rise = fast * cos(turned).reshape(-1, NODES)
    run = fast * sin(turned).reshape(-1, NODES)
    return _row_mean(rise), _row_mean(run)


def _row_mean(values: Floats) -> Floats:
    """Means of the rows, summed column by column."""
    total = np.zeros(len(values))
    for k in range(values.shape[1]):
        total += values[:, k]
    mean: Floats = total / values.shape[1]
    return mean


def _up(lat: Floats, lon: Floats) -> Floats:
    """The vertical (n, 3) at latitudes and longitudes (n,), rad."""
    return np.stack((cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat)), axis=-1)


def _dot(a: Floats, b: Floats) -> Floats:
    products: Floats = a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1] + a[:, 2] * b[:, 2]
    return products
