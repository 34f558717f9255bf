"""Bounds against the Kalman filter, enumeration, least squares and direct simulation of scores."""

from itertools import product

import numpy as np
import pytest
from scipy.special import gamma as gamma_function
from scipy.stats import chi2

from fusion.metrics import bound, fisher, information_reduction, pcrlb, trajectory_crlb

T = 2.0
F = np.array([[1, T, 0.3], [0, 1, 0.2], [0, 0, 0.9]])
Q = np.array([[3.0, 1.0, 0.2], [1.0, 2.0, 0.1], [0.2, 0.1, 0.5]])
H = np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 1.0]])
R = np.array([[4.0, 1.0], [1.0, 9.0]])
STEPS = 8


def riccati(p, detected, f=F, q=Q):
    """Covariances of the Kalman filter after each time, measured where `detected`."""
    found = []
    for k, seen in enumerate(detected):
        p = p if k == 0 else f @ p @ f.T + q
        if seen:
            p = p - p @ H.T @ np.linalg.solve(H @ p @ H.T + R, H @ p)
        found.append(p)
    return np.array(found)


@pytest.mark.parametrize("q", [Q, np.diag([0.0, 1.0, 0.5]), np.zeros((3, 3))])
def test_posterior_bound_of_a_linear_system_is_the_kalman_filter(q):
    p0 = np.diag([10.0, 5.0, 1.0])
    informations = np.broadcast_to(fisher(H, R), (STEPS + 1, 3, 3))
    found = bound(pcrlb(np.linalg.inv(p0), np.broadcast_to(F, (STEPS, 3, 3)), q, informations))
    assert found == pytest.approx(riccati(p0, [True] * (STEPS + 1), q=q), rel=1e-9)


def test_posterior_bound_without_a_prior_begins_when_the_state_is_observable():
    informations = np.broadcast_to(fisher(H, R), (STEPS + 1, 3, 3))
    found = bound(pcrlb(np.zeros((3, 3)), np.broadcast_to(F, (STEPS, 3, 3)), Q, informations))
    assert np.isinf(found[0].diagonal()).all()
    late = riccati(np.diag([1e9, 1e9, 1e9]), [True] * (STEPS + 1))
    assert found[3:] == pytest.approx(late[3:], rel=1e-5)


def test_posterior_bound_over_random_transitions_agrees_in_both_forms():
    """A singular Q is the limit of regular ones when what it does not reach is moved by a constant."""
    rng = np.random.default_rng(2)
    f = np.tile(F, (STEPS, 50, 1, 1))
    f[:, :, 1:] += rng.normal(0, 0.2, (STEPS, 50, 2, 3))
    informations = np.broadcast_to(fisher(H, R), (STEPS + 1, 3, 3))
    q = np.diag([0.0, 1.0, 0.5])
    singular = pcrlb(np.eye(3), f, q, informations)
    regular = pcrlb(np.eye(3), f, q + np.diag([1e-7, 0, 0]), informations)
    assert singular == pytest.approx(regular, rel=1e-4)
    assert np.linalg.eigvalsh(singular - pcrlb(np.eye(3), f.mean(axis=1), q, informations)).min() > -1e-9


def test_missed_detections_by_the_factor_lie_below_the_average_over_sequences():
    """The bound averaged over what is detected is what a Kalman filter attains; the factor's is below."""
    pd, p0, count = 0.7, np.diag([10.0, 5.0, 1.0]), 6
    f, measured = np.broadcast_to(F, (count - 1, 3, 3)), np.broadcast_to(fisher(H, R), (count, 3, 3))
    weights, average, attained = 0.0, np.zeros((count, 3, 3)), np.zeros((count, 3, 3))
    for sequence in product([True, False], repeat=count):
        weight = pd ** sum(sequence) * (1 - pd) ** (count - sum(sequence))
        weights += weight
        attained += weight * riccati(p0, sequence)
        informations = measured * np.array(sequence, float)[:, None, None]
        average += weight * bound(pcrlb(np.linalg.inv(p0), f, Q, informations))
    found = bound(pcrlb(np.linalg.inv(p0), f, Q, information_reduction(2, pd, gate_sigma=8) * measured))
    assert weights == pytest.approx(1)
    assert average == pytest.approx(attained, rel=1e-9)
    diagonals = found.diagonal(axis1=1, axis2=2) / average.diagonal(axis1=1, axis2=2)
    assert (diagonals < 1).all()


