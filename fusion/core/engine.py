"""The core: one entrance, effects as data. No sockets, files, clocks or random numbers.

`Core.handle(event) -> effects` takes received messages and ticks and gives pictures and warnings:

- *as known* at every tick T: everything available by then, run through in data order; never rewritten
- *settled* at T - horizon: the same once late data has had its time; a function of the accepted items only

Two trackers run through the same data. The settled one stays a horizon behind and never goes back. The other
keeps its state at every second; late data takes it back to the newest state before that data, and the
data after it is run through again: this is the exact answer to out-of-sequence measurements (Bar-Shalom, Li
and Kirubarajan 2001, section 12.4, by reprocessing). Both give the same bytes for the same data. With
``late = "step"`` the other never goes back either: it takes late data in one approximate step
(fusion/core/late.py).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fusion.core.events import Effect, Event, Merged, Peek, Purge, Received, Refused, Renamed, Tick, Update
from fusion.core.filters import FilterFactory, compiled
from fusion.core.judging import Journal
from fusion.core.late import Latecomers
from fusion.core.ordering import Buffer
from fusion.core.picture import OutlookRules, Painter
from fusion.core.regions import Region
from fusion.core.runs import Checkpoint, Run
from fusion.core.tracker import Tracker, TrackerRules
from fusion.core.trackfusion import Partners
from fusion.core.warning import Notice, Warner, WarningRules
from sharing.messages import MEASUREMENTS, RECIPIENTS, Judgements, Picture, S, Scan, Site, Track, Warning

CHECKPOINT_NS = S
"""The current run keeps its state at every multiple of this: closer costs copies, wider costs reruns."""
BIASES_NS = 10 * S
LATE = ("reprocess", "step")
"""What the as-known run does with late data: go back and run through it again, or take it in one step."""
RENAME_M = 5_000.0
"""A track that vanishes by reprocessing is the new one within this distance."""


@dataclass(frozen=True, slots=True)
class CoreConfig:
    """Everything that shapes a core."""

    nation: str
    regions: tuple[Region, ...] = ()
    horizon_s: int = 30
    max_tracks: int = 2048
    max_sensors: int = 16
    """Of each originator."""
    max_entries: int = 500_000
    judgements_per_s: int = 0
    """Rows of judgements that are kept of a second of the settled run; 0: none are made."""
    late: str = "reprocess"
    """One of `LATE`; ValueError for another name, when a core is made."""
    tracker: TrackerRules = field(default_factory=TrackerRules)
    prediction: OutlookRules = field(default_factory=OutlookRules)
    warning: WarningRules = field(default_factory=WarningRules)


class Core:
    """One nation's fusion core."""

    def __init__(self, config: CoreConfig, filters: FilterFactory = compiled) -> None:
        if config.late not in LATE:
            raise ValueError(f"late = {config.late!r}: one of {', '.join(LATE)}")
        self.config = config
        self.counters: Counter[str] = Counter()
        self._buffer = Buffer(config.max_sensors, config.max_entries)
        self._filters = filters
        self._started = False
        self._first_tick_ns = 0
        self._warnings = 0
        self._bias_messages = 0
        self.partners = Partners(config.nation, self.counters)
        self._begin()

    def _begin(self) -> None:
        """Know of no track and of no warning."""
        config = self.config
        sensors = config.max_sensors * len(RECIPIENTS)
        self._current, self._settled = (
            Run(Tracker(config.max_tracks, sensors, config.tracker, self._filters)) for _ in range(2)
        )
        if config.judgements_per_s:
            self._settled.tracker.journal = Journal(config.nation, config.judgements_per_s)
        self._latecomers: Latecomers | None = None
        if config.late == "step":
            self._latecomers = Latecomers(self._current, config.max_tracks, sensors, self._filters)
        self._checkpoints: list[Checkpoint] = []
        """Of the current run, in order of time, none older than the settled run."""
        self._paint_current = Painter(config.nation, "as-known", config.prediction, self.partners)
        self._paint_settled = Painter(config.nation, "settled", config.prediction, self.partners)
        self._warner = Warner(config.regions, config.warning)
        self._shown: Picture | None = None

    @property
    def tracker(self) -> Tracker:
        """The tracks as they stand, for whoever studies them; not to be changed."""
        return self._current.tracker

    @property
    def plots(self) -> Mapping[int, int]:
        """How many plots the tracks of the newest as-known picture hold, by id."""
        return self._paint_current.plots

    def handle(self, event: Event) -> list[Effect]:
        """Take one event in and say what follows from it."""
        if isinstance(event, Received):
            return self._receive(event)
        if isinstance(event, Tick):
            return self._tick(event.t_ns)
        if isinstance(event, Purge):
            self._purge(event.feeds)
            return []
        return [self._update(event.t_ns)] if self._started else []

    def _receive(self, event: Received) -> list[Effect]:
        message = event.message
        if isinstance(message, Track):
            return self._hear(message, event.t_available_ns)
        if not isinstance(message, (Site, Scan, *MEASUREMENTS)):
            return []
        cause = self._buffer.add(message, event.t_available_ns)
        self.counters[f"refused_{cause}" if cause else "accepted"] += 1
        if cause:
            return [Refused(cause, message.originator, message.sensor)]
        if isinstance(message, MEASUREMENTS):
            self.counters["plots"] += len(message.t_valid_ns)
        return []

    def _purge(self, feeds: Sequence[str]) -> None:
        """Forget `feeds`. Settled tracks cannot be unmixed: all are begun anew from the items that are not
        settled yet (the horizon's), without those of `feeds`, and warnings are weighed anew. What comes
        after depends on nothing that was forgotten.
        """
        self.counters["purged"] += 1
        reached_ns = self._settled.reached_ns
        self._buffer.forget(feeds)
        self._begin()
        if self._started:
            for run in (self._current, self._settled):
                for site in self._buffer.sites.values():
                    run.tracker.step(site)
                run.reached_ns = reached_ns
    def _hear(self, track: Track, t_ns: int) -> list[Effect]:
        """A partner's track."""
        cause = self.partners.add(track, t_ns, self._buffer.settled_ns)
        return [Refused(cause, track.originator, track.sensor)] if cause else []

    def _tick(self, t_ns: int) -> list[Effect]:
        went_back = self._run_to(t_ns)
        picture = self._paint_current.paint(self._current.tracker, t_ns)
        effects: list[Effect] = self._renamed(picture) if went_back else []
        effects += [*self._merged(t_ns), picture, *self._warn(t_ns), *self._biases(t_ns)]
        self._shown = picture
        settled_ns = t_ns - self.config.horizon_s * S
        self._settle(settled_ns)
        if settled_ns >= self._first_tick_ns:
            effects.append(self._paint_settled.paint(self._settled.tracker, settled_ns))
        self.partners.forget(settled_ns)
        return [*effects, *self._judged(t_ns)]

    def _judged(self, t_ns: int) -> list[Judgements]:
        """What the settled run has judged since the last tick, where anybody asked."""
        journal = self._settled.tracker.journal
        if journal is None:
            return []
        judged = journal.take(t_ns)
        self.counters["judgements_dropped"] = journal.dropped
        return judged

    def _run_to(self, t_ns: int) -> bool:
        """Bring the current tracks to `t_ns`; whether late data has made them go back first."""
        if not self._started:
            self._start(t_ns)
        late = [entry for entry in self._buffer.take_news() if entry.key[0] <= self._current.reached_ns]
        if self._latecomers is not None:
            self._latecomers.take(late, self._checkpoints)
        elif late:
            self._go_back(late[0].key[0] - 1)
        while self._current.reached_ns < t_ns:
            grid_ns = self._current.reached_ns // CHECKPOINT_NS * CHECKPOINT_NS + CHECKPOINT_NS
            self._current.advance(self._buffer, min(grid_ns, t_ns))
            if self._current.reached_ns == grid_ns:
                self._checkpoints.append(self._current.checkpoint())
        return bool(late) and self._latecomers is None

    def _go_back(self, t_ns: int) -> None:
        """Make the current run what it was at the newest state not after `t_ns`."""
        while self._checkpoints and self._checkpoints[-1].reached_ns > t_ns:
            self._checkpoints.pop()
        self._current.restore(self._checkpoints[-1] if self._checkpoints else self._settled.checkpoint())

    def _start(self, t_ns: int) -> None:
        """Before the first tick: both runs begin a horizon and a second back, knowing the older sites."""
        start_ns = t_ns - (self.config.horizon_s + 1) * S
        for run in (self._current, self._settled):
            run.start(self._buffer, start_ns)
        self._buffer.settle(start_ns)
        self._buffer.take_news()  # nothing is late yet
        self._first_tick_ns = t_ns
        self._started = True

    def _settle(self, t_ns: int) -> None:
        """Bring the settled tracks to `t_ns`; from now on what comes for then or before is late."""
        self._settled.advance(self._buffer, t_ns)
        self._buffer.settle(t_ns)
        self.counters["merged"] += len(self._settled.tracker.family.merged)
        self._settled.tracker.family.merged.clear()
        self.counters["turned_away"] = self._settled.tracker.turned_away
        while self._checkpoints and self._checkpoints[0].reached_ns < t_ns:
            self._checkpoints.pop(0)

    def _update(self, t_ns: int) -> Update:
        """The tracks as the newest data leaves them, without launch and impact points."""
        newest = max(t_ns, self._current.reached_ns)
        self._run_to(newest)
        return Update(
            Painter(self.config.nation, "update", None, self.partners).paint(self._current.tracker, newest)
        )

    def _warn(self, t_ns: int) -> list[Effect]:
        painter = self._paint_current
        notices = self._warner.weigh(t_ns, painter.fresh, painter.outlooks)
        return [self._warning(t_ns, notice) for notice in notices]

    def _warning(self, t_ns: int, notice: Notice) -> Warning:
        self._warnings += 1
        return Warning(
            originator=self.config.nation,
            sequence=self._warnings - 1,
            t_sent_ns=t_ns,
            t_available_ns=t_ns,
            t_valid_ns=t_ns,
            region=notice.region,
            kind=notice.kind,
            track_id=notice.track_id,
            probability=notice.probability,
            t_impact_ns=notice.t_impact_ns,
            action=notice.action,
            reason=notice.reason,
        )

    def _biases(self, t_ns: int) -> list[Effect]:
        """What is known of the sensors' biases, every ten seconds."""
        tracker = self._current.tracker
        if tracker.registration is None or t_ns % BIASES_NS:
            return []
        first, name_of = self._bias_messages, tracker.name_of
        found = list(tracker.registration.messages(self.config.nation, t_ns, first, name_of))
        self._bias_messages += len(found)
        return [*found]

    def _merged(self, t_ns: int) -> list[Effect]:
        """Tracks shown a tick ago that have ended in an older one."""
        merged = self._current.tracker.family.merged
        shown = [] if self._shown is None else self._shown.track_id.tolist()
        effects: list[Effect] = [Merged(t_ns, kept, ended) for kept, ended in merged if ended in shown]
        merged.clear()
        return effects

    def _renamed(self, picture: Picture) -> list[Effect]:
        """Tracks shown a tick ago that reprocessing has given another id."""
        if self._shown is None:
            return []
        before = dict(zip(self._shown.track_id.tolist(), self._shown.state_ecef.reshape(-1, 6), strict=True))
        after = dict(zip(picture.track_id.tolist(), picture.state_ecef.reshape(-1, 6), strict=True))
        seconds = (picture.t_valid_ns - self._shown.t_valid_ns) / S
        effects: list[Effect] = []
        vanished = [i for i in before if i not in after]
        for new_id in [i for i in after if i not in before]:
            for old_id in vanished:
                offset = before[old_id][:3] + seconds * before[old_id][3:] - after[new_id][:3]
                if np.abs(offset).max() < RENAME_M:
                    effects.append(Renamed(picture.t_valid_ns, old_id, new_id))
                    vanished.remove(old_id)
                    break
        return effects


__all__ = ["Core", "CoreConfig", "Peek", "Received", "Tick"]
