"""A ballistic object in re-entry with a known ballistic coefficient.

Farina, Ristic, Benvenuti: Tracking a ballistic target: comparison of several nonlinear filters, IEEE Trans.
AES 38(3), 2002. State x, ẋ, y, ẏ (m, m/s) over a flat Earth, radar at the origin measuring range and
elevation, T = 2 s, 60 measurements, process noise q = 1 m²/s³ an axis; drag with β = 40,000 kg/(m s²).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fusion.metrics import fisher, pcrlb
from fusion.study.filters import CKF, EKF, UKF, Filter, Model, Updated
from fusion.study.published.cases import Case, Quantity
from sensors.draws import normals

Floats = npt.NDArray[np.float64]

T, STEPS, G, BETA, NOISE = 2.0, 60, 9.81, 40_000.0, 1.0
SIGMA_RANGE_M, SIGMA_ELEVATION_RAD = 100.0, 0.017
HEADING = np.radians(190.0)
START = np.array([232e3, 2290 * np.cos(HEADING), 88e3, 2290 * np.sin(HEADING)])
LAYER_M = 9144.0
AT = (15, 30, 45, 59)
QUANTITIES = (Quantity("position", "m", (0, 2)), Quantity("velocity", "m/s", (1, 3)))

_AXIS = np.array([[1, T], [0, 1]])
_PHI = np.kron(np.eye(2), _AXIS)
_PUSH = np.kron(np.eye(2), np.array([[T * T / 2], [T]]))
_Q = NOISE * np.kron(np.eye(2), np.array([[T**3 / 3, T**2 / 2], [T**2 / 2, T]]))
_R = np.diag([SIGMA_RANGE_M**2, SIGMA_ELEVATION_RAD**2])


def density(height: Floats) -> tuple[Floats, Floats]:
    """Air density, kg/m³, by height, and minus its logarithm's derivative, 1/m: two exponential layers."""
    low = height < LAYER_M
    rate = np.where(low, 1.093e-4, 1.49e-4)
    return np.where(low, 1.227, 1.754) * np.exp(-rate * height), rate


def drag(x: Floats) -> Floats:
    """Acceleration (..., 2) by drag, −½ gρ/β |v| v."""
    v = x[..., 1::2]
    rho, _ = density(x[..., 2])
    return np.asarray(-0.5 * G / BETA * (rho * np.linalg.norm(v, axis=-1))[..., None] * v)


def move(x: Floats) -> Floats:
    """The state T later: Φx + G(drag + gravity)."""
    return np.asarray(x @ _PHI.T + (drag(x) + np.array([0.0, -G])) @ _PUSH.T)


def by_move(x: Floats) -> Floats:
    """∂move/∂x (..., 4, 4)."""
    v = x[..., 1::2]
    speed = np.linalg.norm(v, axis=-1)[..., None, None]
    rho, rate = (value[..., None, None] for value in density(x[..., 2]))
    by = np.zeros((*x.shape[:-1], 2, 4))
    column = v[..., :, None]
    by[..., 2:3] = 0.5 * G / BETA * rho * rate * speed * column
    by[..., 1::2] = -0.5 * G / BETA * rho * (speed * np.eye(2) + column * v[..., None, :] / speed)
    return np.asarray(_PHI + _PUSH @ by)


def measure(x: Floats) -> Floats:
    """Range m and elevation rad (..., 2)."""
    return np.stack((np.hypot(x[..., 0], x[..., 2]), np.arctan2(x[..., 2], x[..., 0])), axis=-1)


def by_measure(x: Floats) -> Floats:
    """∂measure/∂x (..., 2, 4)."""
    found = np.zeros((*x.shape[:-1], 2, 4))
    r = np.hypot(x[..., 0], x[..., 2])
    found[..., 0, 0], found[..., 0, 2] = x[..., 0] / r, x[..., 2] / r
    found[..., 1, 0], found[..., 1, 2] = -x[..., 2] / r**2, x[..., 0] / r**2
    return found


MODEL = Model(move, by_move, measure, by_measure, _Q, _R, angles=(1,))


def converted(z: Floats) -> tuple[Floats, Floats]:
    """Position (n, 2) and its covariance (n, 2, 2) of measurements, to the first order, as in the paper."""
    return _placed(z, z[:, 0], np.full(len(z), _R[0, 0]))


