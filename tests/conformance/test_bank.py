"""The compiled bank beside the reference bank over one random session; the rest against scipy and pymap3d."""

import numpy as np
import pymap3d
import pytest
from scipy.optimize import linear_sum_assignment

from ext import assignment, geodesy, linalg, motion
from fusion.core.filters import Models, compiled
from fusion.reference import FilterpyBank, acceleration, derivative
from tests.conformance.world import Radar, S, offset, scaled, site, state

MODELS = Models()


@pytest.fixture
def banks():
    """A compiled and a reference bank with the core's motion models."""
    return compiled(12, 4, MODELS), FilterpyBank.of(12, 4, MODELS)


def both_close(banks, slots, *, states=1e-7, covariances=1e-8):
    (x, p, mu), (want_x, want_p, want_mu) = (bank.estimate(slots) for bank in banks)
    assert mu == pytest.approx(want_mu, abs=1e-9)
    for i in range(len(slots)):
        assert offset(x[i], want_x[i], want_p[i]) < states
        assert scaled(p[i], want_p[i]) < covariances


def test_the_two_banks_agree_over_a_session(banks) -> None:
    rng = np.random.default_rng(7)
    ground = site(rng)
    radars = [Radar.random(rng, ground) for _ in range(3)]
    for i, radar in enumerate(radars):
        radar.place(*banks, sensor=i)
    truth = [state(rng, ground, (2e4, 2e5)) for _ in range(5)]
    sigma = np.tile([30.0, 1e-3, 1e-3], (5, 1))
    slots = np.array([0, 3, 7, 8, 11], np.int32)
    for bank in banks:
        for slot, x in zip(slots, truth, strict=True):
            bank.start(int(slot), 0, radars[0].measure(x[:3], 0.0), sigma[0], 0, 2500.0)
    rows = np.arange(5, dtype=np.int32)
    for step in range(1, 31):
        t, sensor = step * 0.8 + 3.0 * (step > 20), step % 3
        for i, x in enumerate(truth):
            truth[i] = motion.step(x[None], np.array([1 / 4000.0]), 0.8 + 3.0 * (step == 21))[0][0]
        z = np.array([radars[sensor].measure(x[:3] + rng.normal(0, 30, 3), t) for x in truth])
        picked = np.sort(rng.permutation(5)[: rng.integers(1, 6)])
        seen, plots = slots[picked], rows[picked]
        t_ns = round(t * S)
        gates = [bank.gate(seen, plots, z, sigma, sensor, t_ns) for bank in banks]
        assert gates[0][0] == pytest.approx(gates[1][0], rel=1e-7, abs=1e-7)
        assert gates[0][1] == pytest.approx(gates[1][1], rel=1e-7, abs=1e-7)
        reached = [bank.reach(t_ns, bank.positions(z, sensor, t_ns), np.full(5, 500.0)) for bank in banks]
        assert np.array_equal(reached[0], reached[1])
        sectors = [bank.covered(sensor, t_ns, 1.0, 4.0, 0.1, 1.4, 4e5) for bank in banks]
        assert np.array_equal(sectors[0][0], sectors[1][0])
        assert sectors[0][1] == pytest.approx(sectors[1][1])
        for bank in banks:
            bank.predict(seen, t_ns)
        nis = [bank.update(seen, plots, z, sigma, sensor) for bank in banks]
        assert nis[0] == pytest.approx(nis[1], rel=1e-6, abs=1e-7)
        both_close(banks, slots)
    for bank in banks:
        bank.carry(slots, 60 * S)
    assert banks[0].sigma_position(slots) == pytest.approx(banks[1].sigma_position(slots), rel=1e-7)
    both_close(banks, slots)
    later = [bank.estimate_at(slots, 72 * S) for bank in banks]
    assert later[0][0] == pytest.approx(later[1][0], rel=1e-7)


