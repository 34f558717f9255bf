"""Attackers at a running guard, on real sockets: nobody gets what is not released, and everything is counted.

Single sockets are attacked in test_transport, single links in test_feeds, keys revoked in test_guard.
"""

import asyncio
import json
import socket
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import zmq
from msgspec.structs import replace as altered

from sharing.audit import records, verify
from sharing.messages import Backfill
from sharing.transport import Hub, new_pair
from sharing.wire import encode
from tests.integration.conftest import QUICK, eventually
from tests.integration.test_feeds import TOPIC, scan
from tests.integration.test_guard import World

pytestmark = pytest.mark.integration

SILENT = 100
HONEST_FROM = 120
MOST_GROWTH_BYTES = 50 << 20
TO_JAPAN, TO_USA = (f"released/KOR/{name}/greenpine-c" for name in ("JPN", "USA"))


@pytest.fixture
async def world(tmp_path, pairs, free_port, hub_of):
    """The world of test_guard: half a second for a handshake, fifty frames for a queue."""
    limits = {n: replace(QUICK, handshake_ms=500, high_water=50) for n in ("KOR.guard", "JPN.node")}
    names = ("KOR.emulator", "KOR.guard", "JPN.node", "USA.node")
    return World(tmp_path, pairs, free_port, {name: await hub_of(name, limits.get(name)) for name in names})


def status(world):
    return json.loads((world.folder / "KOR.guard.json").read_text())


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


class Attackers:
    """Everybody who tries, at the endpoints that belong to Japan."""

    def __init__(self, stack, world, thief, friend):
        feed, backfill = world.ports["JPN"]
        context = stack.enter_context(zmq.Context())
        self.keyless = stack.enter_context(context.socket(zmq.SUB))
        self.keyless.linger = 0
        self.keyless.subscribe(b"")
        self.keyless.connect(feed)
        self.subscribers = [hub.subscriber(feed, "KOR.guard") for hub in (thief, friend)]
        self.askers = [hub.client(backfill, "KOR.guard") for hub in (thief, friend)]
        self.greedy = friend.subscriber(world.ports["USA"][0], "KOR.guard")  # entitled, at its own endpoint
        for subscriber in (*self.subscribers, self.greedy):
            subscriber.subscribe()
        wanted = Backfill(
            originator="JPN", sensor="greenpine-c", topic=TO_JAPAN, from_sequence=0, to_sequence=9
        )
        for asker in self.askers:
            asker.ask(encode(TO_JAPAN, wanted))
        japans = world.hubs["JPN.node"].client(backfill, "KOR.guard")
        self.askers.append(japans)
        for asks_as in ("JPN", "USA"):  # admitted, but asks for what went to another
            theirs = altered(wanted, originator=asks_as, topic=TO_USA)
            japans.ask(encode(TO_USA, theirs) if asks_as == "USA" else encode(TO_JAPAN, wanted)[:-1])
        self.silent = []
        for _ in range(SILENT):
            host, _, port = feed.removeprefix("tcp://").partition(":")
            self.silent.append(stack.enter_context(socket.create_connection((host, int(port)))))
        self.got = []

    def look(self):
        """What has come to whoever should get nothing; the greedy one's is kept aside."""
        self.got += [frame for frame, _ in self.greedy.drain()]
        stolen = [frame for end in self.subscribers for frame, _ in end.drain()]
        stolen += [frame for end in self.askers for frame in end.answers()]
        while True:
            try:
                stolen.append(self.keyless.recv(zmq.NOBLOCK))
            except zmq.Again:
                return stolen

    def cut(self):
        """How many of the silent have been cut."""
        return sum(map(has_ended, self.silent))


def has_ended(peer):
    """Whether the other side has closed a connection; its greeting is read over."""
    peer.settimeout(0.2)
    try:
        while peer.recv(4096):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


