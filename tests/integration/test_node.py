"""A node between real sockets: what peers do wrong changes nothing but the counters; readers join late."""

import asyncio
import json
import time

import numpy as np
import pytest
from msgspec.structs import replace

from fusion.core.engine import Core, CoreConfig
from fusion.node.config import NodeConfig, Publish
from fusion.node.daemon import Node
from fusion.node.pictures import Pictures
from fusion.verify import verify
from sensors.scenario import feed, load_scenario
from sharing.clock import ClockConfig
from sharing.feeds import Inlet, Outlet, Own
from sharing.keys import KeysConfig
from sharing.messages import Backfill, Detections, Picture, S, Site, Snapshot, floats, topic_of_feed
from sharing.recording import Recorder, Recording
from sharing.wire import decode, encode
from tests.integration.conftest import eventually

pytestmark = pytest.mark.integration

SENSOR = "greenpine-b-1"
TOPIC = topic_of_feed("KOR", SENSOR)


@pytest.fixture(scope="module")
def items():
    """The first messages of one radar in an empty sky."""
    scenario = load_scenario("quiet-hour").with_sensors((f"KOR/{SENSOR}",))
    messages = []
    for message in feed(scenario, 1):
        messages.append(message)
        if message.t_available_ns > scenario.t_start_ns + 30 * S:
            return messages


class Live:
    """Korea's node, its emulator's end of the link, and a reader of its pictures."""

    def __init__(self, emulator, node, reader, ports, folder):
        self.hubs = (emulator, node, reader)
        feed_at, backfill_at, pictures_at, snapshots_at = ports
        self.folder = folder
        settings = NodeConfig(
            nation="KOR",
            recording=str(folder / "KOR.mcap"),
            clock=ClockConfig(t_start_s=-10.0, until_s=20.0, speed=20.0, epoch_unix_s=time.time() + 0.2),
            keys=KeysConfig("", ""),
            own=Own("KOR.emulator", feed_at, backfill_at),
            publish=Publish(pictures_at, snapshots_at, ("KOR.view",)),
            status=str(folder / "status.json"),
        )
        inlet = Inlet(
            node.ingress(feed_at, "ingress/KOR", ["KOR.emulator"]),
            node.client(backfill_at, "KOR.emulator"), "KOR", "KOR", "KOR.emulator",
        )  # fmt: skip
        self.egress = emulator.publisher(feed_at, "KOR.node")
        server = emulator.server(backfill_at, "backfill/KOR", ["KOR.node"])
        self.outlet = Outlet("KOR", [self.egress], server)
        pictures = Pictures.on(node, "KOR", settings.publish)
        self.recorder = Recorder(settings.recording, {"horizon_s": "30"})
        self.node = Node(settings, Core(CoreConfig("KOR")), node, [inlet], pictures, self.recorder)
        self.pictures = reader.subscriber(pictures_at, "KOR.node")
        self.snapshots = reader.client(snapshots_at, "KOR.node")

    def publish(self, item):
        self.outlet.publish(TOPIC, item, encode(TOPIC, item), item.t_available_ns)

    async def run(self, work):
        """Run the node to its end while `work` goes on beside it; its last status."""
        stop = asyncio.Event()
        with self.recorder:
            running = asyncio.ensure_future(self.node.run(stop))
            try:
                await eventually(self.outlet.subscribed, *self.hubs)
                await work
                while not running.done():
                    self.outlet.serve()
                    await asyncio.sleep(0.01)
            finally:
                stop.set()
                await running
        return json.loads((self.folder / "status.json").read_text())


@pytest.fixture
async def live(hub_of, free_port, tmp_path):
    hubs = [await hub_of(name) for name in ("KOR.emulator", "KOR.node", "KOR.view")]
    return Live(*hubs, [free_port() for _ in range(4)], tmp_path)


def bad(item, **fields):
    return encode(TOPIC, replace(item, **fields))


async def test_what_a_peer_does_wrong_is_counted_and_recorded_and_the_node_goes_on(live, items, capsys):
    plots = next(i for i in items if isinstance(i, Detections) and len(i.t_valid_ns))
    last = items[-1].sequence

    async def work():
        for item in items:
            live.publish(item)
        live.egress.send(b"\xff" * 40)
        live.egress.send(bad(plots, range_m=floats(np.full(len(plots.range_m), np.nan))))
        live.egress.send(bad(plots, boot_id=plots.boot_id, marking="none"))
        ahead = replace(plots, sequence=last + 1, item_id=b"f" * 16, t_valid_ns=plots.t_valid_ns + 600 * S)
        live.publish(ahead)

    status = await live.run(work())
    assert status["state"] == "ended"
    assert status["refused"] == {"topic": 1, "not-finite": 1, "field": 1, "future": 1}
    assert capsys.readouterr().err == (
        f"node: KOR refuses an item of KOR/{SENSOR}: future; more are counted in the status\n"
    )
    assert status["received"] == {f"KOR/{SENSOR}": len(items) + 1}
    assert status["lost"] == 0
    with Recording.open(live.folder / "KOR.mcap") as recording:
        topics = [record.topic for record in recording]
    assert topics.count("refused/KOR") == 3
    assert topics.count("tick/KOR") == 31
    assert verify(live.folder / "KOR.mcap").difference is None


async def test_items_that_come_too_late_are_said_once_and_counted(live, items, capsys):
    live.node._core = Core(CoreConfig("KOR", horizon_s=1))
    late = [item for item in items if isinstance(item, Detections)][:3]
    ordered = [item for item in items if not any(item is each for each in late)] + late

    async def work():
        for number, item in enumerate(ordered):
            if item is late[0]:
                await asyncio.sleep(1.0)
            live.publish(replace(item, sequence=number))

    status = await live.run(work())
    assert status["refused"] == {"late": len(late)}
    assert capsys.readouterr().err.count("refuses an item of") == 1


async def test_a_frame_lost_on_the_way_is_asked_for_again(live, items):
    async def work():
        for item in items:
            if isinstance(item, Site) or item.sequence % 3:
                live.publish(item)
            else:
                sent, live.egress.send = live.egress.send, lambda frame: False
                live.publish(item)
                live.egress.send = sent
        live.outlet.heartbeat(0)

    status = await live.run(work())
    assert status["received"] == {f"KOR/{SENSOR}": len(items)}
    assert status["links"]["KOR"]["backfilled"] > 3
    assert status["lost"] == 0


async def test_a_reader_that_joins_late_gets_the_newest_picture_and_what_follows(live, items):
    answers, pictures = [], []

    async def work():
        for item in items:
            live.publish(item)
        await asyncio.sleep(0.5)
        live.pictures.subscribe()
        live.snapshots.ask(encode("picture/KOR", Backfill(
            originator="KOR", topic="picture/KOR", from_sequence=0, to_sequence=0)))  # fmt: skip
        live.snapshots.ask(b"nonsense")
        await eventually(lambda: answers.extend(live.snapshots.answers()) or answers, *live.hubs)
        await eventually(lambda: pictures.extend(live.pictures.drain()) or len(pictures) > 3, *live.hubs)

    await live.run(work())
    (answer,) = answers
    snapshot = decode(answer)[1]
    assert isinstance(snapshot, Snapshot)
    held = decode(snapshot.frame)[1]
    assert isinstance(held, Picture)
    assert held.sequence == snapshot.last_sequence
    numbers = [decode(frame)[1].sequence for frame, _ in pictures]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert numbers[-1] > snapshot.last_sequence
