"""One event loop: the same session gives the same bytes, however it comes in."""

from dataclasses import replace
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from configs import resolve
from fusion.arms import run_arm, score_recording
from fusion.session import Entry, Item, Session, SessionError, run
from fusion.verify import verify
from sharing.messages import RECIPIENTS, Detections, Picture, S, floats
from sharing.policy import Policy
from sharing.recording import Recorder, Recording, strip
from sharing.settings import load_policy
from sharing.wire import decode, encode


def order(message):
    return message.t_sent_ns, message.originator, message.sensor, message.sequence


def hashes(results):
    return {nation: result.picture_sha256 for nation, result in results.items()}


def test_a_recording_is_its_session(small, recorded):
    path, arm = recorded
    loaded = Session.load(path)
    assert (loaded.name, loaded.seed, loaded.truncated) == (small.name, 7, False)
    assert (loaded.t_start_ns, loaded.t_end_ns) == (small.t_start_ns, small.t_end_ns)
    assert loaded.policy == small.policy
    assert [encode("truth", t) for t in loaded.truth] == [encode("truth", t) for t in small.truth]
    assert loaded.sha256() == small.sha256()
    nations = ("KOR", "COALITION")
    assert hashes(run(loaded, nations=nations, keep=False)) == {
        n: arm.results[n].picture_sha256 for n in nations
    }


def test_the_feed_is_in_the_order_of_sending(recorded):
    messages = [message for _, message in Session.load(recorded[0]).feed()]
    assert len(messages) > 300
    assert all(order(a) < order(b) for a, b in pairwise(messages))


def test_a_generated_session_runs_again_the_same(small, recorded):
    again = run(small, nations=("JPN",))["JPN"]
    assert again.picture_sha256 == recorded[1].results["JPN"].picture_sha256
    held = small.held()
    assert held.sha256() == small.sha256()
    assert len(again.as_known) == len(again.settled) + 30
    assert again.settled[-1].t_valid_ns == small.t_end_ns


def test_another_seed_is_another_session(small, scenario):
    assert Session.generate(scenario, 8, small.policy).sha256() != small.sha256()


def test_every_nation_holds_it_and_is_scored(recorded, regions):
    path, arm = recorded
    for nation in RECIPIENTS:
        assert arm.scores[nation].metrics["tracked"] == 1
        assert arm.scores[nation].metrics["picture_sha256"] == arm.results[nation].picture_sha256
    again = score_recording(path, Session.load(path), regions)
    assert {n: s.metrics for n, s in again.items()} == {n: s.metrics for n, s in arm.scores.items()}


def test_withholding_is_the_policy_without_it(small):
    against = run(small, load_policy(resolve("policies", "withheld-kor")), nations=("JPN",), keep=False)
    assert hashes(run(small, withhold=("KOR",), nations=("JPN",), keep=False)) == hashes(against)
    alone = run(small, load_policy(resolve("policies", "national-only")), nations=("COALITION",))["COALITION"]
    assert not any(alone.counters.values())
    assert all(not len(p.track_id) for p in alone.as_known)


def test_no_leakage_what_is_withheld_changes_no_byte(small):
    """Korea's feed, spoiled, is seen by Korea alone."""

    def spoiled():
        for item in small.items():
            message = item.message
            if message.originator == "KOR" and isinstance(message, Detections):
                message = msgspec.structs.replace(message, range_m=floats(message.range_m + 3e3))
            yield Item(item.topic, message)

    logs = []
    for session in (small, replace(small, items=spoiled)):
        log = []
        run(session, withhold=("KOR",), nations=("JPN", "COALITION"), sink=log.append, keep=False)
        logs.append([(e.nation, e.topic, e.t_ns, e.bytes()) for e in log])
    assert logs[0] == logs[1]


def test_a_recording_without_one_feed_is_valid_and_shows_no_difference(small, recorded, tmp_path):
    path, _ = recorded
    stripped = tmp_path / "stripped.mcap"
    assert strip(path, stripped, lambda topic: topic.startswith(("feed/KOR/", "released/KOR/"))) > 100
    nations = ("JPN", "COALITION")
    whole = run(Session.load(path), withhold=("KOR",), nations=nations, keep=False)
    without = run(Session.load(stripped), nations=nations, keep=False)
    assert hashes(whole) == hashes(without)


