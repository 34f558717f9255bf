"""Birth, confirmation, coasting and death of tracks: one table of states and events, and what the events are.

Rules:

- `LIFE` holds every change there is; `TrackTable.move` makes them and no other. It also draws docs/life.svg.
- A plot that no track claims starts a *tentative* track.
- What confirms it, says `LifeRules.proof`: M hits within the last N looks that fit together (``m-of-n``), or a
  log-likelihood ratio of hits and misses above a threshold (``sprt``: Wald's sequential test, Sittler 1964;
  Blackman and Popoli 1999, section 6.2). Hits fit together when their ratio alone is above that threshold.
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
from fusion.core.detection import IGNORANCE, weighed
from sharing.messages import CLASSES, Floats, S

FREE, TENTATIVE, CONFIRMED, COASTING = range(-1, 3)
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

_NEVER = -2
_NEXT = np.full((len(EVENTS), 4), _NEVER, np.int8)
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


class TrackTable:
    """Bookkeeping of every slot; the kinematic state itself is in the filter bank."""

    COLUMNS = (
        "track_id",
        "status",
        "t_hit_ns",
        "hits",
        "history",
        "looks",
        "misses",
        "score",
        "best",
        "sections",
        "nis",
        "last_scan",
        "partial",
        "due_ns",
        "t_birth_ns",
        "parent",
        "twin",
        "alike",
        "energy",
        "flight",
    )

    def __init__(self, capacity: int, max_sensors: int, rules: LifeRules) -> None:
        self.rules = rules
        self.accept, self.reject, self.fall = rules.thresholds()
        self.track_id = np.zeros(capacity, np.int64)
        self.status = np.full(capacity, FREE, np.int8)
        self.t_hit_ns = np.zeros(capacity, np.int64)
        self.hits = np.zeros(capacity, np.int32)
        self.history = np.zeros(capacity, np.uint32)
        """One bit a look, the newest lowest: 1 is a hit."""
        self.looks = np.zeros(capacity, np.int32)
        self.misses = np.zeros(capacity, np.int32)
        self.score = np.zeros(capacity)
        """Log-likelihood ratio of an object to clutter, of all looks after the first plot."""
        self.best = np.zeros(capacity)
        """The highest score there was."""
        self.sections = np.zeros((capacity, len(IGNORANCE)))
        """How likely each of `fusion.core.detection.SECTIONS_M2` is."""
        self.nis = np.zeros(capacity)
        self.last_scan = np.full((capacity, max_sensors), -1, np.int64)
        """Number of the last scan of every sensor that hit the track; -1: none."""
        self.partial = np.zeros(capacity, np.bool_)
        """Whether the newest hit left range or elevation out."""
        self.due_ns = np.zeros(capacity, np.int64)
        """By when a tentative track has to be hit again."""
        self.t_birth_ns = np.zeros(capacity, np.int64)
        self.parent = np.zeros(capacity, np.int64)
        """Track that this one was born beside; `NO_PARENT`, or `UNASKED` until it is confirmed."""
        self.twin = np.zeros(capacity, np.int64)
        """Older track that this one may be the same object as; `NO_TWIN`."""
        self.alike = np.zeros(capacity, np.int32)
        """In how many looks in a row it was."""
        self.energy = np.zeros((capacity, len(CLASSES)))
        self.flight = np.zeros((capacity, len(CLASSES)))
        """What the track's energy and way of flying say of its class: log-likelihoods."""
        self.used = 0

    def checkpoint(self) -> dict[str, npt.NDArray[np.generic]]:
        """A compact copy, for `restore`."""
        return {name: getattr(self, name)[: self.used].copy() for name in self.COLUMNS}

    def restore(self, saved: dict[str, npt.NDArray[np.generic]]) -> None:
        """Become what `checkpoint` saved."""
        used = len(saved["status"])
        self.status[used : self.used] = FREE
        for name in self.COLUMNS:
            getattr(self, name)[:used] = saved[name]
        self.used = used

    def claim(self, track_ids: npt.ArrayLike, t_ns: int) -> Slots:
        """The lowest free slots for new tentative tracks, in the order of the ids; fewer when it is full."""
        ids = np.asarray(track_ids, np.int64)
        free = _slots(self.status[: self.used + len(ids)] == FREE)[: len(ids)]
        if not len(free):
            return free
        self.used = max(self.used, int(free[-1]) + 1)
        self.move(free, START)
        self.track_id[free] = ids[: len(free)]
        self.t_hit_ns[free] = t_ns
        self.hits[free] = self.history[free] = self.looks[free] = 1
        self.misses[free] = 0
        self.score[free] = self.best[free] = 0.0
        self.sections[free] = IGNORANCE
        self.nis[free] = 0.0
        self.last_scan[free] = -1
        self.partial[free] = False
        self.due_ns[free] = self.t_birth_ns[free] = t_ns
        self.parent[free] = UNASKED
        self.twin[free] = NO_TWIN
        self.alike[free] = 0
        self.energy[free] = self.flight[free] = 0.0
        return free

    def move(self, slots: Slots, event: int) -> None:
        """The event happens to these tracks. ValueError where `LIFE` knows no such change."""
        after = _NEXT[event, self.status[slots] + 1]
        if (after == _NEVER).any():
            raise ValueError(f"{EVENTS[event]}: does not happen to a track of this state")
        self.status[slots] = after

    def hit(
        self,
        slots: Slots,
        t_ns: int,
        sensor: int,
        scan: int,
        nis: Floats,
        partial: bool = False,
    ) -> None:
        """The tracks, distinct, were updated by a plot of this scan."""
        self.hits[slots] += 1
        self.history[slots] = self.history[slots] << 1 | 1
        self.looks[slots] += 1
        self.misses[slots] = 0
        self.t_hit_ns[slots] = np.maximum(self.t_hit_ns[slots], t_ns)
        self.nis[slots] = nis
        self.last_scan[slots, sensor] = np.maximum(self.last_scan[slots, sensor], scan)
        self.partial[slots] = partial

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

    def expect(self, slots: Slots, due_ns: int) -> None:
        """The tracks have until `due_ns` for their next hit, or longer if they had."""
        self.due_ns[slots] = np.maximum(self.due_ns[slots], due_ns)

    def miss(self, slots: Slots) -> None:
        """A scan that should have seen the tracks did not."""
        self.history[slots] <<= 1
        self.looks[slots] += 1
        self.misses[slots] += 1

    def promote(self, slots: Slots) -> None:
        """Of tracks just hit, confirm the tentative ones that are proven; wake the coasting ones."""
        status = self.status[slots]
        if (status == CONFIRMED).all():
            return
        self.move(slots[status == COASTING], SEEN)
        self.move(slots[(status == TENTATIVE) & self._proven(slots)], PROVEN)

    def _proven(self, slots: Slots) -> npt.NDArray[np.bool_]:
        if self.rules.proof == "sprt":
            return self.score[slots] >= self.accept
        window = np.uint32((1 << self.rules.confirm_looks) - 1)
        hits: npt.NDArray[np.uint8] = np.bitwise_count(self.history[slots] & window)
        return (hits >= self.rules.confirm_hits) & (self.score[slots] >= self.accept)

    def doubted(self, slots: Slots) -> Slots:
        """Tentative tracks among `slots` that are rejected, or cannot reach M hits in N looks any more."""
        tentative = self.status[slots] == TENTATIVE
        if self.rules.proof == "sprt":
            return slots[np.flatnonzero(tentative & (self.score[slots] <= self.reject))]
        window = np.uint32((1 << self.rules.confirm_looks) - 1)
        hits = np.bitwise_count(self.history[slots] & window).astype(np.int64)
        left = np.maximum(self.rules.confirm_looks - self.looks[slots], 0)
        return slots[np.flatnonzero(tentative & (hits + left < self.rules.confirm_hits))]

    def live(self) -> Slots:
        """Slots of confirmed and coasting tracks."""
        return _slots(self.status[: self.used] >= CONFIRMED)

    def rest(self, t_ns: int) -> None:
        """Mark the confirmed tracks that nobody has seen for a while as coasting."""
        quiet = self.t_hit_ns[: self.used] < t_ns - int(self.rules.coast_s * S)
        self.move(_slots((self.status[: self.used] == CONFIRMED) & quiet), QUIET)

    def overdue(self, t_ns: int) -> Slots:
        """Tentative tracks that were not hit in time."""
        return _slots((self.status[: self.used] == TENTATIVE) & (self.due_ns[: self.used] < t_ns))

    def missed(self, t_ns: int) -> Slots:
        """Live tracks that good looks keep missing."""
        used = self.used
        if self.rules.proof == "sprt":
            many = self.best[:used] - self.score[:used] >= self.fall
        else:
            many = self.misses[:used] >= self.rules.misses
        unseen = self.t_hit_ns[:used] < t_ns - int(self.rules.patience_s * S)
        return _slots((self.status[:used] >= CONFIRMED) & many & unseen)

    def old(self, t_ns: int) -> Slots:
        """Live tracks unseen for `lost_s`."""
        gone = self.t_hit_ns[: self.used] < t_ns - int(self.rules.lost_s * S)
        return _slots((self.status[: self.used] >= CONFIRMED) & gone)


def _slots(marked: npt.NDArray[np.bool_]) -> Slots:
    return np.flatnonzero(marked).astype(np.int32)
