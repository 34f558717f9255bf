"""Metrics against hand-worked cases, brute force over permutations, and their axioms."""

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion.metrics import gospa, mean_bounds, nees, ospa, siap

coordinate = st.floats(-100, 100, allow_nan=False).map(lambda v: round(v, 3))
points = st.lists(st.tuples(coordinate, coordinate), max_size=4).map(lambda r: np.array(r).reshape(-1, 2))
cutoffs = st.floats(0.5, 150)
orders = st.sampled_from([1, 2, 3])


def brute_gospa(x, y, c, p):
    """GOSPA for alpha = 2 as in proposition 1: over all partial assignments, not over cut-off full ones."""
    best = np.inf
    for k in range(min(len(x), len(y)) + 1):
        for rows in combinations(range(len(x)), k):
            for columns in permutations(range(len(y)), k):
                near = sum(
                    float(np.hypot(*(x[i] - y[j]))) ** p for i, j in zip(rows, columns, strict=True)
                )
                best = min(best, near + c**p / 2 * (len(x) + len(y) - 2 * k))
    return best ** (1 / p)


def brute_ospa(x, y, c, p):
    if len(x) > len(y):
        x, y = y, x
    if not len(y):
        return 0.0
    best = min(
        sum(min(c, float(np.hypot(*(x[i] - y[j])))) ** p for i, j in enumerate(columns))
        for columns in permutations(range(len(y)), len(x))
    )
    return ((best + c**p * (len(y) - len(x))) / len(y)) ** (1 / p)


def test_gospa_by_hand():
    result = gospa([[0, 0], [100, 0]], [[3, 4], [50, 0], [51, 0]], cutoff=10)
    assert result.localisation == pytest.approx(25)
    assert result.missed == pytest.approx(50)
    assert result.false_tracks == pytest.approx(100)
    assert result.distance == pytest.approx(np.sqrt(175))
    assert result.pairs.tolist() == [[0, 0]]


def test_gospa_with_empty_sets():
    nothing = np.zeros((0, 3))
    assert gospa(nothing, nothing, cutoff=1).distance == 0
    assert gospa([[1, 2, 3]], nothing, cutoff=2).missed == 2
    assert gospa([], [[1, 2, 3]], cutoff=2).false_tracks == 2


@pytest.mark.parametrize("wrong", [{"cutoff": 0}, {"cutoff": 1, "alpha": 3}, {"cutoff": 1, "order": 0.5}])
def test_gospa_refuses_wrong_parameters(wrong):
    with pytest.raises(ValueError):
        gospa([[0.0]], [[0.0]], **wrong)


@pytest.mark.parametrize("wrong", [[[np.nan, 0]], [1.0, 2.0], [[1.0, 2.0, 3.0]]])
def test_gospa_refuses_wrong_points(wrong):
    with pytest.raises(ValueError):
        gospa([[0.0, 0.0]], wrong, cutoff=1)


@given(points, points, cutoffs, orders)
@settings(max_examples=60, deadline=None)
def test_sets_equal_brute_force(x, y, c, p):
    for measure, brute in ((gospa, brute_gospa), (ospa, brute_ospa)):
        value = measure(x, y, cutoff=c, order=p).distance
        assert value == pytest.approx(brute(x, y, c, p), rel=1e-9, abs=1e-9)


@given(points, points, points, cutoffs, orders, st.sampled_from([0.5, 1, 2]))
@settings(max_examples=60, deadline=None)
def test_sets_are_metrics(x, y, z, c, p, alpha):
    for measure in (lambda a, b: gospa(a, b, cutoff=c, order=p, alpha=alpha).distance,
                    lambda a, b: ospa(a, b, cutoff=c, order=p).distance):
        assert measure(x, x[::-1]) == pytest.approx(0, abs=1e-9)
        assert measure(x, y) == pytest.approx(measure(y, x), abs=1e-9)
        assert measure(x, z) <= measure(x, y) + measure(y, z) + 1e-7


