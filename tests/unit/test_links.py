"""Numbered links: every gap is found, asked for, filled or counted as lost."""

from hypothesis import given
from hypothesis import strategies as st

from sharing.links import MAX_ANSWER, MAX_MISSING, MAX_TOPICS, PAUSE_NS, TRIES, Gaps, Ring
from sharing.messages import S

TOPIC = "feed/KOR/greenpine-c"


def arrived(gaps, *numbers):
    return [gaps.arrived(TOPIC, 7, number) for number in numbers]


def test_a_link_without_gaps_asks_for_nothing():
    gaps = Gaps()
    assert arrived(gaps, 0, 1, 2) == [True, True, True]
    gaps.announced(TOPIC, 7, 2)
    assert gaps.wanted(0) == []
    assert gaps.counters["received"] == 3
    assert gaps.counters["gaps"] == gaps.counters["lost"] == 0


def test_a_gap_is_asked_for_and_filled():
    gaps = Gaps()
    arrived(gaps, 0, 3)
    assert gaps.wanted(0) == [(TOPIC, 1, 2)]
    assert gaps.wanted(PAUSE_NS // 2) == [], "not again at once"
    assert arrived(gaps, 1, 2, 2) == [True, True, False]
    gaps.closed(TOPIC, 1, 2)
    assert gaps.missing() == 0
    assert gaps.counters["backfilled"] == 2
    assert gaps.counters["duplicates"] == 1


def test_a_heartbeat_shows_a_gap_at_the_end():
    gaps = Gaps()
    gaps.announced(TOPIC, 7, -1)
    assert gaps.wanted(0) == []
    gaps.announced(TOPIC, 7, 1)
    assert gaps.wanted(0) == [(TOPIC, 0, 1)]


def test_what_the_publisher_no_longer_has_is_lost():
    gaps = Gaps()
    arrived(gaps, 5)
    assert gaps.wanted(0) == [(TOPIC, 0, 4)]
    gaps.closed(TOPIC, 3, 4)
    assert gaps.counters["lost"] == 3
    assert gaps.wanted(0) == [(TOPIC, 3, 4)], "the rest was announced but did not come: asked again"
    gaps.closed(TOPIC, 5, 4)
    assert gaps.missing() == 0
    assert gaps.counters["lost"] == 5


def test_nobody_is_asked_for_ever():
    gaps = Gaps()
    arrived(gaps, 1)
    asked = [bool(gaps.wanted(now * PAUSE_NS)) for now in range(TRIES + 2)]
    assert asked == [True] * TRIES + [False] * 2
    assert gaps.counters["lost"] == 1


def test_a_restart_is_numbered_anew():
    gaps = Gaps()
    arrived(gaps, 0, 2)
    assert gaps.arrived(TOPIC, 8, 0)
    assert gaps.counters["reboots"] == 1
    assert gaps.counters["lost"] == 1
    assert gaps.counters["duplicates"] == 0


def test_bounds_hold_and_are_counted():
    gaps = Gaps()
    arrived(gaps, 10 * MAX_MISSING)
    assert gaps.missing() == MAX_MISSING
    assert gaps.counters["lost"] == 9 * MAX_MISSING
    for number in range(MAX_TOPICS + 3):
        gaps.arrived(f"feed/KOR/s{number}", 7, 0)
    assert gaps.counters["topics-full"] == 4


@given(st.lists(st.integers(0, 40), max_size=80))
def test_the_counters_always_add_up(numbers):
    gaps = Gaps()
    fresh = arrived(gaps, *numbers)
    assert sum(fresh) == len(set(numbers)) == gaps.counters["received"]
    gaps.give_up()
    assert gaps.counters["gaps"] == gaps.counters["backfilled"] + gaps.counters["lost"]
    assert gaps.counters["received"] + gaps.counters["lost"] == (max(numbers) + 1 if numbers else 0)


def test_a_ring_repeats_its_last_minute():
    ring = Ring()
    for number in range(100):
        ring.put(TOPIC, number, number * S, b"%d" % number)
    assert ring.last() == {TOPIC: 99}
    assert ring.since(TOPIC, 97, 98) == (97, 98, [b"97", b"98"])
    assert ring.since(TOPIC, 0, 40)[:2] == (39, 40)
    assert ring.since(TOPIC, 0, 20) == (21, 20, [])
    assert ring.since("feed/KOR/other", 0, 20) == (21, 20, [])


def test_a_ring_answers_in_portions():
    ring = Ring()
    for number in range(3 * MAX_ANSWER):
        ring.put(TOPIC, number, number, b"")
    first, last, frames = ring.since(TOPIC, 0, 3 * MAX_ANSWER)
    assert (first, last, len(frames)) == (0, MAX_ANSWER - 1, MAX_ANSWER)


def test_a_ring_is_bounded():
    ring = Ring()
    for number in range(5000):
        ring.put(TOPIC, number, 0, b"")
    assert ring.counters["ring-full"] == 5000 - 4096
