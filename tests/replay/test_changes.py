"""An arrangement that changes in mid-event: in a session, in its recording, and what is forgotten then."""

from dataclasses import replace

import pytest
from msgspec.structs import replace as altered

from fusion.arms import run_arm
from fusion.cli import invoke
from fusion.session import Session, run
from fusion.verify import verify
from sharing.audit import AuditLog, query
from sharing.messages import COALITION, MEASUREMENTS, RECIPIENTS, S, floats
from sharing.policy import Policy
from sharing.purging import Purging, purgings
from sharing.recording import Recording
from sharing.wire import decode

EPOCH_S = 80
LATE_S = 110


def mesh(**terms):
    more = "\n".join(f"{name} = {value}" for name, value in terms.items())
    return Policy.parse(
        f"""
[[rule]]
id = "mesh"
originator = "*"
recipient = "*"
product = "detections"
delay_s = 0.5
marking = "SIMULATED"
{more}
""",
        "mesh",
    )


NOTHING = Policy.parse("", "nothing")
CHANGES = ((EPOCH_S * S, NOTHING), (LATE_S * S, mesh()))


@pytest.fixture(scope="module")
def changed(small, regions, tmp_path_factory):
    """The small session, recorded under a policy that lapses and comes again, and its arm and audit log."""
    folder = tmp_path_factory.mktemp("changed")
    with AuditLog(folder / "all.audit", {}) as log:
        arm = run_arm(
            small, mesh(), changes=CHANGES, regions=regions, record=folder / "s.mcap", judged=log.judged
        )
    return folder / "s.mcap", arm, folder / "all.audit"


def released(path):
    with Recording.open(path) as recording:
        return [(r.topic, r.t_ns) for r in recording if r.topic.startswith("released/")]


def hashes(results):
    return {nation: result.picture_sha256 for nation, result in results.items()}


def test_a_recording_holds_the_changes_and_replays_byte_for_byte(changed, regions):
    path, arm, _ = changed
    session = Session.load(path)
    assert (session.policy.rules, session.changes[0][1].rules) == (mesh().rules, ())
    assert [t_ns for t_ns, _ in session.changes] == [EPOCH_S * S, LATE_S * S]
    times = [t_ns for _, t_ns in released(path)]
    assert any(t < EPOCH_S * S for t in times) and any(t >= LATE_S * S for t in times)
    assert not any(EPOCH_S * S <= t < LATE_S * S for t in times)
    again = run(session, regions=regions, keep=False)
    assert hashes(again) == hashes(arm.results)
    found = verify(path, regions=regions)
    assert found.difference is None and sum(found.compared.values()) > 0


def test_any_other_arrangement_can_be_asked_of_it(changed, small, regions, capsys):
    path, arm, _ = changed
    session = Session.load(path)
    other = hashes(run(session, mesh(), changes=(), regions=regions, keep=False))
    assert other == hashes(run(small, mesh(), regions=regions, keep=False)) != hashes(arm.results)
    withheld = hashes(run(session, withhold=("KOR",), regions=regions, keep=False))
    assert withheld["KOR"] == hashes(arm.results)["KOR"] and withheld["JPN"] != hashes(arm.results)["JPN"]
    for bad in ("full-mesh", "full-mesh@x", "@3", "full-mesh@nan"):
        assert invoke(["replay", str(path), "--change", bad]) != 0
        assert "expected NAME@SECONDS" in capsys.readouterr().err
    command = [
        "replay",
        str(path),
        "--nation",
        "JPN",
        "--policy",
        "full-mesh",
        "--change",
        "national-only@80",
    ]
    assert invoke([*command, "--json"]) == 0
    assert '"at_s": 80.0' in capsys.readouterr().out