@given(points, points, cutoffs, orders)
@settings(max_examples=60, deadline=None)
def test_summands_and_limits(x, y, c, p):
    g = gospa(x, y, cutoff=c, order=p)
    assert g.distance**p == pytest.approx(g.localisation + g.missed + g.false_tracks, rel=1e-9, abs=1e-12)
    assert len(x) - len(g.pairs) == pytest.approx(g.missed / (c**p / 2))
    assert len(y) - len(g.pairs) == pytest.approx(g.false_tracks / (c**p / 2))
    assert g.distance <= (c**p / 2 * (len(x) + len(y))) ** (1 / p) * (1 + 1e-9)
    o = ospa(x, y, cutoff=c, order=p)
    assert o.distance <= c * (1 + 1e-9)
    assert o.distance**p == pytest.approx(o.localisation + o.cardinality, rel=1e-9, abs=1e-12)


def test_nees_by_hand():
    p = np.array([np.diag([4.0, 9.0]), [[2.0, 1.0], [1.0, 2.0]]])
    values = nees([[2.0, 3.0], [1.0, 0.0]], np.zeros((2, 2)), p)
    assert values == pytest.approx([1.0, (2 / 3) / 2])
    assert nees(np.zeros((0, 6)), np.zeros((0, 6)), np.zeros((0, 6, 6))).shape == (0,)


def test_nees_is_one_on_average_within_its_bounds():
    rng = np.random.default_rng(5)
    a = rng.normal(size=(6, 6))
    p = a @ a.T + np.eye(6)
    errors = rng.multivariate_normal(np.zeros(6), p, size=400)
    low, high = mean_bounds(400, 6, 0.999)
    assert low < nees(errors, np.zeros_like(errors), np.broadcast_to(p, (400, 6, 6))).mean() < high


def test_nees_refuses():
    with pytest.raises(ValueError, match="positive definite"):
        nees([[1.0]], [[0.0]], [[[-1.0]]])
    with pytest.raises(ValueError, match="fit"):
        nees([[1.0]], [[0.0, 1.0]], [[[1.0]]])
    with pytest.raises(ValueError):
        mean_bounds(0, 6)


def test_siap_by_hand():
    # Object 0 lives ticks 0..10, object 1 ticks 0..4. Track 7 holds object 0 from 2 to 5, track 8 from 4
    # to 10 but for tick 8; track 9 is on nothing for ticks 0 and 1; object 1 is never held.
    ticks = [*range(2, 6), *range(4, 8), 9, 10, 0, 1]
    tracks = [7] * 4 + [8] * 6 + [9] * 2
    on = [0] * 10 + [-1] * 2
    error = [1.0] * 10 + [99.0] * 2
    result = siap([*range(11), *range(5)], [0] * 11 + [1] * 5, ticks, tracks, on, error, error, step_s=2.0)
    assert result.completeness == pytest.approx(8 / 16)
    assert result.ambiguity == pytest.approx(10 / 8)
    assert result.spuriousness == pytest.approx(2 / 12)
    assert result.position_accuracy_m == result.velocity_accuracy_mps == pytest.approx(1.0)
    # Held 2..7 and 9..10, six steps; the fewest tracks: 7, 8, and 8 again after its gap.
    assert result.track_number_rate_hz == pytest.approx(2 / (6 * 2.0))
    assert result.longest_segment_fraction == pytest.approx(3 / 14)


def test_siap_counts_no_time_between_two_tracks():
    """Track 1 on ticks 0 to 2, track 2 on 3 to 5: one change in two stretches of two steps."""
    columns = [*range(6)], [0] * 6, [*range(6)], [1] * 3 + [2] * 3, [0] * 6, [1.0] * 6, [1.0] * 6
    result = siap(*columns)
    assert result.track_number_rate_hz == pytest.approx(1 / 4)
    assert result.longest_segment_fraction == pytest.approx(2 / 5)


def test_siap_of_nothing_is_none():
    result = siap([], [], [], [], [], [], [])
    assert result.completeness is result.spuriousness is result.track_number_rate_hz is None
    with pytest.raises(ValueError):
        siap([1], [], [], [], [], [], [])
