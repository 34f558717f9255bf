"""The one event loop: every sensor's feed, every guard's release, every nation's core, in scenario time.

Rules:

- A session is a raw feed of every nation, the arrangement in force and, in an exercise, the truth. It is
  generated from a scenario or loaded from a recording; what follows is the same.
- Events run in the order of (available time, originator, item id), data before the tick of the same time.
  Times are the stamps of emulator and guard, so a live run's jitter costs nobody anything.
- Everything derived is remade under the asked arrangement; recorded products are only compared (`verify`).
- The truth reaches no core.
- Nothing here reads a clock or opens a socket; files are read through `sharing.recording` only.
"""

import hashlib
import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from fusion.core.engine import LATE, Core, CoreConfig
from fusion.core.events import Effect, Purge, Received, Renamed, Tick
from fusion.core.filters import FilterFactory, compiled
from fusion.core.regions import Region
from fusion.core.tracker import TrackerRules
from fusion.products import Makers, check_unchanging
from fusion.stated import FEED_LAG_S, RULES, SessionError, check, describe, horizon_of, sensors_of, whole
from sensors.scenario import Scenario, feed
from sharing.messages import (
    COALITION,
    RECIPIENTS,
    Bias,
    Message,
    Picture,
    Product,
    S,
    Truth,
    Warning,
    topic_of_feed,
    topic_of_product,
    topic_of_release,
)
from sharing.policy import Policy
from sharing.purging import Purging, purgings
from sharing.recording import Recorded, Recording
from sharing.release import Judged, Release, Released
from sharing.wire import decode, encode

MAX_TRACKS = 2048  # the same of trackers
REORDER_S = 120  # within these a recorded feed is put back into its order (the backfill ring holds 60)

Changes = Sequence[tuple[int, Policy]]  # arrangements, each in force from its scenario time (ns) on
Regions = Mapping[str, tuple[Region, ...]]  # that each recipient warns of


class Item(NamedTuple):
    """One message of a raw feed; `frame` holds its recorded bytes, None where they are yet to be made."""

    topic: str
    message: Message
    frame: bytes | None = None

    def bytes(self) -> bytes:
        """The frame as its sensor published it."""
        return encode(self.topic, self.message) if self.frame is None else self.frame


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a nation's log: what it received, a tick (no message), or what its core made of it."""

    nation: str
    topic: str
    t_ns: int
    message: Message | None
    frame: bytes | None = None

    def bytes(self) -> bytes:
        """The body as a recording holds it."""
        if self.frame is not None:
            return self.frame
        return tick_body(self.t_ns) if self.message is None else encode(self.topic, self.message)


Sink = Callable[[Entry], None]


def tick_body(t_ns: int) -> bytes:
    """What a recording holds on ``tick/<NATION>``: eight little-endian bytes."""
    return t_ns.to_bytes(8, "little", signed=True)


# ---------------------------------------------------------------------------------------------- sessions


