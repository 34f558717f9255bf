"""Clusters and the assignment in them, against every possibility."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ext.assignment import assign, clusters
from fusion.core.association import AssociationRules, Pairs, associate, unassigned_cost
from fusion.core.heights import ELEVATION, RANGE
from tests.unit.test_ordering import site

CLUTTER = 5.0


def pairs_of(table):
    """Pairs from {(row, slot): log-likelihood}, ordered by row, then slot."""
    keys = sorted(table)
    rows = np.array([r for r, _ in keys], np.int32)
    slots = np.array([s for _, s in keys], np.int32)
    return Pairs(rows, slots, np.array([table[k] for k in keys]))


def cost_of(chosen, table, rows):
    return sum(-table[(r, s)] for r, s in chosen) + CLUTTER * (len(rows) - len(chosen))


def best_by_force(table):
    """The least cost over every way to give each row a distinct slot or clutter."""
    rows, slots = sorted({r for r, _ in table}), sorted({s for _, s in table})
    choices = [*slots, *[None] * len(rows)]
    best = np.inf
    for order in set(permutations(choices, len(rows))):
        pairs = [(r, s) for r, s in zip(rows, order, strict=True) if s is not None]
        if all(p in table for p in pairs):
            best = min(best, cost_of(pairs, table, rows))
    return best


tables = st.dictionaries(
    st.tuples(st.integers(0, 2), st.integers(0, 3)), st.floats(-12.0, 3.0), min_size=1, max_size=7
)


@given(tables)
def test_the_assignment_is_the_best_there_is(table):
    pairs = pairs_of(table)
    best = associate(pairs, np.ones(len(pairs.rows), bool), CLUTTER)
    chosen = list(zip(best.rows.tolist(), best.slots.tolist(), strict=True))
    assert [table[pair] for pair in chosen] == best.log_likelihood.tolist()
    assert len(set(best.rows.tolist())) == len(best.rows)
    assert len(set(best.slots.tolist())) == len(best.slots)
    assert abs(cost_of(chosen, table, {r for r, _ in table}) - best_by_force(table)) < 1e-9


def test_confirmed_tracks_choose_first():
    pairs = pairs_of({(0, 0): -1.0, (0, 1): 2.0})
    chosen = associate(pairs, np.array([True, False]), CLUTTER)
    assert (chosen.rows.tolist(), chosen.slots.tolist()) == ([0], [0])


def test_a_tentative_track_gets_what_is_left():
    pairs = pairs_of({(0, 0): -1.0, (0, 1): 2.0, (1, 1): 0.0})
    chosen = associate(pairs, np.array([True, False, False]), CLUTTER)
    assert sorted(zip(chosen.rows.tolist(), chosen.slots.tolist(), strict=True)) == [(0, 0), (1, 1)]


def test_clusters_are_the_connected_parts():
    pairs = pairs_of({(0, 1): 0.0, (1, 4): 0.0, (1, 9): 0.0, (2, 2): 0.0, (3, 9): 0.0})
    assert clusters(pairs.rows, pairs.slots).tolist() == [0, 1, 1, 2, 1]


def random_pairs(seed, n=60, m=70, p=150):
    """Pairs ordered by row, then slot, with likelihoods about the price of clutter."""
    rng = np.random.default_rng(seed)
    places = np.sort(rng.choice(n * m, p, replace=False))
    return Pairs((places // m).astype(np.int32), (places % m).astype(np.int32), rng.normal(-CLUTTER, 3.0, p))


@pytest.mark.parametrize("seed", range(5))
def test_the_assignment_costs_what_scipys_does(seed):
    pairs = random_pairs(seed)
    keep = assign(pairs.rows, pairs.slots, -pairs.log_likelihood, CLUTTER)
    cost = np.full((60, 130), 1e6)
    cost[pairs.rows, pairs.slots] = -pairs.log_likelihood
    cost[np.arange(60), 70 + np.arange(60)] = CLUTTER
    best = cost[linear_sum_assignment(cost)].sum()
    ours = -pairs.log_likelihood[keep].sum() + CLUTTER * (60 - np.count_nonzero(keep))
    assert ours == pytest.approx(best, abs=1e-9)
    assert np.bincount(pairs.rows[keep]).max() == np.bincount(pairs.slots[keep]).max() == 1


@pytest.mark.parametrize("seed", range(5))
def test_clusters_are_those_of_scipy(seed):
    pairs = random_pairs(seed, p=60)
    graph = coo_array((np.ones(60), (pairs.rows, 60 + pairs.slots)), shape=(130, 130))
    parts = connected_components(graph, directed=False)[1][pairs.rows]
    _, first, number = np.unique(parts, return_index=True, return_inverse=True)
    assert clusters(pairs.rows, pairs.slots).tolist() == np.argsort(np.argsort(first))[number].tolist()


@pytest.mark.parametrize(
    ("rows", "slots", "cost", "fault"),
    [([1, 0], [0, 0], [1.0, 1.0], "order"), ([0, 0], [2, 2], [1.0, 1.0], "order"),
     ([-1, 0], [0, 0], [1.0, 1.0], "order"), ([0, 1], [0, 0], [np.nan, 1.0], "finite")],
)  # fmt: skip
def test_impossible_pairs_are_refused(rows, slots, cost, fault):
    with pytest.raises(ValueError, match=fault):
        assign(np.array(rows, np.int32), np.array(slots, np.int32), np.array(cost), CLUTTER)


def test_a_plot_less_likely_than_clutter_is_left_alone():
    chosen = associate(pairs_of({(0, 0): -5.1}), np.array([True]), CLUTTER)
    assert not len(chosen.rows)


def test_clutter_is_as_dense_as_the_space_of_what_is_measured_says():
    """`site` has 2,000 km, 6.28 rad and 1.5 rad, one clutter plot a scan, and 0.05 new objects."""
    rules = AssociationRules(new_objects_per_scan=0.05)
    for missing, volume in ((-1, 2e6 * 6.28 * 1.5), (ELEVATION, 2e6 * 6.28), (RANGE, 6.28 * 1.5)):
        assert abs(unassigned_cost(site(), rules, missing) - np.log(volume / 1.05)) < 1e-12
