"""Properties of the track bank: covariances stay so, tracks do not feel each other, nothing is lost."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ext import kalman, motion
from ext.bank import TrackBank
from tests.conformance.world import Radar, S, covariance, site, state

RATES = [[0, 0.02, 0.001], [0.01, 0, 0.02], [0.01, 0.03, 0]]
SIGMA = np.tile([30.0, 1e-3, 1e-3], (20, 1))
seeds = st.integers(0, 2**32 - 1)


def made(rng: np.random.Generator, tracks: int) -> tuple[TrackBank, list[Radar], np.ndarray]:
    """A bank of some tracks with three sensors, and the truth."""
    ground = site(rng)
    bank = TrackBank(20, 3, [900.0, 0.01, 20.0], [0.0, 5000.0, 500.0], RATES, None, 10.0, 0.01, 5.0)
    radars = [Radar.random(rng, ground) for _ in range(3)]
    for i, radar in enumerate(radars):
        radar.place(bank, sensor=i)
    truth = np.array([state(rng, ground) for _ in range(tracks)])
    for slot, x in enumerate(truth):
        bank.start(slot, 0, radars[slot % 3].measure(x[:3], 0.0), SIGMA[0], slot % 3, 2500.0)
    return bank, radars, truth


def look(
    bank: TrackBank, radar: Radar, sensor: int, truth: np.ndarray, slots: np.ndarray, t_s: float
) -> None:
    """One scan in which every track is seen."""
    z = np.array([radar.measure(x[:3] + x[3:] * t_s, t_s) for x in truth])
    bank.predict(slots, round(t_s * S))
    bank.update(slots, slots, z, SIGMA[: len(z)].copy(), sensor)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_covariances_stay_symmetric_and_positive_definite(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bank, radars, truth = made(rng, 5)
    truth[:, 3:] += 2000.0 * truth[:, :3] / np.linalg.norm(truth[:, :3], axis=1, keepdims=True)  # upwards
    slots, t = np.arange(5, dtype=np.int32), 0.0
    for step in range(30):
        dt = float(rng.choice([1e-3, 0.5, 3.0, 15.0]))
        for _ in range(3):
            truth, t = motion.step(truth, np.zeros(5), dt / 3)[0], t + dt / 3
        z = np.array([radars[step % 3].measure(x[:3], t) for x in truth])
        z += rng.normal(0, 1, z.shape) * SIGMA[0]
        bank.predict(slots, round(t * S))
        bank.update(slots, slots, z, SIGMA[:5].copy(), step % 3)
    for p in [bank.estimate(slots)[1], *(bank.mode_estimate(slots, k)[1] for k in range(3))]:
        assert np.array_equal(p, p.transpose(0, 2, 1))
        for one in p:
            d = np.sqrt(np.diag(one))
            assert np.linalg.eigvalsh(one / np.outer(d, d)).min() > 0
    assert bank.estimate(slots)[2].sum(1) == pytest.approx(1.0)


def extra(beta, estimates, prior_sigma, growth=None) -> TrackBank:
    """A bank of one mode that estimates more than position and velocity."""
    return TrackBank(
        8, 1, [1.0], beta, [[0.0]], estimates=estimates, prior_sigma=prior_sigma, wander=[0.0], growth=growth
    )


def seen_by_one(bank: TrackBank, z: np.ndarray, sigma: np.ndarray) -> None:
    """A scan a second of one radar."""
    slot = np.zeros(1, np.int32)
    for t, plot in enumerate(z[1:], 1):
        bank.predict(slot, t * S)
        bank.update(slot, slot, plot[None], sigma[None], 0)


def plots_of(truths: np.ndarray, bank: TrackBank) -> np.ndarray:
    """Exact plots (n, 3) of states by a radar 300 km away, which the bank is told of."""
    up = truths[0, :3] / np.linalg.norm(truths[0, :3])
    east = np.cross([0, 0, 1], up)
    east /= np.linalg.norm(east)
    enu = np.array([east, np.cross(up, east), up])
    radar = Radar(6.371e6 * up - 3e5 * east, np.zeros(3), enu, np.zeros(3))
    radar.place(bank)
    return np.array([radar.measure(x[:3], 0.0) for x in truths])


def test_thrust_is_found_with_its_direction_and_its_growth() -> None:
    bank = extra([0.0], ["thrust"], [30.0], [1 / 60])
    up = np.array([0.6, 0.64, 0.48])
    truth = [np.concatenate([6.42e6 * up, 500.0 * up])]
    thrust = 20.0 * up + 15.0 * np.cross(up, [0.0, 0.0, 1.0])
    for k in range(40):  # half seconds: what gravity leaves, and the thrust in between
        x = motion.step(truth[-1][None], np.zeros(1), 0.5)[0][0]
        force = thrust * np.exp((k + 0.5) / 120)
        truth.append(x + np.concatenate([0.125 * force, 0.5 * force]))
    truth = np.array(truth)[::2]
    z, sigma = plots_of(truth, bank), np.array([5.0, 1e-5, 1e-5])
    bank.start(0, 0, z[0], sigma, 0, 2500.0)
    seen_by_one(bank, z, sigma)
    x, p, _ = bank.modes_at(np.zeros(1, np.int32), 20 * S)
    want = thrust * np.exp(20 / 60)
    assert np.linalg.norm(x[0, 0, 6:] - want) < 0.05 * np.linalg.norm(want)
    assert np.linalg.norm(x[0, 0, 3:6] - truth[-1, 3:]) < 2.0
    assert np.sqrt(np.trace(p[0, 0, 6:, 6:])) < 10.0


def test_the_ballistic_coefficient_is_found() -> None:
    bank = extra([5000.0], ["beta"], [0.7])
    up = np.array([0.6, 0.64, 0.48])
    down = np.cross(up, [0.0, 0.0, 1.0]) - 0.8 * up
    truth = [np.concatenate([6.42e6 * up, 2500.0 * down / np.linalg.norm(down)])]
    for _ in range(25):
        truth.append(motion.step(truth[-1][None], np.array([1 / 2000.0]), 1.0)[0][0])
    z, sigma = plots_of(np.array(truth), bank), np.array([5.0, 1e-5, 1e-5])
    bank.start(0, 0, z[0], sigma, 0, 2500.0)
    seen_by_one(bank, z, sigma)
    x, p, _ = bank.modes_at(np.zeros(1, np.int32), 25 * S)
    assert 5000.0 * np.exp(x[0, 0, 6]) == pytest.approx(2000.0, rel=0.05)
    assert np.sqrt(p[0, 0, 6, 6]) < 0.1


def test_an_unseen_thrust_does_not_outgrow_all_numbers() -> None:
    bank = extra([0.0], ["thrust"], [30.0], [1 / 60])
    up = np.array([0.6, 0.64, 0.48])
    bank.start_state(0, 0, np.concatenate([6.42e6 * up, 500.0 * up]), np.diag([100.0] * 3 + [10.0] * 3))
    x, p, _ = bank.modes_at(np.zeros(1, np.int32), 5400 * S)
    assert np.isfinite(x).all() and np.isfinite(p).all() and not x[0, 0, 6:].any()
    assert np.sqrt(p[0, 0, 6, 6]) < 150.0


def test_a_burn_that_begins_anew_knows_nothing_of_the_last_one() -> None:
    """After long free flight the powered mode's thrust is its prior, not what the burn ended with."""
    bank = TrackBank(
        1, 1, [1.0, 1e-6], [0.0, 0.0], [[0, 0.05], [0.01, 0]], [0.5, 0.5], estimates=["thrust", None],
        prior_sigma=[30.0, 0.0], wander=[1.0, 0.0], growth=[0.0, 0.0],
    )  # fmt: skip
    up = np.array([0.6, 0.64, 0.48])
    truth = [np.concatenate([6.6e6 * up, 500.0 * up])]
    for t in range(60):
        x = motion.step(truth[-1][None], np.zeros(1), 1.0)[0][0]
        truth.append(x + np.concatenate([12.5 * up, 25.0 * up]) * (t < 20))
    z, sigma = plots_of(np.array(truth), bank), np.array([5.0, 1e-5, 1e-5])
    bank.start(0, 0, z[0], sigma, 0, 2500.0)
    seen_by_one(bank, z[:21], sigma)
    slot = np.zeros(1, np.int32)
    x, _, mu = bank.modes_at(slot, 20 * S)
    assert mu[0, 0] > 0.9 and x[0, 0, 6:] @ up == pytest.approx(25.0, abs=3.0)
    for t in range(21, 61):
        bank.predict(slot, t * S)
        bank.update(slot, slot, z[t][None], sigma[None], 0)
    bank.predict(slot, 61 * S)
    x, p, mu = bank.modes_at(slot, 61 * S)
    assert mu[0, 1] > 0.9 and abs(x[0, 0, 6:] @ up) < 3.0
    assert np.sqrt(p[0, 0, 6:, 6:].trace()) > 20.0


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_a_track_does_not_feel_who_is_named_with_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    together, radars, truth = made(rng, 13)
    alone = together.copy()
    slots, t = np.arange(13, dtype=np.int32), 0.0
    for step in range(8):
        t += float(rng.choice([0.2, 2.0, 17.0]))
        z = np.array([radars[step % 3].measure(x[:3] + x[3:] * t, t) for x in truth])
        together.predict(slots, round(t * S))
        nis = together.update(slots, slots, z, SIGMA[:13].copy(), step % 3)
        for slot in rng.permutation(slots):
            one = np.array([slot], np.int32)
            alone.predict(one, round(t * S))
            assert alone.update(one, one, z, SIGMA[:13].copy(), step % 3)[0] == nis[slot]
    for a, b in zip(together.estimate(slots), alone.estimate(slots), strict=True):
        assert np.array_equal(a, b)


