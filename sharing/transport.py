"""Every socket of the project: ZeroMQ with CURVE, always, and access decided by key. Nobody else imports zmq.

Rules of this module:

- A `Hub` holds one process's sockets, its own key and the public keys it knows. Servers (sockets that bind)
  have a *label*, which is their ZAP domain; a client's key is admitted to the labels that name it, and to
  nothing else. One PUB socket and endpoint per release label: a mistake in a topic cannot cross labels.
- It fails closed: ``ZAP_ENFORCE_DOMAIN`` refuses everybody while no gatekeeper answers, an unknown domain or
  key is refused, and an exception while judging is a refusal. If the gatekeeper fails, `Hub.wait` does.
- One frame is one message. More frames, unknown senders and undeliverable frames are dropped and counted
  by cause in ``counters``; sizes, handshakes, queues and heartbeats are limited by `Limits`.
- A daemon awaits once (`Hub.wait`), then drains without waiting: up to ``Limits.drain`` frames a call.
- A socket that connects knows its peer by the server key it asked for; one that binds by ZAP's User-Id.
"""

import asyncio
import os
import time
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import zmq
import zmq.asyncio
from zmq.utils import z85
from zmq.utils.monitor import parse_monitor_message

from sharing.keys import Directory, KeyPair
from sharing.schema import MAX_FRAME_BYTES
from sharing.settings import SettingsError