def test_the_audit_log_explains_every_item_released_and_withheld(changed):
    path, _, log = changed
    decisions = {(d["of"], d["item"], d["to"]): d for d in query(log)}
    with Recording.open(path) as recording:
        frames = [(r.topic.split("/"), r) for r in recording]
    items = Session.load(path).feed()
    made = {(f"{m.originator}/{m.sensor}", m.item_id.hex(), r) for _, m in items for r in RECIPIENTS
            if r != m.originator}  # fmt: skip
    assert decisions.keys() == made

    left = {}
    for (kind, *rest), record in frames:
        if kind == "released":
            message = decode(record.data)[1]
            left[f"{rest[0]}/{rest[2]}", message.item_id.hex(), rest[1]] = message.t_available_ns
    told = {key: d["t_out_ns"] for key, d in decisions.items() if d["outcome"] == "released"}
    assert left == told and len(left) > 1000
    assert {d["outcome"] for key, d in decisions.items() if key not in left} == {"denied", "lapsed"}
    assert {d["epoch"] for d in decisions.values()} == {0, 1, 2}


def disturbed(session, nation):
    """The session with that nation's plots half a kilometre off."""

    def items():
        for item in session.items():
            m = item.message
            if m.originator == nation and isinstance(m, MEASUREMENTS) and hasattr(m, "range_m"):
                m = altered(m, range_m=floats(m.range_m + 500.0))
            yield item._replace(message=m, frame=None)

    return replace(session, items=items)


def shown(result, from_ns):
    """Settled and as-known pictures made from that time on, without the time they are valid at."""
    pictures = [*result.as_known, *result.settled]
    return [p.state_ecef.tobytes() + p.covariance.tobytes() + p.track_id.tobytes() for p in pictures
            if p.t_sent_ns >= from_ns]  # fmt: skip


def test_what_is_purged_leaves_no_trace(small, regions):
    purging = mesh(revoked_s=EPOCH_S, held='"purge"')
    both = (small, disturbed(small, "KOR"))
    runs = [run(s, purging, nations=("JPN",), regions=regions)["JPN"] for s in both]
    from_ns = EPOCH_S * S
    assert shown(runs[0], from_ns) == shown(runs[1], from_ns)
    assert any(shown(runs[0], from_ns))
    assert shown(runs[0], 0) != shown(runs[1], 0)
    assert runs[0].counters["purged"] == 1
    kept = mesh(revoked_s=EPOCH_S)
    held = [run(s, kept, nations=("JPN",), regions=regions)["JPN"] for s in both]
    assert shown(held[0], from_ns) != shown(held[1], from_ns)


def test_a_recording_with_a_purge_replays_byte_for_byte(small, regions, tmp_path):
    purging = mesh(revoked_s=EPOCH_S, held='"purge"')
    run_arm(small, purging, regions=regions, record=tmp_path / "p.mcap")
    with Recording.open(tmp_path / "p.mcap") as recording:
        told = {r.topic: (r.t_ns, r.data.decode().split()) for r in recording if r.topic.startswith("purge/")}
    assert told.keys() == {f"purge/{n}" for n in RECIPIENTS}
    assert told["purge/KOR"] == (EPOCH_S * S, [s for s in small.sensors if not s.startswith("KOR")])
    assert verify(tmp_path / "p.mcap", regions=regions).difference is None


def test_who_must_forget_what_and_when():
    feeds = ("JPN/a", "KOR/b")
    policy = mesh(held='"purge"')
    assert purgings([(None, policy)], feeds) == []
    assert purgings([(None, policy), (5, mesh())], feeds) == []  # another right follows
    assert purgings([(None, mesh()), (5, NOTHING)], feeds) == []  # what was given to keep stays
    assert purgings([(None, policy), (5, NOTHING)], feeds) == [
        Purging(5, "JPN", ("KOR/b",)), Purging(5, "KOR", ("JPN/a",)),
        Purging(5, "USA", feeds), Purging(5, COALITION, feeds),
    ]  # fmt: skip
    windows = mesh(held='"purge"', valid="[{ until_s = 2.0 }, { from_s = 4.0, until_s = 6.0 }]")
    assert [p.t_ns for p in purgings([(None, windows)], ("KOR/b",))] == [2 * S] * 3 + [6 * S] * 3
