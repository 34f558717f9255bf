"""Real sockets: who may read what, what is dropped, and that every refusal is counted."""

import asyncio

import pytest
import zmq

from sharing.keys import Directory
from sharing.settings import SettingsError
from sharing.transport import Gatekeeper, Hub, Limits, new_pair
from tests.integration.conftest import eventually

pytestmark = pytest.mark.integration

LABEL = "released/KOR/JPN"


@pytest.fixture
async def release(hub_of, free_port):
    """A guard's hub and its PUB for Japan, at an endpoint."""
    guard, endpoint = await hub_of("KOR.guard"), free_port()
    return guard, guard.egress(endpoint, LABEL, ["JPN.node"]), endpoint


async def test_the_entitled_recipient_gets_everything(release, hub_of):
    guard, egress, endpoint = release
    node = await hub_of("JPN.node")
    ingress = node.subscriber(endpoint, "KOR.guard")
    ingress.subscribe()
    await eventually(egress.notice, guard, node)
    for number in range(500):
        assert egress.send(b"%d" % number)
    got = []
    await eventually(lambda: got.extend(ingress.drain()) or len(got) == 500, guard, node)
    assert got == [(b"%d" % number, "KOR.guard") for number in range(500)]
    assert guard.gatekeeper.counters == {"admitted": 1}


async def test_another_nations_key_gets_nothing_and_is_counted(release, hub_of):
    guard, egress, endpoint = release
    stranger = await hub_of("USA.node")
    ingress = stranger.subscriber(endpoint, "KOR.guard")
    ingress.subscribe()
    await eventually(lambda: guard.gatekeeper.counters["refused"], guard, stranger)
    egress.send(b"secret")
    await stranger.wait(0.2)
    assert ingress.drain() == []
    assert not egress.notice()


async def test_an_unknown_key_gets_nothing_and_is_counted(release, directory):
    guard, egress, endpoint = release
    thief = new_pair("JPN.node")  # the right name on a key that nobody has been given
    async with Hub(thief, directory) as hub:
        ingress = hub.subscriber(endpoint, "KOR.guard")
        ingress.subscribe()
        await eventually(lambda: guard.gatekeeper.counters["refused"], guard, hub)
        egress.send(b"secret")
        await hub.wait(0.2)
        assert ingress.drain() == []


async def test_no_key_gets_nothing_and_is_counted(release):
    guard, egress, endpoint = release
    with zmq.Context() as context, context.socket(zmq.SUB) as plain:
        plain.linger = 0
        plain.subscribe(b"")
        plain.connect(endpoint)
        causes = ("handshake-protocol", "handshake-broken")  # whichever side notices first
        await eventually(lambda: sum(egress.counters[cause] for cause in causes), guard)
        egress.send(b"secret")
        await asyncio.sleep(0.1)
        with pytest.raises(zmq.Again):
            plain.recv(zmq.NOBLOCK)


async def test_a_server_with_another_key_is_not_believed(release, hub_of, pairs, directory):
    _, _, endpoint = release
    node = await hub_of("JPN.node")
    ingress = node.subscriber(endpoint, "USA.node")  # expects that key there, which the guard has not
    ingress.subscribe()
    await node.wait(0.2)
    assert ingress.drain() == []


async def test_an_ingress_names_its_senders_by_their_keys(hub_of, free_port):
    node, emulator = await hub_of("KOR.node"), await hub_of("KOR.emulator")
    endpoint = free_port()
    ingress = node.ingress(endpoint, "ingress/KOR", ["KOR.emulator"])
    ingress.subscribe()
    egress = emulator.publisher(endpoint, "KOR.node")
    await eventually(egress.notice, node, emulator)
    egress.send(b"frame")
    assert await eventually(ingress.drain, node, emulator) == [(b"frame", "KOR.emulator")]


async def test_more_than_one_frame_is_dropped_and_counted(hub_of, free_port):
    node, emulator = await hub_of("KOR.node"), await hub_of("KOR.emulator")
    endpoint = free_port()
    ingress = node.ingress(endpoint, "ingress/KOR", ["KOR.emulator"])
    ingress.subscribe()
    egress = emulator.publisher(endpoint, "KOR.node")
    await eventually(egress.notice, node, emulator)
    egress.socket.send_multipart([b"one", b"two"])
    egress.send(b"three")
    assert await eventually(ingress.drain, node, emulator) == [(b"three", "KOR.emulator")]
    assert ingress.counters["multipart"] == 1


