"""Consistency, containment and commonality against χ² itself and hand-worked pictures."""

import numpy as np
import pytest
from scipy.stats import binomtest, chi2

from fusion.metrics import Held, commonality, consistency, contained, mean_bounds, nis, wilson

P = np.array([[4.0, 1.0], [1.0, 9.0]])


def draw(count, seed=1, scale=1.0):
    return np.random.default_rng(seed).multivariate_normal([0, 0], scale * P, count)


def test_nis_by_hand_and_its_interval():
    assert nis([[2.0, 3.0]], [np.diag([4.0, 9.0])]) == pytest.approx([1.0])
    found = consistency(nis(draw(300), np.tile(P, (300, 1, 1))), 2)
    assert found.inside
    assert (found.low, found.high) == mean_bounds(300, 2)
    assert chi2.cdf(found.high * 600, 600) - chi2.cdf(found.low * 600, 600) == pytest.approx(0.95)
    for scale, above in ((1.5, True), (0.6, False)):
        wrong = consistency(nis(draw(300, scale=scale), np.tile(P, (300, 1, 1))), 2)
        assert not wrong.inside
        assert (wrong.mean > wrong.high) == above
    with pytest.raises(ValueError, match="finite"):
        consistency([1.0, np.nan], 2)


def test_interval_holds_as_often_as_it_says():
    values = nis(draw(40_000, seed=3), np.tile(P, (40_000, 1, 1))).reshape(-1, 20)
    inside = [consistency(row, 2).inside for row in values]
    assert binomtest(sum(inside), len(inside), 0.95).pvalue > 0.01


def test_containment_counts_what_the_ellipse_holds():
    errors = draw(2000, seed=5)
    inside = contained(errors, np.zeros_like(errors), np.tile(P, (2000, 1, 1)), 0.9)
    share = wilson(int(inside.sum()), len(inside))
    assert share is not None
    assert share.low < 0.9 < share.high
    want = binomtest(int(inside.sum()), len(inside)).proportion_ci(0.95, method="wilson")
    assert share[1:] == pytest.approx((want.low, want.high))
    assert contained([[0.0, 2.44]], [[0.0, 0.0]], [np.eye(2)]).tolist() == [True]
    assert contained([[0.0, 2.45]], [[0.0, 0.0]], [np.eye(2)]).tolist() == [False]
    with pytest.raises(ValueError, match="hits"):
        wilson(3, 2)


def held(rows):
    """(tick, object, track, east) rows with a sigma of 3."""
    table = np.array(rows, float).reshape(-1, 4)
    state = np.column_stack((table[:, 3], np.zeros(len(table))))
    return Held(*table[:, :3].T, state, np.tile(9 * np.eye(2), (len(table), 1, 1)))


ONE = [(0, 0, 7, 0.0), (1, 0, 7, 0.0), (2, 0, 7, 0.0), (3, 0, 7, 0.0), (3, 1, 8, 50.0)]
# Of object 0: not held at 0, agrees at 1, another track at 2, far off at 3. Object 2 is its own.
OTHER = [(1, 0, 4, 5.0), (2, 0, 5, 5.0), (3, 0, 5, 25.0), (2, 2, 6, 0.0)]


def test_commonality_by_hand():
    found = commonality(held(ONE), held(OTHER))
    assert found.shared == pytest.approx(3 / 6)
    assert found.consistent == pytest.approx(2 / 3)
    assert found.steady == pytest.approx(1 / 2)
    assert found.common == pytest.approx(1 / 6)
    assert found.mean_distance == pytest.approx(35 / 3)
    assert commonality(held(OTHER[::-1]), held(ONE[::-1])) == found


def test_commonality_of_a_picture_with_itself_and_with_nothing():
    same = commonality(held(ONE), held(ONE))
    assert (same.shared, same.consistent, same.steady, same.common, same.mean_distance) == (1, 1, 1, 1, 0)
    nothing = commonality(held(ONE), held([]))
    assert (nothing.shared, nothing.common, nothing.consistent) == (0, 0, None)
    assert commonality(held([]), held([])).shared is None


def test_commonality_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="twice"):
        commonality(held([ONE[0], ONE[0]]), held(OTHER))
    with pytest.raises(ValueError, match="lengths"):
        commonality(Held([1, 2], [1], [1], [[0.0]], [[[1.0]]]), held(OTHER))
    with pytest.raises(ValueError, match="positive definite"):
        commonality(Held([1], [0], [1], [[0.0, 0.0]], [-20 * np.eye(2)]), held(OTHER))
