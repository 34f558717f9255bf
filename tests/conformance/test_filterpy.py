"""The compiled kernels against filterpy 2.0.0, one step at a time: 1,000 random cases for each claim.

`fusion.reference` supplies filterpy's filters with motion and measurement of its own; here its joint and its
sequential use, its consider filter and its mixing are each set beside the bank's.
"""

import numpy as np
import pytest
from filterpy.kalman import ExtendedKalmanFilter, IMMEstimator

from ext.bank import TrackBank
from ext.kalman import ekf_step
from fusion.reference import FilterpyBank, Mode
from fusion.reference.motion import Motion
from tests.conformance.world import Radar, S, covariance, offset, scaled, site, state

CASES = 1000
SLOT = np.zeros(1, np.int32)
SIGMA = np.array([[25.0, 8e-4, 9e-4]])
LEFT_OUT = {"nothing": [], "range": [0], "elevation": [2]}


def joint_update(x, p, z, sigma, radar, t_s):
    """One filterpy EKF update with all measured components of a plot at once, no biases."""
    bank = FilterpyBank(1, 1, [0.0], [0.0], [[0.0]])
    radar.place(bank)
    spread = float(np.sqrt(np.trace(p[:3, :3])))
    nu, jacobian = bank.places[0].linearise(x[:3], spread, z, sigma, round(t_s * S))
    seen = np.isfinite(sigma)
    rows = np.hstack([jacobian, np.zeros((3, 3))])[seen]
    ekf = ExtendedKalmanFilter(dim_x=6, dim_z=int(seen.sum()))
    ekf.x, ekf.P, ekf.R = x.copy(), p.copy(), np.diag(sigma[seen] ** 2)
    ekf.update(nu[seen], lambda _: rows, lambda _: np.zeros(int(seen.sum())))
    return ekf.x, ekf.P


@pytest.mark.parametrize("left_out", LEFT_OUT)
def test_predict_and_update_equal_filterpys_joint_ekf(left_out: str) -> None:
    rng = np.random.default_rng(1)
    sigma = SIGMA.copy()
    sigma[0, LEFT_OUT[left_out]] = np.inf
    for _ in range(CASES):
        ground, dt = site(rng), rng.uniform(0.1, 5)
        radar = Radar.random(rng, ground, bias=False)
        x, p, q = state(rng, ground), covariance(rng), 10 ** rng.uniform(-4, 3)
        beta, turn = [(0.0, None), (1000.0, None), (0.0, 0.0), (0.0, rng.uniform(-0.1, 0.1))][rng.integers(4)]
        bank = TrackBank(1, 1, [q], [beta], [[0.0]], turn=[turn])
        radar.place(bank)
        bank.start_state(0, 0, x, p)
        bank.predict(SLOT, round(dt * S))
        mode = Mode(x, p, Motion(q, 1 / beta if beta else 0.0, 0.0, turn))
        mode.dt = round(dt * S) / 1e9
        mode.predict()
        got_x, got_p, _ = bank.estimate(SLOT)
        assert offset(got_x[0], mode.x, mode.P) < 1e-10
        assert scaled(got_p[0], mode.P) < 1e-10
        z = radar.measure(mode.x[:3] + rng.normal(0, 100, 3), mode.dt)
        z[LEFT_OUT[left_out]] = 0.0
        bank.update(SLOT, SLOT, z[None], sigma, 0)
        want_x, want_p = joint_update(mode.x, mode.P, z, sigma[0], radar, mode.dt)
        got_x, got_p, _ = bank.estimate(SLOT)
        assert scaled(got_p[0], want_p) < 1e-10
        assert offset(got_x[0], want_x, want_p) < 1e-8  # doubles resolve 1e-9 m at 6e6 m


