"""Two stages against one filter over everything: the states of all objects and all biases together.

The twin is a plain extended Kalman filter in numpy over x₁, x₂ (6 each) and b (4 a sensor), with joint
updates, linearised where the first stage is. Friedland's two stages are the same estimate.
"""

from dataclasses import dataclass, field

import numpy as np
import pymap3d
import pytest

from ext.motion import step
from ext.registration import absorb, dominating, posterior, predict
from fusion.core.filters import MODEL_SETS, compiled
from fusion.reference import FilterpyBank
from tests.conformance import world
from tests.unit.synthetic import Sensor

SENSORS = (Sensor("a", 36.0, 128.0), Sensor("b", 40.0, 140.0), Sensor("c", 38.0, 135.0))
SITES = [sensor.site() for sensor in SENSORS]
PRIOR = np.tile([40.0, 8e-4, 8e-4, 1e-2], len(SENSORS))
N = len(PRIOR)
SIGMA = np.array([30.0, 1e-3, 1.5e-3])
Q = 1e-4
BEGUN = np.diag([2e4**2] * 3 + [1e3**2] * 3)


def measured(x, site):
    """Range, azimuth, elevation of a state, and their derivative by position: pymap3d and differences."""
    frame = np.array(site.enu_ecef).reshape(3, 3)

    def h(r):
        e, n, u = frame @ (r - site.position_ecef_m)
        return np.array([np.sqrt(e * e + n * n + u * u), np.arctan2(e, n), np.arctan2(u, np.hypot(e, n))])

    rows = [(h(x[:3] + d) - h(x[:3] - d)) / 2.0 for d in np.eye(3)]
    return h(x[:3]), np.array(rows).T


def moved(x, seconds):
    there, phi = step(x.reshape(1, 6).copy(), np.zeros(1), seconds)
    return there[0], phi[0]


def flights():
    """Two objects in free fall, as states at time 0."""
    found = []
    for lat, lon, course in ((39.0, 131.0, 80.0), (37.5, 130.0, 120.0)):
        r = pymap3d.geodetic2ecef(lat, lon, 200e3)
        along = [2500 * np.sin(np.radians(course)), 2500 * np.cos(np.radians(course)), 1500.0]
        found.append(np.array([*r, *pymap3d.enu2uvw(*along, lat, lon)]))
    return found


@dataclass
class Twin:
    """One filter over the objects' states and the biases."""

    x: np.ndarray
    p: np.ndarray
    ignorant: list = field(default_factory=list)
    """The first stage's own states, where everything is linearised."""

    def predict(self, seconds):
        whole, q = np.eye(len(self.x)), np.zeros_like(self.p)
        for i, state in enumerate(self.ignorant):
            rows = slice(6 * i, 6 * i + 6)
            there, phi = moved(state, seconds)
            self.x[rows] = there + phi @ (self.x[rows] - state)
            self.ignorant[i], whole[rows, rows] = there, phi
            h = seconds
            white = Q * np.array([[h**3 / 3, h**2 / 2], [h**2 / 2, h]])
            q[rows, rows] = np.kron(white, np.eye(3))
        self.p = whole @ self.p @ whole.T + q

    def update(self, which, sensor, z, state):
        """`state`: the first stage's before the plot."""
        h, jacobian = measured(state, SITES[sensor])
        seen = np.isfinite(SIGMA)
        rows = np.zeros((3, len(self.x)))
        rows[:, 6 * which : 6 * which + 3] = jacobian
        own = 6 * len(self.ignorant) + 4 * sensor
        rows[:, own : own + 3] = np.eye(3)
        rows[:, own + 3] = -jacobian @ state[3:]
        nu = z - h - jacobian @ (self.x[6 * which : 6 * which + 3] - state[:3])
        nu -= rows[:, own : own + 4] @ self.x[own : own + 4]
        rows, nu = rows[seen], nu[seen]
        s = rows @ self.p @ rows.T + np.diag(SIGMA[seen] ** 2)
        gain = self.p @ rows.T @ np.linalg.inv(s)
        self.x += gain @ nu
        self.p -= gain @ s @ gain.T