def located(z: Floats) -> tuple[Floats, Floats]:
    """The same to the second order: where the object is, given the measurement.

    Over the noise about the measurement the mean of cos(ε + e) is cos ε exp(−σ²/2), and ½ r e² adds r²σ⁴/2 to
    the variance of range.
    """
    return _placed(z, z[:, 0] * np.exp(-_R[1, 1] / 2), _R[0, 0] + z[:, 0] ** 2 * _R[1, 1] ** 2 / 2)


def _placed(z: Floats, mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Positions at range `mean` (n,) in the measured direction, with a variance of range (n,)."""
    along = np.column_stack((np.cos(z[:, 1]), np.sin(z[:, 1])))
    across = np.column_stack((-along[:, 1], along[:, 0]))
    p = variance[:, None, None] * along[:, :, None] * along[:, None, :]
    p += (z[:, 0] ** 2 * _R[1, 1])[:, None, None] * across[:, :, None] * across[:, None, :]
    return mean[:, None] * along, p


@dataclass(frozen=True, slots=True)
class Converted:
    """The paper's own way: an EKF whose measurements are turned into positions first, for a linear update."""

    name: str = "EKF, converted"

    def predict(self, model: Model, x: Floats, p: Floats) -> tuple[Floats, Floats]:
        """State and covariance one step later."""
        return EKF.predict(model, x, p)

    def update(self, model: Model, x: Floats, p: Floats, z: Floats) -> Updated:
        """State and covariance after the measurement z."""
        position, r = converted(z)
        innovation, s = position - x[:, ::2], p[:, ::2, ::2] + r
        gain = np.swapaxes(np.linalg.solve(s, p[:, ::2]), 1, 2)
        covariance = p - gain @ s @ np.swapaxes(gain, 1, 2)
        covariance = (covariance + np.swapaxes(covariance, 1, 2)) / 2
        return Updated(x + (gain @ innovation[..., None])[..., 0], covariance, innovation, s)


FILTERS: tuple[Filter, ...] = (EKF, Converted(), UKF, CKF)


def two_points(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """State (n, 4) and covariance (n, 4, 4) at the second of two measurements, given gravity but no drag."""
    (a, p_a), (b, p_b) = located(first), located(second)
    n = len(a)
    x, p = np.zeros((n, 4)), np.zeros((n, 4, 4))
    x[:, ::2], x[:, 1::2] = b, (b - a) / T + np.array([0.0, -G]) * T / 2
    p[:, ::2, ::2] = p_b
    p[:, ::2, 1::2] = p[:, 1::2, ::2] = p_b / T
    p[:, 1::2, 1::2] = (p_a + p_b) / T**2 + NOISE * T / 3 * np.eye(2)
    return x, p


def case(runs: int, seed: int) -> Case:
    """The problem drawn `runs` times; the posterior bound begins with the first measurement, no prior."""
    pushes = normals(runs * STEPS, 4, seed, "farina", "process") @ np.linalg.cholesky(_Q).T
    pushes = pushes.reshape(runs, STEPS, 4)
    truths = np.empty((runs, STEPS, 4))
    truths[:, 0] = START
    for k in range(STEPS - 1):
        truths[:, k + 1] = move(truths[:, k]) + pushes[:, k]
    noise = normals(runs * STEPS, 4, seed, "farina", "measurement").reshape(runs, STEPS, 4)[..., :2]
    measured = measure(truths) + noise * np.sqrt(np.diagonal(_R))
    x, p = two_points(measured[:, 0], measured[:, 1])
    gained = fisher(np.swapaxes(by_measure(truths), 0, 1), _R)
    moved = np.swapaxes(by_move(truths[:, :-1]), 0, 1)
    return Case(
        name="farina",
        title="Farina, Ristic, Benvenuti 2002: re-entry, known ballistic coefficient",
        times_s=T * np.arange(float(STEPS)),
        truths=truths,
        measured=measured,
        first=1,
        x=x,
        p=p,
        model=MODEL,
        information=pcrlb(np.zeros((4, 4)), moved, _Q, gained),
        quantities=QUANTITIES,
        at=AT,
    )
