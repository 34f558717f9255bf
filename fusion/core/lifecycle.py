"""Birth, confirmation, coasting and death of tracks: one table of states and events, and what the events are.

Rules:

- `LIFE` holds every change there is; `TrackTable.move` makes them and no other. It also draws docs/life.svg.
- A plot that no track claims starts a *tentative* track.
- What confirms it, says `LifeRules.proof`: M hits within the last N looks that fit together (``m-of-n``), or
  a log-likelihood ratio of hits and misses above a threshold (``sprt``: Wald's sequential test, Sittler
  1964; Blackman and Popoli 1999, section 6.2). Hits fit together when their ratio alone is above it.
  A look is a hit, or a finished scan of a sensor that has hit the track before and should have seen it.
- A tentative track that can no longer reach M of N, or whose score has fallen to the lower threshold, or that
  is not hit in time, is dropped.
- Of two live tracks that are the same object the younger one ends (`fusion.core.family`).
- A confirmed track without a hit for `coast_s` is *coasting*. It is dropped once its position is worthless
  (`lost_sigma_m`), once good looks over `patience_s` found nothing (`misses` of them, or a score fallen by
  more than chance explains: Page's test), or below the ground.

Everything is columns indexed by the filter bank's slot, so that a checkpoint is a copy of arrays.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ext.elementary import log
from ext.roster import FREE as FREE
from ext.roster import NEVER, RECORD, Roster
from fusion.core.detection import IGNORANCE, weighed
from sharing.messages import Floats, S

TENTATIVE, CONFIRMED, COASTING = range(3)
Slots = npt.NDArray[np.int32]
UNASKED, NO_PARENT, NO_TWIN = -1, 0, 0
PROOFS = ("m-of-n", "sprt")

START, PROVEN, DOUBTED, OVERDUE, QUIET, SEEN, MISSED, OLD, WORTHLESS, MERGED = range(10)
EVENTS = (
    "start", "proven", "doubted", "overdue", "quiet", "seen", "missed", "old", "worthless", "merged"
)  # fmt: skip


class Change(NamedTuple):
    """In `state`, `event` leads to the state `to`; `when` is said to people."""

    state: int
    event: int
    to: int
    when: str


LIFE = (
    Change(FREE, START, TENTATIVE, "a plot that no track claims"),
    Change(TENTATIVE, PROVEN, CONFIRMED, "M of N looks hit that fit, or score ≥ accept"),
    Change(TENTATIVE, DOUBTED, FREE, "M of N out of reach, or score ≤ reject"),
    Change(TENTATIVE, OVERDUE, FREE, "not hit for 3.5 scans"),
    Change(CONFIRMED, QUIET, COASTING, "no hit for coast_s"),
    Change(CONFIRMED, MISSED, FREE, "good looks find nothing"),
    Change(CONFIRMED, OLD, FREE, "unseen for lost_s"),
    Change(CONFIRMED, WORTHLESS, FREE, "too vague, or below ground"),
    Change(CONFIRMED, MERGED, FREE, "an older track is the same"),
    Change(COASTING, SEEN, CONFIRMED, "a hit"),
    Change(COASTING, MISSED, FREE, "good looks find nothing"),
    Change(COASTING, OLD, FREE, "unseen for lost_s"),
    Change(COASTING, WORTHLESS, FREE, "too vague, or below ground"),
    Change(COASTING, MERGED, FREE, "an older track is the same"),
)
"""The life of a track."""

_NEXT = np.full((len(EVENTS), 4), NEVER, np.int8)
"""The same as an array: by event and state + 1."""
for _change in LIFE:
    _NEXT[_change.event, _change.state + 1] = _change.to


@dataclass(frozen=True, slots=True)
class LifeRules:
    """When tracks are confirmed and dropped. NOTIONAL, see docs/decisions/lifecycle.md."""

    proof: str = "m-of-n"
    confirm_hits: int = 4
    confirm_looks: int = 6
    false_start: float = 1e-8
    """The share of the tracks begun by clutter that a score may confirm (α)."""
    missed_start: float = 0.05
    """The share of the tracks begun by an object that a score may reject (β)."""
    false_end: float = 1e-4
    """How likely a run of misses is that ends a scored track, of an object that is still there."""
    scan_slack: float = 0.5
    """A tentative track is dropped when not hit for N - M + 1 scans and this part of another: wherever it is
    by its uncertain velocity, in the sector of a look or not."""
    coast_s: float = 12.0
    misses: int = 15
    patience_s: float = 30.0
    lost_sigma_m: float = 25_000.0
    lost_s: float = 5400.0

    def thresholds(self) -> tuple[float, float, float]:
        """Scores that accept and reject a track (Wald 1947, eq. 3:28), and the fall that ends one."""
        alpha, beta = self.false_start, self.missed_start
        bounds = ((1.0 - beta) / alpha, beta / (1.0 - alpha), 1.0 / self.false_end)
        accept, reject, fall = log(np.array(bounds)).tolist()
        return accept, reject, fall


NEWBORN = np.zeros((), RECORD)
"""What is kept of a track that has just begun."""
NEWBORN["hits"] = NEWBORN["looks"] = NEWBORN["history"] = 1
NEWBORN["sections"] = IGNORANCE
NEWBORN["parent"], NEWBORN["twin"] = UNASKED, NO_TWIN


class TrackTable(Roster):
    """Bookkeeping of every slot; the kinematic state itself is in the filter bank.

    The columns that every plot and look touches, and the work on them, are `ext.roster.Roster`'s. Of every
    slot: `status`; `t_hit_ns`, its newest hit; `due_ns`, by when a tentative track has to be hit again;
    `misses` in a row; `last_scan` of every sensor that hit it (-1: none).
    """

    def __init__(self, capacity: int, max_sensors: int, rules: LifeRules) -> None:
        super().__init__(capacity, max_sensors, _NEXT, START, NEWBORN)
        self.rules = rules
        self.accept, self.reject, self.fall = rules.thresholds()
        self.track_id = self.records["track_id"]
        self.hits = self.records["hits"]
        self.history = self.records["history"]
        """One bit a look, the newest lowest: 1 is a hit."""
        self.looks = self.records["looks"]
        self.score = self.records["score"]
        """Log-likelihood ratio of an object to clutter: of all looks after the first, or of hits alone."""
        self.best = self.records["best"]
        """The highest score there was."""
        self.sections = self.records["sections"]
        """How likely each of `fusion.core.detection.SECTIONS_M2` is."""
        self.nis = self.records["nis"]
        self.partial = self.records["partial"]
        """Whether the newest hit left range or elevation out."""
        self.t_birth_ns = self.records["t_birth_ns"]
        self.parent = self.records["parent"]
        """Track that this one was born beside; `NO_PARENT`, or `UNASKED` until it is confirmed."""
        self.twin = self.records["twin"]
        """Older track that this one may be the same object as; `NO_TWIN`."""
        self.alike = self.records["alike"]
        """In how many looks in a row it was."""
        self.energy = self.records["energy"]
        self.flight = self.records["flight"]
        """What the track's energy and way of flying say of its class: log-likelihoods."""

    def weigh(self, slots: Slots, chances: Floats, log_ratio: Floats | float = 0.0) -> None:
        """Add a look to the scores of distinct tracks.

        `chances` (n, 4) are those of the look's outcome by cross-section, of an object that is there;
        `log_ratio` is the logarithm of what a hit's likelihood is beside the density of clutter.
        """
        self.sections[slots], chance = weighed(self.sections[slots], chances)
        self.score[slots] += log(chance) + log_ratio
        self.best[slots] = np.maximum(self.best[slots], self.score[slots])

    def fit(self, slots: Slots, log_ratio: Floats) -> None:
        """Add to the scores of distinct tracks how well their plots fit, whatever the chance of a plot is."""
        self.score[slots] += log_ratio

    def promote(self, slots: Slots) -> None:
        """Of tracks just hit, confirm the tentative ones that are proven; wake the coasting ones."""
        status = self.status[slots]
        if (status == CONFIRMED).all():
            return
        hits, looks = self.rules.confirm_hits, self.rules.confirm_looks
        if self.rules.proof == "sprt":
            hits = 0
        self.move(slots[status == COASTING], SEEN)
        self.move(self.proven(slots, TENTATIVE, hits, looks, self.accept), PROVEN)

    def doubted(self, slots: Slots) -> Slots:
        """Tentative tracks among `slots` that are rejected, or cannot reach M hits in N looks any more."""
        if self.rules.proof == "sprt":
            rejected: Slots = slots[(self.status[slots] == TENTATIVE) & (self.score[slots] <= self.reject)]
            return rejected
        return self.out_of_reach(slots, TENTATIVE, self.rules.confirm_hits, self.rules.confirm_looks)

    def live(self) -> Slots:
        """Slots of confirmed and coasting tracks."""
        return self.between(CONFIRMED, COASTING)

    def rest(self, t_ns: int) -> None:
        """Mark the confirmed tracks that nobody has seen for a while as coasting."""
        self.move(self.between(CONFIRMED, CONFIRMED, t_ns - int(self.rules.coast_s * S)), QUIET)

    def overdue(self, t_ns: int) -> Slots:
        """Tentative tracks that were not hit in time."""
        return self.between(TENTATIVE, TENTATIVE, due_before_ns=t_ns)

    def missed(self, t_ns: int) -> Slots:
        """Live tracks that good looks keep missing."""
        unseen_ns = t_ns - int(self.rules.patience_s * S)
        if self.rules.proof == "sprt":
            unseen = self.between(CONFIRMED, COASTING, unseen_ns)
            fallen: Slots = unseen[self.best[unseen] - self.score[unseen] >= self.fall]
            return fallen
        return self.between(CONFIRMED, COASTING, unseen_ns, misses=self.rules.misses)

    def old(self, t_ns: int) -> Slots:
        """Live tracks unseen for `lost_s`."""
        return self.between(CONFIRMED, COASTING, t_ns - int(self.rules.lost_s * S))
