"""The compiled bank beside the reference bank over one random session; the rest against scipy and pymap3d."""

import numpy as np
import pymap3d
import pytest
from scipy.optimize import linear_sum_assignment

from ext import assignment, geodesy, linalg, motion
from ext.bank import TrackBank
from fusion.core.filters import MODEL_SETS, compiled
from fusion.reference import FilterpyBank
from fusion.reference.motion import Motion
from tests.conformance.world import Radar, S, offset, scaled, site, state

LEFT_OUT = (None, 0, 2)  # of the plots of three radars: nothing, range, elevation


@pytest.fixture(params=MODEL_SETS)
def banks(request):
    """A compiled and a reference bank with one of the core's sets of motion models."""
    models = MODEL_SETS[request.param]
    return compiled(12, 4, models), FilterpyBank.of(12, 4, models)


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
            assumed = (-1, 0, 2)[slot % 3]
            bank.start(int(slot), 0, radars[0].measure(x[:3], 0.0), sigma[0], 0, 2500.0, 100.0, assumed)
    rows = np.arange(5, dtype=np.int32)
    for step in range(1, 31):
        t, sensor = step * 0.8 + 3.0 * (step > 20), step % 3
        for i, x in enumerate(truth):
            truth[i] = motion.step(x[None], np.array([1 / 4000.0]), 0.8 + 3.0 * (step == 21))[0][0]
        z = np.array([radars[sensor].measure(x[:3] + rng.normal(0, 30, 3), t) for x in truth])
        sigma = np.tile([30.0, 1e-3, 1e-3], (5, 1))
        if LEFT_OUT[sensor] is not None and step > 10:
            sigma[:, LEFT_OUT[sensor]] = np.inf
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
        sight = (1.0, *[0.02] * (banks[1].n_modes - 1)) if sensor == 1 else None
        nis = [bank.update(seen, plots, z, sigma, sensor, sight) for bank in banks]
        assert nis[0] == pytest.approx(nis[1], rel=1e-6, abs=1e-7)
        both_close(banks, slots)
    for bank in banks:
        bank.carry(slots, 60 * S)
    assert banks[0].sigma_position(slots) == pytest.approx(banks[1].sigma_position(slots), rel=1e-7)
    both_close(banks, slots)
    later = [bank.estimate_at(slots, 72 * S) for bank in banks]
    assert later[0][0] == pytest.approx(later[1][0], rel=1e-7)
    (x, p, mu), (want_x, want_p, want_mu) = (bank.modes_at(slots, 72 * S) for bank in banks)
    assert mu == pytest.approx(want_mu, abs=1e-9)
    for i, k in np.ndindex(mu.shape):
        there = np.flatnonzero(np.diag(want_p[i, k]))
        assert not x[i, k, len(there) :].any() and not p[i, k, len(there) :].any()
        own = np.ix_(there, there)
        assert offset(x[i, k][there], want_x[i, k][there], want_p[i, k][own]) < 1e-6
        assert scaled(p[i, k][own], want_p[i, k][own]) < 1e-7
        assert np.array_equal(p[i, k], p[i, k].T)


@pytest.mark.parametrize(
    "motion_of", [Motion(0), Motion(0, 1 / 2000), Motion(0, turn=0.0), Motion(0, turn=0.05)]
)
def test_transition_is_the_derivative_of_the_step(motion_of) -> None:
    rng = np.random.default_rng(8)
    level = motion_of.turn is not None
    constant = motion_of.turn if level else motion_of.inverse_beta
    x = state(rng, site(rng), (4e4, 8e4))
    nudges = np.diag([10.0] * 3 + [0.1] * 3)
    numeric = np.empty((6, 6))
    for i, nudge in enumerate(nudges):
        pair = motion.step(np.array([x + nudge, x - nudge]), np.full(2, constant), 1.0, level)[0]
        numeric[:, i] = (pair[0] - pair[1]) / (2 * nudge[i])
    phi = motion.step(x[None], np.array([constant]), 1.0, level)[1][0]
    turned = (motion_of.turn or 0.0) ** 2 / 5
    assert phi == pytest.approx(numeric, abs=2e-5 + turned)  # the third order
    flow = [motion_of.flow(v, 1.0) for n in nudges for v in (x + n, x - n)]
    rates = np.array([(flow[2 * i] - flow[2 * i + 1]) / (2 * nudges[i, i]) for i in range(6)]).T
    assert motion_of.derivative(x, 1.0) == pytest.approx(rates, abs=2e-8)


