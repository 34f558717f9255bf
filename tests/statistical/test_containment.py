"""The containment study: its judgement on made-up samples always, on scenarios when there is time."""

import numpy as np
import pytest

from fusion.study.containment import Tally, calibration, judged, study


def tally_of(shares, count=200):
    """Cells held with these shares of `count` samples."""
    tally = Tally()
    for k, share in enumerate(shares):
        held = round(share * count)
        tally.held["000", f"impact {k}", "place"] = [True] * held + [False] * (count - held)
    return tally


def test_a_cell_that_holds_its_level_passes_and_one_far_off_fails():
    found = {j.cell[1]: j for j in judged(tally_of((0.95, 0.80, 1.0)))}
    assert [found[f"impact {k}"].passes for k in range(3)] == [True, False, False]
    assert found["impact 0"].interval.low < 0.95 < found["impact 0"].interval.high
    assert (found["impact 1"].held, found["impact 1"].count) == (160, 200)


def test_many_cells_ask_for_stronger_evidence():
    """One doubtful cell alone fails; among twenty, Holm's level lets it pass."""
    assert not judged(tally_of((0.915,)))[0].passes
    assert all(j.passes for j in judged(tally_of((0.915,) + (0.95,) * 19)))


def test_right_cells_rarely_fail():
    """Holm keeps the chance that any of ten right cells fails at 5 %: at most 8 of 60 studies."""
    rng = np.random.default_rng(6)
    failed = 0
    for _ in range(60):
        failed += not all(j.passes for j in judged(tally_of(rng.binomial(200, 0.95, 10) / 200)))
    assert failed <= 8


def test_calibration_compares_what_was_said_with_what_came():
    tally = Tally(declared=[(0.6, True), (0.6, False), (0.8, True), (1.0, True)])
    assert [(p, n, share.value) for p, n, share in calibration(tally)] == [
        (0.6, 2, 0.5), (0.8, 1, 1.0), (1.0, 1, 1.0),
    ]  # fmt: skip


@pytest.mark.slow
def test_the_estimates_of_two_scenarios_hold_the_truth():
    """007 and 009, seeds 1 to 25: no cell of an impact's place is over-sure; what is warned comes true."""
    tally = study(("007", "009"), range(1, 26))
    places = [j for j in judged(tally) if j.cell[2] == "place" and j.cell[1].startswith("impact")]
    assert len(places) == 6
    assert all(j.interval.high >= 0.95 for j in places)
    assert sum(share.value * n for _, n, share in calibration(tally)) >= 0.9 * len(tally.declared)
