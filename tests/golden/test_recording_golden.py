"""A small sample of every released recording format stays here and is read for ever."""

from pathlib import Path

import pytest

from sharing.recording import Recording
from sharing.wire import decode, encode

HERE = Path(__file__).parent
SAMPLES = sorted((HERE / "recording").glob("format-*.mcap"))
WIRE = {path.stem: path.read_bytes() for path in (HERE / "wire").glob("*.bin")}
EARLIER = {path.stem: path.read_bytes() for path in (HERE / "wire" / "earlier").glob("*.bin")}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_sample_is_read(path: Path) -> None:
    """The golden frames of the wire, one a second from -1 s on, after the policy and before one tick."""
    with Recording.open(path) as recording:
        assert recording.metadata == {"seed": "1", "note": "SIMULATED"}
        assert not recording.truncated
        policy, *frames, tick = recording
    assert policy.topic == "policy" and b"title" in policy.data
    assert [message.t_ns for message in frames] == [n * 10**9 for n in range(-1, len(frames) - 1)]
    known = (*WIRE.values(), *EARLIER.values())
    assert len(frames) == 9 and all(message.data in known for message in frames)
    for message in frames:
        topic, item = decode(message.data)
        assert topic == message.topic
        assert message.data in EARLIER.values() or encode(topic, item) == message.data
    assert (tick.topic, int.from_bytes(tick.data, "little", signed=True)) == ("tick/JPN", -(10**9))
    assert [message.sequence for message in (policy, *frames, tick)] == list(range(11))


def test_there_is_a_sample_of_every_format() -> None:
    assert [path.stem for path in SAMPLES] == ["format-1"]
