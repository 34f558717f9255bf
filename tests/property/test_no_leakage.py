"""No leakage: what is not released to a recipient changes no byte, time or number that it receives."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from sharing.messages import RECIPIENTS, Detections, Message, S, Scan, floats, ints, topic_of_release
from sharing.policy import Policy
from sharing.release import Release
from sharing.wire import encode

MESH = """
[[rule]]
id = "mesh"
originator = "*"
recipient = "*"
product = "detections"
delay_s = { kind = "uniform", low_s = 0.1, high_s = 3.0 }
marking = "SIMULATED//NOTIONAL//REL ALL"
"""
MESH_POLICY = Policy.parse(MESH, "mesh")
SENSORS = [("JPN", "fps5-sado"), ("KOR", "greenpine-b-1"), ("KOR", "greenpine-c"), ("USA", "tpy2-shariki")]
WITHHELD = st.lists(st.sampled_from(["JPN", "KOR", "USA", "KOR/greenpine-c"]), max_size=3, unique=True)

Frames = dict[str, list[tuple[int, bytes]]]


def item(sensor: int, number: int, t_ns: int, ranges: list[float]) -> Message:
    nation, name = SENSORS[sensor]
    item_id = f"{sensor}/{number}".encode().ljust(16, b"\0")
    envelope = {
        "originator": nation, "sensor": name, "sequence": number, "item_id": item_id, "t_sent_ns": t_ns,
        "t_available_ns": t_ns + S // 10,
    }  # fmt: skip
    if not ranges:
        return Scan(
            **envelope, scan=number, t_start_ns=t_ns - S, t_end_ns=t_ns, azimuth_center_rad=0.0,
            azimuth_width_rad=1.0, elevation_min_rad=0.0, elevation_max_rad=1.0, range_max_m=1e6,
        )  # fmt: skip
    ones = floats([1e-3] * len(ranges))
    return Detections(
        **envelope, scan=number, t_valid_ns=ints([t_ns] * len(ranges)), range_m=floats(ranges),
        azimuth_rad=ones, elevation_rad=ones, sigma_range_m=ones, sigma_azimuth_rad=ones,
        sigma_elevation_rad=ones, snr_db=ones,
    )  # fmt: skip


@st.composite
def sequences(draw: st.DrawFn) -> list[Message]:
    """Items of all sensors in order of their available times, some at the same time."""
    t_ns, items = 0, []
    for number in range(draw(st.integers(0, 25))):
        t_ns += draw(st.sampled_from([0, S // 7, 2 * S]))
        ranges = draw(st.lists(st.floats(1.0, 1e6), max_size=3))
        items.append(item(draw(st.integers(0, len(SENSORS) - 1)), number, t_ns, ranges))
    return items


def received(policy: Policy, items: list[Message], seed: int) -> Frames:
    """Per recipient: when what arrives, as wire frames."""
    release = Release(policy, seed)
    found: Frames = {recipient: [] for recipient in RECIPIENTS}
    for message in items:
        for t_out_ns, recipient, out in release.handle(message, message.t_available_ns):
            assert out.t_available_ns == t_out_ns >= message.t_available_ns
            topic = topic_of_release(out.originator, recipient, out.sensor)
            found[recipient].append((t_out_ns, encode(topic, out)))
    return found


@settings(max_examples=100, deadline=None, derandomize=True)
@given(sequences(), WITHHELD, st.integers(0, 9))
def test_withheld_feed_leaves_no_trace(items: list[Message], who: list[str], seed: int) -> None:
    policy = MESH_POLICY.withhold(tuple(who))
    hidden = {(n, s) for n, s in SENSORS if n in who or f"{n}/{s}" in who}
    accidents: list[Callable[[Message, int], Message | None]] = [
        lambda message, number: None,
        lambda message, number: item(SENSORS.index((message.originator, message.sensor)), number + 100,
                                     message.t_sent_ns, [5e5] * 7),
    ]  # fmt: skip
    expected = received(policy, items, seed)
    for accident in accidents:
        other = [accident(m, n) if (m.originator, m.sensor) in hidden else m for n, m in enumerate(items)]
        assert received(policy, [m for m in other if m is not None], seed) == expected


@settings(max_examples=50, deadline=None, derandomize=True)
@given(sequences(), WITHHELD)
def test_withholding_changes_nothing_else(items: list[Message], who: list[str]) -> None:
    """What is still released is released at the same time, with the same numbers, as in the full mesh."""
    hidden = {(n, s) for n, s in SENSORS if n in who or f"{n}/{s}" in who}
    shown = [m for m in items if (m.originator, m.sensor) not in hidden]
    assert received(MESH_POLICY.withhold(tuple(who)), items, 1) == received(MESH_POLICY, shown, 1)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(sequences())
def test_links_are_numbered_without_gaps_and_keep_their_order(items: list[Message]) -> None:
    release = Release(MESH_POLICY, seed=4)
    links: dict[tuple[str, str, str], list[Message]] = {}
    for message in items:
        for _, recipient, out in release.handle(message, message.t_available_ns):
            links.setdefault((out.originator, out.sensor, recipient), []).append(out)
    for outs in links.values():
        assert [out.sequence for out in outs] == list(range(len(outs)))
        assert len({out.boot_id for out in outs}) == 1
        times = [out.t_available_ns for out in outs]
        assert times == sorted(times)
    for (originator, sensor, recipient), outs in links.items():
        assert recipient != originator
        sent = [m.item_id for m in items if (m.originator, m.sensor) == (originator, sensor)]
        assert [out.item_id for out in outs] == sent
