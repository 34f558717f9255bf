"""The coarse gate's spatial index finds the pairs that looking at every track finds."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ext.bank import TrackBank

S = 10**9
GROUND = np.array([6.4e6, 0.0, 0.0])


def bank_of(rng, n, spread_m):
    """`n` tracks about a place on the ground, the doubt of each between a metre and a hundred kilometres."""
    bank = TrackBank(n, 1, [1.0], [0.0], [[0.0]])
    for slot in range(n):
        x = np.concatenate([GROUND + rng.normal(0.0, spread_m, 3), rng.normal(0.0, 2e3, 3)])
        position, velocity = 10 ** rng.uniform(0.0, 5.0), 10 ** rng.uniform(-2.0, 3.5)
        bank.start_state(slot, 0, x, np.diag([position**2] * 3 + [velocity**2] * 3))
    for slot in range(0, n, 7):
        bank.drop(slot)
    return bank


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1e3, 1e5, 3e6]), st.sampled_from([0, S, 60 * S]))
def test_the_index_finds_the_same_pairs(seed, spread_m, t_ns):
    rng = np.random.default_rng(seed)
    bank = bank_of(rng, 400, spread_m)
    where = GROUND + rng.normal(0.0, 1.5 * spread_m, (64, 3))
    sigma = 10 ** rng.uniform(0.0, 5.0, 64)
    where[:3] *= [[1e3], [-1e9], [1e200]]  # nobody is there, and no cell has such a number
    sigma[3:5] = 1e12, 1e11  # plots that may be anywhere
    rows, slots = bank.reach(t_ns, where, sigma)
    one_by_one = [bank.reach(t_ns, where[i : i + 1], sigma[i : i + 1])[1] for i in range(64)]
    assert rows.tolist() == [i for i, found in enumerate(one_by_one) for _ in found]
    assert slots.tolist() == [slot for found in one_by_one for slot in found]
    assert len(rows) > 300
