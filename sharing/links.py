"""The bookkeeping of numbered links: what a publisher can send again, what a recipient still misses. Pure.

Rules of this module:

- Every topic of a link is numbered from 0 without gaps, per boot of its publisher.
- A `Ring` keeps what was published in the last 60 scenario seconds, for backfill.
- A `Gaps` sees every number that arrives or is announced by a heartbeat, and says what to ask for again.
  What a publisher no longer has, or what does not come after `TRIES` requests, is lost, and counted.
- Both are bounded; what is dropped at a bound is counted.
"""

from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass, field

from sharing.messages import S

KEEP_NS = 60 * S
"""How long a publisher can repeat itself, scenario time."""
MAX_FRAMES = 4096
"""Frames a ring keeps per topic."""
MAX_TOPICS = 256
"""Topics a link may have."""
MAX_MISSING = 4096
"""Numbers a recipient waits for, per topic; beyond, they are lost at once."""
MAX_ANSWER = 256
"""Frames a publisher repeats for one request; the recipient asks again for the rest."""
TRIES = 3
PAUSE_NS = S
"""Requests for the same topic are this far apart, wall time."""


class Ring:
    """A publisher's last frames by topic, with their numbers."""

    def __init__(self) -> None:
        self._frames: dict[str, deque[tuple[int, int, bytes]]] = {}
        self.counters: Counter[str] = Counter()

    def put(self, topic: str, sequence: int, t_ns: int, frame: bytes) -> None:
        """Remember that `topic` carried `frame` as number `sequence` at scenario time `t_ns`."""
        kept = self._frames.setdefault(topic, deque())
        while kept and kept[0][1] < t_ns - KEEP_NS:
            kept.popleft()
        if len(kept) == MAX_FRAMES:
            kept.popleft()
            self.counters["ring-full"] += 1
        kept.append((sequence, t_ns, frame))

    def drop(self, topic: str) -> None:
        """Forget what `topic` carried."""
        self._frames.pop(topic, None)

    def last(self) -> dict[str, int]:
        """The last number of every topic, for the heartbeats."""
        return {topic: kept[-1][0] for topic, kept in self._frames.items()}

    def since(self, topic: str, first: int, last: int) -> tuple[int, int, list[bytes]]:
        """What can be served of `first` … `last`: (first number served, last number served, frames).

        Where nothing can be, the first number served is the one after the last served.
        """
        kept = self._frames.get(topic, deque())
        fits = [(sequence, frame) for sequence, _, frame in kept if first <= sequence <= last][:MAX_ANSWER]
        if not fits:
            return last + 1, last, []
        return fits[0][0], fits[-1][0], [frame for _, frame in fits]


@dataclass
class _Topic:
    boot_id: int
    following: int = 0
    missing: list[int] = field(default_factory=list)
    tries: dict[int, int] = field(default_factory=dict)
    asked_ns: int = -PAUSE_NS


class Gaps:
    """What a recipient has got on one link, and what it still waits for.

    ``counters``: ``received``, ``duplicates``, ``gaps`` (numbers found missing), ``backfilled``, ``lost``,
    ``reboots``, ``topics-full``. At every moment gaps = backfilled + lost + what is still missing.
    """

    def __init__(self) -> None:
        self._topics: dict[str, _Topic] = {}
        self.counters: Counter[str] = Counter()

    def arrived(self, topic: str, boot_id: int, sequence: int) -> bool:
        """Take note of an arrival; False when this number was there before, or the topic is one too many."""
        state = self._topic(topic, boot_id)
        if state is None:
            return False
        if sequence >= state.following:
            self._miss(state, sequence)
            state.following = sequence + 1
        elif not self._found(state, sequence):
            self.counters["duplicates"] += 1
            return False
        self.counters["received"] += 1
        return True

    def announced(self, topic: str, boot_id: int, last_sequence: int) -> None:
        """Take note of a heartbeat: `last_sequence` is the last number sent on `topic`."""
        state = self._topic(topic, boot_id)
        if state is not None and last_sequence >= state.following:
            self._miss(state, last_sequence + 1)
            state.following = last_sequence + 1

    def closed(self, topic: str, first_served: int, last_served: int) -> None:
        """Take note of the end of an answer: what is missing before `first_served` no longer exists."""
        state = self._topics.get(topic)
        if state is None:
            return
        gone = bisect_left(state.missing, min(first_served, last_served + 1))
        self._lose(state, gone)
        state.asked_ns = -PAUSE_NS if state.missing else state.asked_ns

    def wanted(self, now_ns: int) -> list[tuple[str, int, int]]:
        """Requests due at wall time `now_ns`: (topic, first, last), one run of numbers per topic.

        Calling this is asking: every number returned counts one of its `TRIES`.
        """
        due = []
        for topic, state in self._topics.items():
            if state.missing and now_ns - state.asked_ns >= PAUSE_NS:
                tired = [n for n in state.missing if state.tries.get(n, 0) >= TRIES]
                if tired:
                    self._lose(state, bisect_left(state.missing, tired[-1]) + 1)
                if state.missing:
                    due.append((topic, *self._ask(state, now_ns)))
        return due

    def missing(self) -> int:
        """Numbers still waited for, over all topics."""
        return sum(len(state.missing) for state in self._topics.values())

    def give_up(self) -> None:
        """The link ends: what is still missing is lost."""
        for state in self._topics.values():
            self._lose(state, len(state.missing))

    def _topic(self, topic: str, boot_id: int) -> _Topic | None:
        state = self._topics.get(topic)
        if state is not None and state.boot_id == boot_id:
            return state
        if state is not None:
            self.counters["reboots"] += 1
            self._lose(state, len(state.missing))
        elif len(self._topics) >= MAX_TOPICS:
            self.counters["topics-full"] += 1
            return None
        self._topics[topic] = _Topic(boot_id)
        return self._topics[topic]

    def _miss(self, state: _Topic, end: int) -> None:
        count = end - state.following
        self.counters["gaps"] += count
        kept = min(count, MAX_MISSING - len(state.missing))
        self.counters["lost"] += count - kept
        state.missing.extend(range(end - kept, end))

    def _found(self, state: _Topic, sequence: int) -> bool:
        at = bisect_left(state.missing, sequence)
        if at == len(state.missing) or state.missing[at] != sequence:
            return False
        del state.missing[at]
        state.tries.pop(sequence, None)
        self.counters["backfilled"] += 1
        return True

    def _lose(self, state: _Topic, count: int) -> None:
        self.counters["lost"] += count
        for number in state.missing[:count]:
            state.tries.pop(number, None)
        del state.missing[:count]

    def _ask(self, state: _Topic, now_ns: int) -> tuple[int, int]:
        state.asked_ns = now_ns
        first = last = state.missing[0]
        for number in state.missing[:MAX_ANSWER]:
            if number > last + 1:
                break
            last = number
            state.tries[number] = state.tries.get(number, 0) + 1
        return first, last
