"""What a track is: class probabilities from its energy, its height, its orbit and whether it burns.

Rules of this module:

- *Energy* is said as the speed that it would be at the Earth's surface, u² = v² + 2μ(1/R - 1/r), and a
  class of missile by the range that u gives at best over a still, round, airless Earth: Q = u²R/μ, and
  sin(φ/2) = Q / (2 - Q) (Bate, Mueller and White 1971, section 6.2). So a lofted missile is not taken for a
  short-range one. The borders are the customary 1,000, 3,000 and 5,500 km.
- In free flight u lies uniformly between a class's borders. In powered flight it is on its way there: the
  final speed F lies uniformly between the borders and the present one uniformly below F.
- Evidence of energy replaces what was known of it (one state holds all plots already, multiplying it every
  second would count them again and again); evidence of how it flies is multiplied up, once in
  `INDEPENDENT_S` seconds.
- Below `AIR_M` and descending, drag takes energy and light things fly as if powered: what was known stays.
- How it flies tells missiles and launchers from satellites and debris, which do not burn, and from
  aircraft. A track that was born beside another (`parent`) is rather a spent stage than a missile.
- Likelihoods, borders and priors are NOTIONAL and were fixed before results were looked at, but for what
  docs/decisions/classification.md says.
- Only + - * / √ and `ext.elementary`.
"""

import numpy as np
import numpy.typing as npt

from ext.elementary import exp, log
from ext.geodesy import geodetic
from sharing.messages import CLASSES, Floats

SRBM, MRBM, IRBM, ICBM, LAUNCHER, AIRCRAFT, SATELLITE, DEBRIS = range(len(CLASSES))

EARTH_M, MU, OMEGA = 6_371_000.0, 3.986004418e14, 7.292115e-5
BORDERS_MPS = np.array([
    [600.0, 3014.0],  # up to 1,000 km
    [3014.0, 4862.0],  # to 3,000 km
    [4862.0, 6071.0],  # to 5,500 km
    [6071.0, 7900.0],
    [7400.0, 8600.0],  # low orbits, eastward and polar
    [100.0, 700.0],  # 250 m/s at 11 km has 530
    [7300.0, 11000.0],
    [600.0, 7900.0],
])  # fmt: skip
"""Lowest and highest u of every class in free flight, relative to the rotating Earth."""
PRIOR = np.array([0.35, 0.15, 0.1, 0.1, 0.05, 0.1, 0.05, 0.1])
PRIOR_OF_CHILD = np.array([0.16, 0.08, 0.05, 0.05, 0.03, 0.01, 0.02, 0.6])
"""The same of a track that was born beside another."""
POWERED_FLIGHT = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.3, 0.02, 0.05])
LEVEL_FLIGHT = np.array([0.05, 0.05, 0.05, 0.05, 0.05, 1.0, 0.05, 0.05])
FREE_FLIGHT = np.array([1.0, 1.0, 1.0, 1.0, 0.6, 0.3, 1.0, 1.0])
"""How likely some of an object's flight is taken for powered, level, free; beside the likeliest class. What
has reached its orbit becomes a satellite by and by."""
SUREST = 9.210340371976184
"""Of flying, no class is ever held for less likely than 1e-4 of the likeliest."""
DESCENT = -0.1
"""Sine of the path's angle below which an object comes down."""
FAILURES = 0.1
"""Of launchers: they end with any energy."""
INDEPENDENT_S = 10.0
AIR_M = 80_000.0
ORBIT_M, ORBIT_SIGMA_M = 120_000.0, 20_000.0
"""A perigee above this is an orbit."""
CEILING_M, CEILING_SIGMA_M = 18_000.0, 2_000.0
"""Aircraft stay below."""
LEAST = 1e-4
"""No likelihood is smaller than this part of the greatest: models are not that good."""
LOGISTIC = 1.702
"""Normal distribution function as a logistic one, within 0.01 (Bowling et al. 2009)."""
BLUR_MPS = 60.0
"""Borders are no sharper than this: the Earth turns and is not round, drag takes something."""


def prior(child: bool) -> Floats:
    """Logarithms (8,) of the prior, of a track with or without a parent."""
    return log(PRIOR_OF_CHILD if child else PRIOR)


