"""A run: a tracker brought forward through the buffer in data order, with states to go back to."""

from dataclasses import dataclass
from typing import Any

from fusion.core.ordering import Buffer, SiteEntry
from fusion.core.tracker import Tracker
from sharing.messages import S


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tracker's state after everything with t_valid <= `reached_ns`."""

    reached_ns: int
    state: Any


@dataclass(slots=True)
class Run:
    """A tracker and how far it has come. The same entries give the same state, however they are cut."""

    tracker: Tracker
    reached_ns: int = 0

    def start(self, buffer: Buffer, t_ns: int) -> None:
        """Begin at `t_ns` without tracks, knowing the sites that are older than that."""
        for entry in buffer.until(t_ns):
            if isinstance(entry, SiteEntry):
                self.tracker.step(entry)
        self.reached_ns = t_ns

    def advance(self, buffer: Buffer, t_ns: int) -> None:
        """Take in everything up to `t_ns`; the tracker is tidied at every whole second."""
        while self.reached_ns < t_ns:
            second = self.reached_ns // S * S + S
            stop = min(second, t_ns)
            for entry in buffer.between(self.reached_ns, stop):
                self.tracker.step(entry)
            self.reached_ns = stop
            if stop == second:
                self.tracker.tidy(stop)

    def checkpoint(self) -> Checkpoint:
        """A copy of the state as it stands."""
        return Checkpoint(self.reached_ns, self.tracker.checkpoint())

    def restore(self, saved: Checkpoint) -> None:
        """Go back, or over, to a state that was kept."""
        self.reached_ns = saved.reached_ns
        self.tracker.restore(saved.state)
