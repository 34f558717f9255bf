"""UDP payloads out of a capture file: classic pcap and pcapng, and what is neither as one raw payload.

Rules of this module:

- Sources: the formats as the pcap and pcapng Internet drafts of the IETF (opsawg) have them; Ethernet with
  VLAN tags (802.1Q, 802.1ad), raw IP, BSD loopback, Linux cooked captures 1 and 2; IPv4 and IPv6 without
  options that matter here. Fragments are not put together: they are counted.
- Whatever is wrong with a packet is counted by cause and passed over; a file that breaks off ends there, with
  a count. A block larger than `MAX_BLOCK_BYTES` is a broken file, so that memory stays bounded.
"""

import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from sharing.settings import SettingsError

MAX_BLOCK_BYTES: Final = 1 << 20
MAX_RAW_BYTES: Final = 1 << 30
MAX_TAGS: Final = 4

CLASSIC: Final = {
    b"\xd4\xc3\xb2\xa1": ("<", 10**3), b"\xa1\xb2\xc3\xd4": (">", 10**3),
    b"\x4d\x3c\xb2\xa1": ("<", 1), b"\xa1\xb2\x3c\x4d": (">", 1),
}  # fmt: skip
"""Magic of classic pcap: byte order, and nanoseconds in a unit of the fraction."""
SECTION: Final = b"\x0a\x0d\x0d\x0a"
INTERFACE, SIMPLE, ENHANCED = 1, 3, 6
RESOLUTION: Final = 9
VLAN: Final = (0x8100, 0x88A8, 0x9100)
IPV4, IPV6, UDP = 0x0800, 0x86DD, 17


BROKEN: Final = ("file broken", "file cut")
"""Causes for which the rest of a file is passed over."""


class Payload(NamedTuple):
    """The content of one UDP packet; `t_ns` is its capture in Unix time, None in a raw file."""

    t_ns: int | None
    data: bytes


class Broken(ValueError):
    """A packet or file that is not what it should be; its text is the cause that is counted."""


def is_capture(head: bytes) -> bool:
    """Whether a file that begins so is a capture."""
    return head[:4] in CLASSIC or head.startswith(SECTION)


def payloads(path: Path | str, counters: Counter[str]) -> Iterator[Payload]:
    """The UDP payloads in a capture in order, or a raw file as one. Raises SettingsError for no file.

    `counters` gets ``packets``, and by cause what was passed over.
    """
    try:
        with Path(path).open("rb") as stream:
            magic = stream.read(4)
            if magic in CLASSIC:
                found = _classic(stream, *CLASSIC[magic])
            elif magic == SECTION:
                found = _sections(stream)
            else:
                yield Payload(None, magic + stream.read(MAX_RAW_BYTES))
                return
            yield from _udp(found, counters)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None


def _udp(packets: Iterator[tuple[int, int, bytes]], counters: Counter[str]) -> Iterator[Payload]:
    """The payloads of captured packets (time, link type, bytes)."""
    while True:
        try:
            t_ns, link, frame = next(packets)
            counters["packets"] += 1
        except StopIteration:
            return
        except (Broken, struct.error) as error:
            counters[str(error) if isinstance(error, Broken) else "file cut"] += 1
            return
        try:
            yield Payload(t_ns, udp_payload(link, frame))
        except Broken as error:
            counters[str(error)] += 1
        except (struct.error, IndexError):
            counters["packet cut"] += 1


# --------------------------------------------------------------------------------------------- files


def _classic(stream: BinaryIO, order: str, unit_ns: int) -> Iterator[tuple[int, int, bytes]]:
    *_, link = struct.unpack(f"{order}HHiIII", stream.read(20))
    while head := stream.read(16):
        seconds, fraction, kept, _ = struct.unpack(f"{order}IIII", head)
        yield seconds * 10**9 + fraction * unit_ns, link & 0x0FFFFFFF, _exactly(stream, kept)


def _exactly(stream: BinaryIO, count: int) -> bytes:
    if count > MAX_BLOCK_BYTES:
        raise Broken("file broken")
    data = stream.read(count)
    if len(data) < count:
        raise Broken("file cut")
    return data


