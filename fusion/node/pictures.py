"""A node's pictures for its readers: every one as it comes, and the newest for whoever joins late.

Rules of this module (the Clone pattern):

- A reader subscribes, asks for a snapshot, and drops what it receives up to the snapshot's number.
- Every topic has one numbering, over as-known pictures and updates alike; it says nothing of the core's.
- A node without configured readers publishes nothing and opens no port.
"""

from msgspec.structs import replace

from fusion.node.config import Publish
from sharing.messages import Backfill, Message, Picture, Snapshot, Warning
from sharing.transport import Egress, Hub, Server
from sharing.wire import WireError, decode, encode


class Pictures:
    """What a node publishes; with no sockets, it drops everything."""

    def __init__(self, nation: str, egress: Egress | None = None, server: Server | None = None) -> None:
        self._nation = nation
        self._egress = egress
        self._server = server
        self._next = {"picture": 0, "warning": 0}
        self._newest = b""

    @classmethod
    def on(cls, hub: Hub, nation: str, config: Publish | None) -> "Pictures":
        """The pictures of `nation` on the endpoints of `config`."""
        if config is None:
            return cls(nation)
        egress = hub.egress(config.feed, f"picture/{nation}", config.readers)
        return cls(nation, egress, hub.server(config.snapshot, f"snapshot/{nation}", config.readers))

    def show(self, picture: Picture) -> None:
        """Publish a picture; it is now the newest."""
        self._newest = self._send("picture", picture)

    def warn(self, warning: Warning) -> None:
        """Publish a warning."""
        self._send("warning", warning)

    def serve(self) -> None:
        """Answer every request for pictures with the newest one; others are counted by the socket's owner."""
        if self._server is None or self._egress is None:
            return
        self._egress.notice()
        for request in self._server.requests():
            try:
                _, message = decode(request.frame)
            except WireError:
                self._server.counters["refused"] += 1
                continue
            if isinstance(message, Backfill) and self._newest:
                self._server.answer(request, encode(f"picture/{self._nation}", self._snapshot()))

    def _snapshot(self) -> Snapshot:
        last = self._next["picture"] - 1
        return Snapshot(originator=self._nation, sequence=last, last_sequence=last, frame=self._newest)

    def _send(self, kind: str, message: Message) -> bytes:
        if self._egress is None:
            return b""
        frame = encode(f"{kind}/{self._nation}", replace(message, sequence=self._next[kind]))
        self._next[kind] += 1
        self._egress.send(frame)
        return frame
