"""Distances between two finite sets of points: GOSPA and OSPA.

Both sum, over the best one-to-one assignment, the cut-off Euclidean distances to the power `order`, and add
a price for the difference in number. The assignment is exact (scipy's shortest augmenting path).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Gospa:
    """``distance ** order == localisation + missed + false_tracks`` (the summands before the root).

    `pairs` (k, 2) lists (truth row, estimate row) of the assignment, in order of truth row; pairs at the
    cutoff or beyond are not pairs.
    """

    distance: float
    localisation: float
    missed: float
    false_tracks: float
    pairs: Ints


@dataclass(frozen=True, slots=True)
class Ospa:
    """``distance ** order == localisation + cardinality`` (the summands before the root)."""

    distance: float
    localisation: float
    cardinality: float


def gospa(
    truth: npt.ArrayLike, estimates: npt.ArrayLike, *, cutoff: float, order: float = 2, alpha: float = 2
) -> Gospa:
    """Generalised OSPA between `truth` (N, d) and `estimates` (M, d).

    With n ≤ m points and the cut-off distance d_c = min(‖x − y‖, c), the distance to the power p is
    min over assignments of Σ d_c(x_i, y_π(i))^p + c^p (m − n) / α. Points assigned at the cutoff count as one
    missed and one false, half of c^p each, which for α = 2 is what leaving both unassigned costs.
    Raises ValueError for wrong shapes or parameters.

    Rahmathullah, García-Fernández, Svensson: Generalized optimal sub-pattern assignment metric, FUSION 2017,
    definition 1 and proposition 1.
    """
    if not 0 < alpha <= 2:
        raise ValueError(f"alpha must be in (0, 2], not {alpha}")
    distances = _distances(truth, estimates, cutoff, order)
    rows, columns = _assigned(distances, cutoff, order)
    near = distances[rows, columns] < cutoff
    localisation = float(np.sum(distances[rows, columns][near] ** order))
    far = float(np.count_nonzero(~near)) / 2
    n, m = distances.shape
    missed = cutoff**order * (far + max(n - m, 0) / alpha)
    false_tracks = cutoff**order * (far + max(m - n, 0) / alpha)
    return Gospa(
        distance=(localisation + missed + false_tracks) ** (1 / order),
        localisation=localisation,
        missed=missed,
        false_tracks=false_tracks,
        pairs=np.stack([rows[near], columns[near]], axis=1).astype(np.int64),
    )


def ospa(truth: npt.ArrayLike, estimates: npt.ArrayLike, *, cutoff: float, order: float = 2) -> Ospa:
    """Optimal sub-pattern assignment distance between `truth` (N, d) and `estimates` (M, d).

    With n ≤ m points: ((min over assignments of Σ d_c(x_i, y_π(i))^p + c^p (m − n)) / m)^(1/p), and 0 between
    two empty sets. Raises ValueError for wrong shapes or parameters.

    Schuhmacher, Vo, Vo: A consistent metric for performance evaluation of multi-object filters,
    IEEE Trans. Signal Processing 56(8), 2008, equations 3 and 4.
    """
    distances = _distances(truth, estimates, cutoff, order)
    n, m = distances.shape
    if not n and not m:
        return Ospa(0.0, 0.0, 0.0)
    rows, columns = _assigned(distances, cutoff, order)
    localisation = float(np.sum(np.minimum(distances[rows, columns], cutoff) ** order)) / max(n, m)
    cardinality = cutoff**order * abs(n - m) / max(n, m)
    return Ospa((localisation + cardinality) ** (1 / order), localisation, cardinality)


def _distances(truth: npt.ArrayLike, estimates: npt.ArrayLike, cutoff: float, order: float) -> Floats:
    """Euclidean distances (N, M), after the checks that both metrics share."""
    if not cutoff > 0:
        raise ValueError(f"cutoff must be positive, not {cutoff}")
    if not order >= 1:
        raise ValueError(f"order must be at least 1, not {order}")
    x, y = (_points(values) for values in (truth, estimates))
    if len(x) and len(y) and x.shape[1] != y.shape[1]:
        raise ValueError(f"points of dimension {x.shape[1]} and {y.shape[1]} cannot be compared")
    if not len(x) or not len(y):
        return np.zeros((len(x), len(y)))
    return np.asarray(np.linalg.norm(x[:, None, :] - y[None, :, :], axis=2))


def _points(values: npt.ArrayLike) -> Floats:
    points = np.asarray(values, dtype=np.float64)
    if points.size == 0:
        return points.reshape(0, points.shape[-1] if points.ndim == 2 else 0)
    if points.ndim != 2:
        raise ValueError(f"points must be (n, d), not {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError("points must be finite")
    return points


def _assigned(distances: Floats, cutoff: float, order: float) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Rows and columns of the cheapest one-to-one assignment of cut-off distances, in order of row."""
    rows, columns = linear_sum_assignment(np.minimum(distances, cutoff) ** order)
    return rows, columns