def test_loop_order_and_log(small):
    log: list[Entry] = []
    nations = ("JPN", "COALITION")
    run(small, nations=nations, sink=log.append, keep=False)
    for nation in nations:
        mine = [e for e in log if e.nation == nation]
        assert all(a.t_ns <= b.t_ns for a, b in pairwise(mine))
        arrivals = [e for e in mine if e.topic.startswith(("feed/", "released/"))]
        keys = [(e.t_ns, e.message.originator, e.message.item_id) for e in arrivals]
        assert keys == sorted(keys)
        assert {e.topic.split("/")[1] for e in mine if e.topic.startswith("feed/")} <= {nation}
        ticks = [e.t_ns for e in mine if e.topic == f"tick/{nation}"]
        assert ticks == list(range(small.t_start_ns, small.t_end_ns + 31 * S, S))
    for a, b in pairwise([e for e in log if e.nation == "JPN"]):
        if a.topic == "tick/JPN" and isinstance(b.message, Detections):
            assert b.t_ns > a.t_ns


def test_verify_accepts_and_names_the_first_difference(recorded, regions, tmp_path):
    path, _ = recorded
    result = verify(path, regions=regions)
    assert result.difference is None
    assert all(result.compared[n] > 300 for n in RECIPIENTS)

    changed = tmp_path / "changed.mcap"
    with Recording.open(path) as source, Recorder(changed, source.metadata) as target:
        count = 0
        for record in source:
            data = record.data
            if record.topic == "picture/KOR":
                message = decode(data)[1]
                assert isinstance(message, Picture)
                if len(message.track_id) and message.picture == "settled":
                    count += 1
                    if count == 40:
                        state = message.state_ecef.copy()
                        state[4] += 1e-9
                        data = encode(record.topic, msgspec.structs.replace(message, state_ecef=state))
                        expected = message
            target.write(record.topic, data, record.t_ns)
    difference = verify(changed, regions=regions).difference
    assert difference is not None
    assert (difference.nation, difference.field) == ("KOR", "state_ecef")
    assert difference.t_ns == expected.t_valid_ns
    assert difference.track == expected.track_id[0]
    assert f"at {expected.t_valid_ns / S:g} s" in str(difference)


def test_verify_misses_a_dropped_picture(recorded, regions, tmp_path):
    path, _ = recorded
    dropped = tmp_path / "dropped.mcap"
    with Recording.open(path) as source, Recorder(dropped, source.metadata) as target:
        kept = [r for r in source]
        last = max(i for i, r in enumerate(kept) if r.topic == "picture/USA")
        for i, record in enumerate(kept):
            if i != last:
                target.write(record.topic, record.data, record.t_ns)
    difference = verify(dropped, regions=regions).difference
    assert difference is not None
    assert (difference.nation, difference.recorded) == ("USA", "nothing")


