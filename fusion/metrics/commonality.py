"""Do two pictures show the same? Commonality between the pictures of two nations over the same objects.

The attribute is that of the Single Integrated Air Picture: participants hold the same track, at the same
place, on the same object (Votruba, Nisley, Rothrock, Zombro: Single Integrated Air Picture (SIAP) Metrics
Implementation, 2001). Two nations number their tracks independently here, so that "the same track" is taken
as: the pair of tracks that both hold on an object stays the pair; and "the same place" as: the two estimates
differ by no more than their covariances allow.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Held:
    """What one picture holds: one row for each tick at which it has a track on an object.

    `tick`, `object_id`, `track_id` (n,); `state` (n, d) and `covariance` (n, d, d) in one frame and unit for
    both pictures, usually position.
    """

    tick: npt.ArrayLike
    object_id: npt.ArrayLike
    track_id: npt.ArrayLike
    state: npt.ArrayLike
    covariance: npt.ArrayLike


@dataclass(frozen=True, slots=True)
class Commonality:
    """How far two pictures agree; None where there is nothing to judge. 1 is best for all but the distance.

    shared          held by both ÷ held by either (ticks of objects)
    consistent      estimates agree within their covariances ÷ held by both
    steady          same pair of tracks as when both last held the object ÷ held by both, first times excepted
    common          held by both, consistent, and steady or new ÷ held by either
    mean_distance   mean distance between the two estimates where both hold the object, in their unit
    """

    shared: float | None
    consistent: float | None
    steady: float | None
    common: float | None
    mean_distance: float | None


def commonality(one: Held, other: Held, *, probability: float = 0.99) -> Commonality:
    """Compare two pictures; the order of the two, and of the rows, does not matter.

    Estimates x, y with covariances P, R agree when (x − y)ᵀ (P + R)⁻¹ (x − y) is at most the `probability`
    quantile of χ². Estimates from common data have positively correlated errors; then the true covariance of
    the difference is smaller than P + R and the test lets more pass than `probability` says.
    Raises ValueError for columns that do not fit, for an object held twice at a tick, and for P + R that is
    not positive definite.
    """
    a, b = _Table(one), _Table(other)
    in_a, in_b = _both(a.key, b.key)
    union = len(a.key) + len(b.key) - len(in_a)
    if not len(in_a):
        return Commonality(0.0 if union else None, None, None, 0.0 if union else None, None)
    difference = a.state[in_a] - b.state[in_b]
    if difference.ndim != 2 or a.covariance.shape[1:] != b.covariance.shape[1:]:
        raise ValueError("the two pictures' states have different dimensions")
    total = a.covariance[in_a] + b.covariance[in_b]
    try:
        white = np.linalg.solve(np.linalg.cholesky(total), difference[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        raise ValueError("a sum of covariances is not positive definite") from None
    agree = np.sum(white * white, axis=1) <= chi2.ppf(probability, difference.shape[1])
    steady, known = _steady(a.key[in_a, 1], np.column_stack((a.track[in_a], b.track[in_b])))
    return Commonality(
        shared=len(in_a) / union,
        consistent=float(agree.mean()),
        steady=float(steady[known].mean()) if known.any() else None,
        common=float(np.count_nonzero(agree & steady)) / union,
        mean_distance=float(np.linalg.norm(difference, axis=1).mean()),
    )


class _Table:
    """A picture's rows, checked and in order of (tick, object)."""

    def __init__(self, held: Held) -> None:
        tick, objects, track = (
            np.asarray(c, np.int64).reshape(-1) for c in (held.tick, held.object_id, held.track_id)
        )
        state, covariance = np.asarray(held.state, np.float64), np.asarray(held.covariance, np.float64)
        n = len(tick)
        if not len(objects) == len(track) == len(state) == len(covariance) == n:
            raise ValueError(f"columns of different lengths: {n}, {len(objects)}, {len(track)}, {len(state)}")
        if n and (state.ndim != 2 or covariance.shape != (*state.shape, state.shape[1])):
            raise ValueError(f"states {state.shape} and covariances {covariance.shape} do not fit together")
        order = np.lexsort((objects, tick))
        self.key: Ints = np.column_stack((tick, objects))[order]
        if (self.key[1:] == self.key[:-1]).all(axis=1).any():
            raise ValueError("an object is held twice at a tick")
        self.track: Ints = track[order]
        self.state: Floats = state[order]
        self.covariance: Floats = covariance[order]


def _both(a: Ints, b: Ints) -> tuple[Ints, Ints]:
    """Rows of `a` and of `b` with the same (tick, object), in order of tick."""
    place = {key: row for row, key in enumerate(map(tuple, b.tolist()))}
    pairs = [(row, place[key]) for row, key in enumerate(map(tuple, a.tolist())) if key in place]
    found = np.array(pairs, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _steady(objects: Ints, pairs: Ints) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Of rows in order of tick: whether the object keeps its pair or is new; whether it had one before."""
    last: dict[int, list[int]] = {}
    steady, known = np.ones(len(objects), bool), np.zeros(len(objects), bool)
    for row, (which, pair) in enumerate(zip(objects.tolist(), pairs.tolist(), strict=True)):
        known[row] = which in last
        steady[row] = last.get(which, pair) == pair
        last[which] = pair
    return steady, known
