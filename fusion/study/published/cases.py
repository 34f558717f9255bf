"""What a published problem is, once its truths and measurements are drawn, and how a filter does on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fusion.metrics import Consistency, bound, consistency, nees, nis
from fusion.study.filters import Filter, Model

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Quantity:
    """What is judged: the root mean square of the norm of some components of the state, times `scale`."""

    name: str
    unit: str
    rows: tuple[int, ...]
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Case:
    """n runs of one problem over times 0 … K.

    `truths` (n, K + 1, d), `measured` (n, K + 1, k); filters start at time `first` with `x` (n, d) and `p`
    (n, d, d), and take the later measurements, where `detected` (n, K + 1) when that is given.
    `information` is that of the bound, (K + 1, d, d), or (n, K + 1, d, d) where every run has its own; `at`
    are the four indices of time at which everything is judged.
    """

    name: str
    title: str
    times_s: Floats
    truths: Floats
    measured: Floats
    first: int
    x: Floats
    p: Floats
    model: Model
    information: Floats
    quantities: tuple[Quantity, ...]
    at: tuple[int, ...]
    detected: Flags | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """One filter on one problem. Arrays are (quantities, times) at the four times, `rmse_over_time` at all.

    `error` is the standard error of `rmse`. NEES and NIS are divided by their dimension, one sample a run.
    `lost` runs ended in numbers without meaning (overflow, or a covariance that is none); they count in
    nothing else, not even before that.
    """

    name: str
    rmse: Floats
    error: Floats
    nees: tuple[Consistency | None, ...]
    nis: tuple[Consistency | None, ...]
    rmse_over_time: Floats
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """A problem's table: `bound` (quantities, times) beside filters; `bound_over_time` is for pictures."""

    name: str
    title: str
    runs: int
    times_s: Floats
    at: tuple[int, ...]
    quantities: tuple[Quantity, ...]
    bound: Floats
    bound_over_time: Floats
    judged: tuple[Judged, ...]
    notes: tuple[str, ...] = ()

    def below(self) -> list[tuple[str, str, float, float]]:
        """(filter, quantity, time, standard errors) where an error lies below the bound by more than two."""
        found = []
        for one in self.judged:
            short = (self.bound - one.rmse) / one.error
            for q, t in np.argwhere(short > 2).tolist():
                time = float(self.times_s[self.at[t]])
                found.append((one.name, self.quantities[q].name, time, float(short[q, t])))
        return found


def bounds_of(information: Floats, quantities: tuple[Quantity, ...]) -> Floats:
    """The bound on the RMSE of every quantity at every time: (quantities, times), inf where there is none.

    Where every run has its own (n, times, d, d), variances are averaged over the runs.
    """
    variances = np.diagonal(bound(information), axis1=-2, axis2=-1)
    variances = variances.mean(axis=0) if variances.ndim == 3 else variances
    return np.array([q.scale * np.sqrt(variances[:, q.rows].sum(axis=1)) for q in quantities])


def squares(errors: Floats, quantity: Quantity) -> Floats:
    """Squared errors (..., d) of one quantity."""
    return np.asarray(quantity.scale**2 * np.sum(errors[..., quantity.rows] ** 2, axis=-1))


def rms(square: Floats) -> tuple[Floats, Floats]:
    """Root of the mean over the first axis, NaN left out, and its standard error by the delta method."""
    value = np.sqrt(np.nanmean(square, axis=0))
    count = np.count_nonzero(np.isfinite(square), axis=0)
    return value, np.nanstd(square, axis=0, ddof=1) / np.sqrt(count) / (2 * value)


