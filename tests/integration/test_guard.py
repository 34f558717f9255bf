"""A guard over real sockets while its arrangement and its keys change: who loses, and nobody else."""

import asyncio
import os
import signal
import time
from contextlib import suppress

import pytest
from msgspec.structs import replace

from configs import resolve
from sharing.audit import query, verify
from sharing.changes import add_change, load_changes
from sharing.clock import ClockConfig, ScaledClock
from sharing.feeds import Inlet, Outlet, Own
from sharing.guard import Guard, GuardConfig, Recipient
from sharing.keys import KeysConfig, revoke, write_pair
from sharing.messages import S, topic_of_feed
from sharing.policy import Policy, PolicyError
from sharing.release import Release
from sharing.settings import load_policy
from sharing.wire import encode
from tests.integration.conftest import eventually
from tests.integration.test_feeds import scan

pytestmark = pytest.mark.integration

SPEED = 10.0
EPOCH_S = 20.0
END_S = 40.0
STEP_S = 0.2
TO = ("JPN", "USA")
MESH = load_policy(resolve("policies", "full-mesh"))
WITHOUT_JAPAN = Policy.parse(
    """
[[rule]]
id = "usa-only"
originator = "KOR"
recipient = "USA"
product = "detections"
delay_s = { kind = "uniform", low_s = 0.1, high_s = 0.3 }
marking = "SIMULATED//REL USA"
""",
    "without-japan",
)


class World:
    """Korea's emulator and guard, Japan's and America's nodes, one process, real sockets."""

    def __init__(self, folder, pairs, free_port, hubs):
        (folder / "public").mkdir()
        for pair in pairs.values():
            write_pair(folder, folder / "public", pair)
        (folder / "policy.toml").write_text(MESH.text)
        ports = {name: (free_port(), free_port()) for name in TO}
        ingress, backfill = free_port(), free_port()
        self.folder, self.hubs, self.ports = folder, hubs, ports
        self.slow = ()  # recipients that do not read
        self.rows = 2
        self.epoch_s = time.time() + 0.5
        clock = ClockConfig(epoch_unix_s=self.epoch_s, speed=SPEED, until_s=END_S)
        settings = GuardConfig(
            nation="KOR", policy=str(folder / "policy.toml"), clock=clock, seed=3, linger_s=0.0,
            keys=KeysConfig(str(folder / "KOR.guard.key"), str(folder / "public")),
            own=Own("KOR.emulator", ingress, backfill),
            recipients=tuple(Recipient(n, f"{n}.node", *ports[n]) for n in TO),
            audit=str(folder / "KOR.audit"), changes=str(folder / "changes.toml"),
            status=str(folder / "KOR.guard.json"),
        )  # fmt: skip
        self.guard = Guard(settings, MESH, hubs["KOR.guard"])
        emulator = hubs["KOR.emulator"]
        server = emulator.server(backfill, "backfill/KOR", ["KOR.guard"])
        self.feed = Outlet("KOR", [emulator.publisher(ingress, "KOR.guard")], server)
        self.inlets, self.links = {}, {}
        for name in TO:
            hub, (data, again) = hubs[f"{name}.node"], ports[name]
            self.links[name] = hub.subscriber(data, "KOR.guard")
            client = hub.client(again, "KOR.guard")
            self.inlets[name] = Inlet(self.links[name], client, name, "KOR", "KOR.guard")
        self.got = {name: [] for name in TO}
        self.sent = []
        self.cut_in_time = {}

    def drain(self):
        for name, inlet in self.inlets.items():
            if name not in self.slow:
                self.got[name] += [arrival.message for arrival in inlet.drain()]

    def items(self, name):
        return [message for message in self.got[name] if hasattr(message, "scan")]

    async def run(self, at_s, act):
        """Publish a look every `STEP_S`, `act` at scenario time `at_s`, until all is over."""
        stop = asyncio.Event()
        task = asyncio.ensure_future(self.guard.run(stop))
        for inlet in self.inlets.values():
            inlet.subscribe()
        await eventually(self.feed.subscribed, *self.hubs.values())
        clock = ScaledClock(0, SPEED, round(self.epoch_s * S))
        acted, number = False, 0
        while not task.done():
            await self.hubs["JPN.node"].wait(0.002)
            now_ns = clock.now_ns()
            while number * STEP_S * S < min(now_ns, (END_S - 2) * S):
                t_ns = round(number * STEP_S * S)
                item = replace(scan(number, self.rows), t_sent_ns=t_ns, t_available_ns=t_ns)
                self.sent.append(item)
                topic = topic_of_feed("KOR", item.sensor)
                self.feed.publish(topic, item, encode(topic, item), now_ns)
                number += 1
            if not acted and now_ns >= at_s * S:
                acted = True
                act()
                os.kill(os.getpid(), signal.SIGHUP)
            self.feed.serve()
            self.drain()
            if now_ns > (END_S - 1) * S:
                self.cut_in_time = self.cut_in_time or {
                    name: link.counters["disconnected"] for name, link in self.links.items()
                }
            if now_ns > END_S * S:
                stop.set()
        with suppress(asyncio.CancelledError):
            await task
        self.guard.close()
        self.drain()