def flown(x, turn, seconds):
    """An aircraft's state after so many steps of one second."""
    for _ in range(seconds):
        x = motion.step(x[None], np.array([turn]), 1.0, True)[0][0]
    return x


def level_state(lat_deg, height_m, speed_mps, climb_mps=0.0):
    """An aircraft's state, flying east."""
    position = np.array(pymap3d.geodetic2ecef(lat_deg, 135.0, height_m))
    return np.concatenate([position, pymap3d.enu2uvw(speed_mps, 0.0, climb_mps, lat_deg, 135.0)])


def test_level_flight_goes_round_the_earth_at_its_height_and_speed() -> None:
    start = level_state(0.0, 8_000.0, 240.0)  # the equator: an ellipsoid's only circle
    end = flown(start, 0.0, 3600)
    _, east, height = pymap3d.ecef2geodetic(*end[:3])
    assert height == pytest.approx(8_000.0, abs=1.0)
    assert np.linalg.norm(end[3:]) == pytest.approx(240.0, abs=1e-3)
    way = np.radians(east - 135.0) * 6_378_137.0
    assert way == pytest.approx(240.0 * 3600 * 6_378_137.0 / 6_386_137.0, rel=1e-6)


def test_a_turn_closes_its_circle_to_the_left() -> None:
    start = level_state(0.0, 8_000.0, 150.0)
    quarter = flown(start, np.pi / 120, 60)  # 1.5° a second: 90° in a minute
    assert pymap3d.uvw2enu(*quarter[3:], 0.0, 135.0)[1] == pytest.approx(150.0, abs=0.5)  # now north
    whole = flown(quarter, np.pi / 120, 180)
    assert np.linalg.norm(whole[:3] - start[:3]) < 20.0


def test_height_and_climb_come_back_and_their_noise_stays_bounded() -> None:
    """White noise q makes of a damped oscillator's height √(q T³/4), of its climb √(q T/4), T = 500 s."""
    bank = TrackBank(1, 1, [1.0], [0.0], [[0.0]], turn=[0.0])
    slot, x = np.zeros(1, np.int32), level_state(0.0, 12_000.0, 0.0)
    bank.start_state(0, 0, x, np.eye(6))
    found = {}
    for t_s in (60, 500, 6000):
        state_, p, _ = bank.estimate_at(slot, t_s * S)
        up = state_[0, :3] / np.linalg.norm(state_[0, :3])
        height = pymap3d.ecef2geodetic(*state_[0, :3])[2]
        found[t_s] = (height, np.sqrt(up @ p[0, :3, :3] @ up), np.sqrt(up @ p[0, 3:, 3:] @ up))
    assert found[60][0] == pytest.approx(12_000.0, abs=40.0)  # slow: a cruise is left alone
    assert found[500][0] == pytest.approx(8_000.0 + 4_000.0 * 2 / np.e, abs=20.0)
    assert found[6000][0] == pytest.approx(8_000.0, abs=5.0)
    assert found[6000][1] == pytest.approx(np.sqrt(500.0**3 / 4), rel=0.02)
    assert found[6000][2] == pytest.approx(np.sqrt(500.0 / 4), rel=0.02)


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
        rows, columns = (places.astype(np.int32) for places in np.nonzero(np.isfinite(cost)))
        keep = assignment.assign(rows, columns, cost[rows, columns], lone)
        assert len(set(rows[keep])) == len(set(columns[keep])) == np.count_nonzero(keep)
        total = cost[rows, columns][keep].sum() + lone * (n - np.count_nonzero(keep))
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