def _sections(stream: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """The packets of a pcapng file, after its first four bytes."""
    order, kind = "<", int.from_bytes(SECTION, "little")
    interfaces: list[tuple[int, int]] = []
    while True:
        length_bytes = _exactly(stream, 4)
        if kind == 0x0A0D0D0A:
            order = "<" if stream.read(4) == b"\x4d\x3c\x2b\x1a" else ">"
            interfaces = []
        (length,) = struct.unpack(f"{order}I", length_bytes)
        seen = 12 if kind == 0x0A0D0D0A else 8
        if length < seen + 4 or length % 4:
            raise Broken("file broken")
        body = _exactly(stream, length - seen)[:-4]
        if kind == INTERFACE:
            interfaces.append((struct.unpack(f"{order}H", body[:2])[0], _units(order, body[8:])))
        elif kind in (ENHANCED, SIMPLE):
            yield _packet(order, kind, body, interfaces)
        head = stream.read(4)
        if not head:
            return
        (kind,) = struct.unpack(f"{order}I", head)


def _packet(order: str, kind: int, body: bytes, interfaces: list[tuple[int, int]]) -> tuple[int, int, bytes]:
    if kind == SIMPLE:  # has no time: that of the file's begin would be made up, zero says so
        (length,) = struct.unpack(f"{order}I", body[:4])
        number, t_ns, data = 0, 0, body[4 : 4 + length]
    else:
        number, high, low, kept, _ = struct.unpack(f"{order}IIIII", body[:20])
        t_ns, data = high << 32 | low, body[20 : 20 + kept]
    if number >= len(interfaces):
        raise Broken("file broken")
    link, units = interfaces[number]
    return t_ns * 10**9 // units, link, data


def _units(order: str, options: bytes) -> int:
    """Units of time in a second, of an interface's options; microseconds where they do not say."""
    while len(options) >= 4:
        code, length = struct.unpack(f"{order}HH", options[:4])
        if code == RESOLUTION and length == 1:
            value = options[4]
            return 2 ** (value & 0x7F) if value & 0x80 else 10 ** min(value, 18)
        if code == 0:
            break
        options = options[4 + (length + 3) // 4 * 4 :]
    return 10**6


# ------------------------------------------------------------------------------------------- packets


def udp_payload(link: int, frame: bytes) -> bytes:
    """The UDP payload in a packet of a link type. Raises Broken, struct.error or IndexError."""
    kind, rest = _network(link, frame)
    if kind == IPV4:
        return _user_data(*_ipv4(rest))
    if kind == IPV6:
        return _user_data(rest[6], rest[40:])
    raise Broken("not IP")


def _network(link: int, frame: bytes) -> tuple[int, bytes]:
    """Protocol number and content of a link's frame."""
    if link == 1:
        at = 12
        for _ in range(MAX_TAGS):
            (kind,) = struct.unpack_from(">H", frame, at)
            at += 4 if kind in VLAN else 2
            if kind not in VLAN:
                return kind, frame[at:]
        raise Broken("not IP")
    if link == 113:
        return struct.unpack_from(">H", frame, 14)[0], frame[16:]
    if link == 276:
        return struct.unpack_from(">H", frame, 0)[0], frame[20:]
    if link in (0, 108):
        frame = frame[4:]
    elif link not in (12, 14, 101, 228, 229):
        raise Broken(f"link type {link}")
    return {4: IPV4, 6: IPV6}.get(frame[0] >> 4, 0), frame


def _ipv4(packet: bytes) -> tuple[int, bytes]:
    """Protocol and content, without what pads the frame."""
    header = 4 * (packet[0] & 0x0F)
    total, _, fragment = struct.unpack_from(">HHH", packet, 2)
    if fragment & 0x3FFF:
        raise Broken("fragment")
    if header < 20 or total < header:
        raise Broken("packet broken")
    return packet[9], packet[header:total]


def _user_data(protocol: int, datagram: bytes) -> bytes:
    if protocol != UDP:
        raise Broken("not UDP")
    (length,) = struct.unpack_from(">H", datagram, 4)
    if length < 8 or length > len(datagram):
        raise Broken("packet cut")
    return datagram[8:length]