@pytest.fixture
async def world(tmp_path, pairs, free_port, hub_of):
    names = ("KOR.emulator", "KOR.guard", "JPN.node", "USA.node")
    return World(tmp_path, pairs, free_port, {name: await hub_of(name) for name in names})


def told(released, name):
    return [(m.item_id, m.sequence, m.t_available_ns, m.marking) for _, r, m in released if r == name]


async def test_revoked_in_mid_event_the_last_item_is_before_the_epoch_and_nobody_else_loses(world):
    await world.run(5.0, lambda: add_change(world.folder / "changes.toml", WITHOUT_JAPAN, EPOCH_S))
    release = Release(MESH, 3, changes=[(round(EPOCH_S * S), WITHOUT_JAPAN)])
    expected = [r for item in world.sent for r in release.handle(item, item.t_available_ns)]
    for name in TO:
        got = [(m.item_id, m.sequence, m.t_available_ns, m.marking) for m in world.items(name)]
        assert got == told(expected, name)
    japan, usa = (world.items(name) for name in TO)
    assert EPOCH_S - 1 < japan[-1].t_available_ns / S < EPOCH_S
    assert all(message.t_sent_ns < EPOCH_S * S for message in world.got["JPN"])  # heartbeats, too
    assert len(usa) == len(world.sent) > len(japan) > 50
    assert {m.marking for m in usa if m.t_available_ns > (EPOCH_S + 1) * S} == {"SIMULATED//REL USA//EPOCH 1"}
    usa_link = world.inlets["USA"].gaps.counters
    assert (usa_link["lost"], usa_link["duplicates"], usa_link["reboots"]) == (0, 0, 0)
    assert world.cut_in_time["JPN"] > 0 == world.cut_in_time["USA"]
    log = world.folder / "KOR.audit"
    assert verify(log).ended
    decided = [d["outcome"] for d in query(log, of="KOR", to="JPN")]
    assert decided.count("released") >= len(japan) and decided[-1] == "denied"


async def test_a_key_revoked_while_connected_gets_nothing_more(world):
    await world.run(5.0, lambda: revoke(world.folder / "public", "JPN.node"))
    japan, usa = (world.items(name) for name in TO)
    assert 0 < len(japan) < len(usa) / 2
    assert japan[-1].t_available_ns < 8 * S
    assert len(usa) == len(world.sent)
    assert world.inlets["USA"].gaps.counters["lost"] == 0


async def test_a_change_that_cannot_be_is_told_and_changes_nothing(world, capsys):
    def act():
        add_change(world.folder / "changes.toml", WITHOUT_JAPAN, 1.0)

    await world.run(5.0, act)
    assert "not taken in: without-japan: a change at 1 s: it is" in capsys.readouterr().err
    assert len(world.items("JPN")) == len(world.items("USA")) == len(world.sent)


def test_changes_come_in_order_and_come_back_as_written(tmp_path):
    path = tmp_path / "changes.toml"
    assert load_changes(path) == []
    add_change(path, MESH, 10.0)
    add_change(path, WITHOUT_JAPAN, 20.5)
    assert load_changes(path) == [(10 * S, MESH), (20_500_000_000, WITHOUT_JAPAN)]
    with pytest.raises(PolicyError, match=r"at_s = 20: expected after 20\.5 s"):
        add_change(path, MESH, 20.0)
