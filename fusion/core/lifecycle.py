"""Birth, confirmation, coasting and death of tracks.

Rules:

- A plot that no track claims starts a *tentative* track.
- M hits within the last N looks confirm it (`confirm_hits`, `confirm_looks`). A look is a hit, or a finished
  scan of a sensor that has hit the track before and should have seen it.
- A tentative track that can no longer reach M of N, or is not hit in time, is dropped.
- A confirmed track without a hit for `coast_s` is *coasting*. It is dropped once its position is worthless
  (`lost_sigma_m`), once `misses` good looks in a row over `patience_s` found nothing, or below the ground.

Everything is columns indexed by the filter bank's slot, so that a checkpoint is a copy of arrays.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sharing.messages import S

TENTATIVE, CONFIRMED, COASTING = range(3)
FREE = -1


@dataclass(frozen=True, slots=True)
class LifeRules:
    """When tracks are confirmed and dropped. NOTIONAL, see docs/decisions/lifecycle.md."""

    confirm_hits: int = 4
    confirm_looks: int = 6
    scan_slack: float = 0.5
    """A tentative track is dropped when not hit for N - M + 1 scans and this part of another: wherever it is
    by its uncertain velocity, in the sector of a look or not."""
    coast_s: float = 12.0
    misses: int = 15
    patience_s: float = 30.0
    lost_sigma_m: float = 25_000.0
    lost_s: float = 5400.0


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
        "nis",
        "last_scan",
        "partial",
        "due_ns",
    )

    def __init__(self, capacity: int, max_sensors: int) -> None:
        self.track_id = np.zeros(capacity, np.int64)
        self.status = np.full(capacity, FREE, np.int8)
        self.t_hit_ns = np.zeros(capacity, np.int64)
        self.hits = np.zeros(capacity, np.int32)
        self.history = np.zeros(capacity, np.uint32)
        """One bit a look, the newest lowest: 1 is a hit."""
        self.looks = np.zeros(capacity, np.int32)
        self.misses = np.zeros(capacity, np.int32)
        self.nis = np.zeros(capacity)
        self.last_scan = np.full((capacity, max_sensors), -1, np.int64)
        """Number of the last scan of every sensor that hit the track; -1: none."""
        self.partial = np.zeros(capacity, np.bool_)
        """Whether the newest hit left range or elevation out."""
        self.due_ns = np.zeros(capacity, np.int64)
        """By when a tentative track has to be hit again."""
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

    def claim(self, track_ids: npt.ArrayLike, t_ns: int) -> npt.NDArray[np.int32]:
        """The lowest free slots for new tentative tracks, in the order of the ids; fewer when it is full."""
        ids = np.asarray(track_ids, np.int64)
        free = np.flatnonzero(self.status[: self.used + len(ids)] == FREE)[: len(ids)].astype(np.int32)
        if not len(free):
            return free
        self.used = max(self.used, int(free[-1]) + 1)
        self.track_id[free] = ids[: len(free)]
        self.status[free] = TENTATIVE
        self.t_hit_ns[free] = t_ns
        self.hits[free] = self.history[free] = self.looks[free] = 1
        self.misses[free] = 0
        self.nis[free] = 0.0
        self.last_scan[free] = -1
        self.partial[free] = False
        self.due_ns[free] = t_ns
        return free

    def free(self, slot: int) -> None:
        """Give a slot back."""
        self.status[slot] = FREE

    def hit(
        self,
        slots: npt.NDArray[np.int32],
        t_ns: int,
        sensor: int,
        scan: int,
        nis: npt.NDArray[np.float64],
        partial: bool = False,
    ) -> None:
        """The tracks, distinct, were updated by a plot of this scan."""
        self.hits[slots] += 1
        self.history[slots] = self.history[slots] << 1 | 1
        self.looks[slots] += 1
        self.misses[slots] = 0
        self.t_hit_ns[slots] = t_ns
        self.nis[slots] = nis
        self.last_scan[slots, sensor] = scan
        self.partial[slots] = partial

    def expect(self, slots: npt.NDArray[np.int32], due_ns: int) -> None:
        """The tracks have until `due_ns` for their next hit, or longer if they had."""
        self.due_ns[slots] = np.maximum(self.due_ns[slots], due_ns)

    def miss(self, slots: npt.NDArray[np.int32]) -> None:
        """A scan that should have seen the tracks did not."""
        self.history[slots] <<= 1
        self.looks[slots] += 1
        self.misses[slots] += 1

    def promote(self, slots: npt.NDArray[np.int32], rules: LifeRules) -> None:
        """Confirm the tentative tracks with M hits in the last N looks; wake the coasting ones."""
        hits = np.bitwise_count(self.history[slots] & np.uint32((1 << rules.confirm_looks) - 1))
        proven = (self.status[slots] == COASTING) | (hits >= rules.confirm_hits)
        self.status[slots[proven]] = CONFIRMED

    def hopeless(self, slots: npt.NDArray[np.int32], rules: LifeRules) -> npt.NDArray[np.int32]:
        """Tentative tracks among `slots` that cannot reach M hits in N looks any more."""
        window = np.uint32((1 << rules.confirm_looks) - 1)
        hits = np.bitwise_count(self.history[slots] & window).astype(np.int64)
        left = np.maximum(rules.confirm_looks - self.looks[slots], 0)
        lost = (self.status[slots] == TENTATIVE) & (hits + left < rules.confirm_hits)
        return slots[np.flatnonzero(lost)]

    def rest(self, t_ns: int, rules: LifeRules) -> None:
        """Mark the confirmed tracks that nobody has seen for a while as coasting."""
        used = self.status[: self.used]
        quiet = self.t_hit_ns[: self.used] < t_ns - int(rules.coast_s * S)
        used[(used == CONFIRMED) & quiet] = COASTING

    def forsaken(self, t_ns: int, rules: LifeRules) -> npt.NDArray[np.int32]:
        """Tracks that good looks keep missing, those unseen for `lost_s`, and overdue tentative ones."""
        status, t_hit = self.status[: self.used], self.t_hit_ns[: self.used]
        missed = (self.misses[: self.used] >= rules.misses) & (t_hit < t_ns - int(rules.patience_s * S))
        gone = t_hit < t_ns - int(rules.lost_s * S)
        tentative = (status == TENTATIVE) & (self.due_ns[: self.used] < t_ns)
        return np.flatnonzero((status != FREE) & (missed | gone | tentative)).astype(np.int32)
