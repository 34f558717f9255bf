"""Recordings made from recordings: all before a damage and nothing else; a piece; the sum of parts."""

import json
from pathlib import Path

import pytest

from fusion.cli import invoke
from fusion.session import Session
from sharing.mending import cut, recover
from sharing.recording import Recording, RecordingError, strip
from sharing.wire import decode
from tests.unit.test_recording import flips, items, plain, record

S = 10**9


def content(path):
    with Recording.open(path) as recording:
        return plain(list(recording))


def test_what_is_whole_comes_back_whole(tmp_path):
    record(tmp_path / "a", items())
    back = recover(tmp_path / "a", tmp_path / "b")
    assert (back.messages, back.stopped) == (len(items()), None)
    assert content(tmp_path / "b") == items()


def test_of_a_cut_recording_every_complete_chunk_comes_back(tmp_path):
    record(tmp_path / "a", items(), flush_every=3)
    data, most = (tmp_path / "a").read_bytes(), 0
    for size in range(0, len(data) - 1, 41):
        (tmp_path / "cut").write_bytes(data[:size])
        try:
            back = recover(tmp_path / "cut", tmp_path / "b")
        except RecordingError:
            assert not most
            continue
        assert back.stopped == "is cut"
        assert content(tmp_path / "b") == items()[: back.messages]
        assert back.messages >= most
        most = back.messages
        (tmp_path / "b").unlink()
    assert most == len(items())


def test_of_a_damaged_recording_a_beginning_comes_back_and_nothing_wrong(tmp_path):
    record(tmp_path / "a", items(), flush_every=3)
    data, expected = (tmp_path / "a").read_bytes(), items()
    refused, shortened = 0, 0
    for at, bit in flips(len(data)):
        (tmp_path / "bad").write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
        (tmp_path / "b").unlink(missing_ok=True)
        try:
            back = recover(tmp_path / "bad", tmp_path / "b")
        except RecordingError:
            refused += 1  # the metadata, or the head
            continue
        found = content(tmp_path / "b")
        assert found == expected[: len(found)], at
        assert back.messages == len(found)
        if len(found) < len(expected):
            assert back.stopped
            shortened += 1
    assert refused and shortened > 100


@pytest.mark.parametrize("bit", range(8))
def test_a_chunk_that_is_called_something_else_is_not_passed_over(tmp_path, bit):
    record(tmp_path / "a", items(), flush_every=3)
    data = (tmp_path / "a").read_bytes()
    position, chunks = 8, []
    while len(chunks) < 3:
        if data[position] == 6:
            chunks.append(position)
        position += 9 + int.from_bytes(data[position + 1 : position + 9], "little")
    (tmp_path / "bad").write_bytes(data[: chunks[1]] + bytes([6 ^ (1 << bit)]) + data[chunks[1] + 1 :])
    back = recover(tmp_path / "bad", tmp_path / "b")
    assert content(tmp_path / "b") == items()[: back.messages]
    assert back.messages == 3
    assert back.stopped


def test_a_piece_is_a_session_that_knows_its_sites(recorded, tmp_path, capsys):
    path, _ = recorded
    whole = content(path)
    sensors = {topic for topic, *_ in whole if topic.startswith("feed/")}
    middle = Session.load(path).t_start_ns / S + 60
    assert invoke(["recording", "cut", str(path), "--from-s", f"{middle}", "--until-s", f"{middle + 30}",
                   "-o", str(tmp_path / "c")]) == 0  # fmt: skip
    found = content(tmp_path / "c")
    inside = [m for m in whole if m[0].startswith("feed/") and middle <= m[2] / S < middle + 30]
    assert [m for m in found if m[0].startswith("feed/") and m[2] / S >= middle] == inside
    before = [m for m in found if m[0].startswith("feed/") and m[2] / S < middle]
    assert {topic for topic, *_ in before} == sensors
    assert {type(decode(data)[1]).__name__ for _, data, _ in before} == {"Site"}
    assert [m for m in found if m[0] == "truth"] == [m for m in whole if m[0] == "truth"]
    assert not [m for m in found if m[0].startswith(("picture", "tick"))]
    capsys.readouterr()
    assert invoke(["replay", str(tmp_path / "c"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["events"] > len(inside)
    assert answer["refused"] == 0
    with pytest.raises(RecordingError, match="nothing lies between 3 and 3 s"):
        cut(path, tmp_path / "d", 3 * S, 3 * S)


def test_the_recordings_of_nodes_make_a_session(recorded, tmp_path, capsys):
    path, _ = recorded
    nations = ("JPN", "KOR", "USA")
    for nation in nations:
        strip(path, tmp_path / nation, lambda t, n=nation: not t.startswith((f"feed/{n}/", f"picture/{n}")))
    session = Session.load(path)
    parts = [str(tmp_path / n) for n in nations]
    command = ["recording", "merge", *parts, "--policy", session.policy.name, "-o", str(tmp_path / "s")]
    assert invoke(command) == 0
    merged = Session.load(tmp_path / "s")
    assert merged.sha256() == session.sha256()
    assert (merged.policy.text, merged.seed) == (session.policy.text, session.seed)
    capsys.readouterr()
    assert invoke(["recording", "info", str(tmp_path / "s"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["messages"] == len(content(tmp_path / "s"))
    assert {t["topic"] for t in told["topics"]} == {topic for topic, *_ in content(tmp_path / "s")}


def test_recover_says_what_came_back(tmp_path, capsys):
    record(tmp_path / "a", items(), flush_every=3)
    data = (tmp_path / "a").read_bytes()
    (tmp_path / "half").write_bytes(data[: len(data) // 2])
    assert invoke(["recover", str(tmp_path / "half"), "-o", str(tmp_path / "b"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["stopped"] == "is cut"
    assert 0 < told["messages"] < len(items())
    assert told["last_s"] == items()[told["messages"] - 1][2] / S
    assert invoke(["recover", str(Path("nowhere")), "-o", str(tmp_path / "c")]) == 1
    assert "nowhere: cannot be read" in capsys.readouterr().err