@dataclass(frozen=True)
class Session:
    """A raw feed and what belongs to it. `items` gives a fresh iterator in the order of sending."""

    name: str
    seed: int
    policy: Policy
    truth: tuple[Truth, ...]
    t_start_ns: int
    t_end_ns: int
    items: Callable[[], Iterable[Item]]
    metadata: Mapping[str, str] = field(default_factory=dict)
    truncated: bool = False
    sensors: tuple[str, ...] = ()  # whose feeds there are, sorted: ``NATION/sensor``
    changes: Changes = ()  # of the policy, in mid-event

    @staticmethod
    def generate(scenario: Scenario, seed: int, policy: Policy) -> "Session":
        """The session that `scenario` gives with `seed` under `policy`; its feed is made as it is read."""
        return Session(
            name=scenario.name,
            seed=seed,
            policy=policy,
            truth=scenario.truth,
            t_start_ns=scenario.t_start_ns,
            t_end_ns=scenario.t_end_ns,
            items=lambda: (Item(topic_of_feed(m.originator, m.sensor), m) for m in feed(scenario, seed)),
            metadata=describe(scenario, seed, policy),
            sensors=sensors_of(scenario),
        )

    @staticmethod
    def load(path: Path | str) -> "Session":
        """The session in a recording; its feed is streamed from the file.

        Raises RecordingError or OSError for what cannot be read, SessionError for what is no session.
        """
        with Recording.open(path) as recording:
            metadata = dict(recording.metadata)
            try:
                policies, truth, last_ns, sensors = _scan(recording)
                seed, t_start_ns, t_end_ns = (whole(metadata, k) for k in ("seed", "t_start_ns", "t_end_ns"))
                check(metadata)
            except SessionError as error:
                raise SessionError(f"{path}: {error}: it is not a session") from None
            truncated = recording.truncated
        return Session(
            name=metadata["scenario"],
            seed=seed,
            policy=Policy.parse(policies[0][1], metadata.get("policy", "recorded")),
            changes=tuple((t_ns, Policy.parse(text, "recorded change")) for t_ns, text in policies[1:]),
            truth=truth,
            t_start_ns=t_start_ns,
            t_end_ns=last_ns if truncated else t_end_ns,
            items=lambda: _in_order(_recorded_items(path)),
            metadata=metadata,
            truncated=truncated,
            sensors=sensors,
        )

    @property
    def seconds(self) -> float:
        """Length in scenario seconds."""
        return (self.t_end_ns - self.t_start_ns) / S

    def horizon_s(self, policy: Policy, changes: Changes = ()) -> int:
        """Seconds by which the settled picture follows when this session runs under these arrangements."""
        lag_s = float(self.metadata.get("feed_lag_s", FEED_LAG_S))
        return max(horizon_of(each, lag_s) for each in (policy, *(changed for _, changed in changes)))

    def feed(self) -> Iterator[tuple[str, Message]]:
        """Topic and message of every raw feed, ordered by (t_sent, originator, sensor, sequence)."""
        return ((item.topic, item.message) for item in self.items())

    def held(self) -> "Session":
        """The same session with its feed in memory, for running it more than once."""
        items = tuple(self.items())
        return replace(self, items=lambda: items)

    def sha256(self) -> str:
        """Hash over (topic, bytes) of the raw feeds in the order of sending."""
        session, digest = self.hashed()
        for _ in session.items():
            pass
        return digest.hexdigest()

    def hashed(self) -> tuple["Session", "hashlib._Hash"]:
        """The same session, whose items are hashed as they are read: right after one whole reading."""
        digest = hashlib.sha256()

        def items() -> Iterator[Item]:
            for item in self.items():
                frame = item.bytes()  # begins with its topic
                digest.update(frame)
                yield item._replace(frame=frame)

        return replace(self, items=items), digest


Policies = list[tuple[int, str]]  # texts of arrangements, each from when


def _scan(recording: Recording) -> tuple[Policies, tuple[Truth, ...], int, tuple[str, ...]]:
    """Policies, truth, last time and sensors with a feed of a recording. Raises SessionError."""
    policies: Policies = []
    truth, last_ns = [], 0
    sensors = set()
    for record in recording.messages(lambda topic: topic.startswith(("policy", "truth", "feed/", "tick/"))):
        if record.topic == "policy":
            policies.append((record.t_ns, record.data.decode("utf-8", "replace")))
            continue
        last_ns = max(last_ns, record.t_ns)
        if record.topic == "truth":
            message = readable(record)
            if not isinstance(message, Truth):
                raise SessionError("a message on 'truth' is none")
            truth.append(message)
        elif record.topic.startswith("feed/"):
            sensors.add(record.topic.removeprefix("feed/"))
    if not policies:
        raise SessionError("no policy in this recording")
    return policies, tuple(truth), last_ns, tuple(sorted(sensors))


def _recorded_items(path: Path | str) -> Iterator[tuple[int, Item]]:
    """Arrival time and item of every raw feed in a recording; frames a node refused are skipped."""
    with Recording.open(path) as recording:
        for record in recording.messages(lambda topic: topic.startswith("feed/")):
            message = readable(record)
            if message is not None and message.item_id:
                yield record.t_ns, Item(record.topic, message, record.data)


def readable(record: Recorded) -> Message | None:
    """The message in a recorded frame, None where the wire refuses it (as the node did)."""
    try:
        return decode(record.data)[1]
    except ValueError:
        return None


def _in_order(arrivals: Iterable[tuple[int, Item]]) -> Iterator[Item]:
    """Items in the order of sending, each once, from any order within `REORDER_S`."""
    heap: list[tuple[tuple[int, str, str, int], int, Item]] = []
    last: tuple[int, str, str, int] | None = None

    def ready(before_ns: float) -> Iterator[Item]:
        nonlocal last
        while heap and heap[0][0][0] < before_ns:
            key, _, item = heapq.heappop(heap)
            if last is not None and key < last:
                raise SessionError(f"{item.topic}: message {item.message.sequence} is recorded too late")
            if key != last:
                last = key
                yield item

    for number, (t_ns, item) in enumerate(arrivals):
        m = item.message
        heapq.heappush(heap, ((m.t_sent_ns, m.originator, m.sensor, m.sequence), number, item))
        yield from ready(t_ns - REORDER_S * S)
    yield from ready(float("inf"))


