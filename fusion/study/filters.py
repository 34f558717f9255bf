"""Kalman filters of textbooks, in plain numpy, for many runs at once: EKF, UKF, CKF.

For studies only: published problems are solved with them, beside the tracker's own bank. A batch of n runs
has states x (n, d), covariances p (n, d, d) and measurements z (n, k). Functions of a `Model` take states
(..., d) of any leading shape.

Jazwinski: Stochastic Processes and Filtering Theory, 1970 (EKF). Julier, Uhlmann: Unscented filtering and
nonlinear estimation, Proc. IEEE 92(3), 2004, with the scaling of Wan, van der Merwe, 2000 (UKF). Arasaratnam,
Haykin: Cubature Kalman filters, IEEE Trans. Automatic Control 54(6), 2009 (CKF).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Function = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Model:
    """x' = move(x) + w, z = measure(x) + v, with white Gaussian w and v.

    `by_move` (..., d, d) and `by_measure` (..., k, d) are the Jacobians; `q` (d, d) and `r` (k, k) the
    covariances of w and v; `angles` the components of z that wrap (rad).
    """

    move: Function
    by_move: Function
    measure: Function
    by_measure: Function
    q: Floats
    r: Floats
    angles: tuple[int, ...] = ()

    def residual(self, z: Floats, expected: Floats) -> Floats:
        """z − expected, angles brought into [-π, π)."""
        found = z - expected
        for column in self.angles:
            found[..., column] = (found[..., column] + np.pi) % (2 * np.pi) - np.pi
        return found


class Updated(NamedTuple):
    """After a measurement: state, covariance, innovation (n, k) and its covariance (n, k, k)."""

    x: Floats
    p: Floats
    innovation: Floats
    s: Floats


class Filter(Protocol):
    """A filter whose whole state is a mean and a covariance."""

    @property
    def name(self) -> str:
        """As it stands in tables."""

    def predict(self, model: Model, x: Floats, p: Floats) -> tuple[Floats, Floats]:
        """State and covariance one step later."""

    def update(self, model: Model, x: Floats, p: Floats, z: Floats) -> Updated:
        """State and covariance after the measurement z."""


@dataclass(frozen=True, slots=True)
class Extended:
    """The extended Kalman filter: everything linear about the estimate; Joseph's form of the update."""

    name: str = "EKF"

    def predict(self, model: Model, x: Floats, p: Floats) -> tuple[Floats, Floats]:
        """State and covariance one step later."""
        f = model.by_move(x)
        return model.move(x), f @ p @ _t(f) + model.q

    def update(self, model: Model, x: Floats, p: Floats, z: Floats) -> Updated:
        """State and covariance after the measurement z."""
        h = model.by_measure(x)
        innovation = model.residual(z, model.measure(x))
        s = h @ p @ _t(h) + model.r
        gain = _t(np.linalg.solve(s, h @ p))
        rest = np.eye(x.shape[-1]) - gain @ h
        covariance = rest @ p @ _t(rest) + gain @ model.r @ _t(gain)
        return Updated(x + (gain @ innovation[..., None])[..., 0], _even(covariance), innovation, s)


@dataclass(frozen=True, slots=True)
class SigmaPoints:
    """The unscented Kalman filter, its points drawn anew before each update.

    2d + 1 points at x and x ± √(d + λ) times the columns of the Cholesky factor, λ = α²(d + κ) − d. With
    α = 1 and κ = 0 the middle point has no weight in the mean, and all other weights are 1 / 2d: with β = 0
    that is the third-degree cubature filter; β = 2 gives the middle a weight of 2 in covariances.
    """

    name: str
    alpha: float = 1.0
    beta: float = 0.0
    kappa: float = 0.0

    def points(self, x: Floats, p: Floats) -> tuple[Floats, Floats, Floats]:
        """Points (n, 2d + 1, d), the middle first, with their weights in means and in covariances."""
        d = x.shape[-1]
        reach = self.alpha**2 * (d + self.kappa)
        columns = np.sqrt(reach) * _t(np.linalg.cholesky(p))
        middle = x[..., None, :]
        mean = np.full(2 * d + 1, 0.5 / reach)
        mean[0] = 1 - d / reach
        spread = mean.copy()
        spread[0] += 1 - self.alpha**2 + self.beta
        return np.concatenate((middle, middle + columns, middle - columns), axis=-2), mean, spread

    def predict(self, model: Model, x: Floats, p: Floats) -> tuple[Floats, Floats]:
        """State and covariance one step later."""
        points, mean, spread = self.points(x, p)
        moved = model.move(points)
        found = mean @ moved
        off = moved - found[..., None, :]
        return found, _even(_t(off) @ (spread[:, None] * off)) + model.q

    def update(self, model: Model, x: Floats, p: Floats, z: Floats) -> Updated:
        """State and covariance after the measurement z."""
        points, mean, spread = self.points(x, p)
        seen = model.measure(points)
        about = model.residual(seen, seen[..., :1, :])
        off = about - (mean @ about)[..., None, :]
        expected = seen[..., 0, :] + mean @ about
        weighted = spread[:, None] * off
        s = _even(_t(off) @ weighted) + model.r
        cross = _t(points - x[..., None, :]) @ weighted
        gain = _t(np.linalg.solve(s, _t(cross)))
        innovation = model.residual(z, expected)
        covariance = p - gain @ s @ _t(gain)
        return Updated(x + (gain @ innovation[..., None])[..., 0], _even(covariance), innovation, s)


EKF = Extended()
UKF = SigmaPoints("UKF", beta=2.0)
CKF = SigmaPoints("CKF")
FILTERS: tuple[Filter, ...] = (EKF, UKF, CKF)


def _t(matrix: npt.NDArray[np.floating]) -> Floats:
    return np.asarray(np.swapaxes(matrix, -1, -2), np.float64)


def _even(matrix: Floats) -> Floats:
    """The symmetric part."""
    return (matrix + _t(matrix)) / 2