def test_consider_filter_equals_filterpys_augmented_one_with_its_bias_block_reset() -> None:
    rng = np.random.default_rng(2)
    for _ in range(CASES // 20):
        ground = site(rng)
        radars = [Radar.random(rng, ground) for _ in range(2)]
        banks = [kind(1, 2, [3.0], [0.0], [[0.0]]) for kind in (TrackBank, FilterpyBank)]
        truth = state(rng, ground)
        for i, radar in enumerate(radars):
            radar.place(*banks, sensor=i)
        for bank in banks:
            bank.start(0, 0, radars[0].measure(truth[:3], 0.0), SIGMA[0], 0, 2000.0)
        for step in range(1, 21):
            t = step * 0.7
            z = radars[step % 2].measure(truth[:3] + truth[3:] * t + rng.normal(0, 50, 3), t)[None]
            for bank in banks:
                bank.predict(SLOT, round(t * S))
                bank.update(SLOT, SLOT, z, SIGMA, step % 2)
            (x, p, _), (want_x, want_p, _) = (bank.estimate(SLOT) for bank in banks)
            assert scaled(p[0], want_p[0]) < 1e-10
            assert offset(x[0], want_x[0], want_p[0]) < 1e-8


def test_mixing_equals_filterpys_imm_with_an_asymmetric_matrix() -> None:
    rng = np.random.default_rng(3)
    rates = np.array([[0.0, 0.2, 0.01], [0.03, 0.0, 0.4], [0.5, 0.002, 0.0]])
    for _ in range(CASES):
        ground = site(rng)
        radar = Radar.random(rng, ground, bias=False)
        bank = TrackBank(1, 1, [900.0, 0.05, 20.0], [0.0, 0.0, 3000.0], rates, [0.5, 0.3, 0.2])
        radar.place(bank)
        x = state(rng, ground)
        bank.start_state(0, 0, x, covariance(rng))
        bank.predict(SLOT, S)
        z = radar.measure(x[:3] + x[3:] + rng.normal(0, 300, 3), 1.0)[None]
        bank.update(SLOT, SLOT, z, SIGMA, 0)  # now the modes differ
        _, _, mu = bank.estimate(SLOT)
        modes = []
        for k, (q, beta) in enumerate([(900.0, 0.0), (0.05, 0.0), (20.0, 1 / 3000)]):
            mode_x, mode_p = bank.mode_estimate(SLOT, k)
            modes.append(Mode(mode_x[0], mode_p[0], Motion(q, beta)))
            modes[-1].dt = 1.5
        chance = (rates * 1.5 + np.eye(3)) / (1 + rates.sum(1, keepdims=True) * 1.5)
        imm = IMMEstimator(modes, mu[0], chance)
        imm.predict(0)
        bank.predict(SLOT, round(2.5 * S))
        assert bank.estimate(SLOT)[2][0] == pytest.approx(imm.cbar, rel=1e-10)
        for k, mode in enumerate(modes):
            got_x, got_p = bank.mode_estimate(SLOT, k)
            assert scaled(got_p[0], mode.P) < 1e-10
            assert offset(got_x[0], mode.x, mode.P) < 1e-9


def test_batch_step_is_the_banks_own() -> None:
    rng = np.random.default_rng(4)
    ground = site(rng)
    radar = Radar.random(rng, ground, bias=False)
    radar.velocity[:] = 0.0
    bank = TrackBank(16, 1, [2.0], [0.0], [[0.0]])
    radar.place(bank)
    states = np.array([state(rng, ground) for _ in range(16)])
    covariances = np.array([covariance(rng) for _ in range(16)])
    plots = np.array([radar.measure(x[:3] + x[3:], 0.0) for x in states])
    slots = np.arange(16, dtype=np.int32)
    for slot in slots:
        bank.start_state(int(slot), 0, states[slot], covariances[slot])
    bank.predict(slots, S)
    bank.update(slots, slots, plots, np.repeat(SIGMA, 16, 0), 0)

    def lanes(a):
        return np.ascontiguousarray(a.reshape(2, 8, -1).transpose(0, 2, 1)).reshape(-1, 8)

    x, p = lanes(states), lanes(covariances)
    ekf_step(x, p, lanes(plots), SIGMA[0], radar.position, radar.enu.ravel(), 1.0, 2.0)
    want_x, want_p, _ = bank.estimate(slots)
    assert np.array_equal(x, lanes(want_x))
    assert np.array_equal(p, lanes(want_p))