# ---------------------------------------------------------------------------------------------- the loop


@dataclass
class Result:
    """What one nation knew. Pictures are kept only when `run` is asked to keep them."""

    nation: str
    as_known: list[Picture] = field(default_factory=list)
    settled: list[Picture] = field(default_factory=list)
    warnings: list[Warning] = field(default_factory=list)
    biases: list[Bias] = field(default_factory=list)
    renamed: list[Renamed] = field(default_factory=list)
    counters: Mapping[str, int] = field(default_factory=dict)
    picture_sha256: str = ""


def run(
    session: Session,
    policy: Policy | None = None,
    withhold: Sequence[str] = (),
    nations: Sequence[str] = RECIPIENTS,
    *,
    changes: Changes | None = None,
    regions: Regions | None = None,
    filters: FilterFactory = compiled,
    sink: Sink | None = None,
    keep: bool = True,
    progress: Callable[[int], None] | None = None,
    judged: Judged | None = None,
) -> dict[str, Result]:
    """Run a session under an arrangement and say what each nation knew.

    `policy` and its `changes` in mid-event are the session's own unless given; another policy has no
    changes unless given. `withhold` names feeds that nobody else gets (``KOR``, ``KOR/greenpine-c``).
    `sink` sees every line of the nations' logs in order; `progress` is called with each
    tick's time, `judged` with every decision on an item. Raises PolicyError for an unknown name to withhold.
    """
    if changes is None:
        changes = session.changes if policy in (None, session.policy) else ()
    without = tuple(withhold)
    arrangement = (policy or session.policy).withhold(without)
    changes = [(t_ns, changed.withhold(without)) for t_ns, changed in changes]
    horizon_s = session.horizon_s(arrangement, changes)
    names = [n for n in RECIPIENTS if n in nations]
    configs = (core_config(n, regions, horizon_s, session.metadata) for n in names)
    nodes = {config.nation: _Node(config, filters, sink, keep) for config in configs}
    last_tick_ns = session.t_end_ns + horizon_s * S
    check_unchanging([arrangement, *(changed for _, changed in changes)])
    everywhere = tuple(region for n in RECIPIENTS for region in (regions or {}).get(n, ()))
    config = core_config(COALITION, {COALITION: everywhere}, horizon_s, session.metadata)
    makers = Makers(arrangement, config, filters, session.seed)
    release = Release(arrangement, session.seed, changes=changes, judged=judged)
    loop = _Loop(session, nodes, makers, release, last_tick_ns, progress)
    loop.forget(purgings([(None, arrangement), *changes], session.sensors))
    for item in session.items():
        loop.advance(item.message.t_sent_ns)
        loop.push(item.message.t_available_ns, item.message.originator, *item)
    loop.finish()
    return {n: node.finish() for n, node in nodes.items()}


def core_config(
    nation: str, regions: Regions | None, horizon_s: int, metadata: Mapping[str, str]
) -> CoreConfig:
    """The configuration of a nation's core in a session: its trackers are what the metadata say."""
    return CoreConfig(
        nation,
        regions=tuple((regions or {}).get(nation, ())),
        horizon_s=horizon_s,
        max_tracks=int(metadata.get("max_tracks", MAX_TRACKS)),
        judgements_per_s=int(metadata.get("judgements_per_s", 0)),
        late=metadata.get("late", LATE[0]),
        tracker=TrackerRules.of(**{name: metadata[name] for name in RULES if name in metadata}),
    )