def test_a_cut_recording_goes_as_far_as_it_goes(recorded, regions, tmp_path):
    path, _ = recorded
    cut = tmp_path / "cut.mcap"
    with Recording.open(path) as source:
        small_chunks = tmp_path / "small-chunks.mcap"
        with Recorder(small_chunks, source.metadata, chunk_bytes=20_000) as target:
            for record in source:
                target.write(record.topic, record.data, record.t_ns)
    cut.write_bytes(small_chunks.read_bytes()[: small_chunks.stat().st_size * 2 // 3])
    session = Session.load(cut)
    assert session.truncated
    assert 0 < session.t_end_ns < Session.load(path).t_end_ns
    assert verify(cut, regions=regions).difference is None
    arm = run_arm(session, session.policy, ("JPN",), regions=regions)
    assert arm.results["JPN"].counters["accepted"] > 100


def test_what_is_no_session(recorded, tmp_path):
    path, _ = recorded
    bare = tmp_path / "bare.mcap"
    strip(path, bare, lambda topic: topic == "policy")
    with pytest.raises(SessionError, match="no policy"):
        Session.load(bare)
    with Recording.open(path) as source, Recorder(tmp_path / "no-seed.mcap", {"scenario": "x"}) as target:
        for record in source:
            target.write(record.topic, record.data, record.t_ns)
    with pytest.raises(SessionError, match="seed"):
        Session.load(tmp_path / "no-seed.mcap")


def test_arrival_order_in_the_file_does_not_matter_to_a_replay(small, recorded, tmp_path):
    """Jitter moves recorded arrivals about; a session replay goes by the stamps."""
    path, arm = recorded
    jittered = tmp_path / "jittered.mcap"
    with Recording.open(path) as source, Recorder(jittered, source.metadata) as target:
        records = [r for r in source if r.topic.startswith(("feed/", "policy", "truth"))]
        late = [(r.t_ns + (i * 7919 % 50) * S // 10, i, r) for i, r in enumerate(records)]
        for t_ns, _, record in sorted(late, key=lambda row: row[:2]):
            target.write(record.topic, record.data, t_ns)
        target.write(records[-1].topic, records[-1].data, late[-1][0])
    session = Session.load(jittered)
    assert session.sha256() == small.sha256()
    assert run(session, nations=("USA",))["USA"].picture_sha256 == arm.results["USA"].picture_sha256


@pytest.mark.parametrize("delay_s", [0.0, 0.2, 29.0, 30.0, 60.0, 300.0])
def test_the_horizon_covers_the_slowest_push(small, delay_s):
    text = f"""
    [[rule]]
    id = "slow"
    originator = "*"
    recipient = "COALITION"
    product = "detections"
    delay_s = {delay_s}
    marking = "SIMULATED//NOTIONAL"
    """
    policy = Policy.parse(text, "slow")
    longest_scan_s, transport_s = 5.0, 0.4
    assert small.horizon_s(policy) == max(30, np.ceil(delay_s + longest_scan_s + transport_s + 1))
    counters = run(small, policy, nations=("COALITION",), keep=False)["COALITION"].counters
    assert counters["accepted"] == len(tuple(small.items()))
    assert not [cause for cause, count in counters.items() if cause.startswith("refused") and count]


def test_a_recording_keeps_its_feeds_lag(recorded, small, tmp_path):
    path, _ = recorded
    slow = Policy.parse(small.policy.text.replace("0.3", "60.0"), "slow")
    assert Session.load(path).horizon_s(slow) == small.horizon_s(slow) == 67
    assert Session.load(path).metadata["horizon_s"] == "30"
    with Recording.open(path) as source:
        older = {k: v for k, v in source.metadata.items() if k != "feed_lag_s"}
        with Recorder(tmp_path / "older.mcap", older) as target:
            for record in source:
                target.write(record.topic, record.data, record.t_ns)
    assert Session.load(tmp_path / "older.mcap").horizon_s(slow) == 72


@pytest.mark.parametrize(
    ("key", "value"),
    [("seed", "x"), ("t_end_ns", "1e9"), ("t_start_ns", "9" * 30), ("horizon_s", "0"), ("horizon_s", "soon"),
     ("feed_lag_s", "nan"), ("feed_lag_s", "-1")],
)  # fmt: skip
def test_bad_metadata_is_no_session(recorded, tmp_path, key, value):
    with (
        Recording.open(recorded[0]) as source,
        Recorder(tmp_path / "bad.mcap", {**source.metadata, key: value}) as target,
    ):
        for record in source:
            if record.topic in ("policy", "truth"):
                target.write(record.topic, record.data, record.t_ns)
    with pytest.raises(SessionError, match=f"bad.mcap: metadata {key}"):
        Session.load(tmp_path / "bad.mcap")


def test_a_truth_that_is_none_is_no_session(recorded, tmp_path):
    with Recording.open(recorded[0]) as source, Recorder(tmp_path / "bad.mcap", source.metadata) as target:
        records = [record for record in source]
        target.write("policy", next(r.data for r in records if r.topic == "policy"), 0)
        feed = next(r for r in records if r.topic.startswith("feed/"))
        target.write("truth", feed.data.replace(feed.topic.encode(), b"truth", 1), 0)
    with pytest.raises(SessionError, match="'truth'"):
        Session.load(tmp_path / "bad.mcap")
