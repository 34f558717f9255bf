"""The re-entry of `fusion.study.descent`: its motion against scipy, its filters where they differ."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from fusion.metrics import nees
from fusion.study.descent import RADARS, START, errors, mover, rate


def test_the_motion_is_that_of_its_equations():
    exact = solve_ivp(lambda _, x: rate(x), (0.0, 12.0), START, rtol=1e-11, atol=1e-9).y[:, -1]
    assert mover(12.0)(START[None])[0] == pytest.approx(exact, abs=1e-3)


def test_an_unscented_filter_is_consistent_and_an_extended_one_is_not_when_plots_are_rare():
    """A right filter's mean NEES over 40 runs of 7 components is 1 ± 0.25, three standard deviations."""
    found = errors(RADARS[0], 12.0, 40, 1)
    mean = {name: np.mean(nees(np.zeros_like(e), e, p)) for name, (e, p) in found.items()}
    assert mean["UKF"] == pytest.approx(1.0, abs=0.25)
    assert mean["EKF"] > 1.5


def test_it_is_enough_when_plots_come_every_second():
    found = errors(RADARS[0], 1.0, 40, 1)
    rms = {name: np.sqrt(np.mean(e[:, :6] ** 2, axis=0)) for name, (e, _) in found.items()}
    assert rms["EKF"] == pytest.approx(rms["UKF"], rel=0.05)
