"""Is an estimate as good as its covariance says?

`nees` and `nis` are divided by their dimension, so that 1 is right. Their means over independent samples lie
in `mean_bounds` with the probability asked for; `consistency` puts value and interval together:

- across runs at one fixed time, one sample a run: right for both
- over the times of one run: right for `nis` (innovations of a right filter are independent), not for `nees`,
  whose samples follow one another
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2, norm

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Consistency:
    """A mean of `count` normalised squared errors of `dimension` each, and where a right one lies."""

    mean: float
    low: float
    high: float
    count: int
    dimension: int

    @property
    def inside(self) -> bool:
        """Whether the mean lies between the bounds; above them is overconfident, below overcautious."""
        return self.low <= self.mean <= self.high


class Proportion(NamedTuple):
    """A share and its interval."""

    value: float
    low: float
    high: float


def nees(truth: npt.ArrayLike, estimates: npt.ArrayLike, covariances: npt.ArrayLike) -> Floats:
    """Normalised estimation error squared per row, eᵀ P⁻¹ e / d, whose expectation is 1.

    `truth` and `estimates` are (n, d), `covariances` (n, d, d); the answer is (n,). Raises ValueError for
    wrong shapes, and for a covariance that is not positive definite.

    Bar-Shalom, Li, Kirubarajan: Estimation with Applications to Tracking and Navigation, 2001, section 5.4.2
    (there without the division by d).
    """
    x, y = (np.asarray(values, dtype=np.float64) for values in (truth, estimates))
    p = np.asarray(covariances, dtype=np.float64)
    if x.ndim != 2 or x.shape != y.shape or p.shape != (*x.shape, x.shape[1]):
        raise ValueError(f"shapes {x.shape}, {y.shape} and {p.shape} do not fit together")
    try:
        lower = np.linalg.cholesky(p)
    except np.linalg.LinAlgError:
        raise ValueError("a covariance is not positive definite") from None
    white = np.linalg.solve(lower, (x - y)[:, :, None])[:, :, 0]
    return np.asarray(np.sum(white * white, axis=1) / max(x.shape[1], 1))


def nis(innovations: npt.ArrayLike, covariances: npt.ArrayLike) -> Floats:
    """Normalised innovation squared per row, νᵀ S⁻¹ ν / d: (n,) from innovations (n, d) and S (n, d, d).

    Angles among the innovations are wrapped by the caller. Raises ValueError as `nees`.
    The same book, section 5.4.2.
    """
    residual = np.asarray(innovations, dtype=np.float64)
    return nees(np.zeros_like(residual), residual, covariances)


def mean_bounds(count: int, dimension: int, probability: float = 0.95) -> tuple[float, float]:
    """The interval that holds the mean of `count` independent `nees` values with the given probability.

    `count` · `dimension` · mean is χ² distributed with count · dimension degrees of freedom.
    """
    if count < 1 or dimension < 1:
        raise ValueError("count and dimension must be at least 1")
    degrees = count * dimension
    low, high = chi2.ppf([(1 - probability) / 2, (1 + probability) / 2], degrees) / degrees
    return float(low), float(high)


def consistency(values: npt.ArrayLike, dimension: int, probability: float = 0.95) -> Consistency:
    """The mean of independent `nees` or `nis` values (n,) of `dimension` each, beside its two-sided interval.

    Raises ValueError when there is no value or one is not finite.
    """
    sample = np.asarray(values, dtype=np.float64).reshape(-1)
    if not np.isfinite(sample).all():
        raise ValueError("normalised squared errors must be finite")
    low, high = mean_bounds(len(sample), dimension, probability)
    return Consistency(float(sample.mean()), low, high, len(sample), dimension)


def contained(
    truth: npt.ArrayLike, estimates: npt.ArrayLike, covariances: npt.ArrayLike, probability: float = 0.95
) -> Flags:
    """Whether each truth (n, d) lies inside its estimate's ellipsoid of the given probability: (n,).

    The ellipsoid is eᵀ P⁻¹ e ≤ the quantile of χ² with d degrees of freedom. Raises ValueError as `nees`.
    """
    distance = nees(truth, estimates, covariances)
    degrees = np.asarray(truth).shape[1]
    return np.asarray(distance * degrees <= chi2.ppf(probability, degrees))


def wilson(hits: int, count: int, probability: float = 0.95) -> Proportion | None:
    """A proportion and its score interval; None of nothing.

    Wilson: Probable inference, the law of succession, and statistical inference, JASA 22, 1927.
    """
    if not 0 <= hits <= count:
        raise ValueError(f"{hits} hits of {count}")
    if not count:
        return None
    z = float(norm.ppf((1 + probability) / 2))
    share = hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return Proportion(share, max(float(middle - half), 0.0), min(float(middle + half), 1.0))
