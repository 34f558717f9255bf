"""Parents, twins and classes of tracks, on a bank and a table without sensors."""

import numpy as np
import pytest

from fusion.core.family import Family, class_probabilities
from fusion.core.filters import MISSILES, compiled
from fusion.core.lifecycle import CONFIRMED, MERGED, NO_PARENT, NO_TWIN, UNASKED, LifeRules, TrackTable
from fusion.core.twins import COMMON, distance2
from sharing.messages import CLASSES, S

X = np.array([6_578_000.0, 0.0, 0.0, 1500.0, 0.0, 2500.0])
P = np.diag([100.0**2] * 3 + [5.0**2] * 3)


class Sky:
    """Confirmed tracks at these offsets of X, the first one the oldest."""

    def __init__(self, *offsets):
        self.bank = compiled(8, 2, MISSILES)
        self.table = TrackTable(8, 2, LifeRules())
        self.family = Family(self.bank, self.table, MISSILES.modes)
        for number, offset in enumerate(offsets):
            slots = self.table.claim([10 + number], number * S)
            self.bank.start_state(int(slots[0]), 0, X + offset, P)
            self.table.status[slots] = CONFIRMED

    def attend(self, t_s):
        ended = self.family.attend(t_s * S)
        self.table.move(ended, MERGED)
        for slot in ended.tolist():
            self.bank.drop(slot)
        return ended.tolist()


def test_the_same_object_twice_is_merged_into_the_older_after_three_looks():
    sky = Sky(0.0, np.array([100.0, -50.0, 80.0, 2.0, 3.0, -4.0]))
    assert [sky.attend(t) for t in range(16)] == [[]] * 10 + [[1]] + [[]] * 5
    assert sky.family.merged == [(10, 11)]


def test_what_one_scan_has_hit_both_of_stays_two():
    sky = Sky(0.0, np.array([100.0, -50.0, 80.0, 2.0, 3.0, -4.0]))
    sky.table.last_scan[:2, 1] = 7
    assert not any(sky.attend(t) for t in range(31))
    sky.table.last_scan[0, 1] = 8
    assert [t for t in range(31, 60) if sky.attend(t)] == [45]


def test_others_are_not_the_same():
    sky = Sky(0.0, np.array([0.0, 0.0, 0.0, 60.0, 0.0, 0.0]), np.array([2000.0, 0.0, 0.0, 0.0, 0.0, 0.0]))
    sky.attend(0)
    assert sky.table.twin[:3].tolist() == [NO_TWIN] * 3


def test_a_checkpoint_holds_what_is_suspected():
    sky = Sky(0.0, np.full(6, 1.0))
    assert not sky.attend(0) and not sky.attend(5)
    saved = sky.table.checkpoint(), sky.bank.checkpoint()
    assert sky.attend(10) == [1]
    sky.table.restore(saved[0])
    sky.bank.restore(saved[1])
    assert sky.attend(10) == [1]


def test_distance_is_mahalanobis_by_a_correlated_difference():
    a = np.random.default_rng(2).normal(size=(6, 9))
    total, offset = a @ a.T, np.arange(1.0, 7.0)
    expected = offset @ np.linalg.solve((1.0 - COMMON) * total, offset)
    assert distance2(offset, total) == pytest.approx(expected)


def test_a_track_born_beside_another_has_it_as_parent_and_is_rather_debris():
    sky = Sky(0.0, np.array([3000.0, 0.0, 0.0, 0.0, 90.0, 0.0]), np.array([0.0, 80e3, 0.0, 0.0, 0.0, 0.0]))
    assert sky.table.parent[:3].tolist() == [UNASKED] * 3
    sky.attend(5)  # unseen for longer they would be vague: nobody knows their thrust
    assert sky.table.parent[:3].tolist() == [NO_PARENT, 10, NO_PARENT]
    sky.attend(25)
    p = class_probabilities(sky.table, np.arange(3, dtype=np.int32))
    assert [CLASSES[k] for k in np.argmax(p, axis=1)] == ["MRBM", "debris", "MRBM"]
