"""Feeds over sockets: a publisher's `Outlet` and a recipient's `Inlet`, with heartbeats and backfill.

Rules of this module:

- An outlet publishes numbered messages on one or more sockets, repeats the last number of every topic in
  heartbeats, and serves what its ring still holds (`sharing.links`).
- An inlet hands over every frame that came, in order of arrival: decoded, or with the cause of its refusal.
  A frame is refused when the wire refuses it, when its topic is not this link's, or when its sender is not
  the process that this link belongs to. Duplicates are counted and not handed over.
- Missing numbers are asked for as soon as they are known, and lost after that, with a count.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from sharing.clock import monotonic_ns
from sharing.links import Gaps, Ring
from sharing.messages import Backfill, Heartbeat, Message, topic_of_feed, topic_of_release
from sharing.transport import Client, Egress, Ingress, Server
from sharing.wire import WireError, decode, encode, parse_topic


class Own(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Table ``[own]`` of a guard or node: the nation's emulator `peer` connects to `ingress`, bound
    here; `backfill` is bound there.
    """

    peer: str
    ingress: str
    backfill: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """One frame as it came, at wall time `wall_ns`.

    `message` is None where the frame was refused; `cause` then says why. Heartbeats come too, because a
    recording shows them.
    """

    frame: bytes
    topic: str
    message: Message | None
    cause: str
    wall_ns: int


class Outlet:
    """What one process publishes on one label, and what it can repeat. `nation` signs the heartbeats."""

    def __init__(self, nation: str, links: Sequence[Egress], server: Server) -> None:
        self._nation = nation
        self._links = tuple(links)
        self._server = server
        self._ring = Ring()
        self._boots: dict[str, int] = {}
        self.published: Counter[str] = Counter()
        self.counters: Counter[str] = Counter()

    def publish(self, topic: str, message: Message, frame: bytes, t_ns: int) -> None:
        """Send `frame`, the encoded `message`, to every subscriber at scenario time `t_ns`."""
        self._ring.put(topic, message.sequence, t_ns, frame)
        self._boots[topic] = message.boot_id
        self.published[topic] += 1
        for link in self._links:
            link.send(frame)

    def heartbeat(self, t_ns: int) -> None:
        """Say on every topic which number was its last."""
        for topic, last in self._ring.last().items():
            beat = Heartbeat(
                originator=self._nation,
                sensor=parse_topic(topic).sensor,
                boot_id=self._boots[topic],
                sequence=last,
                last_sequence=last,
                t_sent_ns=t_ns,
                t_available_ns=t_ns,
            )
            frame = encode(topic, beat)
            for link in self._links:
                link.send(frame)

    def shut(self) -> None:
        """Cut whoever is connected, let nobody in, and forget what could be asked for again."""
        for end in (*self._links, self._server):
            end.shut()
        self._ring = Ring()

    def reopen(self) -> None:
        """Let in again who is admitted. Raises SettingsError when an address is taken."""
        for end in (*self._links, self._server):
            end.reopen()

    def forget(self, lost: Callable[[str], bool]) -> None:
        """Neither repeat nor announce any more what was published of sensors that are `lost`."""
        for topic in self._ring.last():
            if lost(parse_topic(topic).sensor):
                self._ring.drop(topic)

    def serve(self) -> None:
        """Answer the requests that wait; a bad one is counted and stays unanswered."""
        for request in self._server.requests():
            try:
                topic, message = decode(request.frame)
            except WireError as error:
                self.counters[f"request-{error.cause}"] += 1
                continue
            if not isinstance(message, Backfill):
                self.counters["request-type"] += 1
                continue
            if topic not in self.published:
                self.counters["request-unpublished"] += 1
                continue
            first, last, frames = self._ring.since(topic, message.from_sequence, message.to_sequence)
            closing = encode(topic, replace(message, from_sequence=first, to_sequence=last))
            for frame in (*frames, closing):
                self._server.answer(request, frame)

    def subscribed(self) -> bool:
        """Whether every link has its subscriber."""
        return not self.awaited()

    def awaited(self) -> list[str | None]:
        """The peers of the links without a subscriber; None stands for a link that is bound here."""
        return [link.peer for link in self._links if not link.notice()]

    def watched(self) -> bool:
        """Whether any link still has its subscriber."""
        return any([link.notice() for link in self._links])


class Inlet:
    """What one process receives of one publisher.

    `recipient` is the nation that receives, `originator` the one whose items come; a feed of one's own has
    both the same. `peer` is the publishing process.
    """

    def __init__(self, ingress: Ingress, client: Client, recipient: str, originator: str, peer: str) -> None:
        self._ingress = ingress
        self._client = client
        self._recipient = recipient
        self.originator = originator
        self._peer = peer
        self.gaps = Gaps()
        self.refused: Counter[str] = Counter()
        self.received: Counter[str] = Counter()

    def subscribe(self) -> None:
        """Let the publisher begin."""
        self._ingress.subscribe()

    def drain(self) -> list[Arrival]:
        """What has come since the last call, in order, and requests for what is missing."""
        arrivals = [self._arrival(frame, sender) for frame, sender in self._ingress.drain()]
        arrivals += [self._arrival(frame, self._peer) for frame in self._client.answers()]
        for topic, first, last in self.gaps.wanted(monotonic_ns()):
            self._ask(topic, first, last)
        return [arrival for arrival in arrivals if arrival is not None]

    def _arrival(self, frame: bytes, sender: str) -> Arrival | None:
        wall_ns = monotonic_ns()
        if sender != self._peer:
            return self._refusal(frame, "sender", wall_ns)
        try:
            topic, message = decode(frame)
        except WireError as error:
            return self._refusal(frame, error.cause, wall_ns)
        if topic != self._topic_of(message.sensor):
            return self._refusal(frame, "misdirected", wall_ns)
        if isinstance(message, Backfill):
            self.gaps.closed(topic, message.from_sequence, message.to_sequence)
            return None
        if isinstance(message, Heartbeat):
            self.gaps.announced(topic, message.boot_id, message.last_sequence)
        elif self.gaps.arrived(topic, message.boot_id, message.sequence):
            self.received[message.sensor] += 1
        else:
            return None
        return Arrival(frame, topic, message, "", wall_ns)

    def _topic_of(self, sensor: str) -> str:
        if self.originator == self._recipient:
            return topic_of_feed(self.originator, sensor)
        return topic_of_release(self.originator, self._recipient, sensor)

    def _refusal(self, frame: bytes, cause: str, wall_ns: int) -> Arrival:
        self.refused[cause] += 1
        return Arrival(frame, "", None, cause, wall_ns)

    def _ask(self, topic: str, first: int, last: int) -> None:
        request = Backfill(
            originator=self._recipient,
            sensor=parse_topic(topic).sensor,
            topic=topic,
            from_sequence=first,
            to_sequence=last,
        )
        self._client.ask(encode(topic, request))
