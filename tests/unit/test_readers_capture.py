"""Payloads out of captures: every link, tags, byte orders; what is broken is counted."""

import struct
from collections import Counter

import pytest

from sensors.readers.capture import payloads
from sharing.settings import SettingsError

DATA = b"hello radar"


def udp(data=DATA):
    return struct.pack(">HHHH", 1, 8600, 8 + len(data), 0) + data


def ipv4(inner=None, protocol=17, fragment=0):
    inner = udp() if inner is None else inner
    return struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(inner), 0, fragment, 9, protocol, 0, 1, 2) + inner


def ipv6():
    return struct.pack(">IHBB32s", 6 << 28, len(udp()), 17, 9, b"") + udp()


def ethernet(inner, kind=0x0800, tags=b"", padding=b""):
    return b"\0" * 12 + tags + struct.pack(">H", kind) + inner + padding


LINKS = {
    "ethernet": (1, ethernet(ipv4(), padding=b"\0" * 9)),
    "vlan": (1, ethernet(ipv4(), tags=bytes.fromhex("81000005"))),
    "two tags": (1, ethernet(ipv4(), tags=bytes.fromhex("88a8000581000006"))),
    "ipv6": (1, ethernet(ipv6(), kind=0x86DD)),
    "raw": (101, ipv4()),
    "raw ipv6": (229, ipv6()),
    "loopback": (0, b"\2\0\0\0" + ipv4()),
    "cooked": (113, b"\0" * 14 + b"\x08\x00" + ipv4()),
    "cooked 2": (276, b"\x08\x00" + b"\0" * 18 + ipv4()),
}


def classic(link, *frames, order="<", nano=False):
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    head = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    return head + b"".join(struct.pack(f"{order}IIII", 7, 5, len(f), len(f)) + f for f in frames)


def modern(link, *frames, order="<", resolution=9):
    def chunk(kind, body):
        body += b"\0" * (-len(body) % 4)
        return (
            struct.pack(f"{order}II", kind, 12 + len(body)) + body + struct.pack(f"{order}I", 12 + len(body))
        )

    options = struct.pack(f"{order}HHB3x", 9, 1, resolution) + b"\0" * 4
    parts = [
        chunk(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1)),
        chunk(5, b"12345678"),
        chunk(1, struct.pack(f"{order}HHI", link, 0, 0) + options),
    ]
    t = 7 * 10**9 + 5
    for frame in frames:
        head = struct.pack(f"{order}IIIII", 0, t >> 32, t & 0xFFFFFFFF, len(frame), len(frame))
        parts.append(chunk(6, head + frame))
    return b"".join(parts)


@pytest.fixture
def read(tmp_path):
    def reader(data):
        path, counters = tmp_path / "capture", Counter()
        path.write_bytes(data)
        return list(payloads(path, counters)), counters

    return reader


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("name", LINKS)
def test_every_link_gives_the_payload(read, name, order):
    link, frame = LINKS[name]
    for data, t_ns in (
        (classic(link, frame, order=order), 7 * 10**9 + 5000),
        (classic(link, frame, order=order, nano=True), 7 * 10**9 + 5),
        (modern(link, frame, order=order), 7 * 10**9 + 5),
    ):
        assert read(data)[0] == [(t_ns, DATA)]


@pytest.mark.parametrize(
    ("frame", "cause"),
    [
        (ethernet(ipv4(fragment=0x2000)), "fragment"),
        (ethernet(ipv4(fragment=5)), "fragment"),
        (ethernet(ipv4(protocol=6)), "not UDP"),
        (ethernet(b"", kind=0x0806), "not IP"),
        (ethernet(ipv4())[:30], "packet cut"),
        (ethernet(ipv4(udp()[:-3])), "packet cut"),
        (b"", "packet cut"),
    ],
)
def test_what_is_no_payload_is_counted(read, frame, cause):
    found, counters = read(classic(1, frame, ethernet(ipv4())))
    assert [p.data for p in found] == [DATA]
    assert counters == {"packets": 2, cause: 1}


def test_unknown_links_are_counted(read):
    assert read(classic(147, ipv4())) == ([], {"packets": 1, "link type 147": 1})


@pytest.mark.parametrize("make", [classic, modern])
def test_a_cut_file_ends_there(read, make):
    whole = make(1, ethernet(ipv4()), ethernet(ipv4()))
    for length in range(4, len(whole)):
        found, counters = read(whole[:length])
        assert len(found) <= 2 and set(counters) <= {"packets", "file cut", "file broken"}
    assert len(read(whole)[0]) == 2


def test_a_monstrous_packet_is_a_broken_file(read):
    broken = classic(1) + struct.pack("<IIII", 0, 0, 2**31, 2**31)
    assert read(broken) == ([], {"file broken": 1})


def test_anything_else_is_raw(read):
    assert read(b"\x30\x00\x03")[0] == [(None, b"\x30\x00\x03")]
    assert read(b"")[0] == [(None, b"")]


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        list(payloads(tmp_path / "none", Counter()))