async def test_an_oversized_frame_cuts_its_sender_off_and_nobody_else(hub_of, free_port):
    node, endpoint = await hub_of("KOR.node"), free_port()
    ingress = node.ingress(endpoint, "ingress/KOR", ["KOR.emulator", "KOR.guard"])
    ingress.subscribe()
    bad, good = await hub_of("KOR.emulator"), await hub_of("KOR.guard")
    big, small = bad.publisher(endpoint, "KOR.node"), good.publisher(endpoint, "KOR.node")
    await eventually(lambda: big.notice() and small.notice(), node, bad, good)
    big.send(b"x" * (node.limits.frame_bytes + 1))
    small.send(b"frame")
    assert await eventually(ingress.drain, node, bad, good) == [(b"frame", "KOR.guard")]
    await eventually(lambda: ingress.counters["disconnected"], node, bad)


async def test_a_stalled_subscriber_costs_a_bounded_queue(hub_of, free_port):
    limits = Limits(high_water=20)
    guard, node, endpoint = await hub_of("KOR.guard", limits), await hub_of("JPN.node", limits), free_port()
    egress = guard.egress(endpoint, LABEL, ["JPN.node"])
    ingress = node.subscriber(endpoint, "KOR.guard")
    ingress.subscribe()
    await eventually(egress.notice, guard, node)
    sent = sum(egress.send(b"x" * 100_000) for _ in range(1000))
    assert sent < 1000
    assert egress.counters["queue-full"] == 1000 - sent
    got = []
    await eventually(lambda: got.extend(ingress.drain()) or len(got) == sent, guard, node)


async def test_questions_and_answers(hub_of, free_port):
    guard, node, stranger = await hub_of("KOR.guard"), await hub_of("JPN.node"), await hub_of("USA.node")
    endpoint = free_port()
    server = guard.server(endpoint, f"backfill/{LABEL}", ["JPN.node"])
    client, other = node.client(endpoint, "KOR.guard"), stranger.client(endpoint, "KOR.guard")
    client.ask(b"what")
    other.ask(b"what")
    (request,) = await eventually(server.requests, guard, node)
    assert (request.sender, request.frame) == ("JPN.node", b"what")
    server.answer(request, b"this")
    assert await eventually(client.answers, guard, node) == [b"this"]
    await eventually(lambda: guard.gatekeeper.counters["refused"], guard, stranger)
    assert server.requests() == []


async def test_an_occupied_port_is_said_in_one_line(release, hub_of):
    _, _, endpoint = release
    node = await hub_of("JPN.node")
    with pytest.raises(SettingsError, match=f"{endpoint}: cannot listen for ingress/JPN: address already"):
        node.ingress(endpoint, "ingress/JPN", [])


async def test_a_peer_without_a_known_key_is_said_in_one_line(hub_of, free_port):
    node = await hub_of("JPN.node")
    with pytest.raises(SettingsError, match=r"no public key of 'JPN.emulator'"):
        node.ingress(free_port(), "ingress/JPN", ["JPN.emulator"])


async def test_a_gatekeeper_that_fails_ends_the_daemon_and_admits_nobody(release, hub_of, monkeypatch):
    guard, egress, endpoint = release
    monkeypatch.setattr(guard.gatekeeper, "answer", lambda frames: 1 // 0)
    node = await hub_of("JPN.node")
    node.subscriber(endpoint, "KOR.guard").subscribe()
    with pytest.raises(ZeroDivisionError):
        await eventually(lambda: False, guard, node)
    assert not egress.notice()


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b"1.0"],
        [b"1.0", b"1", b"released/KOR/JPN", b"", b"", b"NULL", b""],
        [b"1.0", b"1", b"released/KOR/JPN", b"", b"", b"PLAIN", b"user", b"password"],
        [b"1.0", b"1", b"released/KOR/USA", b"", b"", b"CURVE", b"k" * 32],
    ],
)
def test_what_cannot_be_judged_is_refused(frames):
    gatekeeper = Gatekeeper(Directory({}))
    gatekeeper.admit("released/KOR/JPN", ["JPN.node"])
    assert gatekeeper.answer(frames)[2] == b"400"
    assert sum(gatekeeper.counters.values()) == 1