def test_two_stages_are_one_filter():
    rng = np.random.default_rng(3)
    truths, biases = flights(), rng.normal(size=N) * PRIOR
    begun = [t + np.append(rng.normal(size=3) * 300, rng.normal(size=3) * 10) for t in truths]
    p = np.zeros((12 + N, 12 + N))
    p[:6, :6] = p[6:12, 6:12] = BEGUN
    p[12:, 12:] = np.diag(PRIOR**2)
    twin = Twin(np.concatenate([*begun, np.zeros(N)]), p, [b.copy() for b in begun])
    arcs = [(b.copy(), BEGUN.copy(), np.zeros((6, N))) for b in begun]
    information, vector = np.zeros((N, N)), np.zeros(N)
    for scan in range(40):
        twin.predict(2.0)
        for which, (x, p6, v) in enumerate(arcs):
            truths[which], _ = moved(truths[which], 2.0)
            x[:], phi = moved(x, 2.0)
            predict(p6, v, phi, Q, 2.0)
            sensor = (scan + which) % len(SENSORS)
            b = biases[4 * sensor : 4 * sensor + 4]
            late = truths[which].copy()
            late[:3] -= b[3] * late[3:]
            z = measured(late, SITES[sensor])[0] + b[:3] + rng.normal(size=3) * SIGMA
            twin.update(which, sensor, z, x.copy())
            site = SITES[sensor]
            where = site.position_ecef_m, site.enu_ecef, sensor
            wide = np.diag(PRIOR**2)
            assert absorb(x, p6, v, information, vector, z, SIGMA, *where, np.zeros(N), wide, 5.0)
            twin.ignorant[which] = x.copy()
    mean, covariance = posterior(information, vector, PRIOR)
    scale = np.outer(PRIOR, PRIOR)
    assert np.abs((covariance - twin.p[12:, 12:]) / scale).max() < 1e-6
    assert np.abs((mean - twin.x[12:]) / PRIOR).max() < 1e-5
    assert np.sqrt(np.diagonal(covariance))[1] < 0.5 * PRIOR[1]
    for which, (x, p6, v) in enumerate(arcs):
        rows = slice(6 * which, 6 * which + 6)
        found, spread = x + v @ mean, p6 + v @ covariance @ v.T
        sigma = np.sqrt(np.diagonal(spread))
        assert np.abs((found - twin.x[rows]) / sigma).max() < 1e-3
        assert np.abs((spread - twin.p[rows, rows]) / np.outer(sigma, sigma)).max() < 1e-5
    error = mean - biases
    assert error @ np.linalg.solve(covariance, error) < 3 * N


def test_what_was_not_measured_says_nothing():
    state, site = flights()[0], SITES[0]
    z, _ = measured(state, site)
    for missing in (0, 2):
        sigma = SIGMA.copy()
        sigma[missing] = np.inf
        x, p, v = state.copy(), BEGUN.copy(), np.zeros((6, 4))
        information, vector = np.zeros((4, 4)), np.zeros(4)
        where = site.position_ecef_m, site.enu_ecef, 0
        wide = np.diag(PRIOR[:4] ** 2)
        assert absorb(x, p, v, information, vector, z + 1e-4, sigma, *where, np.zeros(4), wide, 5.0)
        assert information[missing, missing] == 0.0
        assert information[1, 1] > 0.0


