"""Plots that come late: the one-step update beside the same plots in their order."""

import numpy as np
import pytest

from ext import motion
from ext.bank import TrackBank
from fusion.core.filters import MISSILES, compiled
from tests.conformance.world import Radar, S, covariance, offset, scaled, site, state

SLOTS = np.arange(10, dtype=np.int32)
"""More than one block of lanes."""
LATE_NS = 700_000_000


def world(seed, *, bias):
    """A generator, ten true states, and two radars."""
    rng = np.random.default_rng(seed)
    ground = site(rng)
    return rng, [state(rng, ground) for _ in SLOTS], [Radar.random(rng, ground, bias) for _ in range(2)]


def linear(q, extra=None):
    """One mode of free flight; `extra` as of the powered one."""
    thrust = ({"estimates": ("thrust",), "prior_sigma": (30.0,), "wander": (9.0,)} | extra) if extra else {}
    return TrackBank(10, 2, (q,), (0.0,), np.zeros((1, 1)), **thrust)


def plots(rng, radar, truth, t_s, sigma, noise=1.0):
    z = np.array([radar.measure(x[:3], t_s) for x in truth])
    return z + rng.normal(size=z.shape) * sigma * noise, np.tile(sigma, (len(truth), 1))


def moved(truth, seconds):
    return list(motion.step(np.array(truth), np.zeros(len(truth)), seconds)[0])


@pytest.mark.parametrize("left_out", [None, 0, 2])
@pytest.mark.parametrize("thrust", [None, {"growth": (0.0,)}])
@pytest.mark.parametrize("q", [1e-4, 2500.0])
@pytest.mark.parametrize(("noise", "states", "covariances"), [(0.0, 1e-9, 1e-9), (1.0, 1e-4, 1e-5)])
def test_within_one_lag_a_linear_filter_ends_as_if_in_order(q, thrust, left_out, noise, states, covariances):
    """Sigmas so small that motion and measurement are as good as linear; without noise they are linear.

    Without noise both ways linearise at the same states, and what is left are roundings.
    """
    rng, truth, radars = world(3, bias=False)
    ordered, late, past = linear(q, thrust), linear(q, thrust), linear(q, thrust)
    sigma = np.array([0.05, 1e-7, 1e-7])
    for bank in (ordered, late, past):
        for number, radar in enumerate(radars):
            radar.place(bank, sensor=number)
        for slot, x in zip(SLOTS, truth, strict=True):
            bank.start_state(int(slot), 0, x, np.diag([1e-2] * 3 + [1e-4] * 3))
    between, end = ordered.copy(), ordered.copy()
    for bank, t_ns in ((between, LATE_NS), (end, LATE_NS), (end, S)):
        bank.predict(SLOTS, t_ns)
    there, here = between.estimate(SLOTS)[0], end.estimate(SLOTS)[0]
    z1, sigma1 = plots(rng, radars[0], there, LATE_NS / S, sigma, noise)
    z2, sigma2 = plots(rng, radars[1], here, 1.0, sigma, noise)
    if left_out is not None:
        sigma1[:, left_out] = np.inf
    for bank in (ordered, late):
        bank.predict(SLOTS, LATE_NS)
    ordered.update(SLOTS, SLOTS, z1, sigma1, 0)
    for bank in (ordered, late):
        bank.predict(SLOTS, S)
        bank.update(SLOTS, SLOTS, z2, sigma2, 1)
    without = late.estimate(SLOTS)[1]
    late.update_late(past, SLOTS, SLOTS, z1, sigma1, 0, LATE_NS)
    (x, p, _), (want, want_p, _) = late.estimate(SLOTS), ordered.estimate(SLOTS)
    for i in SLOTS:
        assert offset(x[i], want[i], want_p[i]) < max(states, 1e-8 / want_p[i][0, 0] ** 0.5)
        assert scaled(p[i], want_p[i]) < covariances
        assert scaled(without[i], want_p[i]) > 1e-3


def test_a_late_plot_of_the_present_is_an_ordinary_update():
    """Without a lag, from the same state, the step is the update: modes, biases and extra components too."""
    rng, truth, radars = world(5, bias=True)
    now, past, other = (compiled(10, 2, MISSILES) for _ in range(3))
    sigma = np.array([30.0, 1e-3, 1e-3])
    for bank in (now, past, other):
        draws = np.random.default_rng(7)
        for number, radar in enumerate(radars):
            radar.place(bank, sensor=number)
        for slot, x in zip(SLOTS, truth, strict=True):
            bank.start_state(int(slot), 0, x, covariance(draws))
        z, sigmas = plots(draws, radars[1], truth, 0.0, sigma)
        bank.update(SLOTS, SLOTS, z, sigmas, 1)
    z, sigmas = plots(rng, radars[0], truth, 0.0, sigma)
    sight = (1.0, 0.02, 0.02, 1.0)
    want_nis = other.update(SLOTS, SLOTS, z, sigmas, 0, sight)
    nis = now.update_late(past, SLOTS, SLOTS, z, sigmas, 0, 0, sight)
    for bank in (now, other):  # bias terms show in what the next plot of the same radar does
        bank.predict(SLOTS, S)
        more = plots(np.random.default_rng(9), radars[0], moved(truth, 1.0), 1.0, sigma)
        bank.update(SLOTS, SLOTS, *more, 0)
    assert nis == pytest.approx(want_nis, rel=1e-4)
    (x, p, mu), (want, want_p, want_mu) = now.estimate(SLOTS), other.estimate(SLOTS)
    assert mu == pytest.approx(want_mu, abs=1e-5)
    for i in SLOTS:
        assert offset(x[i], want[i], want_p[i]) < 1e-4
        assert scaled(p[i], want_p[i]) < 1e-4


def test_what_cannot_be_is_refused():
    _, truth, radars = world(11, bias=True)
    bank, past, other = linear(1.0), linear(1.0), compiled(10, 2, MISSILES)
    for b in (bank, past, other):
        radars[0].place(b)
        b.start_state(0, S, truth[0], np.eye(6))
    one, z, sigma = SLOTS[:1], np.array([[1e5, 0.0, 0.5]]), np.full((1, 3), 1e-3)
    with pytest.raises(ValueError, match="not late"):
        bank.update_late(past, one, one, z, sigma, 0, 2 * S)
    with pytest.raises(ValueError, match="before track"):
        bank.update_late(past, one, one, z, sigma, 0, S - 1)
    with pytest.raises(ValueError, match="not a living track"):
        bank.update_late(past, SLOTS[1:2], one, z, sigma, 0, S)
    with pytest.raises(ValueError, match="named twice"):
        bank.update_late(past, np.zeros(2, np.int32), np.zeros(2, np.int32), z, sigma, 0, S)
    with pytest.raises(ValueError, match="other arguments"):
        bank.update_late(other, one, one, z, sigma, 0, S)