@settings(max_examples=10, deadline=None)
@given(seeds, st.booleans())
def test_checkpoint_brings_everything_back(seed: int, pickled: bool) -> None:
    rng = np.random.default_rng(seed)
    bank, radars, truth = made(rng, 9)
    slots = np.arange(9, dtype=np.int32)
    look(bank, radars[1], 1, truth, slots, 1.0)
    saved = bank.checkpoint()
    look(bank, radars[2], 2, truth, slots, 2.5)
    want = bank.estimate(slots)
    bank.drop(4)
    bank.start_state(15, 0, truth[0], covariance(rng))
    bank.restore(pickle.loads(pickle.dumps(saved)) if pickled else saved)
    assert list(np.flatnonzero(bank.alive)) == list(range(9)) and bank.used == 9
    assert set(bank.times[:9]) == {S}
    look(bank, radars[2], 2, truth, slots, 2.5)
    for a, b in zip(want, bank.estimate(slots), strict=True):
        assert np.array_equal(a, b)
    with pytest.raises(ValueError, match="other arguments"):
        TrackBank(20, 3, [1.0], [0.0], [[0.0]]).restore(saved)


def test_looking_ahead_changes_nothing() -> None:
    bank, radars, truth = made(np.random.default_rng(3), 9)
    slots = np.arange(9, dtype=np.int32)
    z = np.array([radars[0].measure(x[:3], 0.0) for x in truth])
    before = bank.estimate(slots)
    bank.gate(slots, slots, z, SIGMA[:9].copy(), 0, 4 * S)
    ahead = bank.estimate_at(slots, 4 * S)
    for a, b in zip(before, bank.estimate(slots), strict=True):
        assert np.array_equal(a, b)
    bank.predict(slots, 4 * S)
    bank.predict(slots, 4 * S)
    for a, b in zip(ahead, bank.estimate(slots), strict=True):
        assert np.array_equal(a, b)