def test_trajectory_bound_is_least_squares_over_everything_measured():
    rng = np.random.default_rng(4)
    f = F + rng.normal(0, 0.1, (STEPS, 3, 3))
    h = H + rng.normal(0, 0.1, (STEPS + 1, 2, 3))
    by_bias = np.tile(np.eye(2), (STEPS + 1, 1, 1))
    bias = np.diag([2.0, 3.0])
    whole, rows, noise = np.eye(3), [], []
    for k in range(STEPS + 1):
        whole = f[k - 1] @ whole if k else whole
        rows.append(np.hstack([h[k] @ whole, np.eye(2)]))
        noise.append(R)
    information = sum(a.T @ np.linalg.inv(r) @ a for a, r in zip(rows, noise, strict=True))
    for covariance, more in ((bias, np.linalg.inv(bias)), (None, np.zeros((2, 2)))):
        total = information.copy()
        total[3:, 3:] += more
        want = whole @ np.linalg.inv(total)[:3, :3] @ whole.T
        found = bound(trajectory_crlb(f, h, R, by_bias=by_bias, bias_covariance=covariance))
        assert found[-1] == pytest.approx(want, rel=1e-7)
    free = bound(trajectory_crlb(f, h, R))
    assert (free[2:].diagonal(axis1=1, axis2=2) < found[2:].diagonal(axis1=1, axis2=2)).all()


def test_trajectory_bound_with_weights_and_prior_is_the_kalman_filter_without_noise():
    p0 = np.diag([10.0, 5.0, 1.0])
    seen = np.array([1, 0, 1, 1, 0, 1, 1, 1, 0])
    f, h = np.broadcast_to(F, (STEPS, 3, 3)), np.broadcast_to(H, (STEPS + 1, 2, 3))
    found = bound(trajectory_crlb(f, h, R, weights=seen, prior=np.linalg.inv(p0)))
    assert found == pytest.approx(riccati(p0, seen == 1, q=np.zeros((3, 3))), rel=1e-8)


def score_variance(dimension, pd, clutter, gate, count, rng):
    """The information reduction by its definition: the mean square of the score of simulated scans."""
    volume = np.pi ** (dimension / 2) / gamma_function(dimension / 2 + 1) * gate**dimension
    missed = 1 - pd * chi2.cdf(gate * gate, dimension)
    squares = np.zeros(count)
    for k in range(count):
        directions = rng.normal(size=(rng.poisson(clutter * volume), dimension))
        lengths = gate * rng.random((len(directions), 1)) ** (1 / dimension)
        plots = directions / np.linalg.norm(directions, axis=1, keepdims=True) * lengths
        own = rng.normal(size=(1, dimension))
        if rng.random() < pd and np.sum(own**2) < gate * gate:
            plots = np.vstack([plots, own])
        pull = pd / clutter * (2 * np.pi) ** (-dimension / 2) * np.exp(-np.sum(plots**2, axis=1) / 2)
        squares[k] = np.sum((pull @ plots / (missed + pull.sum())) ** 2) / dimension
    return squares.mean(), squares.std() / np.sqrt(count)


@pytest.mark.parametrize(
    ("dimension", "pd", "clutter", "gate"),
    [(1, 0.9, 0.3, 4), (2, 0.8, 0.1, 4), (3, 0.8, 0.03, 4), (3, 1.0, 0.01, 3)],
)
def test_information_reduction_is_the_variance_of_the_score(dimension, pd, clutter, gate):
    mean, error = score_variance(dimension, pd, clutter, gate, 5000, np.random.default_rng(11))
    assert abs(information_reduction(dimension, pd, clutter, gate_sigma=gate) - mean) < 4 * error


def test_information_reduction_in_its_limits():
    assert information_reduction(3, 0.8) == pytest.approx(0.8, abs=1e-5)
    assert information_reduction(3, 0.8, 1e-12) == pytest.approx(0.8, abs=1e-5)
    assert information_reduction(2, 0.0, 1.0) == 0
    factors = [information_reduction(3, 0.9, clutter) for clutter in (0, 1e-4, 1e-2, 1, 100)]
    assert factors == sorted(factors, reverse=True)
    assert factors[-1] < 0.01
    with pytest.raises(ValueError, match=r"pd 1\.5"):
        information_reduction(3, 1.5)


def test_bad_shapes_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        pcrlb(np.eye(3), np.zeros((2, 3, 3)), Q, np.zeros((2, 3, 3)))
    with pytest.raises(ValueError, match="do not fit"):
        trajectory_crlb(np.zeros((2, 3, 3)), np.zeros((2, 2, 3)), R)
