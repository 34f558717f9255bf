"""Live ASTERIX: datagrams on loopback become a nation's feed at its node's ingress."""

import asyncio
import socket
from collections import Counter

import pytest

from sensors.emulator import Publisher
from sensors.gateway import Gateway, GatewayConfig, forward
from sensors.readers.capture import payloads
from sharing.clock import ClockConfig, VirtualClock
from sharing.daemon import Status
from sharing.feeds import Outlet
from sharing.keys import KeysConfig
from sharing.messages import Detections, Polar, S, Scan, Site
from sharing.settings import SettingsError
from sharing.udp import listening, parse_address
from sharing.wire import decode
from tests.integration.conftest import eventually

pytest.importorskip("asterix.base", reason="libasterix is not installed")
pytestmark = pytest.mark.integration


@pytest.fixture
def settings():
    return GatewayConfig(
        clock=ClockConfig(epoch_unix_s=0.0),
        keys=KeysConfig(secret="unused", public="unused"),
        links=(),
        backfill="unused",
        sites={"25/201": (45.0, 16.0, 300.0)},
    )


@pytest.fixture
def recorded(data_dir):
    found = payloads(data_dir / "asterix" / "cat_034_048.pcap", Counter())
    return [payload.data for payload in found]


async def test_datagrams_reach_the_node(hub_of, free_port, settings, recorded):
    emulator, node = await hub_of("KOR.emulator"), await hub_of("KOR.node")
    endpoint, stop, clock = free_port(), asyncio.Event(), VirtualClock(0)
    ingress = node.ingress(endpoint, "ingress/KOR", ["KOR.emulator"])
    ingress.subscribe()
    server = emulator.server(free_port(), "backfill/KOR", ["KOR.node"])
    outlet = Outlet("KOR", [emulator.publisher(endpoint, "KOR.node")], server)
    publisher = Publisher(emulator, outlet, Status(None), stop)
    waiting = asyncio.ensure_future(publisher.wait_for_subscribers())
    await eventually(waiting.done, node)
    publisher.begin(clock)
    got = []

    def received(kind):
        got.extend(decode(frame)[1] for frame, _ in ingress.drain())
        return [m for m in got if isinstance(m, kind)]

    async with listening("127.0.0.1", 0) as datagrams:
        gateway = Gateway("KOR", settings)
        forwarding = asyncio.ensure_future(forward(gateway, publisher, outlet, datagrams, clock, None, stop))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as radar:
            radar.connect(datagrams.address)
            for data in [b"", b"\x30\x00", b"\xff" * 2000, *recorded]:
                radar.send(data)
                await asyncio.sleep(0)
        await eventually(lambda: gateway.counts().get("plots") == 64, node)
        assert received(Scan) == [] or len(received(Scan)) < 7
        clock.advance_to(20 * S)
        plots = lambda: sum(len(m.t_valid_ns) for m in received(Detections | Polar))  # noqa: E731
        await eventually(lambda: plots() == 63, node)
        stop.set()
        await forwarding
    counts = gateway.counts()
    assert counts["duplicates"] == 64 and counts["undecoded_blocks"] == 2
    assert {m.sensor for m in received(Site)} == {
        f"radar-25-{sic}" for sic in (11, 12, 13, 14, 201, 204, 205)
    }
    assert all(m.originator == "KOR" for m in got)
    stands_ns = {}
    for site in received(Site):
        stands_ns.setdefault(site.sensor, site.t_valid_ns)
    # Radar 25/12 reports plots from before its north mark after it.
    assert all(stands_ns[m.sensor] <= m.t_valid_ns.min() for m in received(Detections | Polar))
    assert all(m.t_valid_ns[-1] <= m.t_sent_ns for m in received(Detections | Polar))


def test_one_turn_after_the_other(settings):
    """North marks end scans; between two of them the radar has looked all round."""
    gateway = Gateway("KOR", settings)
    for second in range(0, 21, 5):
        gateway.take(north_mark(second), second * S + S // 10)
    scans = [g.message for g in gateway.due(20 * S) if isinstance(g.message, Scan)]
    assert [scan.scan for scan in scans] == [0, 1, 2, 3]
    assert [round((s.t_end_ns - s.t_start_ns) / S, 3) for s in scans] == [5.0] * 4
    assert all(scan.azimuth_width_rad > 6.28 for scan in scans)


def north_mark(second):
    """CAT034: source 25/12, north mark, time of day, a turn of 5 s."""
    record = bytes([0b11101000, 25, 12, 1, *(second * 128).to_bytes(3), *(5 * 128).to_bytes(2)])
    return bytes([34, *(3 + len(record)).to_bytes(2)]) + record


@pytest.mark.parametrize("text", ["", "localhost", "localhost:0", "localhost:65536", "a:b"])
def test_an_address_is_a_host_and_a_port(text):
    with pytest.raises(SettingsError, match="expected HOST:PORT"):
        parse_address(text)


async def test_a_port_in_use_is_one_line():
    async with listening("127.0.0.1", 0) as datagrams:
        with pytest.raises(SettingsError, match="cannot listen for datagrams"):
            async with listening(*datagrams.address):
                pass
