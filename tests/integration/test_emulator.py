"""An emulator under a clock that a test moves: nothing leaves before its time."""

import asyncio
import json

import pytest

from sensors.emulator import Publisher, plan
from sensors.scenario import load_scenario
from sharing.clock import VirtualClock
from sharing.daemon import Status
from sharing.feeds import Outlet
from sharing.messages import S
from sharing.wire import decode
from tests.integration.conftest import eventually

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def planned():
    """Korea's feed of the first half minute of an empty sky."""
    scenario = load_scenario("quiet-hour")
    return [p for p in plan(scenario, 1, "KOR") if p.t_ns < scenario.t_start_ns + 30 * S]


def test_a_plan_is_in_the_order_in_which_it_becomes_available(planned):
    assert [p.t_ns for p in planned] == sorted(p.t_ns for p in planned)
    assert all(p.message.t_available_ns == p.t_ns and p.message.originator == "KOR" for p in planned)
    assert [decode(p.frame)[1].item_id for p in planned] == [p.message.item_id for p in planned]


async def test_a_waiting_emulator_says_for_whom(hub_of, free_port, tmp_path):
    emulator, node = await hub_of("KOR.emulator"), await hub_of("KOR.node")
    endpoint, status = free_port(), tmp_path / "status.json"
    ingress = node.ingress(endpoint, "ingress/KOR", ["KOR.emulator"])
    ingress.subscribe()
    links = [emulator.publisher(endpoint, "KOR.node"), emulator.publisher(free_port(), "KOR.guard")]
    outlet = Outlet("KOR", links, emulator.server(free_port(), "backfill/KOR", ["KOR.node"]))
    stop = asyncio.Event()
    waiting = asyncio.ensure_future(
        Publisher(emulator, outlet, Status(str(status)), stop).wait_for_subscribers()
    )

    def said():
        return json.loads(status.read_text()) if status.exists() else {}

    await eventually(lambda: said().get("waiting_for") == ["KOR.guard"], node)
    assert said()["state"] == "waiting"
    stop.set()
    await waiting


async def test_nothing_leaves_before_it_is_available(hub_of, free_port, planned):
    emulator, node = await hub_of("KOR.emulator"), await hub_of("KOR.node")
    endpoint, clock, stop = free_port(), VirtualClock(-10 * S), asyncio.Event()
    ingress = node.ingress(endpoint, "ingress/KOR", ["KOR.emulator"])
    ingress.subscribe()
    server = emulator.server(free_port(), "backfill/KOR", ["KOR.node"])
    outlet = Outlet("KOR", [emulator.publisher(endpoint, "KOR.node")], server)
    daemon = Publisher(emulator, outlet, Status(None), stop)
    got = []

    def look():
        got.extend(decode(frame)[1] for frame, _ in ingress.drain())
        return [message for message in got if message.item_id]

    waiting = asyncio.ensure_future(daemon.wait_for_subscribers())
    await eventually(waiting.done, node)
    publishing = asyncio.ensure_future(daemon.publish(planned, clock))
    for second in range(-9, 21):
        clock.advance_to(second * S)
        due = [p.message.item_id for p in planned if p.t_ns <= second * S]
        await eventually(lambda due=due: len(look()) >= len(due), node)
        assert [message.item_id for message in look()] == due
    await publishing
    assert sum(outlet.published.values()) == len(planned)