ZAP_ENDPOINT = "inproc://zeromq.zap.01"
READABLE = int(zmq.POLLIN)
MAX_REFUSALS = 64
"""Refusals that wait to be logged; all are counted."""
REBIND_TRIES = 50
REBIND_PAUSE_S = 0.01
"""libzmq lets an address go in a thread of its own, some milliseconds after `unbind`."""
FIXED_PORTS = range(12_000, 32_000)
MONITORED = {
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "handshake-protocol",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "handshake-broken",
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "handshake-refused",
    zmq.EVENT_DISCONNECTED: "disconnected",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of every socket. `high_water` counts frames per peer and direction."""

    frame_bytes: int = MAX_FRAME_BYTES
    high_water: int = 1000
    drain: int = 256
    backlog: int = 64
    linger_ms: int = 2000
    handshake_ms: int = 10_000
    heartbeat_ms: int = 1000
    heartbeat_timeout_ms: int = 10_000
    reconnect_ms: int = 50
    reconnect_max_ms: int = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """A frame that a server got from the client `sender`; `route` addresses the answers."""

    route: bytes
    sender: str
    frame: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """A peer that was not let in: why, at which label, from which address, and whose key it showed.

    `cause` is ``refused`` (unknown key, or not admitted to that label) or ``unjudged`` (judging failed);
    `name` is empty for a key that is nobody's, or that was not judged.
    """

    cause: str
    label: str
    address: str
    name: str


def new_pair(name: str) -> KeyPair:
    """A fresh CURVE key pair for the process `name`."""
    public, secret = zmq.curve_keypair()
    return KeyPair(name, public, secret)


class Gatekeeper:
    """The ZAP handler: decides by (label, key) and gives the key's name as the User-Id."""

    def __init__(self, directory: Directory) -> None:
        self.reload(directory)
        self._admitted: dict[bytes, frozenset[str]] = {}
        self._refusals: deque[Refusal] = deque(maxlen=MAX_REFUSALS)
        self.counters: Counter[str] = Counter()

    def reload(self, directory: Directory) -> None:
        """Judge by the keys of `directory` from now on; who is connected stays connected."""
        self._names = {z85.decode(key): name for key, name in directory.names.items()}

    def admit(self, label: str, names: Iterable[str]) -> None:
        """Admit the processes `names` to the sockets labelled `label`."""
        self._admitted[label.encode()] = frozenset(names)

    def answer(self, frames: list[bytes]) -> list[bytes]:
        """The reply to one ZAP request (RFC 27). Never raises: what cannot be judged is refused."""
        version, request = (*frames, b"", b"")[:2]
        try:
            name = self._judge(frames)
            cause = "admitted" if name else "refused"
        except Exception:
            name, cause = None, "unjudged"
        self.counters[cause] += 1
        if name is None:
            self._refusals.append(self._refusal(cause, frames))
            return [version, request, b"400", b"no access", b"", b""]
        return [version, request, b"200", b"OK", name.encode(), b""]

    def refusals(self) -> list[Refusal]:
        """The latest refusals since the last call, at most `MAX_REFUSALS`."""
        latest = list(self._refusals)
        self._refusals.clear()
        return latest

    def _refusal(self, cause: str, frames: list[bytes]) -> Refusal:
        label, address = (frame[:128].decode("ascii", "replace") for frame in (*frames, *[b""] * 4)[2:4])
        shown = self._names.get(frames[-1], "") if cause == "refused" else ""
        return Refusal(cause, label, address, shown)

    def _judge(self, frames: list[bytes]) -> str | None:
        _, _, domain, _, _, mechanism, key = frames
        name = self._names.get(key)
        if mechanism != b"CURVE" or name not in self._admitted.get(domain, ()):
            return None
        return name


class _Endpoint:
    """What all sockets share: they are drained without waiting, and they count."""

    def __init__(self, hub: "Hub", kind: int, peer: str | None) -> None:
        self.socket: zmq.Socket[bytes] = hub.plain_context.socket(kind)
        self.limits = hub.limits
        self.peer = peer
        self.label = "" if peer is None else f"to {peer}"
        self.address = ""
        self.counters: Counter[str] = Counter()

    def readable(self) -> bool:
        """Whether something waits. Asking also readies the socket's descriptor for the next signal."""
        return bool(int(self.socket.getsockopt(zmq.EVENTS)) & READABLE)

    def shut(self) -> None:
        """Cut whoever is connected to this bound socket, and let nobody in."""
        if self.address:
            self.socket.unbind(self.address)

    def reopen(self) -> None:
        """Listen again after `shut`. Raises SettingsError when somebody else has the address by now."""
        for _ in range(REBIND_TRIES):
            try:
                self.socket.bind(self.address)
                return
            except zmq.ZMQError as error:
                if error.errno != zmq.EADDRINUSE:
                    raise
                time.sleep(REBIND_PAUSE_S)
        raise SettingsError(f"{self.address}: cannot listen again: address already in use")

    def _receive(self) -> list[zmq.Frame] | None:
        """One message's frames, None when there is none. A signal or a full queue is no reason to wait."""
        try:
            return self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return None

    def _received(self) -> Iterable[tuple[list[zmq.Frame], str | None]]:
        """Up to ``Limits.drain`` messages, each with its sender's name where one is known."""
        for _ in range(self.limits.drain):
            frames = self._receive()
            if frames is None:
                return
            yield frames, self.peer or _user_id(frames[-1])

    def _send(self, frames: list[bytes]) -> bool:
        """Send without waiting; False, counted, when the peer's queue is full or the peer has gone."""
        try:
            self.socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno not in (zmq.EAGAIN, zmq.EHOSTUNREACH):
                raise
            self.counters["queue-full" if error.errno == zmq.EAGAIN else "peer-gone"] += 1
            return False
        self.counters["sent"] += 1
        return True


class Ingress(_Endpoint):
    """A SUB socket: frames from one publisher (connected) or from admitted ones (bound)."""

    def subscribe(self) -> None:
        """Ask for everything that the peer publishes on this endpoint; until then nothing comes."""
        self.socket.subscribe(b"")

    def drain(self) -> list[tuple[bytes, str]]:
        """Frames waiting now, with their sender's name, at most ``Limits.drain``."""
        result = []
        for frames, sender in self._received():
            if len(frames) != 1 or sender is None:
                self.counters["multipart" if sender else "anonymous"] += 1
            else:
                self.counters["received"] += 1
                result.append((frames[0].bytes, sender))
        return result


class Egress(_Endpoint):
    """A PUB socket (XPUB, to see its subscribers) for one release label. Sending never waits.

    A full queue drops the frame with a count: the gap shows in the sequence numbers and is backfilled.
    """

    def __init__(self, hub: "Hub", kind: int, peer: str | None) -> None:
        super().__init__(hub, kind, peer)
        self.subscribed = False
        self._disconnections = 0
        self.socket.setsockopt(zmq.XPUB_NODROP, 1)
        self.socket.setsockopt(zmq.XPUB_VERBOSER, 1)

    def notice(self) -> bool:
        """Take in who has come and gone; whether anybody is subscribed now.

        A socket that connects keeps its peer's subscriptions over a lost connection, so that the loss
        itself has to be looked at; the peer subscribes again when it is back.
        """
        if self.peer is not None and self.counters["disconnected"] > self._disconnections:
            self._disconnections = self.counters["disconnected"]
            self.subscribed = False
        for frames, _ in self._received():
            event = frames[0].bytes
            if event[:1] in (b"\x00", b"\x01"):
                self.subscribed = event[:1] == b"\x01"
            else:
                self.counters["unasked"] += 1
        return self.subscribed

    def send(self, frame: bytes) -> bool:
        """Publish one frame; False, counted, when the subscriber's queue is full."""
        return self._send([frame])


class Server(_Endpoint):
    """A ROUTER socket: requests of admitted clients, answered frame by frame."""

    def __init__(self, hub: "Hub", kind: int, peer: str | None) -> None:
        super().__init__(hub, kind, peer)
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)

    def requests(self) -> list[Request]:
        """Requests waiting now, at most ``Limits.drain``."""
        result = []
        for frames, sender in self._received():
            if len(frames) != 2 or sender is None:
                self.counters["multipart" if sender else "anonymous"] += 1
            else:
                self.counters["received"] += 1
                result.append(Request(frames[0].bytes, sender, frames[1].bytes))
        return result

    def answer(self, request: Request, frame: bytes) -> bool:
        """Send one frame to whoever asked; False, counted, when it cannot be queued."""
        return self._send([request.route, frame])


