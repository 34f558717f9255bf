"""M of N, coasting and death, on the table alone."""

import numpy as np
import pytest

from fusion.core.lifecycle import COASTING, CONFIRMED, FREE, TENTATIVE, LifeRules, TrackTable

S = 10**9
RULES = LifeRules(confirm_hits=3, confirm_looks=5)


@pytest.fixture
def table():
    return TrackTable(capacity=4, max_sensors=2)


def hit(table, slot, t_s, scan):
    slots = np.array([slot], np.int32)
    table.hit(slots, t_s * S, 0, scan, np.array([1.0]))
    table.promote(slots, RULES)


def test_m_hits_in_n_looks_confirm(table):
    [slot] = table.claim([7], 0)
    hit(table, slot, 1, 1)
    assert table.status[slot] == TENTATIVE
    table.miss(np.array([slot], np.int32))
    hit(table, slot, 3, 3)
    assert table.status[slot] == CONFIRMED


def test_a_tentative_track_without_a_chance_is_hopeless(table):
    [slot] = table.claim([7], 0)
    slots = np.array([slot], np.int32)
    for _ in range(2):
        table.miss(slots)
        assert not len(table.hopeless(slots, RULES))
    table.miss(slots)
    assert table.hopeless(slots, RULES).tolist() == [slot]


def test_an_unseen_track_coasts_and_wakes(table):
    [slot] = table.claim([7], 0)
    hit(table, slot, 1, 1)
    hit(table, slot, 2, 2)
    table.rest(20 * S, RULES)
    assert table.status[slot] == COASTING
    hit(table, slot, 21, 3)
    assert table.status[slot] == CONFIRMED


def test_misses_and_silence_end_a_track(table):
    [slot] = table.claim([7], 0)
    hit(table, slot, 1, 1)
    hit(table, slot, 2, 2)
    for _ in range(RULES.misses):
        table.miss(np.array([slot], np.int32))
    assert not len(table.forsaken(10 * S, RULES))
    assert table.forsaken(40 * S, RULES).tolist() == [slot]


def test_an_overdue_tentative_track_ends_and_a_confirmed_one_does_not(table):
    young, old = table.claim([7, 8], 0)
    hit(table, old, 1, 1)
    hit(table, old, 2, 2)
    both = np.array([young, old], np.int32)
    table.expect(both, 12 * S)
    table.expect(both, 9 * S)  # a slower sensor's turn is not cut short by a quicker one's
    assert not len(table.forsaken(12 * S, RULES))
    assert table.forsaken(13 * S, RULES).tolist() == [young]


def test_a_full_table_starts_nothing(table):
    assert table.claim(range(3), 0).tolist() == [0, 1, 2]
    assert table.claim(range(3), 0).tolist() == [3]
    assert table.claim([9], 0).tolist() == []


def test_restore_undoes_everything(table):
    [first] = table.claim([7], 0)
    saved = table.checkpoint()
    [second] = table.claim([8], 1)
    hit(table, first, 1, 1)
    table.restore(saved)
    assert table.status[second] == FREE
    assert table.hits[first] == 1
    assert table.used == 1
    assert table.claim([9], 2) == [second]
    assert table.last_scan[second].tolist() == [-1, -1]
