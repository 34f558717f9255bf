"""The study's textbook filters against filterpy 2.0.0, and against the exact Kalman filter."""

import numpy as np
import pytest
from filterpy.kalman import (
    CubatureKalmanFilter,
    ExtendedKalmanFilter,
    KalmanFilter,
    MerweScaledSigmaPoints,
    UnscentedKalmanFilter,
)

from fusion.study.filters import CKF, EKF, FILTERS, UKF, Model, SigmaPoints

CASES = 100


def bend(x):
    return np.stack((x[..., 0] + 0.5 * np.sin(x[..., 1]), x[..., 1] * x[..., 2], x[..., 2] ** 2 / 4 + 1), -1)


def by_bend(x):
    found = np.zeros((*x.shape[:-1], 3, 3))
    found[..., 0, 0], found[..., 0, 1] = 1, 0.5 * np.cos(x[..., 1])
    found[..., 1, 1], found[..., 1, 2] = x[..., 2], x[..., 1]
    found[..., 2, 2] = x[..., 2] / 2
    return found


def see(x):
    return np.stack((x[..., 0] * x[..., 1], np.cos(x[..., 2])), -1)


def by_see(x):
    found = np.zeros((*x.shape[:-1], 2, 3))
    found[..., 0, 0], found[..., 0, 1] = x[..., 1], x[..., 0]
    found[..., 1, 2] = -np.sin(x[..., 2])
    return found


Q, R = np.diag([0.1, 0.2, 0.05]), np.array([[0.5, 0.1], [0.1, 0.3]])
MODEL = Model(bend, by_bend, see, by_see, Q, R)


def batch():
    rng = np.random.default_rng(7)
    x, a = rng.normal(0, 2, (CASES, 3)), rng.normal(0, 0.5, (CASES, 3, 3))
    return x, a @ np.swapaxes(a, 1, 2) + 0.1 * np.eye(3), rng.normal(0, 2, (CASES, 2))


def compare(found, other):
    scale = np.sqrt(np.outer(np.diagonal(other.P), np.diagonal(other.P)))
    assert np.abs((found[1] - other.P) / scale).max() < 1e-10
    assert np.abs((found[0] - other.x.reshape(-1)) / np.sqrt(np.diagonal(other.P))).max() < 1e-10


def test_extended_filter_equals_filterpys():
    x, p, z = batch()
    moved = EKF.predict(MODEL, x, p)
    updated = EKF.update(MODEL, *moved, z)
    for i in range(CASES):
        other = ExtendedKalmanFilter(dim_x=3, dim_z=2)
        other.x, other.P, other.R = bend(x[i]), by_bend(x[i]) @ p[i] @ by_bend(x[i]).T + Q, R
        compare((moved[0][i], moved[1][i]), other)
        other.update(z[i], by_see, see)
        compare((updated.x[i], updated.p[i]), other)
        assert updated.innovation[i] == pytest.approx(other.y)
        assert updated.s[i] == pytest.approx(other.S)


@pytest.mark.parametrize("which", [UKF, SigmaPoints("wide", alpha=0.5, beta=2.0, kappa=1.0)])
def test_unscented_filter_equals_filterpys(which):
    x, p, z = batch()
    moved = which.predict(MODEL, x, p)
    updated = which.update(MODEL, *moved, z)
    points = MerweScaledSigmaPoints(3, which.alpha, which.beta, which.kappa)
    for i in range(CASES):
        other = UnscentedKalmanFilter(3, 2, 1.0, see, lambda y, _: bend(y), points)
        other.x, other.P, other.Q, other.R = x[i], p[i], Q, R
        other.predict()
        compare((moved[0][i], moved[1][i]), other)
        other.update(z[i])
        compare((updated.x[i], updated.p[i]), other)
        assert updated.s[i] == pytest.approx(other.S)


def test_cubature_filter_equals_filterpys():
    """filterpy keeps the predicted points for the update; a step that stands still makes them the same."""
    x, p, z = batch()
    moved = CKF.predict(MODEL, x, p)
    updated = CKF.update(MODEL, x, p, z)
    for i in range(CASES):
        other = CubatureKalmanFilter(3, 2, 1.0, see, lambda y, _: bend(y))
        other.x, other.P, other.Q = x[i], p[i], Q
        other.predict()
        compare((moved[0][i], moved[1][i]), other)
        other = CubatureKalmanFilter(3, 2, 1.0, see, lambda y, _: y)
        other.x, other.P, other.Q, other.R = x[i], p[i], np.zeros((3, 3)), R
        other.predict()
        other.update(z[i][:, None])
        compare((updated.x[i], updated.p[i]), other)


@pytest.mark.parametrize("which", FILTERS, ids=lambda f: f.name)
def test_a_linear_system_gives_the_kalman_filter(which):
    f = np.array([[1.0, 2.0, 0.3], [0, 1, 0.2], [0, 0, 0.9]])
    h = np.array([[1.0, 0, 0], [0, 0.5, 1.0]])
    linear = Model(
        lambda x: x @ f.T,
        lambda x: np.broadcast_to(f, (*x.shape[:-1], 3, 3)),
        lambda x: x @ h.T,
        lambda x: np.broadcast_to(h, (*x.shape[:-1], 2, 3)),
        Q,
        R,
    )
    x, p, z = batch()
    found = which.update(linear, *which.predict(linear, x, p), z)
    for i in range(CASES):
        other = KalmanFilter(dim_x=3, dim_z=2)
        other.x, other.P, other.F, other.H, other.Q, other.R = x[i], p[i], f, h, Q, R
        other.predict()
        other.update(z[i])
        compare((found.x[i], found.p[i]), other)


@pytest.mark.parametrize("which", FILTERS, ids=lambda f: f.name)
def test_angles_wrap(which):
    """An angle just across ±π is a small innovation, and means of points do not tear there."""
    turned = Model(
        lambda x: x, lambda x: np.broadcast_to(np.eye(1), (*x.shape, 1)), lambda x: wrap(x),
        lambda x: np.broadcast_to(np.eye(1), (*x.shape, 1)), np.zeros((1, 1)), 0.01 * np.eye(1), (0,),
    )  # fmt: skip
    found = which.update(
        turned, np.array([[np.pi - 0.05]]), 0.01 * np.ones((1, 1, 1)), np.array([[-np.pi + 0.05]])
    )
    assert found.innovation == pytest.approx(np.array([[0.1]]))
    assert found.x == pytest.approx(np.array([[np.pi]]))


def wrap(angle):
    return (angle + np.pi) % (2 * np.pi) - np.pi
