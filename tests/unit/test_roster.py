"""The roster at its door, and against columns kept by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ext.roster import FREE, NEVER, RECORD, Roster

START, STOP, WAKE = range(3)
CHANGES = np.array([[0, NEVER, NEVER], [NEVER, FREE, FREE], [NEVER, 1, NEVER]], np.int8)


def roster(capacity=6, sensors=3):
    newborn = np.zeros((), RECORD)
    newborn["hits"] = newborn["looks"] = newborn["history"] = 1
    return Roster(capacity, sensors, CHANGES, START, newborn)


def slots(*named):
    return np.array(named, np.int32)


def test_what_does_not_exist_is_refused_and_nobody_moves():
    made = roster()
    made.claim(np.array([5, 6]), 0)
    for wrong in (slots(6), slots(-1), np.array([0]), [0], np.zeros((1, 1), np.int32)):
        with pytest.raises(ValueError, match="slots"):
            made.miss(wrong)
    for sensor in (-1, 3):
        with pytest.raises(ValueError, match="sensor"):
            made.fresh(slots(0), sensor, 1)
        with pytest.raises(ValueError, match="sensor"):
            made.hit(slots(0), 0, sensor, 1, np.ones(1))
    with pytest.raises(ValueError, match="nis"):
        made.hit(slots(0), 0, 0, 1, np.ones(2))
    with pytest.raises(ValueError, match="event 0"):
        made.move(slots(2, 0), START)
    with pytest.raises(ValueError, match="event: 3"):
        made.move(slots(0), 3)
    assert made.status.tolist() == [0, 0, *[FREE] * 4]


@pytest.mark.parametrize("arguments", [(0, 1), (1, 0), (-1, 1), (2_000_000, 1)])
def test_impossible_sizes_are_refused(arguments):
    with pytest.raises(ValueError, match="capacity"):
        roster(*arguments)


deeds = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), st.integers(0, 3)),
        st.tuples(st.just("hit"), st.integers(0, 5), st.integers(0, 2)),
        st.tuples(st.just("miss"), st.integers(0, 5)),
        st.tuples(st.just("stop"), st.integers(0, 5)),
        st.tuples(st.just("wake"), st.integers(0, 5)),
    ),
    max_size=40,
)


class ByHand:
    """The same bookkeeping, a dictionary a slot."""

    def __init__(self):
        self.rows = [None] * 6

    def claim(self, ids, t):
        free = [i for i, row in enumerate(self.rows) if row is None][: len(ids)]
        for i, track_id in zip(free, ids, strict=False):
            self.rows[i] = {"id": track_id, "state": 0, "looks": [1], "last": {}, "missed": 0, "t": t}
        return free


@given(deeds)
def test_it_keeps_what_columns_kept_by_hand_keep(done):
    made, hand = roster(), ByHand()
    for t, (deed, *of) in enumerate(done, 1):
        row = hand.rows[of[0]] if deed != "claim" else None
        if deed == "claim":
            ids = [100 * t + k for k in range(of[0])]
            assert made.claim(np.array(ids, np.int64), t).tolist() == hand.claim(ids, t)
        elif row is None:
            continue
        elif deed == "hit":
            made.hit(slots(of[0]), t, of[1], t, np.ones(1))
            row["looks"].append(1)
            row["last"][of[1]], row["missed"], row["t"] = t, 0, t
        elif deed == "miss":
            made.miss(slots(of[0]))
            row["looks"].append(0)
            row["missed"] += 1
        elif deed == "wake" and row["state"] == 0:
            made.move(slots(of[0]), WAKE)
            row["state"] = 1
        elif deed == "stop":
            made.move(slots(of[0]), STOP)
            hand.rows[of[0]] = None
    same(made, hand, len(done) + 1)


def same(made, hand, now):
    kept = {i: row for i, row in enumerate(hand.rows) if row is not None}
    assert [made.status[i] if i in kept else FREE for i in range(6)] == made.status.tolist()
    for i, row in kept.items():
        record = made.records[i]
        assert (record["track_id"], record["looks"], record["hits"]) == (
            row["id"], len(row["looks"]), sum(row["looks"])
        )  # fmt: skip
        assert made.misses[i] == row["missed"]
        assert made.t_hit_ns[i] == row["t"]
        for sensor in range(3):
            last = row["last"].get(sensor, -1)
            assert made.last_scan[i, sensor] == last
            assert made.overlooked(slots(i), sensor, now).tolist() == [last >= 0]
            assert made.fresh(slots(i), sensor, last).tolist() == [False]
    for sensor in range(3):
        assert made.overlooks(sensor, now) == any(sensor in row["last"] for row in kept.values())
    all_of_them = slots(*kept)
    for hits in range(4):
        reach = [
            i
            for i, row in kept.items()
            if row["state"] == 0 and sum(row["looks"][-3:]) + max(3 - len(row["looks"]), 0) < hits
        ]
        assert made.out_of_reach(all_of_them, 0, hits, 3).tolist() == reach
        sure = [i for i, row in kept.items() if row["state"] == 0 and sum(row["looks"][-3:]) >= hits]
        assert made.proven(all_of_them, 0, hits, 3, 0.0).tolist() == sure
    assert made.proven(all_of_them, 0, 0, 3, 1.0).tolist() == []
    for before in range(now):
        young = [i for i, row in kept.items() if row["t"] < before and row["missed"] >= 1]
        assert made.between(0, 1, before, misses=1).tolist() == young