class Client(_Endpoint):
    """A DEALER socket: asks one server, and reads its answers when they come."""

    def ask(self, frame: bytes) -> bool:
        """Send a request; False, counted, when the queue is full."""
        return self._send([frame])

    def answers(self) -> list[bytes]:
        """Frames waiting now, at most ``Limits.drain``."""
        result = []
        for frames, _ in self._received():
            if len(frames) != 1:
                self.counters["multipart"] += 1
            else:
                self.counters["received"] += 1
                result.append(frames[0].bytes)
        return result


E = TypeVar("E", bound=_Endpoint)


class Hub:
    """One process's sockets; an async context manager that opens the gate before any of them.

    ``async with Hub(own, directory) as hub: …``. Should the gatekeeper fail, `wait` raises its failure.
    Operators' mistakes (occupied port, unknown peer) raise SettingsError.
    """

    def __init__(self, own: KeyPair, directory: Directory, limits: Limits | None = None) -> None:
        self.own = own
        self.directory = directory
        self.limits = limits or Limits()
        self.context: zmq.asyncio.Context = zmq.asyncio.Context()
        self.plain_context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.shadow(self.context.underlying)
        self.gatekeeper = Gatekeeper(directory)
        self._endpoints: list[_Endpoint] = []
        self._signalled = asyncio.Event()
        self._watchers: list[asyncio.Task[None]] = []
        self._monitors: list[zmq.asyncio.Socket] = []
        self._gate: zmq.asyncio.Socket = self.context.socket(zmq.REP)

    async def __aenter__(self) -> Self:
        self._gate.bind(ZAP_ENDPOINT)
        self._watch(self._keep_gate())
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._watchers:
            task.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for endpoint in self._endpoints:
            asyncio.get_running_loop().remove_reader(endpoint.socket.fileno())
            endpoint.socket.close(self.limits.linger_ms)
        for socket in (*self._monitors, self._gate):
            socket.close(0)
        self.context.term()

    def reload(self, directory: Directory) -> None:
        """Know the keys of `directory` from now on. Who is connected stays so until its socket is shut."""
        self.directory = directory
        self.gatekeeper.reload(directory)

    def counters(self) -> dict[str, dict[str, int]]:
        """What every socket has counted, by label (``to PEER`` for those that connect)."""
        counted: dict[str, Counter[str]] = {}
        for endpoint in self._endpoints:
            counted.setdefault(endpoint.label, Counter()).update(endpoint.counters)
        return {label: dict(counter) for label, counter in counted.items() if counter}

    def ingress(self, endpoint: str, label: str, admitted: Iterable[str]) -> Ingress:
        """A bound SUB for the publishers `admitted`."""
        return self._bind(Ingress(self, zmq.SUB, None), endpoint, label, admitted)

    def subscriber(self, endpoint: str, peer: str) -> Ingress:
        """A SUB connected to the publisher `peer`."""
        return self._connect(Ingress(self, zmq.SUB, peer), endpoint, peer)

    def egress(self, endpoint: str, label: str, admitted: Iterable[str]) -> Egress:
        """A bound PUB for the subscribers `admitted`."""
        return self._bind(Egress(self, zmq.XPUB, None), endpoint, label, admitted)

    def publisher(self, endpoint: str, peer: str) -> Egress:
        """A PUB connected to the ingress of `peer`."""
        return self._connect(Egress(self, zmq.XPUB, peer), endpoint, peer)

    def server(self, endpoint: str, label: str, admitted: Iterable[str]) -> Server:
        """A bound ROUTER for the clients `admitted`."""
        return self._bind(Server(self, zmq.ROUTER, None), endpoint, label, admitted)

    def client(self, endpoint: str, peer: str) -> Client:
        """A DEALER connected to the server `peer`."""
        return self._connect(Client(self, zmq.DEALER, peer), endpoint, peer)

    async def wait(self, wall_s: float) -> None:
        """Return when some socket has something to read, or after `wall_s`. Raises what ended the gate."""
        for task in self._watchers:
            if task.done():
                task.result()
        # A descriptor signals that its socket is to be looked at, not that there is something to read, and
        # looking takes the signal away: so the event is cleared first, and then every socket asked.
        self._signalled.clear()
        if any([endpoint.readable() for endpoint in self._endpoints]):
            await asyncio.sleep(0)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(wall_s):
                await self._signalled.wait()

    def _bind(self, endpoint: E, address: str, label: str, admitted: Iterable[str]) -> E:
        names = tuple(admitted)
        self.directory.require(names)
        self.gatekeeper.admit(label, names)
        endpoint.label = label
        socket = self._open(endpoint)
        socket.curve_server = True
        socket.setsockopt_string(zmq.ZAP_DOMAIN, label)
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
        try:
            socket.bind(address)
        except zmq.ZMQError as error:
            raise SettingsError(f"{address}: cannot listen for {label}: {error.strerror.lower()}") from None
        endpoint.address = address
        return endpoint

    def _connect(self, endpoint: E, address: str, peer: str) -> E:
        socket = self._open(endpoint)
        socket.curve_serverkey = self.directory.key_of(peer)
        try:
            socket.connect(address)
        except zmq.ZMQError as error:
            raise SettingsError(f"{address}: cannot connect to {peer}: {error.strerror.lower()}") from None
        return endpoint

    def _open(self, endpoint: _Endpoint) -> "zmq.Socket[bytes]":
        socket, limits = endpoint.socket, self.limits
        self._endpoints.append(endpoint)
        for option, value in (
            (zmq.MAXMSGSIZE, limits.frame_bytes),
            (zmq.SNDHWM, limits.high_water),
            (zmq.RCVHWM, limits.high_water),
            (zmq.BACKLOG, limits.backlog),
            (zmq.LINGER, limits.linger_ms),
            (zmq.HANDSHAKE_IVL, limits.handshake_ms),
            (zmq.HEARTBEAT_IVL, limits.heartbeat_ms),
            (zmq.HEARTBEAT_TIMEOUT, limits.heartbeat_timeout_ms),
            (zmq.RECONNECT_IVL, limits.reconnect_ms),
            (zmq.RECONNECT_IVL_MAX, limits.reconnect_max_ms),
        ):
            socket.setsockopt(option, value)
        socket.curve_publickey, socket.curve_secretkey = self.own.public, self.own.secret
        address = f"inproc://monitor-{len(self._monitors)}"
        socket.monitor(address, sum(MONITORED))
        monitor = self.context.socket(zmq.PAIR)
        monitor.connect(address)
        self._monitors.append(monitor)
        self._watch(_count_events(monitor, endpoint.counters))
        asyncio.get_running_loop().add_reader(socket.fileno(), self._notice, endpoint)
        return socket

    def _notice(self, endpoint: _Endpoint) -> None:
        endpoint.readable()
        self._signalled.set()

    def _watch(self, work: Any) -> None:
        self._watchers.append(asyncio.ensure_future(work))

    async def _keep_gate(self) -> None:
        while True:
            frames = await self._gate.recv_multipart()
            await self._gate.send_multipart(self.gatekeeper.answer(frames))