@settings(max_examples=25, deadline=None)
@given(seeds, st.floats(0.1, 10.0), st.floats(0.1, 10.0))
def test_two_predictions_compose_above_the_air(seed: int, first: float, second: float) -> None:
    rng = np.random.default_rng(seed)
    x, p, slot = state(rng, site(rng), (2.5e5, 6e5)), covariance(rng), np.zeros(1, np.int32)
    one, two = TrackBank(1, 1, [5.0], [3000.0], [[0]]), TrackBank(1, 1, [5.0], [3000.0], [[0]])
    one.start_state(0, 0, x, p)
    two.start_state(0, 0, x, p)
    one.predict(slot, round(first * S) + round(second * S))
    two.predict(slot, round(first * S))
    two.predict(slot, round(first * S) + round(second * S))
    (x1, p1, _), (x2, p2, _) = one.estimate(slot), two.estimate(slot)
    sigma = np.sqrt(np.diag(p1[0]))
    assert np.abs(x1 - x2).max() < 1e-3
    assert np.abs((p1 - p2)[0] / np.outer(sigma, sigma)).max() < 1e-4


@given(st.floats(-np.pi, np.pi), st.floats(-0.01, 0.01))
@settings(max_examples=50, deadline=None)
def test_the_azimuth_wraps(azimuth: float, error: float) -> None:
    bank = TrackBank(1, 1, [1.0], [0.0], [[0]])
    enu = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    radar = Radar(np.array([6.371e6, 0.0, 0.0]), np.zeros(3), enu, np.array([30.0, 1e-3, 1e-3]))
    radar.place(bank)
    slot = np.zeros(1, np.int32)
    bank.start(0, 0, [3e5, azimuth, 0.5], SIGMA[0], 0, 1000.0)
    seen = (azimuth + error + np.pi) % (2 * np.pi) - np.pi
    d2, _ = bank.gate(slot, slot, np.array([[3e5, seen, 0.5]]), SIGMA[:1].copy(), 0)
    # twice the noise, and the bias that both plots share cancels
    assert d2[0] == pytest.approx(error**2 / (2 * 1e-3**2), rel=1e-5, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(seeds, st.sampled_from([0, 2]))
def test_what_is_not_measured_changes_nothing(seed: int, missing: int) -> None:
    """Whatever stands in the place of a missing component; and one that is all but missing is like it."""
    rng = np.random.default_rng(seed)
    bank, radars, truth = made(rng, 6)
    slots = np.arange(6, dtype=np.int32)
    for step in range(1, 6):
        look(bank, radars[step % 3], step % 3, truth, slots, float(step))
    z = np.array([radars[1].measure(x[:3] + x[3:] * 6.0, 6.0) for x in truth])
    bank.predict(slots, 6 * S)
    sigma = SIGMA[:6].copy()
    sigma[:, missing] = np.inf
    other = z.copy()
    other[:, missing] = rng.uniform(-1, 1, 6)
    for a, b in zip(
        bank.gate(slots, slots, z, sigma, 1), bank.gate(slots, slots, other, sigma, 1), strict=True
    ):
        assert np.array_equal(a, b)
    huge = sigma.copy()
    huge[:, missing] = 1e13
    banks = [bank.copy() for _ in range(3)]
    nis = [banks[0].update(slots, slots, z, sigma, 1), banks[1].update(slots, slots, other, sigma, 1)]
    assert np.array_equal(nis[0], nis[1])
    rough = banks[2].update(slots, slots, z, huge, 1)
    assert rough * 3 == pytest.approx(nis[0] * 2, rel=1e-3)
    assert banks[2].estimate(slots)[0] == pytest.approx(banks[0].estimate(slots)[0], rel=1e-7)
    for a, b in zip(banks[0].estimate(slots), banks[1].estimate(slots), strict=True):
        assert np.array_equal(a, b)


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_a_plot_beside_a_vague_track_puts_it_there(seed: int) -> None:
    """A track 60 km vague along a line of sight, 60 km off: one plot of a radar far away decides.

    Linearised at the track the arcs of its measurement would be kilometres off.
    """
    rng = np.random.default_rng(seed)
    ground = site(rng)
    bank = TrackBank(1, 1, [0.01], [0.0], [[0.0]])
    radar = Radar.random(rng, ground, bias=False)
    radar.place(bank)
    x = state(rng, ground)
    line = rng.normal(size=3)
    line /= np.linalg.norm(line)
    p = np.eye(6) * 2000.0**2
    p[:3, :3] += 60_000.0**2 * np.outer(line, line)
    off = x.copy()
    off[:3] += 60_000.0 * line
    bank.start_state(0, 0, off, p)
    slot = np.zeros(1, np.int32)
    z = radar.measure(x[:3], 0.0)[None]
    d2, _ = bank.gate(slot, slot, z, SIGMA[:1].copy(), 0)
    assert d2[0] < 4.0
    bank.update(slot, slot, z, SIGMA[:1].copy(), 0)
    got, covariance_, _ = bank.estimate(slot)
    error = got[0, :3] - x[:3]
    assert error @ np.linalg.solve(covariance_[0, :3, :3], error) < 4.0
    assert np.sqrt(np.trace(covariance_[0, :3, :3])) < 1e-3 * 2.0 * z[0, 0]


def test_doors_refuse_what_the_kernels_would_trust() -> None:
    bank, _, truth = made(np.random.default_rng(5), 2)
    slot, z, sigma = np.zeros(1, np.int32), np.array([[3e5, 0.0, 0.5]]), SIGMA[:1].copy()
    cases = {
        "int64": lambda: bank.predict(np.zeros(1, np.int64), S),
        "living": lambda: bank.predict(np.array([7], np.int32), S),
        "before": lambda: bank.predict(slot, -1),
        "finite": lambda: bank.gate(slot, slot, z * np.nan, sigma, 0),
        "positive": lambda: bank.gate(slot, slot, z, 0 * sigma, 0),
        "must be positive": lambda: bank.gate(slot, slot, z, np.nan * sigma, 0),
        "azimuth and one": lambda: bank.gate(slot, slot, z, np.array([[30.0, np.inf, 1e-3]]), 0),
        "must be finite": lambda: bank.update(slot, slot, z, np.array([[np.inf, 1e-3, np.inf]]), 0),
        "is not finite": lambda: bank.start(5, 0, z[0], [30.0, 1e-3, np.inf], 0, 100.0),
        "turn:": lambda: TrackBank(8, 1, [1.0], [100.0], [[0]], turn=[0.1]),
        "rows": lambda: bank.gate(slot, slot + 1, z, sigma, 0),
        "no site": lambda: bank.update(slot, slot, z, sigma, 3),
        "twice": lambda: bank.update(np.zeros(2, np.int32), np.zeros(2, np.int32), z, sigma, 0),
        "free": lambda: bank.start_state(0, 0, truth[0], np.eye(6)),
        "numbers": lambda: bank.set_site(0, 0, [1.0], [0.0] * 3, [0.0] * 9, [0.0] * 3),
        "modes": lambda: TrackBank(8, 1, [1.0] * 6, [0.0] * 6, np.zeros((6, 6))),
        "estimates: 'thrust'": lambda: extra([100.0], ["thrust"], [1.0]),
        "estimates: 'beta'": lambda: extra([0.0], ["beta"], [1.0]),
        "estimates: 'mass'": lambda: extra([0.0], ["mass"], [1.0]),
        "prior_sigma": lambda: extra([0.0], ["thrust"], [0.0]),
        "growth": lambda: extra([0.0], ["thrust"], [1.0], [0.5]),
        "capacity": lambda: TrackBank(0, 1, [1.0], [0.0], [[0]]),
        "mode:": lambda: bank.mode_estimate(slot, 3),
        "fall:": lambda: motion.fall(truth, np.zeros(2), 0.0, 1.0, 0.0, 1),
        "ekf_step": lambda: kalman.ekf_step(
            np.zeros((6, 8)), np.zeros((36, 8)), np.zeros((3, 8)), SIGMA[0], [0.0] * 3, [0.0] * 9, 9.0, 1.0
        ),
    }
    for words, call in cases.items():
        with pytest.raises(ValueError, match=words) as error:
            call()
        assert "\n" not in str(error.value)
