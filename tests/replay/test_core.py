"""The core through its one entrance: what may and what may not change its pictures."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fusion.core.engine import Core, CoreConfig
from fusion.core.events import Peek, Received, Refused, Tick, Update
from sharing.messages import Detections, Picture, S, Scan, Site, ints, topic_of_picture
from sharing.wire import encode

LAST_S = 130


@pytest.fixture(scope="module")
def messages(small):
    """Everything that the coalition may get in the first minutes, in the order of availability."""
    kept = [m for _, m in small.feed() if m.t_sent_ns <= LAST_S * S]
    return sorted(kept, key=lambda m: (m.t_available_ns, m.originator, m.item_id))


def drive(arrivals, *, start_s=-10, last_s=LAST_S, peek=False, config=None):
    """Pictures by kind, and the other effects, of (message, arrival ns) in the order of arrival."""
    core = Core(config or CoreConfig("COALITION"))
    arrivals = sorted(arrivals, key=lambda a: a[1])
    pictures, others, i = {"as-known": [], "settled": []}, [], 0
    for t_s in range(start_s, last_s + 31):
        while i < len(arrivals) and arrivals[i][1] <= t_s * S:
            others += core.handle(Received(*arrivals[i]))
            if peek:
                others += core.handle(Peek(arrivals[i][1]))
            i += 1
        for effect in core.handle(Tick(t_s * S)):
            if isinstance(effect, Picture):
                pictures[effect.picture].append(effect)
            else:
                others.append(effect)
    return pictures, others, core


def frames(pictures):
    return [encode(topic_of_picture("COALITION"), picture) for picture in pictures]


def stamped(messages):
    return [(m, m.t_available_ns) for m in messages]


@pytest.fixture(scope="module")
def baseline(messages):
    return drive(stamped(messages))


def test_both_pictures_stand_on_the_grid(baseline):
    pictures = baseline[0]
    assert [p.t_valid_ns // S for p in pictures["as-known"]] == list(range(-10, LAST_S + 31))
    assert [p.t_valid_ns // S for p in pictures["settled"]] == list(range(-10, LAST_S + 1))
    assert sum(len(p.track_id) for p in pictures["settled"]) > 50
    for kind in pictures.values():
        assert all(b.sequence == a.sequence + 1 for a, b in pairwise(kind))


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000))
def test_lateness_within_the_horizon_leaves_no_trace_in_the_settled_picture(messages, baseline, seed):
    rng = np.random.default_rng(seed)
    late = [(m, m.t_available_ns + int(rng.integers(0, 15 * S))) for m in messages]
    for m, _ in late:
        assert isinstance(m, Site | Scan | Detections)
    sites_first = [(m, m.t_available_ns) if isinstance(m, Site) else (m, t) for m, t in late]
    pictures, others, core = drive(sites_first)
    assert not any(isinstance(o, Refused) for o in others)
    assert frames(pictures["settled"]) == frames(baseline[0]["settled"])
    assert core.counters["accepted"] == baseline[2].counters["accepted"]


def test_the_as_known_picture_knows_nothing_before_its_time(messages, baseline):
    """Cutting everything that becomes available after T leaves the pictures up to T as they were."""
    known = [m for m in messages if m.t_available_ns <= 80 * S]
    cut = drive(stamped(known), last_s=60)[0]["as-known"]
    whole = baseline[0]["as-known"]
    until = [p for p in cut if p.t_valid_ns <= 80 * S]
    assert frames(until) == frames(whole[: len(until)])


def test_peeking_changes_no_picture(messages, baseline):
    pictures, others, _ = drive(stamped(messages), peek=True)
    assert sum(isinstance(o, Update) for o in others) > 100
    for kind in ("as-known", "settled"):
        assert frames(pictures[kind]) == frames(baseline[0][kind])


def test_an_item_counts_once(messages, baseline):
    twice = [*stamped(messages), *((m, m.t_available_ns + S) for m in messages if isinstance(m, Scan))]
    pictures, others, core = drive(twice)
    causes = {o.cause for o in others if isinstance(o, Refused)}
    assert causes == {"duplicate"}
    assert core.counters["refused_duplicate"] == sum(isinstance(m, Scan) for m in messages)
    assert frames(pictures["settled"]) == frames(baseline[0]["settled"])


def test_what_is_too_old_is_refused_aloud(messages, baseline):
    late = [
        (m, m.t_available_ns + (40 * S if isinstance(m, Detections) and m.originator == "USA" else 0))
        for m in messages
    ]
    _, others, core = drive(late)
    refused = [o for o in others if isinstance(o, Refused)]
    assert {(o.cause, o.originator) for o in refused} == {("late", "USA")}
    assert core.counters["refused_late"] == len(refused) > 10


def test_a_future_item_is_refused_and_nothing_else_moves(messages, baseline):
    bold = next(m for m in messages if isinstance(m, Detections) and len(m.t_valid_ns))
    bold = msgspec.structs.replace(bold, item_id=b"x" * 16, t_valid_ns=ints(bold.t_valid_ns + 60 * S))
    pictures, others, _ = drive([*stamped(messages), (bold, bold.t_available_ns)])
    assert [o.cause for o in others if isinstance(o, Refused)] == ["future"]
    assert frames(pictures["settled"]) == frames(baseline[0]["settled"])


def test_the_reference_filters_give_the_same_tracks(messages, baseline):
    from fusion.reference import FilterpyBank

    few = [m for m in messages if m.t_sent_ns <= 88 * S]
    core = Core(CoreConfig("COALITION", max_tracks=64), FilterpyBank.of)
    i, pictures = 0, []
    for t_s in range(-10, 86):
        while i < len(few) and few[i].t_available_ns <= t_s * S:
            core.handle(Received(few[i], few[i].t_available_ns))
            i += 1
        pictures += [
            e for e in core.handle(Tick(t_s * S)) if isinstance(e, Picture) and e.picture == "as-known"
        ]
    ours = baseline[0]["as-known"]
    assert sum(len(p.track_id) for p in pictures) > 5
    for theirs, mine in zip(pictures, ours, strict=False):
        assert theirs.track_id.tolist() == mine.track_id.tolist()
        assert theirs.state_ecef == pytest.approx(mine.state_ecef, rel=1e-9)