def judge(case: Case, which: Filter) -> Judged:
    """Run a filter over all runs of a problem at once."""
    n, count, d = case.truths.shape
    x, p, alive = case.x, case.p, np.ones(n, bool)
    error = np.full((count, n, d), np.nan)
    error[case.first] = x - case.truths[:, case.first]
    ratios: list[tuple[Floats, Floats]] = []
    for k in range(case.first + 1, count):
        seen = np.ones(n, bool) if case.detected is None else case.detected[:, k]
        x, p, innovation, s, alive = _step(case, which, x, p, alive, seen, k)
        error[k, alive] = x[alive] - case.truths[alive, k]
        if k in case.at:
            both = alive & seen
            ratios.append((np.full(n, np.nan), np.full(n, np.nan)))
            ratios[-1][0][alive] = nees(case.truths[alive, k], x[alive], p[alive])
            ratios[-1][1][both] = nis(innovation[both], s[both])
    error[:, ~alive] = np.nan
    sizes = d, case.measured.shape[2]
    found = [[_mean(one[alive], size) for one, size in zip(pair, sizes, strict=True)] for pair in ratios]
    found_nees, found_nis = zip(*found, strict=True)
    return judged(case, which.name, error, found_nees, found_nis, n - int(np.count_nonzero(alive)))


def _mean(values: Floats, dimension: int) -> Consistency | None:
    """The consistency of those that there are."""
    there = values[np.isfinite(values)]
    return consistency(there, dimension) if len(there) else None


def judged(
    case: Case,
    name: str,
    error: Floats,
    found_nees: Sequence[Consistency | None],
    found_nis: Sequence[Consistency | None],
    lost: int,
) -> Judged:
    """The figures of errors (times, n, d), NaN where there is no estimate."""
    square = np.array([squares(error, q) for q in case.quantities])
    rmse, sigma = zip(*(rms(s[list(case.at)].T) for s in square), strict=True)
    there = np.isfinite(square).any(axis=2)
    over_time = np.full(there.shape, np.nan)
    over_time[there] = np.sqrt(np.nanmean(square[there], axis=1))
    return Judged(name, np.array(rmse), np.array(sigma), tuple(found_nees), tuple(found_nis), over_time, lost)


def _step(
    case: Case, which: Filter, x: Floats, p: Floats, alive: Flags, seen: Flags, k: int
) -> tuple[Floats, Floats, Floats, Floats, Flags]:
    """One step of the runs that are alive; gives state, covariance, innovation, S, and who is alive after."""
    n, size = case.measured.shape[0], case.measured.shape[2]
    x, p, alive = x.copy(), p.copy(), alive & _sound(x, p)
    innovation, s = np.full((n, size), np.nan), np.full((n, size, size), np.nan)
    # A run that is being lost overflows; it is found and taken out.
    with np.errstate(over="ignore", invalid="ignore"):
        x[alive], p[alive] = which.predict(case.model, x[alive], p[alive])
        alive = alive & _sound(x, p)
        both = alive & seen
        new = which.update(case.model, x[both], p[both], case.measured[both, k])
    x[both], p[both], innovation[both], s[both] = new
    return x, p, innovation, s, alive & _sound(x, p)


def _sound(x: Floats, p: Floats) -> Flags:
    """Runs whose state and covariance are finite, and the latter positive definite."""
    fine: Flags = np.asarray(np.isfinite(x).all(axis=1) & np.isfinite(p).all(axis=(1, 2)))
    for row in np.flatnonzero(fine) if not _definite(p[fine]) else ():
        fine[row] = _definite(p[row])
    return fine


def _definite(p: Floats) -> bool:
    try:
        np.linalg.cholesky(p)
    except np.linalg.LinAlgError:
        return False
    return True


def solve(case: Case, filters: tuple[Filter, ...]) -> Outcome:
    """All filters on one problem."""
    over_time = bounds_of(case.information, case.quantities)
    return Outcome(
        name=case.name,
        title=case.title,
        runs=len(case.truths),
        times_s=case.times_s,
        at=case.at,
        quantities=case.quantities,
        bound=over_time[:, list(case.at)],
        bound_over_time=over_time,
        judged=tuple(judge(case, which) for which in filters),
    )