def energy_evidence(
    state: Floats, covariance: Floats, powered: Floats
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Log-likelihoods (n, 8) of the classes: ECEF states (n, 6), covariances, chances (n,) to be powered.

    Also which rows count: those that drag has taken energy from do not.
    """
    u, sigma_u = surface_speed(state, covariance)
    perigee_m = perigee(state)
    height_m = geodetic(np.ascontiguousarray(state[:, :3]))[2]
    orbit = normal((perigee_m - ORBIT_M) / ORBIT_SIGMA_M)
    low = normal((CEILING_M - height_m) / CEILING_SIGMA_M)
    free = _free(u, sigma_u)
    launcher = (1.0 - FAILURES) * free[:, LAUNCHER] * orbit + FAILURES * free[:, DEBRIS]
    free[:, : ICBM + 1] *= (1.0 - orbit)[:, None]
    free[:, LAUNCHER] = launcher
    free[:, SATELLITE] *= orbit
    likelihood = powered[:, None] * _rising(u) + (1.0 - powered)[:, None] * free
    likelihood[:, AIRCRAFT] *= low
    position, velocity = state[:, :3], state[:, 3:]
    steep = _dot(position, velocity) < DESCENT * np.sqrt(_dot(position, position) * _dot(velocity, velocity))
    return _floored(likelihood), ~(steep & (height_m < AIR_M))


def flight_evidence(known: Floats, powered: Floats, level: Floats, seconds: float) -> Floats:
    """Log-likelihoods `known` (n, 8) after seconds of flight, powered and level with these chances (n,)."""
    free = 1.0 - powered - level
    each = powered[:, None] * POWERED_FLIGHT + level[:, None] * LEVEL_FLIGHT + free[:, None] * FREE_FLIGHT
    after = known + (seconds / INDEPENDENT_S) * log(each.reshape(-1)).reshape(each.shape)
    bounded: Floats = np.maximum(after - after.max(axis=1)[:, None], -SUREST)
    return bounded


def probabilities(log_weight: Floats) -> Floats:
    """Probabilities (n, 8) of log-weights (n, 8)."""
    shifted = log_weight - log_weight.max(axis=1)[:, None]
    weight: Floats = exp(shifted.reshape(-1)).reshape(shifted.shape)
    share: Floats = weight / _total(weight)[:, None]
    return share


def surface_speed(state: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """u and its sigma, m/s (n,): speeds at the surface of the same energy, on the rotating Earth."""
    position, velocity = state[:, :3], state[:, 3:]
    r2 = _dot(position, position)
    r = np.sqrt(r2)
    u2 = _dot(velocity, velocity) + 2.0 * MU * (1.0 / EARTH_M - 1.0 / r)
    u = np.sqrt(np.maximum(u2, 1.0))
    slope = np.concatenate((position * (MU / (r2 * r))[:, None], velocity), axis=1) / u[:, None]
    variance = np.zeros(len(u))
    for i in range(6):
        variance += slope[:, i] * _dot(covariance[:, i, :], slope)
    return u, np.sqrt(np.maximum(variance, 0.0) + BLUR_MPS * BLUR_MPS)


def perigee(state: Floats) -> Floats:
    """Heights (n,) of the perigee above the mean sphere, m; below it for whatever comes down again."""
    x, y, z, vx, vy, vz = state.T
    vx, vy = vx - OMEGA * y, vy + OMEGA * x
    r = np.sqrt(x * x + y * y + z * z)
    energy = 0.5 * (vx * vx + vy * vy + vz * vz) - MU / r
    hx, hy, hz = y * vz - z * vy, z * vx - x * vz, x * vy - y * vx
    h2 = hx * hx + hy * hy + hz * hz
    eccentricity = np.sqrt(np.maximum(1.0 + 2.0 * energy * h2 / (MU * MU), 0.0))
    height: Floats = h2 / (MU * (1.0 + eccentricity)) - EARTH_M
    return height


def normal(x: Floats) -> Floats:
    """The normal distribution function, nearly."""
    return 1.0 / (1.0 + exp(np.ascontiguousarray(np.minimum(np.maximum(-LOGISTIC * x, -60.0), 60.0))))


def _free(u: Floats, sigma: Floats) -> Floats:
    """Densities (n, 8) of u in free flight, blurred by its sigma."""
    low, high = BORDERS_MPS.T
    below = normal(((u[:, None] - low) / sigma[:, None]).reshape(-1))
    above = normal(((u[:, None] - high) / sigma[:, None]).reshape(-1))
    density: Floats = (below - above).reshape(len(u), -1) / (high - low)
    return density


def _rising(u: Floats) -> Floats:
    """Densities (n, 8) of u on its way to a final speed: ∫ dF / F over a class's F above u, by its width."""
    low, high = BORDERS_MPS.T
    start = np.maximum(u[:, None], low)
    ratio = np.maximum(high / start, 1.0)
    density: Floats = log(ratio.reshape(-1)).reshape(len(u), -1) / (high - low)
    return density


def _floored(likelihood: Floats) -> Floats:
    least = LEAST * np.maximum(likelihood.max(axis=1), 1e-12)
    return log(np.maximum(likelihood, least[:, None]).reshape(-1)).reshape(likelihood.shape)


def _dot(a: Floats, b: Floats) -> Floats:
    """Scalar products of the rows of two tables (n, k), in a fixed order."""
    product = a * b
    return _total(product)


def _total(table: Floats) -> Floats:
    """Sums of the rows of a table (n, k), in a fixed order."""
    total = table[:, 0].copy()
    for k in range(1, table.shape[1]):
        total += table[:, k]
    return total
