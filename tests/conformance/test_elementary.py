"""exp, log, sine, cosine and arc tangent within 2 units in the last place of the long double functions."""

import numpy as np
import pytest

from ext import elementary

rng = np.random.default_rng(0)
N = 100_000
SPREAD = rng.normal(size=N) * np.exp(rng.uniform(-20, 20, N))


def ulps(got, exact):
    want = exact.astype(float)
    return float(np.max(np.abs(got - exact) / np.spacing(np.abs(want))))


@pytest.mark.parametrize("x", [rng.uniform(-700, 700, N), rng.normal(0, 1e-3, N)])
def test_exp(x) -> None:
    assert ulps(elementary.exp(x), np.exp(x.astype(np.longdouble))) < 2


@pytest.mark.parametrize("x", [np.exp(rng.uniform(-700, 700, N)), rng.uniform(0.5, 2, N)])
def test_log(x) -> None:
    assert ulps(elementary.log(x), np.log(x.astype(np.longdouble))) < 2


QUARTERS = np.arange(-999, 999) * np.pi / 2


@pytest.mark.parametrize("x", [rng.uniform(-7, 7, N), rng.uniform(-5e5, 5e5, N), QUARTERS])
def test_sine_and_cosine(x) -> None:
    sine, cosine = elementary.sincos(x)
    assert ulps(sine, np.sin(x.astype(np.longdouble))) < 2
    assert ulps(cosine, np.cos(x.astype(np.longdouble))) < 2
    assert np.array_equal(elementary.sin(x), sine)
    assert np.array_equal(elementary.cos(x), cosine)


@pytest.mark.parametrize("y, x", [(SPREAD, SPREAD[::-1].copy()), rng.normal(size=(2, N))])
def test_arc_tangent(y, x) -> None:
    assert ulps(elementary.atan2(y, x), np.arctan2(y.astype(np.longdouble), x.astype(np.longdouble))) < 2


def test_edges() -> None:
    zero, one = np.zeros(1), np.ones(1)
    turns = elementary.atan2([0, 0, 0, 1, -1], [0, 1, -1, 0, 0]) / np.pi
    assert turns == pytest.approx([0, 0, 1, 0.5, -0.5])
    assert elementary.exp(zero) == one and elementary.log(one) == zero
    assert elementary.exp(np.array([-1e9, 1e9])) == pytest.approx(np.exp([-708.0, 709.0]))
    for bad in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="log"):
            elementary.log(np.array([bad]))
    with pytest.raises(ValueError, match="sincos"):
        elementary.sin(np.array([1e6]))