def test_transition_is_the_derivative_of_the_step() -> None:
    rng = np.random.default_rng(8)
    for inverse_beta in (0.0, 1 / 2000):
        x = state(rng, site(rng), (4e4, 8e4))
        nudges = np.diag([10.0] * 3 + [0.1] * 3)
        numeric = np.empty((6, 6))
        for i, nudge in enumerate(nudges):
            pair = motion.step(np.array([x + nudge, x - nudge]), np.full(2, inverse_beta), 1.0)[0]
            numeric[:, i] = (pair[0] - pair[1]) / (2 * nudge[i])
        phi = motion.step(x[None], np.array([inverse_beta]), 1.0)[1][0]
        assert phi == pytest.approx(numeric, abs=2e-5)  # the third order
        flow = [np.append(v[3:], acceleration(v, 1.0, inverse_beta)) for n in nudges for v in (x + n, x - n)]
        rates = np.array([(flow[2 * i] - flow[2 * i + 1]) / (2 * nudges[i, i]) for i in range(6)]).T
        assert derivative(x, 1.0, inverse_beta) == pytest.approx(rates, abs=2e-8)


def test_fall_ends_on_the_ellipsoid_and_does_not_hang_on_the_step() -> None:
    rng = np.random.default_rng(9)
    ground = site(rng)
    states = np.array([state(rng, ground, (5e4, 2e5)) for _ in range(11)])
    for inverse_beta in (0.0, 1 / 3000):
        beta = np.full(11, inverse_beta)
        t, impact, reached, path = motion.fall(states, beta, 1.0, 3000.0, 0.0, 10)
        assert reached.all()
        assert np.abs(geodesy.geodetic(impact)[2]).max() < 0.5
        finer = motion.fall(states, beta, 0.25, 3000.0, 0.0, 40)
        assert np.linalg.norm(finer[1] - impact, axis=1).max() < 1.0
        assert t == pytest.approx(finer[0], abs=1e-2)
        assert np.array_equal(path[:, 0], states[:, :3])
        assert np.array_equal(path[:, -1], impact)
        alone = motion.fall(states[4:5], beta[4:5], 1.0, 3000.0, 0.0, 10)
        assert np.array_equal(alone[3][0], path[4])  # never depends on who falls beside it
    up = np.concatenate([ground * 1.1, ground / np.linalg.norm(ground) * 9e3])
    t, _, reached, _ = motion.fall(up[None], np.zeros(1), 1.0, 100.0, 0.0, 10)
    assert not reached[0] and t[0] == 100.0


def test_assignment_equals_scipys() -> None:
    rng = np.random.default_rng(10)
    for case in range(500):
        n, m = rng.integers(0, 9, 2)
        cost = rng.uniform(-2, 10, (n, m))
        cost[rng.random((n, m)) < 0.3] = np.inf
        cost = np.round(cost) if case % 2 else cost  # many ties
        lone = float(np.round(rng.uniform(0, 8)))
        got = assignment.assign(cost, lone)
        taken = got[got >= 0]
        assert len(set(taken)) == len(taken)
        total = sum(cost[i, j] if j >= 0 else lone for i, j in enumerate(got))
        padded = np.full((n, m + n), 1e6)
        padded[:, :m] = np.where(np.isinf(cost), 1e6, cost)
        padded[np.arange(n), m + np.arange(n)] = lone
        assert total == pytest.approx(padded[linear_sum_assignment(padded)].sum())


def test_geodesy_equals_pymap3ds() -> None:
    rng = np.random.default_rng(11)
    lat, lon = rng.uniform(-np.pi / 2, np.pi / 2, 2000), rng.uniform(-np.pi, np.pi, 2000)
    alt = rng.uniform(-5e3, 1e7, 2000)
    positions = geodesy.ecef(lat, lon, alt)
    assert positions == pytest.approx(np.array(pymap3d.geodetic2ecef(lat, lon, alt, deg=False)).T, abs=1e-6)
    back = geodesy.geodetic(positions)
    for got, want, metres in zip(back, (lat, lon, alt), (6.4e6, 6.4e6, 1), strict=True):
        assert np.abs(got - want).max() * metres < 1e-3


def test_cholesky() -> None:
    a = np.random.default_rng(12).normal(size=(13, 13))
    a = a @ a.T + np.eye(13)
    assert linalg.cholesky(a) == pytest.approx(np.linalg.cholesky(a), rel=1e-12)
    with pytest.raises(ValueError, match="positive definite"):
        linalg.cholesky(-np.eye(3))
