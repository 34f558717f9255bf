"""Joint association: against every joint event listed, and the update with several plots against filterpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ext.assignment import clusters
from ext.jpda import marginals
from fusion.core.filters import MODEL_SETS, compiled
from fusion.reference import FilterpyBank
from fusion.reference.jpda import marginals as by_listing
from tests.conformance.test_bank import both_close
from tests.conformance.world import Radar, S, site, state


def cluster(seed, n, m, share=0.7, spread=3.0):
    """Random pairs of n rows and m columns, ordered, with log-odds about 1."""
    rng = np.random.default_rng(seed)
    places = np.flatnonzero(rng.random(n * m) < share)
    odds = rng.normal(1.0, spread, len(places))
    return (places // m).astype(np.int32), (places % m).astype(np.int32), odds


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 4))
def test_exact_probabilities_are_those_of_all_events(seed, n, m):
    rows, columns, odds = cluster(seed, n, m)
    share, exact = marginals(rows, columns, odds)
    assert exact.all()
    assert share == pytest.approx(by_listing(rows.tolist(), columns.tolist(), odds), abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0, 4, 10]))
def test_probabilities_sum_to_one_at_most_and_do_not_depend_on_the_numbering(seed, most):
    rows, columns, odds = cluster(seed, 9, 7, share=0.4)
    share, exact = marginals(rows, columns, odds, most)
    assert (share > 0.0).all()
    assert max(np.bincount(rows, share).max(), np.bincount(columns, share).max()) <= 1.0 + 1e-9
    rng = np.random.default_rng(seed)
    turned_rows, turned_columns = rng.permutation(9)[rows], rng.permutation(7)[columns]
    order = np.lexsort((turned_columns, turned_rows))
    turned = [a[order].astype(np.int32) for a in (turned_rows, turned_columns)]
    again, same = marginals(*turned, odds[order], most)
    assert np.array_equal(same, exact[order])
    assert again == pytest.approx(share[order], abs=1e-8)
    swapped = np.lexsort((rows, columns))
    turned = [a[swapped] for a in (columns, rows)]
    assert marginals(*turned, odds[swapped], 10)[0] == pytest.approx(
        marginals(rows, columns, odds)[0][swapped]
    )


def test_belief_propagation_is_exact_on_trees_and_near_beyond():
    rows, columns = np.array([0, 0, 1, 1, 2, 2], np.int32), np.array([0, 1, 1, 2, 2, 3], np.int32)
    odds = np.array([1.0, -0.5, 2.0, 0.3, -1.0, 0.7])
    on_tree = marginals(rows, columns, odds, 0)[0]
    assert on_tree == pytest.approx(by_listing(rows.tolist(), columns.tolist(), odds), abs=1e-9)
    errors = []
    for seed in range(30):
        rows, columns, odds = cluster(seed, 11, 11, share=0.3)
        exact, approximate = (marginals(rows, columns, odds, most)[0] for most in (16, 0))
        errors.append(np.abs(exact - approximate).max())
    assert np.median(errors) < 0.05 and max(errors) < 0.3


def test_only_large_clusters_are_approximated():
    rows, columns = (a.ravel().astype(np.int32) for a in np.mgrid[:5, :5])
    rows, columns = np.append(rows, 9).astype(np.int32), np.append(columns, 9).astype(np.int32)
    assert clusters(rows, columns).tolist() == [0] * 25 + [1]
    _, exact = marginals(rows, columns, np.zeros(26), 4)
    assert exact.tolist() == [False] * 25 + [True]
    assert not len(marginals(rows[:0], columns[:0], np.zeros(0))[0])
    with pytest.raises(ValueError, match="exact"):
        marginals(rows, columns, np.zeros(26), 17)


@pytest.mark.parametrize("models", MODEL_SETS)
def test_tracks_share_plots_as_the_reference_does(models) -> None:
    rng = np.random.default_rng(5)
    ground = site(rng)
    banks = compiled(12, 4, MODEL_SETS[models]), FilterpyBank.of(12, 4, MODEL_SETS[models])
    radars = [Radar.random(rng, ground) for _ in range(2)]
    for i, radar in enumerate(radars):
        radar.place(*banks, sensor=i)
    truth = np.array([state(rng, ground, (2e4, 2e5)) for _ in range(3)])
    sigma = np.tile([30.0, 1e-3, 1e-3], (12, 1))
    slots = np.array([1, 2, 9], np.int32)
    for bank in banks:
        for slot, x in zip(slots.tolist(), truth, strict=True):
            bank.start(slot, 0, radars[0].measure(x[:3], 0.0), sigma[0], 0, 2500.0, 100.0)
    pairs = np.array([1] * 10 + [2] + [9] * 2, np.int32), np.r_[:10, 0, 10, 11].astype(np.int32)
    shares = np.array([*[0.09] * 10, 1.0, 0.3, 0.2])
    for step in range(1, 5):
        t = 2.0 * step
        for bank in banks:
            bank.predict(slots, round(t * S))
        seen = truth[[0] * 10 + [2, 2], :3] + truth[[0] * 10 + [2, 2], 3:] * t
        z = np.array([radars[step % 2].measure(r + rng.normal(0.0, 200.0, 3), t) for r in seen])
        given = (z, sigma, step % 2, (1.0, *[0.5] * (banks[1].n_modes - 1)) if step == 3 else None)
        nis = [bank.update_shared(*pairs, shares, *given) for bank in banks]
        assert nis[0] == pytest.approx(nis[1], rel=1e-6, abs=1e-7)
        both_close(banks, slots)


def test_one_plot_with_all_the_share_is_an_update_and_shares_are_checked() -> None:
    rng = np.random.default_rng(6)
    ground = site(rng)
    radar, x = Radar.random(rng, ground), state(rng, ground, (2e4, 2e5))
    bank = compiled(8, 1, MODEL_SETS["missiles"])
    radar.place(bank)
    sigma, slot, row = np.array([[30.0, 1e-3, 1e-3]]), np.array([3], np.int32), np.zeros(1, np.int32)
    bank.start(3, 0, radar.measure(x[:3], 0.0), sigma[0], 0, 2500.0, 100.0, -1)
    bank.predict(slot, S)
    twin, z = bank.copy(), radar.measure(x[:3] + x[3:], 1.0)[None]
    shared = bank.update_shared(slot, row, np.ones(1), z, sigma, 0, None)
    assert shared == pytest.approx(twin.update(slot, row, z, sigma, 0))
    both_close((bank, twin), slot)
    assert bank.sigma_position(slot) == pytest.approx(twin.sigma_position(slot))
    for shares in (0.0, 1.1, np.nan):
        with pytest.raises(ValueError, match="shares"):
            bank.update_shared(slot, row, np.array([shares]), z, sigma, 0, None)
