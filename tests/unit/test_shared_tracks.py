"""The choice of association: from the configuration to the tracks, and what a study counts of them."""

import numpy as np
import pytest

from fusion.core.association import AssociationRules, Pairs, shares_of
from fusion.core.engine import Core, CoreConfig
from fusion.core.tracker import TrackerRules
from fusion.session import core_config
from fusion.study.closeness import Counted, cells
from tests.unit.synthetic import Sensor, drive, level_path

RADAR = Sensor("close", 35.0, 135.0, sigma=(60.0, 1e-3, 1e-3))


def crossing(rng):
    """Two aircraft 100 km away whose courses cross, 100 m apart in height."""
    times = np.arange(61.0)
    one = level_path(35.9, 134.93, 9_000.0, 230.0, 90.0, times)
    other = level_path(35.93, 134.9393, 9_100.0, 230.0, 118.0, times)
    pairs = np.stack([one[:, :3], other[:, :3]], axis=1)
    return [RADAR.site(), *(m for i, t in enumerate(times) for m in RADAR.look(i, t, pairs[i], rng))]


@pytest.fixture(scope="module")
def pictures():
    found = {}
    for method in ("gnn", "jpda"):
        rules = TrackerRules.of("air", method)
        core = Core(CoreConfig("JPN", tracker=rules))
        found[method] = drive(core, crossing(np.random.default_rng(3)), 60)
    return found


@pytest.mark.parametrize("method", ["gnn", "jpda"])
def test_both_methods_follow_two_crossing_aircraft(pictures, method):
    assert [len(p.track_id) for p in pictures[method][30:]] == [2] * 31
    assert (pictures[method][-1].status == 1).all()


def test_shares_change_the_tracks_where_plots_are_doubtful_and_nowhere_else(pictures):
    gnn, jpda = (pictures[method] for method in ("gnn", "jpda"))
    apart = [np.abs(a.state_ecef - b.state_ecef).max() for a, b in zip(gnn[30:], jpda[30:], strict=True)]
    assert 0.1 < max(apart) < 1_000.0


def test_shares_are_ordered_by_slot_and_claim_their_rows():
    pairs = Pairs(
        np.array([0, 0, 1, 2], np.int32), np.array([3, 5, 3, 5], np.int32), np.array([0.0, -1.0, -30.0, -1.0])
    )
    rules = AssociationRules(method="jpda")
    shares = shares_of(pairs, 3.0, rules)
    slots, seen = shares.of_slots()
    assert shares.slots.tolist() == [3, 5, 5] and shares.rows.tolist() == [0, 0, 2]
    assert slots.tolist() == [3, 5] and (seen > 0.5).all()
    assert shares.claimed(4, rules).tolist() == [True, False, True, False]


def test_the_metadata_choose_the_method_and_an_unknown_one_is_refused():
    assert core_config("JPN", None, 30, {}).tracker.association.method == "gnn"
    assert core_config("JPN", None, 30, {"association": "jpda"}).tracker.association.method == "jpda"
    with pytest.raises(ValueError, match="association = 'best': one of gnn, jpda"):
        TrackerRules.of("missiles", "best")


def test_the_count_is_judged_only_while_something_flies():
    metrics = {"tracked": 2, "id_switches": 1, "false_tracks": 0, "position_rmse_m": 50.0, "nees": None}
    counted = Counted(np.arange(4.0), np.array([5.0, 1, 2, 4]), np.array([0.0, 2, 2, 2]), metrics)
    assert counted.count_error == 1.0
    assert cells([counted]) == ["2", "1.0", "1", "0", "50", "–"]
