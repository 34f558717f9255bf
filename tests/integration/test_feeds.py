"""An outlet and an inlet over real sockets: order, gaps, backfill, and what a peer may not send."""

import numpy as np
import pytest
from msgspec.structs import replace

from sharing.clock import monotonic_ns
from sharing.feeds import Inlet, Outlet
from sharing.messages import Detections, Heartbeat, S, Warning, floats, ints, topic_of_feed
from sharing.wire import encode
from tests.integration.conftest import eventually

pytestmark = pytest.mark.integration

SENSOR = "greenpine-c"
TOPIC = topic_of_feed("KOR", SENSOR)


def scan(number, rows=2):
    """One message of the feed, with `rows` plots."""
    t_ns = number * S
    column = floats(np.full(rows, 0.5))
    return Detections(
        originator="KOR",
        sensor=SENSOR,
        boot_id=7,
        sequence=number,
        item_id=number.to_bytes(16, "big"),
        t_sent_ns=t_ns,
        t_available_ns=t_ns,
        scan=number,
        t_valid_ns=ints(np.full(rows, t_ns)),
        range_m=column,
        azimuth_rad=column,
        elevation_rad=column,
        sigma_range_m=column,
        sigma_azimuth_rad=column,
        sigma_elevation_rad=column,
        snr_db=column,
    )


class Link:
    """Korea's emulator publishing to Korea's node, over sockets."""

    def __init__(self, emulator, node, endpoint, backfill):
        self.hubs = (emulator, node)
        ingress = node.ingress(endpoint, "ingress/KOR", ["KOR.emulator"])
        self.egress = emulator.publisher(endpoint, "KOR.node")
        self.outlet = Outlet("KOR", [self.egress], emulator.server(backfill, "backfill/KOR", ["KOR.node"]))
        client = node.client(backfill, "KOR.emulator")
        self.inlet = Inlet(ingress, client, "KOR", "KOR", "KOR.emulator")
        self.got = []

    async def subscribed(self):
        self.inlet.subscribe()
        await eventually(self.outlet.subscribed, *self.hubs)
        return self

    def publish(self, number):
        message = scan(number)
        self.outlet.publish(TOPIC, message, encode(TOPIC, message), message.t_sent_ns)

    def forget(self, number):
        """Publish with the frame getting lost on its way."""
        sent, self.egress.send = self.egress.send, lambda frame: False
        self.publish(number)
        self.egress.send = sent

    async def until(self, condition):
        def look():
            self.outlet.serve()
            self.got += self.inlet.drain()
            return condition(self)

        await eventually(look, *self.hubs)

    def numbers(self):
        return [a.message.sequence for a in self.got if isinstance(a.message, Detections)]


@pytest.fixture
async def link(hub_of, free_port):
    return await Link(
        await hub_of("KOR.emulator"), await hub_of("KOR.node"), free_port(), free_port()
    ).subscribed()


async def test_frames_come_as_they_were_sent(link):
    for number in range(50):
        link.publish(number)
    link.outlet.heartbeat(50 * S)
    await link.until(lambda link: len(link.got) == 51)
    assert link.numbers() == list(range(50))
    assert [a.frame for a in link.got[:50]] == [encode(TOPIC, scan(n)) for n in range(50)]
    assert isinstance(link.got[-1].message, Heartbeat)
    assert link.inlet.received == {SENSOR: 50}
    assert link.inlet.gaps.counters["gaps"] == 0
    assert all(0 <= monotonic_ns() - a.wall_ns < 10 * S for a in link.got)


async def test_a_lost_frame_is_backfilled(link):
    link.publish(0)
    link.forget(1)
    link.forget(2)
    link.publish(3)
    await link.until(lambda link: len(link.got) == 4)
    assert link.numbers() == [0, 3, 1, 2]
    assert link.inlet.gaps.counters["backfilled"] == 2
    assert link.inlet.gaps.counters["lost"] == 0


async def test_a_lost_last_frame_is_found_by_the_heartbeat(link):
    link.publish(0)
    link.forget(1)
    link.outlet.heartbeat(S)
    await link.until(lambda link: sorted(link.numbers()) == [0, 1])


async def test_what_is_older_than_the_ring_is_lost_and_counted(link):
    link.forget(0)
    for number in range(61, 63):
        message = replace(scan(number), sequence=number - 60)
        link.outlet.publish(TOPIC, message, encode(TOPIC, message), number * S)
    await link.until(lambda link: link.inlet.gaps.counters["lost"] == 1)
    assert link.numbers() == [1, 2]
    assert link.inlet.gaps.missing() == 0


async def test_duplicates_are_counted_and_not_handed_over(link):
    for number in (0, 1, 1, 0, 2):
        link.publish(number)
    await link.until(lambda link: len(link.numbers()) == 3)
    assert link.inlet.gaps.counters["duplicates"] == 2


def altered(number, **fields):
    return encode(TOPIC, replace(scan(number), **fields))


@pytest.mark.parametrize(
    ("frame", "cause"),
    [
        (b"no topic at all", "topic"),
        (b"feed/KOR/greenpine-c\0\xc1", "msgpack"),
        (encode(TOPIC, scan(0))[:-3], "msgpack"),
        (altered(0, range_m=floats([np.nan, 1.0])), "not-finite"),
        (altered(0, range_m=floats([1.0])), "column"),
        (altered(0, elevation_rad=floats([2.0, 2.0])), "range"),
        (encode("feed/JPN/fps5-sado", replace(scan(0), originator="JPN", sensor="fps5-sado")), "misdirected"),
        (
            encode(
                "warning/KOR",
                Warning(
                    originator="KOR", t_valid_ns=0, region="x", kind="impact", track_id=1, probability=0.5,
                    t_impact_ns=0,
                ),
            ),
            "misdirected",
        ),
    ],
)  # fmt: skip
async def test_a_bad_frame_is_counted_by_its_cause_and_the_link_goes_on(link, frame, cause):
    link.egress.send(frame)
    link.publish(0)
    await link.until(lambda link: len(link.got) == 2)
    refused, good = link.got
    assert (refused.message, refused.cause, refused.frame) == (None, cause, frame)
    assert link.inlet.refused == {cause: 1}
    assert good.message.sequence == 0


async def test_a_publisher_survives_bad_requests(link):
    client = link.inlet._client
    client.ask(b"nonsense")
    client.ask(encode(TOPIC, scan(0)))
    await link.until(lambda link: sum(link.outlet.counters.values()) == 2)
    assert link.outlet.counters == {"request-topic": 1, "request-type": 1}
    link.publish(0)
    await link.until(lambda link: link.numbers() == [0])


async def test_an_emulator_sees_its_subscriber_go_and_come_back(link):
    endpoint = link.inlet._ingress.socket.last_endpoint.decode()
    assert link.outlet.watched()
    link.inlet._ingress.socket.unbind(endpoint)
    await eventually(lambda: not link.outlet.watched(), *link.hubs)
    link.inlet._ingress.socket.bind(endpoint)
    await eventually(link.outlet.watched, *link.hubs)
