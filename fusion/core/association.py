"""Which plot belongs to which track: gating, clusters, and in each cluster one of two `METHODS`.

A plot may come from one track and a track makes one plot of a scan.

- ``gnn``, global nearest neighbour: the single likeliest way, an exact assignment. The cost of a pair is its
  negative log-likelihood; leaving a plot to clutter or a new object costs the negative log of their density
  in measurement space (Blackman and Popoli 1999, section 6.4).
- ``jpda``, joint probabilistic data association: all ways at once. A confirmed track takes a share of every
  plot near it, the probability that it is the track's (`ext.jpda`).

Confirmed tracks choose before tentative ones, which are assigned by either method: begun or not is yes or no.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ext.assignment import assign
from ext.elementary import log
from ext.jpda import marginals
from fusion.core.heights import ELEVATION, NOTHING, RANGE
from sharing.messages import Floats, Site

Index = npt.NDArray[np.int32]

METHODS = ("gnn", "jpda")


@dataclass(frozen=True, slots=True)
class AssociationRules:
    """Gate and densities. NOTIONAL."""

    gate_d2: float = 25.0
    """Squared Mahalanobis distance: of true plots all but 1.5e-5 pass (3 measured components), 4e-6 (2)."""
    new_objects_per_scan: float = 0.05
    method: str = "gnn"
    """One of `METHODS`."""
    detection_probability: float = 0.7
    """That of a track with plots near it, whose cross-section nobody knows: between the 0.52 of a Swerling 1
    object at a mean SNR of 13 dB and the 0.9 at 21 dB (Pfa 1e-6)."""
    exact_members: int = 10
    """Clusters with at most so many tracks, or plots, are summed exactly; belief propagation beyond."""
    least_share: float = 1e-3
    """A smaller share of a plot changes no track."""
    claim: float = 0.5
    """A plot that is some track's with this probability begins no other; a track seen with it is hit."""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"association = {self.method!r}: one of {', '.join(METHODS)}")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Candidate pairs of plot rows and track slots, with their log-likelihoods."""

    rows: Index
    slots: Index
    log_likelihood: Floats

    def where(self, keep: npt.NDArray[np.bool_ | np.intp]) -> "Pairs":
        """The pairs marked true, or at the given places."""
        return Pairs(self.rows[keep], self.slots[keep], self.log_likelihood[keep])

    def and_also(self, others: "Pairs") -> "Pairs":
        """These pairs and others behind them."""
        return Pairs(
            np.concatenate((self.rows, others.rows)),
            np.concatenate((self.slots, others.slots)),
            np.concatenate((self.log_likelihood, others.log_likelihood)),
        )

    def by_slot(self) -> "Pairs":
        """The same, neighbours in memory side by side: they are worked on together."""
        return self.where(np.argsort(self.slots, kind="stable"))


def unassigned_cost(site: Site, rules: AssociationRules, missing: int = NOTHING) -> float:
    """Negative log of the density of clutter and new objects, uniform over the sector.

    Per m rad², the space of complete plots; `missing` takes the component away that they do not measure, so
    that the density is that of the pairs' likelihoods.
    """
    volume = site.azimuth_width_rad
    if missing != RANGE:
        volume = site.range_max_m * volume
    if missing != ELEVATION:
        volume = volume * (site.elevation_max_rad - site.elevation_min_rad)
    density = (site.clutter_per_scan + rules.new_objects_per_scan) / volume
    return -float(log(np.array([density]))[0])


def associate(pairs: Pairs, confirmed: npt.NDArray[np.bool_], clutter_cost: float) -> Pairs:
    """The pairs that belong together, no row and no slot twice; `confirmed` says of each whose turn is first.

    Pairs come ordered by row, then slot.
    """
    sure = _assigned(pairs.where(confirmed), clutter_cost)
    if confirmed.all():
        return sure
    taken = np.zeros(int(pairs.rows[-1]) + 1, np.bool_)
    taken[sure.rows] = True
    return sure.and_also(_assigned(pairs.where(~confirmed & ~taken[pairs.rows]), clutter_cost))


def _assigned(pairs: Pairs, clutter_cost: float) -> Pairs:
    return pairs.where(assign(pairs.rows, pairs.slots, -pairs.log_likelihood, clutter_cost))


@dataclass(frozen=True, slots=True)
class Shares:
    """Pairs, ordered by slot, with the probability that the plot is the track's."""

    rows: Index
    slots: Index
    share: Floats

    def of_slots(self) -> tuple[Index, Floats]:
        """The distinct slots in order, and the probability that each was seen."""
        seen = np.bincount(self.slots, self.share).astype(np.float64)
        distinct = np.flatnonzero(np.bincount(self.slots)).astype(np.int32)
        return distinct, seen[distinct]

    def claimed(self, rows: int, rules: AssociationRules) -> npt.NDArray[np.bool_]:
        """Which of so many rows are claimed by a track, or by several together."""
        return np.bincount(self.rows, self.share, rows) >= rules.claim


def shares_of(pairs: Pairs, clutter_cost: float, rules: AssociationRules) -> Shares:
    """What each pair is worth over all ways to explain the plots; pairs come ordered by row, then slot."""
    pd = rules.detection_probability
    odds = pairs.log_likelihood + (clutter_cost + float(log(np.array([pd / (1.0 - pd)]))[0]))
    share, _ = marginals(pairs.rows, pairs.slots, odds, rules.exact_members)
    kept = np.flatnonzero(share >= rules.least_share)
    kept = kept[np.argsort(pairs.slots[kept], kind="stable")]
    return Shares(pairs.rows[kept], pairs.slots[kept], share[kept])
