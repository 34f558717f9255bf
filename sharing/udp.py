"""Datagrams from radars' gateways: the one socket besides `sharing.transport`'s, since ASTERIX comes by UDP.

It only receives. What has not been fetched waits in a queue of `MAX_WAITING`; more is dropped and counted.
Datagrams have no sender that could be trusted: listen on loopback, or on a network that only radars are on.
"""

import asyncio
import re
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from sharing.settings import SettingsError

MAX_WAITING: Final = 10_000


class Datagrams(asyncio.DatagramProtocol):
    """What has come and not been fetched."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self.counters: Counter[str] = Counter()
        self.address: tuple[str, int] = ("", 0)
        """Where it listens."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there."""
        host, port, *_ = transport.get_extra_info("sockname")
        self.address = (host, port)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """One datagram has come."""
        self.counters["received"] += 1
        if len(self._waiting) >= MAX_WAITING:
            self.counters["queue-full"] += 1
        else:
            self._waiting.append(data)

    def error_received(self, exc: Exception) -> None:
        """The network complains; datagrams that do not come are no reason to end."""
        self.counters["network-errors"] += 1

    def drain(self) -> list[bytes]:
        """All that waits, in order of arrival."""
        data = list(self._waiting)
        self._waiting.clear()
        return data


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``. Raises SettingsError."""
    match = re.fullmatch(r"\[?([^\[\]]+)\]?:(\d{1,5})", text)
    if match is None or not 0 < int(match[2]) < 65536:
        raise SettingsError(f"{text!r}: expected HOST:PORT, as 127.0.0.1:8600")
    return match[1], int(match[2])


@asynccontextmanager
async def listening(host: str, port: int) -> AsyncIterator[Datagrams]:
    """Datagrams sent to `host`, `port`. Raises SettingsError when nobody can listen there."""
    loop = asyncio.get_running_loop()
    try:
        transport, receiver = await loop.create_datagram_endpoint(Datagrams, local_addr=(host, port))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SettingsError(f"{host}:{port}: cannot listen for datagrams: {reason}") from None
    try:
        yield receiver
    finally:
        transport.close()
