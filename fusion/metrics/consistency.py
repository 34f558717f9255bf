"""Is an estimate as good as its covariance says?"""

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

Floats = npt.NDArray[np.float64]


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


def mean_bounds(count: int, dimension: int, probability: float = 0.95) -> tuple[float, float]:
    """The interval that holds the mean of `count` independent `nees` values with the given probability.

    `count` · `dimension` · mean is χ² distributed with count · dimension degrees of freedom.
    """
    if count < 1 or dimension < 1:
        raise ValueError("count and dimension must be at least 1")
    degrees = count * dimension
    low, high = chi2.ppf([(1 - probability) / 2, (1 + probability) / 2], degrees) / degrees
    return float(low), float(high)