class _Loop:
    """Events on their way, in order; the next tick.

    An item is available no earlier than it was sent and released no earlier than available. So when the feed
    (in order of sending) has reached a time, everything before that time is complete.
    """

    def __init__(
        self,
        session: Session,
        nodes: Mapping[str, "_Node"],
        makers: Makers,
        release: Release,
        last_tick_ns: int,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._nodes, self._makers = nodes, makers
        self._release = release
        self._progress = progress
        self._last_tick_ns = last_tick_ns
        self._purgings: deque[Purging] = deque()
        self._next_tick_ns, self._pushed = -(-session.t_start_ns // S) * S, 0
        self._heap: list[tuple[int, str, bytes, int, str, str, Message, bytes | None]] = []

    def push(self, t_ns: int, recipient: str, topic: str, message: Message, frame: bytes | None) -> None:
        """`message` reaches `recipient` at `t_ns`."""
        self._pushed += 1
        entry = (t_ns, message.originator, message.item_id, self._pushed, recipient, topic, message, frame)
        heapq.heappush(self._heap, entry)

    def forget(self, purgings: Sequence[Purging]) -> None:
        """What nodes have to forget, in order of time, at the first tick from then on."""
        self._purgings = deque(purgings)

    def advance(self, before_ns: int | None) -> None:
        """Deliver everything that arrives before a time (None: everything), ticking on the way.

        A tick may send products on their way, so what comes next is looked up anew after each.
        """
        while self._heap and (before_ns is None or self._heap[0][0] < before_ns):
            if self._next_tick_ns < min(self._heap[0][0], self._last_tick_ns + 1):
                self._tick()
                continue
            t_ns, _, _, _, recipient, topic, message, frame = heapq.heappop(self._heap)
            if recipient in self._nodes:
                self._nodes[recipient].receive(t_ns, topic, message, frame)
            self._makers.receive(recipient, message, t_ns)
            if recipient == message.originator:
                self._pass_on(self._release.handle(message, t_ns))

    def _pass_on(self, released: list[Released]) -> None:
        """What an originator's guard releases."""
        for t_out_ns, recipient, item in released:
            if recipient in self._nodes or self._makers.of(recipient):
                topic = topic_of_release(item.originator, recipient, item.sensor)
                self.push(t_out_ns, recipient, topic, item, None)

    def finish(self) -> None:
        """Everything that is still to come, and every tick; none after the last, however long a delay is."""
        self.advance(None)
        while self._next_tick_ns <= self._last_tick_ns:
            self._tick()
            self.advance(None)

    def _tick(self) -> None:
        """A second has passed for every node; what they make for others goes to their guards."""
        t_ns = self._next_tick_ns
        while self._purgings and self._purgings[0].t_ns <= t_ns:
            purging = self._purgings.popleft()
            if purging.recipient in self._nodes:
                self._nodes[purging.recipient].purge(t_ns, purging.feeds)
        for node in self._nodes.values():
            node.tick(t_ns)
        for among, item in self._makers.tick(t_ns):
            self._pass_on(self._release.handle(item, t_ns, among))
        if self._progress is not None:
            self._progress(t_ns)
        self._next_tick_ns += S


class _Node:
    """One nation's core, its log and its result."""

    def __init__(self, config: CoreConfig, filters: FilterFactory, sink: Sink | None, keep: bool) -> None:
        self._core = Core(config, filters)
        self._sink, self._keep = sink, keep
        self._result = Result(config.nation)
        self._digest = hashlib.sha256()

    def receive(self, t_ns: int, topic: str, message: Message, frame: bytes | None) -> None:
        """A message arrives."""
        self._log(topic, t_ns, message, frame)
        if isinstance(message, Warning):
            self._result.warnings.append(message)
        self._core.handle(Received(message, t_ns))

    def purge(self, t_ns: int, feeds: tuple[str, ...]) -> None:
        """Forget some feeds."""
        self._log(f"purge/{self._result.nation}", t_ns, None, " ".join(feeds).encode())
        self._core.handle(Purge(feeds))

    def tick(self, t_ns: int) -> None:
        """A second has passed."""
        nation = self._result.nation
        self._log(f"tick/{nation}", t_ns, None)
        effects = self._core.handle(Tick(t_ns))
        self._result.renamed.extend(e for e in effects if isinstance(e, Renamed))
        for topic, message, frame in products(nation, effects):
            self._log(topic, t_ns, message, frame)
            if isinstance(message, Picture):
                self._show(message, frame)
            elif isinstance(message, Warning):
                self._result.warnings.append(message)
            elif isinstance(message, Bias):
                self._result.biases.append(message)

    def _show(self, picture: Picture, frame: bytes) -> None:
        settled = picture.picture == "settled"
        if settled:
            self._digest.update(frame)
        if self._keep:
            (self._result.settled if settled else self._result.as_known).append(picture)

    def finish(self) -> Result:
        """The result, complete."""
        return replace(
            self._result, counters=dict(self._core.counters), picture_sha256=self._digest.hexdigest()
        )

    def _log(self, topic: str, t_ns: int, message: Message | None, frame: bytes | None = None) -> None:
        if self._sink is not None:
            self._sink(Entry(self._result.nation, topic, t_ns, message, frame))


def products(nation: str, effects: Sequence[Effect]) -> Iterator[tuple[str, Product, bytes]]:
    """Topic, message and frame of what a node records of its core's effects: pictures, warnings, biases."""
    for effect in effects:
        if isinstance(effect, Product):
            topic = topic_of_product(nation, effect)
            yield topic, effect, encode(topic, effect)