async def _count_events(monitor: zmq.asyncio.Socket, counters: Counter[str]) -> None:
    """Count a socket's broken handshakes and lost connections by cause."""
    while True:
        event = zmq.Event(parse_monitor_message(await monitor.recv_multipart())["event"])
        counters[MONITORED[event]] += 1


def _user_id(frame: zmq.Frame) -> str | None:
    try:
        return str(frame.get("User-Id"))
    except zmq.ZMQError:
        return None


def free_endpoints(count: int) -> list[str]:
    """`count` different TCP endpoints on loopback that nobody listens on now.

    They lie below the ports that systems hand out to clients, of which one that retries could be given the
    very port it tries to reach. Raises SettingsError when there are not enough.
    """
    first = FIXED_PORTS.start + os.getpid() * 64 % len(FIXED_PORTS)
    candidates = (*range(first, FIXED_PORTS.stop), *range(FIXED_PORTS.start, first))
    found: list[str] = []
    with zmq.Context() as context, ExitStack() as stack:
        for port in candidates:
            if len(found) == count:
                return found
            socket = stack.enter_context(context.socket(zmq.PULL))
            try:
                socket.bind(f"tcp://127.0.0.1:{port}")
                found.append(f"tcp://127.0.0.1:{port}")
            except zmq.ZMQError:
                socket.close()
    raise SettingsError(f"fewer than {count} free ports on loopback")
