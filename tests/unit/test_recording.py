"""Recordings: what was written comes back, cuts lose the last chunk only, damage is never returned."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcap.reader import make_reader

from sharing.recording import Recorded, Recorder, Recording, RecordingError, merge, set_aside, strip

Item = tuple[str, bytes, int]


def items(count: int = 60) -> list[Item]:
    found: list[Item] = [("policy", b'name = "x"\n', -10)]
    for n in range(count):
        topic = ("feed/KOR/a", "tick/KOR", "released/JPN/KOR/b", "refused/KOR")[n % 4]
        data = n.to_bytes(8, "little") if topic[0] == "t" else topic.encode() + b"\0" + bytes([n]) * n
        found.append((topic, data, n * 10**9 - 20))
    return found


def record(path: Path, messages: list[Item], flush_every: int = 7) -> None:
    with Recorder(path, {"seed": "3", "note": "ä\n=b"}) as recorder:
        for n, message in enumerate(messages):
            recorder.write(*message)
            if n % flush_every == flush_every - 1:
                recorder.flush()


def plain(messages: list[Recorded]) -> list[Item]:
    return [(m.topic, m.data, m.t_ns) for m in messages]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "a.mcap"
    record(path, items())
    return path


def test_round_trip(whole: Path) -> None:
    with Recording.open(whole) as recording:
        assert recording.metadata == {"seed": "3", "note": "ä\n=b"}
        assert not recording.truncated
        found = list(recording)
        assert plain(found) == items()
        assert [m.sequence for m in found] == list(range(len(found)))
        assert list(recording) == found
    assert not whole.with_name("a.mcap.part").exists()


def test_other_tools_read_it(whole: Path) -> None:
    with whole.open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True)
        encodings = {channel.topic: channel.message_encoding for _, channel, _ in reader.iter_messages()}
        assert reader.get_header().profile == "sharedsky"
    assert encodings["feed/KOR/a"] == encodings["released/JPN/KOR/b"] == "msgpack"
    assert encodings["policy"] == "toml"


def test_cut_anywhere(whole: Path, tmp_path: Path) -> None:
    """Whatever the cut, what comes back is a beginning of what was written, and it never shrinks."""
    data, cut = whole.read_bytes(), tmp_path / "cut.mcap"
    expected, most = items(), 0
    for size in range(0, len(data), 7):
        cut.write_bytes(data[:size])
        try:
            with Recording.open(cut) as recording:
                found = plain(list(recording))
                assert recording.truncated
        except RecordingError as error:
            assert most == 0 and ("is not a recording" in str(error) or "is cut before" in str(error))
            continue
        assert found == expected[: len(found)]
        assert len(found) >= most
        most = len(found)
    assert most == len(expected)


def test_flush_bounds_the_loss(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    recorder = Recorder(path, {})
    for message in items():
        recorder.write(*message)
    recorder.flush()
    recorder.write("tick/KOR", bytes(8), 0)
    assert not path.exists()
    with Recording.open(recorder.part) as recording:
        assert recording.truncated
        assert plain(list(recording)) == items()
    recorder.abandon()


def flips(size: int) -> Iterator[tuple[int, int]]:
    for at in range(0, size, 5):
        yield at, 1 << (at % 8)


def test_no_flipped_bit_gives_wrong_data(whole: Path, tmp_path: Path) -> None:
    """One bit of every fifth byte: an error, or all that was written, or (called cut) a beginning of it."""
    data, bad = whole.read_bytes(), tmp_path / "bad.mcap"
    expected, detected, tried = items(), 0, 0
    for at, bit in flips(len(data)):
        bad.write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
        found: list[Item] = []
        tried += 1
        try:
            with Recording.open(bad) as recording:
                assert recording.metadata == {"seed": "3", "note": "ä\n=b"}
                for message in recording:
                    found.append(message[:3])
                assert recording.truncated or found == expected
        except RecordingError:
            detected += 1
        assert found == expected[: len(found)], at
    assert detected > tried / 3  # the rest fell into the summary, which is not read, or into the last bytes


def test_interrupted_recording_stays_as_part(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    with pytest.raises(KeyError), Recorder(path, {}) as recorder:
        recorder.write("tick/KOR", bytes(8), 0)
        raise KeyError
    assert [p.name for p in tmp_path.iterdir()] == ["a.mcap.part"]
    with Recording.open(recorder.part) as recording:
        assert len(list(recording)) == 1


def test_what_killed_recorders_have_left_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    assert set_aside(path) is None
    for number in (1, 2):
        recorder = Recorder(path, {"run": str(number)})
        recorder.write("tick/KOR", bytes(8), number)
        recorder.flush()  # and is killed
        assert set_aside(path) == tmp_path / f"a.mcap.part-{number}"
    for number in (1, 2):
        with Recording.open(tmp_path / f"a.mcap.part-{number}") as recording:
            assert [m.t_ns for m in recording] == [number]


def test_nothing_stays_of_a_recording_without_a_message(tmp_path: Path) -> None:
    with pytest.raises(KeyError), Recorder(tmp_path / "a.mcap", {}):
        raise KeyError
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk(tmp_path: Path) -> None:
    (tmp_path / "a.mcap.part").symlink_to("/dev/full")
    with pytest.raises(RecordingError, match=r"a\.mcap: cannot be written: no space left on device"):
        record(tmp_path / "a.mcap", items())
    assert not (tmp_path / "a.mcap").exists()


def test_unwritable_and_unreadable_places_are_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"no/a\.mcap: cannot be written: no such file"):
        Recorder(tmp_path / "no" / "a.mcap", {})
    with pytest.raises(RecordingError, match=r"a\.mcap: cannot be read: no such file"):
        Recording.open(tmp_path / "a.mcap")
    with pytest.raises(RecordingError, match="cannot be read: is a directory"):
        Recording.open(tmp_path)
    other = tmp_path / "other"
    other.write_bytes(b"PNG" * 100)
    with pytest.raises(RecordingError, match="is not a recording"):
        Recording.open(other)


def test_frame_of_another_topic_is_our_mistake(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="must begin with that topic"),
        Recorder(tmp_path / "a", {}) as recorder,
    ):
        recorder.write("feed/KOR/a", b"feed/KOR/b\0x", 0)


def test_merge_orders_by_time_then_nation_and_keeps_each_nations_order(tmp_path: Path) -> None:
    jpn = [("tick/JPN", bytes(8), t) for t in (1, 5, 4, 9)]
    kor = [("tick/KOR", bytes(8), t) for t in (1, 5, 6)]
    record(tmp_path / "j", jpn)
    record(tmp_path / "k", kor)
    cut = merge([tmp_path / "j", tmp_path / "k"], tmp_path / "all", {"a": "b"}, [("policy", b"", 0)])
    assert cut == []
    with Recording.open(tmp_path / "all") as recording:
        assert recording.metadata == {"a": "b"}
        found = [(m.topic[-3:], m.t_ns) for m in recording]
    expected = [
        ("icy", 0),
        ("JPN", 1),
        ("KOR", 1),
        ("JPN", 5),
        ("JPN", 4),
        ("KOR", 5),
        ("KOR", 6),
        ("JPN", 9),
    ]
    assert found == expected


def test_merge_says_which_were_cut_and_leaves_nothing_half_written(tmp_path: Path, whole: Path) -> None:
    data = whole.read_bytes()
    (tmp_path / "cut").write_bytes(data[: len(data) // 2])
    assert merge([whole, tmp_path / "cut"], tmp_path / "all", {}) == [tmp_path / "cut"]
    with pytest.raises(RecordingError):
        merge([whole, tmp_path / "missing"], tmp_path / "none", {})
    assert not list(tmp_path.glob("none*"))


def test_strip_leaves_out_topics(tmp_path: Path, whole: Path) -> None:
    dropped = strip(whole, tmp_path / "b", lambda topic: topic.startswith("feed/KOR/"))
    with Recording.open(tmp_path / "b") as recording:
        assert recording.metadata["seed"] == "3"
        assert plain(list(recording)) == [i for i in items() if not i[0].startswith("feed")]
    assert dropped == 15


def test_sequence_wraps_at_32_bits(tmp_path: Path) -> None:
    with Recorder(tmp_path / "a", {}) as recorder:
        recorder.count = (1 << 32) - 1
        recorder.write("tick/KOR", bytes(8), 0)
        recorder.write("tick/KOR", bytes(8), 1)
    with Recording.open(tmp_path / "a") as recording:
        assert [m.sequence for m in recording] == [(1 << 32) - 1, 0]
