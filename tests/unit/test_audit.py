"""The audit log: what was written comes back, and what was edited, cut or reordered is found."""

import json
import stat

import pytest

from fusion.cli import invoke
from sharing import audit
from sharing.audit import AuditError, AuditLog, Head, query, records, verify
from sharing.messages import S, Scan
from sharing.policy import Policy
from sharing.release import Release
from sharing.settings import SettingsError

POLICY = Policy.parse(
    """
withhold = ["KOR/hidden"]
[[rule]]
id = "mesh"
audit = "article 3"
originator = "KOR"
recipient = "*"
product = "detections"
delay_s = 1.0
every_s = 2.0
valid = [{ until_s = 48.5 }]
marking = "SIMULATED"
""",
    "p",
)


def scan(sensor: str, number: int) -> Scan:
    return Scan(
        originator="KOR", sensor=sensor, sequence=number, item_id=number.to_bytes(16, "big"),
        t_sent_ns=number * S, t_available_ns=number * S, scan=number, t_start_ns=0, t_end_ns=number * S,
        azimuth_center_rad=0.0, azimuth_width_rad=1.0, elevation_min_rad=0.0, elevation_max_rad=1.0,
        range_max_m=1e6,
    )  # fmt: skip


def written(path, count=60, **options):
    """A log of so many items of two sensors."""
    with AuditLog(path, {"nation": "KOR"}, **options) as log:
        release = Release(POLICY, judged=log.judged)
        for number in range(count):
            for sensor in ("open", "hidden"):
                item = scan(sensor, number)
                release.handle(item, item.t_available_ns)
    return log


def test_every_item_is_explained_for_every_recipient(tmp_path):
    log = written(tmp_path / "a")
    verdict = verify(tmp_path / "a")
    assert (verdict.first, verdict.ended, verdict.head) == (0, True, log.head)
    assert verdict.head.records == 120 + 2
    rows = list(query(tmp_path / "a"))
    assert len(rows) == 60 * 2 * 3
    assert {r["outcome"] for r in rows if r["of"] == "KOR/hidden"} == {"withheld"}
    of_open = [r["outcome"] for r in query(tmp_path / "a", of="KOR/open", to="JPN")]
    assert of_open == ["released", "rate"] * 24 + ["lapsed"] + ["not-in-force"] * 11
    (one,) = query(tmp_path / "a", item=(4).to_bytes(16, "big").hex(), of="KOR/open", to="JPN")
    assert (one["rule"], one["t_ns"], one["t_out_ns"], one["type"]) == ("article 3", 4 * S, 5 * S, "scan")
    assert len(list(query(tmp_path / "a", outcome="released", from_ns=10 * S, until_ns=20 * S))) == 5 * 3
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


def test_any_flipped_bit_is_found(tmp_path):
    written(tmp_path / "a", 2)
    data = (tmp_path / "a").read_bytes()
    for place in range(len(data)):
        bad = bytearray(data)
        bad[place] ^= 1 << place % 8
        (tmp_path / "b").write_bytes(bad)
        with pytest.raises(AuditError):
            verify(tmp_path / "b")


def test_what_is_left_out_moved_or_written_twice_is_found(tmp_path):
    written(tmp_path / "a", 10)
    lines = (tmp_path / "a").read_bytes().splitlines(keepends=True)
    for changed in (lines[:4] + lines[5:], lines[1:], [*lines[:5], lines[6], lines[5], *lines[7:]],
                    [*lines[:5], lines[5], *lines[5:]], [lines[-1]], []):  # fmt: skip
        (tmp_path / "b").write_bytes(b"".join(changed))
        with pytest.raises(AuditError):
            verify(tmp_path / "b")


def test_a_cut_end_shows_by_itself_and_by_a_head_kept_elsewhere(tmp_path):
    log = written(tmp_path / "a", 10)
    lines = (tmp_path / "a").read_bytes().splitlines(keepends=True)
    (tmp_path / "b").write_bytes(b"".join(lines[:-3]))
    verdict = verify(tmp_path / "b")
    assert not verdict.ended
    assert verify(tmp_path / "a", verdict.head).ended  # an earlier head: the log has gone on
    with pytest.raises(AuditError, match="the log is cut before it"):
        verify(tmp_path / "b", log.head)
    other = written(tmp_path / "c", 12)
    with pytest.raises(AuditError, match="has other records before it"):
        verify(tmp_path / "c", log.head)
    assert Head.read(str(other.head)) == other.head
    for bad in ("", "5", "x:00", "5:zz", f"5:{'0' * 63}"):
        with pytest.raises(SettingsError, match="expected RECORDS:HASH"):
            Head.read(bad)


def test_size_is_bounded_and_the_chain_runs_through_the_files(tmp_path, monkeypatch):
    monkeypatch.setattr(audit, "MAX_LINE", 2000)
    written(tmp_path / "a", 60, max_bytes=5000, keep=20)
    assert verify(tmp_path / "a").first == 0
    assert len(list(tmp_path.iterdir())) > 5
    log = written(tmp_path / "b", 200, max_bytes=5000, keep=2)
    files = sorted(tmp_path.glob("b*"))
    assert [f.name for f in files] == ["b", "b.1", "b.2"]
    assert max(f.stat().st_size for f in files) <= 5000 + 200
    verdict = verify(tmp_path / "b")
    assert verdict.first > 0 and verdict.ended and verdict.head == log.head
    (tmp_path / "b.2").unlink()
    with pytest.raises(AuditError, match="some are missing"):
        verify(tmp_path / "b")


def test_a_log_is_taken_up_again_and_a_torn_line_is_told(tmp_path):
    first = written(tmp_path / "a", 5)
    with (tmp_path / "a").open("ab") as file:
        file.write(b"torn")
    second = written(tmp_path / "a", 5)
    assert second.head.records == 2 * first.head.records
    starts = [r.fields for r in records(tmp_path / "a") if r.fields["kind"] == "start"]
    assert [s.get("torn_bytes") for s in starts] == [None, 4]
    data = bytearray((tmp_path / "a").read_bytes())
    data[100] ^= 1
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(AuditError):
        AuditLog(tmp_path / "a", {})


def test_command_line_verifies_and_queries(tmp_path, capsys):
    log = written(tmp_path / "a", 10)
    path = str(tmp_path / "a")
    assert invoke(["audit", "verify", path, "--head", str(log.head), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["head"] == str(log.head)
    assert invoke(["audit", "query", path, "--of", "KOR/open", "--outcome", "rate", "--limit", "2"]) == 0
    assert "2 decisions, 13 more" in capsys.readouterr().out
    assert invoke(["audit", "query", path, "--to", "JPN", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["decisions"]) == 20
    lines = (tmp_path / "a").read_bytes().splitlines(keepends=True)
    (tmp_path / "a").write_bytes(b"".join(lines[:-1]))
    assert invoke(["audit", "verify", path]) == 1
    assert "no end: cut, or still being written" in capsys.readouterr().out
    lines[2] = lines[2].replace(b"withheld", b"released")
    (tmp_path / "a").write_bytes(b"".join(lines))
    assert invoke(["audit", "verify", path]) == 1
    caught = capsys.readouterr()
    assert (caught.out, caught.err) == ("", f"sharedsky: {path}:3: record 2 is not what was written\n")
    assert invoke(["audit", "verify", str(tmp_path / "none")]) == 1