async def test_who_has_no_right_gets_nothing_and_is_counted_and_logged(world, directory, hub_of, pairs):
    before = resident_bytes()
    stolen = []

    async with AsyncExitStack() as stack:
        thief = await stack.enter_async_context(Hub(new_pair("JPN.node"), directory, QUICK))
        friend = await stack.enter_async_context(Hub(pairs["USA.node"], directory, QUICK))
        running = asyncio.ensure_future(world.run(5.0, lambda: None))
        attackers = Attackers(stack, world, thief, friend)
        while not running.done():
            await asyncio.gather(thief.wait(0.02), friend.wait(0.02))
            stolen += attackers.look()
        await running
        assert attackers.cut() == SILENT
    assert stolen == []
    assert {frame.partition(b"\0")[0].decode() for frame in attackers.got} == {TO_USA}
    for name in ("JPN", "USA"):
        assert len(world.items(name)) == len(world.sent)
        assert world.inlets[name].gaps.counters["lost"] == 0
    assert resident_bytes() - before < MOST_GROWTH_BYTES
    told = status(world)
    at_japan = told["sockets"]["released/KOR/JPN"]
    assert told["gate"]["refused"] >= 4
    assert sum(at_japan.get(f"handshake-{why}", 0) for why in ("protocol", "broken")) >= 1
    assert told["requests"]["JPN"] == {"request-msgpack": 1, "request-unpublished": 1}
    verify(world.folder / "KOR.audit")
    refusals = [r.fields for r in records(world.folder / "KOR.audit") if r.fields["kind"] == "refusal"]
    assert {(r["label"], r["name"]) for r in refusals} == {
        (label, name)
        for label in ("released/KOR/JPN", "backfill/released/KOR/JPN")
        for name in ("", "USA.node")
    }
    assert all(r["cause"] == "refused" and r["address"] == "127.0.0.1" for r in refusals)


async def test_an_own_sensor_that_lies_releases_each_item_once(world):
    """Replayed, reordered, oversized and broken frames from a key that is admitted."""
    (link,) = world.feed._links
    frames = []
    send = link.send

    def disturbed(frame):
        frames.append(frame)
        number = len(frames)
        if number > HONEST_FROM:  # what is missing by then has time to come again
            return send(frame)
        if number % 5 == 0:
            send(frames[number - 3])  # replayed
        if number % 7 == 0:
            send(frame[:-3])  # cut
        if number % 11 == 0:
            send(TOPIC.replace("KOR", "JPN").encode() + frame[frame.index(b"\0") :])  # somebody else's topic
        return send(frame) if number % 10 else not send(frames[0])  # every tenth is lost: backfilled later

    link.send = disturbed
    await world.run(5.0, lambda: send(b"x" * (world.hubs["KOR.guard"].limits.frame_bytes + 1)))
    for name in ("JPN", "USA"):
        got = world.items(name)
        assert sorted(m.item_id for m in got) == sorted(m.item_id for m in world.sent)
        assert sorted(m.sequence for m in got) == list(range(len(got)))
    told = status(world)
    assert told["refused"].keys() == {"msgpack", "topic"}
    assert told["links"]["duplicates"] > 10 and told["links"]["lost"] == 0
    assert told["sockets"]["ingress/KOR"]["disconnected"] >= 1  # the oversized frame


async def test_a_slow_reader_costs_a_bounded_queue_and_nobody_else(world):
    world.slow, world.rows = ("JPN",), 4000
    await world.run(5.0, lambda: None)
    assert len(world.items("USA")) == len(world.sent)
    assert world.inlets["USA"].gaps.counters["lost"] == 0
    told = status(world)["sockets"]
    assert told["released/KOR/JPN"]["queue-full"] > 0
    assert "queue-full" not in told["released/KOR/USA"]


async def test_an_exception_while_judging_refuses_that_peer_and_serves_the_next(hub_of, free_port, pairs):
    guard, node, other = await hub_of("KOR.guard"), await hub_of("JPN.node"), await hub_of("USA.node")

    class Bad(dict):
        def get(self, key, default=None):
            name = super().get(key, default)
            if name == "USA.node":
                raise RuntimeError("a fault of ours")
            return name

    gate = guard.gatekeeper
    gate._names = Bad(gate._names)
    endpoint = free_port()
    egress = guard.egress(endpoint, "released/KOR/JPN", ["JPN.node", "USA.node"])
    refused, served = other.subscriber(endpoint, "KOR.guard"), node.subscriber(endpoint, "KOR.guard")
    refused.subscribe()
    await eventually(lambda: gate.counters["unjudged"], guard, other)
    served.subscribe()
    await eventually(egress.notice, guard, node)
    egress.send(encode(TOPIC, scan(0)))
    assert await eventually(served.drain, guard, node, other) == [(encode(TOPIC, scan(0)), "KOR.guard")]
    assert refused.drain() == []
    assert gate.counters["unjudged"] >= 1 and gate.counters["admitted"] == 1
    assert {(r.cause, r.label) for r in gate.refusals()} == {("unjudged", "released/KOR/JPN")}
