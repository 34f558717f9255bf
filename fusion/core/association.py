"""Which plot belongs to which track: gating, clusters, and an exact assignment in each cluster.

A plot may go to one track and a track takes one plot of a scan. The cost of a pair is its negative
log-likelihood; leaving a plot to clutter or a new object costs the negative log of their density in
measurement space (Blackman and Popoli 1999, section 6.4). Confirmed tracks choose before tentative ones.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ext.assignment import assign
from ext.elementary import log
from fusion.core.heights import ELEVATION, NOTHING, RANGE
from sharing.messages import Floats, Site

Index = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class AssociationRules:
    """Gate and densities. NOTIONAL."""

    gate_d2: float = 25.0
    """Squared Mahalanobis distance: of true plots all but 1.5e-5 pass (3 measured components), 4e-6 (2)."""
    new_objects_per_scan: float = 0.05


@dataclass(frozen=True, slots=True)
class Pairs:
    """Candidate pairs of plot rows and track slots, with their log-likelihoods."""

    rows: Index
    slots: Index
    log_likelihood: Floats

    def where(self, keep: npt.NDArray[np.bool_ | np.intp]) -> "Pairs":
        """The pairs marked true, or at the given places."""
        return Pairs(self.rows[keep], self.slots[keep], self.log_likelihood[keep])


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


def associate(pairs: Pairs, confirmed: npt.NDArray[np.bool_], clutter_cost: float) -> tuple[Index, Index]:
    """Distinct rows and slots that belong together; `confirmed` says of each pair whose turn is first.

    Pairs come ordered by row, then slot.
    """
    sure = pairs.where(confirmed)
    rows, slots = _assigned(sure, clutter_cost)
    if len(sure.rows) == len(pairs.rows):
        return rows, slots
    taken = np.zeros(int(pairs.rows[-1]) + 1, np.bool_)
    taken[rows] = True
    more_rows, more_slots = _assigned(pairs.where(~confirmed & ~taken[pairs.rows]), clutter_cost)
    return np.concatenate((rows, more_rows)), np.concatenate((slots, more_slots))


def _assigned(pairs: Pairs, clutter_cost: float) -> tuple[Index, Index]:
    keep = assign(pairs.rows, pairs.slots, -pairs.log_likelihood, clutter_cost)
    return pairs.rows[keep], pairs.slots[keep]
