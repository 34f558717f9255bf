"""The core: one entrance, effects as data. No sockets, files, clocks or random numbers.

`Core.handle(event) -> effects` takes received messages and ticks and gives pictures and warnings:

- *as known* at every tick T: everything available by then, run through in data order; never rewritten
- *settled* at T - horizon: the same once late data has had its time; a function of the accepted items only

The tracker's state is kept at every whole second since the last settled one. When late data comes, the
newest state before it is restored and the data after it run through again: this is the exact answer to
out-of-sequence measurements (Bar-Shalom, Li and Kirubarajan 2001, section 12.4, by reprocessing).
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fusion.core.events import Effect, Event, Peek, Received, Refused, Renamed, Tick, Update
from fusion.core.filters import FilterFactory, compiled
from fusion.core.ordering import Buffer, SiteEntry
from fusion.core.picture import Painter
from fusion.core.prediction import PredictionRules
from fusion.core.tracker import Tracker, TrackerRules
from fusion.core.warning import Danger, Region, Warner, WarningRules
from sharing.messages import Detections, Picture, S, Scan, Site, Warning

RENAME_M = 5_000.0
"""A track that vanishes by reprocessing is the new one within this distance."""


@dataclass(frozen=True, slots=True)
class CoreConfig:
    """Everything that shapes a core."""

    nation: str
    regions: tuple[Region, ...] = ()
    horizon_s: int = 30
    max_tracks: int = 2048
    max_sensors: int = 32
    max_entries: int = 500_000
    tracker: TrackerRules = field(default_factory=TrackerRules)
    prediction: PredictionRules = field(default_factory=PredictionRules)
    warning: WarningRules = field(default_factory=WarningRules)


class Core:
    """One nation's fusion core."""

    def __init__(self, config: CoreConfig, filters: FilterFactory = compiled) -> None:
        self.config = config
        self.counters: Counter[str] = Counter()
        self._buffer = Buffer(config.max_sensors, config.max_entries)
        self._tracker = Tracker(config.max_tracks, config.max_sensors, config.tracker, filters)
        self._reached_ns: int | None = None
        self._first_tick_ns = 0
        self._checkpoints: list[tuple[int, Any]] = []
        self._as_known = Painter(config.nation, "as-known", config.prediction)
        self._settled = Painter(config.nation, "settled", config.prediction)
        self._warner = Warner(config.regions, config.warning)
        self._warnings = 0
        self._shown: Picture | None = None

    def handle(self, event: Event) -> list[Effect]:
        """Take one event in and say what follows from it."""
        if isinstance(event, Received):
            return self._receive(event)
        if isinstance(event, Tick):
            return self._tick(event.t_ns)
        return [self._update(event.t_ns)] if self._reached_ns is not None else []

    def _receive(self, event: Received) -> list[Effect]:
        message = event.message
        if not isinstance(message, Site | Scan | Detections):
            return []
        cause = self._buffer.add(message, event.t_available_ns)
        self.counters[f"refused_{cause}" if cause else "accepted"] += 1
        if cause:
            return [Refused(cause, message.originator, message.sensor)]
        if isinstance(message, Detections):
            self.counters["plots"] += len(message.t_valid_ns)
        return []

    def _tick(self, t_ns: int) -> list[Effect]:
        self._run_to(t_ns)
        picture = self._as_known.paint(self._tracker, t_ns)
        effects: list[Effect] = [*self._renamed(picture), picture, *self._warn(t_ns)]
        self._shown = picture
        settled_ns = t_ns - self.config.horizon_s * S
        self._settle(settled_ns)
        if settled_ns >= self._first_tick_ns:
            effects.append(self._settled_picture(settled_ns))
        return effects

    def _run_to(self, t_ns: int) -> None:
        """Bring the tracker to `t_ns`, from the newest state that the late data leaves valid."""
        if self._reached_ns is None:
            self._reached_ns = self._start(t_ns)
        dirty_ns, self._buffer.dirty_ns = self._buffer.dirty_ns, None
        valid_ns = t_ns if dirty_ns is None else min(t_ns, dirty_ns - 1)
        if valid_ns < self._reached_ns:
            while self._checkpoints[-1][0] > valid_ns:
                self._checkpoints.pop()
            self._reached_ns, state = self._checkpoints[-1]
            self._tracker.restore(state)
        while self._reached_ns < t_ns:
            second = self._reached_ns - self._reached_ns % S + S
            stop = min(second, t_ns)
            for entry in self._buffer.between(self._reached_ns, stop):
                self._tracker.step(entry)
            self._reached_ns = stop
            if stop == second:
                self._tracker.tidy(stop)
                self._checkpoints.append((stop, self._tracker.checkpoint()))

    def _start(self, t_ns: int) -> int:
        """Before the first tick: an empty state one horizon back, with the sites that are older than that."""
        start_ns = t_ns - (self.config.horizon_s + 1) * S
        for entry in self._buffer.until(start_ns):
            if isinstance(entry, SiteEntry):
                self._tracker.step(entry)
        self._buffer.settle(start_ns)
        self._checkpoints = [(start_ns, self._tracker.checkpoint())]
        self._first_tick_ns = t_ns
        return start_ns

    def _settle(self, settled_ns: int) -> None:
        """From now on what comes for `settled_ns` or before is late."""
        while self._checkpoints[0][0] < settled_ns:
            self._checkpoints.pop(0)
        self._buffer.settle(settled_ns)

    def _settled_picture(self, settled_ns: int) -> Picture:
        """The final picture of `settled_ns`, made from the state kept for it."""
        self._tracker.restore(self._checkpoints[0][1])
        picture = self._settled.paint(self._tracker, settled_ns)
        self._tracker.restore(self._checkpoints[-1][1])
        return picture

    def _update(self, t_ns: int) -> Update:
        """The tracks as the newest data leaves them, without launch and impact points."""
        newest = max(t_ns, self._reached_ns or t_ns)
        self._run_to(newest)
        return Update(Painter(self.config.nation, "update", None).paint(self._tracker, newest))

    def _warn(self, t_ns: int) -> list[Effect]:
        return [self._warning(t_ns, danger) for danger in self._warner.fresh(t_ns, self._as_known.fresh)]

    def _warning(self, t_ns: int, danger: Danger) -> Warning:
        self._warnings += 1
        return Warning(
            originator=self.config.nation,
            sequence=self._warnings - 1,
            t_sent_ns=t_ns,
            t_available_ns=t_ns,
            t_valid_ns=t_ns,
            region=danger.region,
            kind=danger.kind,
            track_id=danger.track_id,
            probability=danger.probability,
            t_impact_ns=danger.t_impact_ns,
        )

    def _renamed(self, picture: Picture) -> list[Effect]:
        """Tracks shown a tick ago that reprocessing has given another id."""
        if self._shown is None:
            return []
        before = dict(zip(self._shown.track_id.tolist(), self._shown.state_ecef.reshape(-1, 6), strict=True))
        after = dict(zip(picture.track_id.tolist(), picture.state_ecef.reshape(-1, 6), strict=True))
        seconds = (picture.t_valid_ns - self._shown.t_valid_ns) / S
        effects: list[Effect] = []
        for new_id in [i for i in after if i not in before]:
            for old_id in [i for i in before if i not in after]:
                offset = before[old_id][:3] + seconds * before[old_id][3:] - after[new_id][:3]
                if np.abs(offset).max() < RENAME_M:
                    effects.append(Renamed(picture.t_valid_ns, old_id, new_id))
                    del before[old_id]
                    break
        return effects


__all__ = ["Core", "CoreConfig", "Peek", "Received", "Tick"]
