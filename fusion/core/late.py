"""Late data in one step: what the current run does with it instead of going back, where ``late = "step"``.

A late plot is judged by the tracks as they stood: those of the newest checkpoint before it, predicted to
its time. What it says is then put into the tracks as they stand, mode by mode (ext/late.pyx gives the
equations and what they leave out). A track that has not been moved beyond the plot's time takes it as if it
were in time.

What is approximate, beside the equations: checkpoints made between a late plot and its arrival do not know
it; a look scored before its scan's plots arrived stays scored; the life of a track counts hits in the order
of arrival; the arcs that biases are estimated by leave late plots out; and tracks that a late plot would have
begun, ended or merged earlier are begun, ended and merged now. So this picture depends on the order of
arrival. The settled one knows nothing of it.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from ext.bank import TrackBank
from fusion.core.filters import FilterBank, FilterFactory, place
from fusion.core.lifecycle import FREE
from fusion.core.ordering import Entry, PlotsEntry, SiteEntry
from fusion.core.runs import Checkpoint, Run
from sharing.messages import Floats

Slots = npt.NDArray[np.int32]


class LateBank:
    """The tracks of `now` for one late time: all that `Tracker` asks of a bank when plots come.

    A track beyond that time is sought and judged in `past`, where it is `known`, and corrected in one step.
    All others are those of `now`. Methods: see `fusion.core.filters.FilterBank`.
    """

    def __init__(self, now: TrackBank, past: TrackBank, known: npt.NDArray[np.bool_]) -> None:
        self._now = now
        self._past = past
        self._known = known
        """Of every slot: whether the past has the same track in it."""

    @property
    def times(self) -> npt.NDArray[np.int64]:
        """Time of every slot's state, ns."""
        return self._now.times

    def positions(self, z: Floats, sensor: int, t_ns: int) -> Floats:
        """As of `now`."""
        return self._now.positions(z, sensor, t_ns)

    def start(self, *arguments: object) -> None:
        """A new track, in `now`: of the late time, to be predicted like any other."""
        self._now.start(*arguments)  # type: ignore[arg-type]

    def reach(self, t_ns: int, positions: Floats, sigma_position_m: Floats) -> tuple[Slots, Slots]:
        """Pairs of plots and tracks near each other then."""
        rows, slots = self._now.reach(t_ns, positions, sigma_position_m)
        in_time = self.times[slots] <= t_ns
        past_rows, past_slots = self._past.reach(t_ns, positions, sigma_position_m)
        beyond = self._known[past_slots] & (self.times[past_slots] > t_ns)
        rows = np.concatenate([rows[in_time], past_rows[beyond]])
        slots = np.concatenate([slots[in_time], past_slots[beyond]])
        order = np.lexsort((slots, rows))
        return rows[order], slots[order]

    def gate(
        self, slots: Slots, rows: Slots, z: Floats, sigma: Floats, sensor: int, t_ns: int
    ) -> tuple[Floats, Floats]:
        """Distances and log-likelihoods then."""
        d2, log_likelihood = np.empty(len(slots)), np.empty(len(slots))
        beyond = self.times[slots] > t_ns
        for bank, at in ((self._now, ~beyond), (self._past, beyond)):
            d2[at], log_likelihood[at] = bank.gate(slots[at], rows[at], z, sigma, sensor, t_ns)
        return d2, log_likelihood

    def predict(self, slots: Slots, t_ns: int) -> None:
        """Only those that are not beyond."""
        self._t_ns = t_ns
        self._now.predict(slots[self.times[slots] <= t_ns], t_ns)

    def update(
        self,
        slots: Slots,
        rows: Slots,
        z: Floats,
        sigma: Floats,
        sensor: int,
        sight: tuple[float, ...] | None,
    ) -> Floats:
        """Each slot with its row, of the time of the last `predict`."""
        nis = np.empty(len(slots))
        late = self.times[slots] > self._t_ns
        on_time = ~late
        nis[on_time] = self._now.update(slots[on_time], rows[on_time], z, sigma, sensor, sight)
        nis[late] = self._now.update_late(
            self._past, slots[late], rows[late], z, sigma, sensor, self._t_ns, sight
        )
        return nis


class Latecomers:
    """Takes late entries into a run that does not go back.

    ValueError for filters that cannot: only the compiled bank has the step.
    """

    def __init__(self, run: Run, capacity: int, max_sensors: int, filters: FilterFactory) -> None:
        past = filters(capacity, max_sensors, run.tracker.rules.models)
        if not (isinstance(past, TrackBank) and isinstance(run.tracker.bank, TrackBank)):
            raise ValueError("late = 'step': goes with the compiled bank")
        if run.tracker.rules.association.method != "gnn":
            raise ValueError("late = 'step': goes with association = 'gnn'")
        self._run = run
        self._now = run.tracker.bank
        self._past = past

    def take(self, entries: Sequence[Entry], checkpoints: Sequence[Checkpoint]) -> None:
        """Entries not after what the run has reached, in data order; checkpoints of the run, in order."""
        tracker = self._run.tracker
        held: Checkpoint | None = None
        for entry in entries:
            if isinstance(entry, PlotsEntry):
                saved = _newest_before(checkpoints, entry.key[0])
                if saved is not None and saved is not held:
                    self._go_back(saved)
                    held = saved
                tracker.bank = cast(FilterBank, LateBank(self._now, self._past, self._known(saved)))
                try:
                    tracker.step(entry)
                finally:
                    tracker.bank = self._now
            elif not isinstance(entry, SiteEntry) or self._is_news(entry):
                tracker.step(entry)

    def _is_news(self, entry: SiteEntry) -> bool:
        """Whether nothing newer is known of where the sensor stands."""
        there = self._run.tracker.sites.get(entry.sensor)
        return there is None or there[1].t_valid_ns < entry.site.t_valid_ns

    def _go_back(self, saved: Checkpoint) -> None:
        """The past becomes what was saved, with the sensors as they are known now."""
        self._past.restore(saved.state[0])
        for number, site in self._run.tracker.sites.values():
            place(self._past, number, site)

    def _known(self, saved: Checkpoint | None) -> npt.NDArray[np.bool_]:
        """Of every slot: whether it still has the track that it had then."""
        known = np.zeros(self._now.capacity, np.bool_)
        if saved is not None:
            (records, status, *_), table = saved.state[1], self._run.tracker.table
            used = min(len(status), table.used)
            there = (status[:used] != FREE) & (table.status[:used] != FREE)
            known[:used] = there & (records["track_id"][:used] == table.track_id[:used])
        return known


def _newest_before(checkpoints: Sequence[Checkpoint], t_ns: int) -> Checkpoint | None:
    """The newest that holds nothing after `t_ns`."""
    return next((c for c in reversed(checkpoints) if c.reached_ns <= t_ns), None)
