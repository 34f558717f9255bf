"""Late data taken in one step: the settled picture is untouched, the other as good as by going back."""

import numpy as np
import pytest

from fusion.core.engine import Core, CoreConfig
from fusion.core.tracker import TrackerRules
from fusion.reference import FilterpyBank
from fusion.study.late import ARMS, compare, squares, table


@pytest.fixture(scope="module")
def found():
    """Scenario 003, seed 1, three in ten looks late by up to 5 s."""
    return compare("003", 1, 0.3, 5.0)


def test_the_settled_picture_is_the_same_bytes_however_late_data_is_taken(found):
    assert len({found[arm].settled for arm in ARMS}) == 1


def test_one_step_is_as_good_as_reprocessing(found):
    """Its root mean square errors are within 5 %, and it holds the missile for as long."""
    together = squares(found)
    step, reprocess, in_time = (
        np.sqrt(together[arm].mean(axis=0)) for arm in ("step", "reprocess", "in time")
    )
    assert len(together["step"]) > 150
    assert step[:2] == pytest.approx(reprocess[:2], rel=0.05)
    assert (reprocess[:2] > in_time[:2]).all()
    held = {arm: len(found[arm].score.keys()) for arm in ARMS}
    assert held["step"] == pytest.approx(held["reprocess"], abs=2)


def test_the_step_is_another_way_than_going_back(found):
    together = squares(found)
    assert not np.array_equal(together["step"], together["reprocess"])


def test_the_table_has_a_row_for_each_way(found):
    rows = list(table("003", [found]))
    assert [row[1] for row in rows] == list(ARMS)
    assert {row[3] for row in rows} == {"1 of 1"}


@pytest.mark.parametrize(
    ("config", "filters", "message"),
    [
        (CoreConfig("JPN", late="never"), None, "one of reprocess, step"),
        (CoreConfig("JPN", late="step"), FilterpyBank.of, "compiled bank"),
        (CoreConfig("JPN", late="step", tracker=TrackerRules.of(association="jpda")), None, "association"),
    ],
)
def test_what_the_step_does_not_go_with_is_refused(config, filters, message):
    with pytest.raises(ValueError, match=message):
        Core(config, *([filters] if filters else []))