def test_the_gate_knows_the_biases():
    """A plot ten sigmas off changes nothing, unless that is what the sensor's bias makes of it."""
    state, site = flights()[0], SITES[0]
    z = measured(state, site)[0] + [0.0, 10e-3, 0.0]
    sure = np.diag([1.0] * 3 + [1e-3] * 3)
    where = site.position_ecef_m, site.enu_ecef, 0
    for bias, taken in ((0.0, False), (10e-3, True)):
        x, p, v = state.copy(), sure.copy(), np.zeros((6, 4))
        information, vector, mean = np.zeros((4, 4)), np.zeros(4), np.array([0.0, bias, 0.0, 0.0])
        known = np.diag([1.0, 1e-12, 1e-12, 1e-12])
        arguments = (x, p, v, information, vector, z, SIGMA, *where, mean, known, 5.0)
        assert absorb(*arguments) is taken
        assert (information.any(), (p != sure).any()) == (taken, taken)


@pytest.mark.parametrize("size", [1, 4, 12])
def test_posterior_and_its_diagonal(size):
    rng = np.random.default_rng(size)
    root = rng.normal(size=(size, size + 2))
    information, vector = root @ root.T, rng.normal(size=size)
    prior = np.exp(rng.normal(size=size))
    prior[0] = 0.0 if size > 1 else prior[0]
    mean, covariance = posterior(information.copy(), vector, prior)
    free = prior > 0
    inverse = np.linalg.inv(information[np.ix_(free, free)] + np.diag(prior[free] ** -2.0))
    assert covariance[np.ix_(free, free)] == pytest.approx(inverse, rel=1e-10, abs=1e-13)
    assert mean[free] == pytest.approx(inverse @ vector[free], rel=1e-9, abs=1e-12)
    assert not covariance[~free].any()
    wider = np.diag(dominating(covariance) ** 2)
    assert np.linalg.eigvalsh(wider - covariance).min() > -1e-12
    assert (np.diagonal(wider) >= np.diagonal(covariance) * (1 - 1e-12)).all()


@pytest.mark.parametrize("name", MODEL_SETS)
def test_both_banks_go_by_better_known_biases(name):
    """Two radars in turn; halfway, one's biases become known better: the banks stay equal."""
    models, rng = MODEL_SETS[name], np.random.default_rng(2)
    banks = compiled(8, 2, models), FilterpyBank.of(8, 2, models)
    ground = world.site(rng)
    radars = [world.Radar.random(rng, ground) for _ in range(2)]
    for i, radar in enumerate(radars):
        radar.place(*banks, sensor=i)
    truth, sigma = world.state(rng, ground), np.array([[30.0, 1e-3, 1e-3]])
    slots, rows = np.array([3], np.int32), np.zeros(1, np.int32)
    for bank in banks:
        bank.start(3, 0, radars[0].measure(truth[:3], 0.0), sigma[0], 0, 2500.0, 100.0, -1)
    for t_s in range(1, 21):
        truth, _ = moved(truth, 1.0)
        z = radars[t_s % 2].measure(truth[:3], t_s)[None] + rng.normal(size=(1, 3)) * sigma
        for bank in banks:
            if t_s == 10:
                bank.restate_bias(1, radars[1].bias_sigma * [0.5, 0.1, 1.0])
            bank.predict(slots, t_s * world.S)
            bank.update(slots, rows, z, sigma, t_s % 2)
    (x, p, _), (want_x, want_p, _) = (bank.estimate(slots) for bank in banks)
    assert world.offset(x[0], want_x[0], want_p[0]) < 1e-6
    assert world.scaled(p[0], want_p[0]) < 1e-7
    assert np.linalg.eigvalsh(p[0] / np.sqrt(np.outer(np.diag(p[0]), np.diag(p[0])))).min() > 0


def test_biases_never_become_less_known():
    bank = compiled(8, 1, MODEL_SETS["missiles"])
    rng = np.random.default_rng(1)
    radar = world.Radar.random(rng, world.site(rng))
    radar.place(bank)
    for sigma in (radar.bias_sigma * 1.1, -radar.bias_sigma):
        with pytest.raises(ValueError, match="bias_sigma"):
            bank.restate_bias(0, sigma)
