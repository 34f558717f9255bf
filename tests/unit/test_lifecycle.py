"""M of N, scores, coasting and death, on the table alone."""

import re
from pathlib import Path

import numpy as np
import pytest

from fusion.core.detection import CERTAIN, detection_chances, weighed
from fusion.core.lifecycle import (
    COASTING,
    CONFIRMED,
    DOUBTED,
    EVENTS,
    FREE,
    LIFE,
    TENTATIVE,
    LifeRules,
    TrackTable,
)
from fusion.figures.life import label

S = 10**9
RULES = LifeRules(confirm_hits=3, confirm_looks=5)


@pytest.fixture
def table():
    return TrackTable(capacity=4, max_sensors=2, rules=RULES)


GOOD_FIT = 10.0
"""Log-likelihood ratio of a plot where the track expects it; two of them prove a track."""


def hit(table, slot, t_s, scan, fit=GOOD_FIT):
    slots = np.array([slot], np.int32)
    table.fit(slots, np.array([fit]))
    table.hit(slots, t_s * S, 0, scan, np.array([1.0]))
    table.promote(slots)


def test_m_hits_in_n_looks_confirm(table):
    [slot] = table.claim([7], 0)
    hit(table, slot, 1, 1)
    assert table.status[slot] == TENTATIVE
    table.miss(np.array([slot], np.int32))
    hit(table, slot, 3, 3)
    assert table.status[slot] == CONFIRMED


def test_hits_that_do_not_fit_together_confirm_nothing(table):
    [slot] = table.claim([7], 0)
    hit(table, slot, 1, 1, fit=1.0)
    hit(table, slot, 2, 2, fit=1.0)
    assert table.status[slot] == TENTATIVE
    hit(table, slot, 3, 3, fit=2 * GOOD_FIT)
    assert table.status[slot] == CONFIRMED


def test_a_tentative_track_without_a_chance_is_hopeless(table):
    [slot] = table.claim([7], 0)
    slots = np.array([slot], np.int32)
    for _ in range(2):
        table.miss(slots)
        assert not len(table.doubted(slots))
    table.miss(slots)
    assert table.doubted(slots).tolist() == [slot]


def test_an_unseen_track_coasts_and_wakes(table):
    [slot] = table.claim([7], 0)
    hit(table, slot, 1, 1)
    hit(table, slot, 2, 2)
    table.rest(20 * S)
    assert table.status[slot] == COASTING
    hit(table, slot, 21, 3)
    assert table.status[slot] == CONFIRMED


def test_misses_and_silence_end_a_track(table):
    [slot] = table.claim([7], 0)
    hit(table, slot, 1, 1)
    hit(table, slot, 2, 2)
    for _ in range(RULES.misses):
        table.miss(np.array([slot], np.int32))
    assert not len(table.missed(10 * S))
    assert table.missed(40 * S).tolist() == [slot]


def test_an_overdue_tentative_track_ends_and_a_confirmed_one_does_not(table):
    young, old = table.claim([7, 8], 0)
    hit(table, old, 1, 1)
    hit(table, old, 2, 2)
    both = np.array([young, old], np.int32)
    table.expect(both, 12 * S)
    table.expect(both, 9 * S)  # a slower sensor's turn is not cut short by a quicker one's
    assert not len(table.overdue(12 * S))
    assert table.overdue(13 * S).tolist() == [young]


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


def test_only_what_the_table_of_life_knows_happens(table):
    slots = table.claim([7], 0)
    known = {(change.state, change.event): change.to for change in LIFE}
    assert len(known) == len(LIFE)
    for state in (FREE, TENTATIVE, CONFIRMED, COASTING):
        for event in range(len(EVENTS)):
            table.status[slots] = state
            if (state, event) in known:
                table.move(slots, event)
                assert table.status[slots] == known[state, event]
            else:
                with pytest.raises(ValueError, match="does not happen"):
                    table.move(slots, event)


def test_the_figure_says_what_the_table_of_life_says():
    drawn = (Path(__file__).parents[2] / "docs" / "life.svg").read_text(encoding="utf-8")
    said = [text for text in re.findall("<!-- (.*?) -->", drawn) if text.split(":")[0] in EVENTS]
    assert sorted(said) == sorted(label(change) for change in LIFE)


def scored(count, **rules):
    """A table of `count` tentative tracks that live by their scores."""
    table = TrackTable(count, 1, LifeRules("sprt", **rules))
    return table, table.claim(range(count), 0)


def test_a_score_confirms_rejects_and_ends():
    table, slots = scored(2, false_start=1e-3, missed_start=0.1, false_end=0.0101)
    surely = np.full((1, 4), 0.9)
    table.weigh(slots[:1], surely, np.array([6.0]))
    table.promote(slots[:1])
    assert table.status.tolist() == [TENTATIVE, TENTATIVE]  # log 900 = 6.80 is asked for, 5.89 was reached
    table.weigh(slots[:1], surely, np.array([6.0]))
    table.promote(slots[:1])
    assert table.status.tolist() == [CONFIRMED, TENTATIVE]
    table.weigh(slots, 1.0 - surely.repeat(2, axis=0))
    assert table.doubted(slots).tolist() == [1]  # log 0.1 is below log(0.1 / 0.999)
    assert not len(table.missed(40 * S))
    table.weigh(slots[:1], 1.0 - surely)
    assert table.missed(40 * S).tolist() == [0]  # two misses of a tenth each are the hundredth that ends it
    assert not len(table.missed(20 * S))  # but not before its patience


@pytest.mark.parametrize(("seen", "wrong"), [(False, 0.01), (True, 0.05)])
def test_scores_err_as_rarely_as_was_asked(seen, wrong):
    """Wald's bounds: of 4,000 tracks of clutter at most α are confirmed, of objects at most β rejected."""
    table, slots = scored(4000, false_start=0.01, missed_start=0.05)
    rng = np.random.default_rng(5)
    chances = detection_chances(np.full(4000, 80e3), 100e3)
    chance_hit, by_chance = chances[:, 2].copy(), 0.2
    chances[:] = chances[:, 2:3]
    for _ in range(60):
        alive = slots[table.status == TENTATIVE]
        hit = rng.random(len(alive)) < (chance_hit[alive] if seen else by_chance)
        table.weigh(alive[hit], chances[alive[hit]], -np.log(by_chance))
        table.weigh(alive[~hit], 1.0 - chances[alive[~hit]], -np.log(1.0 - by_chance))
        table.promote(alive)
        table.move(table.doubted(alive), DOUBTED)
    ended = table.status == (FREE if seen else CONFIRMED)
    assert not (table.status == TENTATIVE).any()
    assert 0.0 < ended.mean() <= wrong + 3.0 * np.sqrt(wrong / 4000)


def test_chances_of_detection_are_the_textbook_s_and_sections_are_learned():
    chances = detection_chances(np.array([100e3, 1e3, 1e9]), 100e3)
    assert chances[0, 2] == pytest.approx(0.5172, abs=1e-4)  # 1 m² at 13 dB, Swerling 1, Pfa 1e-6
    assert (np.diff(chances[0]) > 0.0).all()
    assert chances[1].tolist() == [CERTAIN] * 4
    assert chances[2] == pytest.approx(np.full(4, 1e-6))
    weights = np.full((1, 4), 0.25)
    for _ in range(20):
        weights, _ = weighed(weights, chances[:1])
    assert weights.sum() == pytest.approx(1.0) and weights[0, 3] > 0.9
    for _ in range(40):
        weights, _ = weighed(weights, 1.0 - chances[:1])
    assert weights[0, 0] > 0.5  # it has turned its narrow side
