"""A biased pair of radars: are the biases found as well as said, and as well as anybody could?

The quick test runs on every change with a fixed seed; the slow one is the claim of the documentation.
"""

import numpy as np
import pytest

from fusion.study.registration import bias_consistency, find, rms
from sensors.scenario import load_scenario

PAIR = ("USA/tpy2-kyogamisaki", "JPN/fps5-sado")


def pair(seeds):
    scenario = load_scenario("007").with_sensors(PAIR)
    return [find(scenario, seed) for seed in seeds]


def test_a_pair_finds_its_biases():
    (found,) = pair([1])
    assert set(found.sensors) == set(PAIR)
    assert found.error @ np.linalg.solve(found.covariance, found.error) < 26.1  # χ², 8 degrees, 99.9 %
    assert (found.sigma < 1.5 * found.bound_sigma).all()
    assert (found.sigma > 0.9 * found.bound_sigma).all()
    without, having = rms(found.picture_m)
    assert having < 0.8 * without
    assert found.picture_nees[:, 1].mean() < 1.0


@pytest.mark.slow
def test_a_pair_over_many_seeds():
    """007, seeds 1 to 100: joint NEES of the eight biases in its 95 % bounds, σ within 1.5 of the bound."""
    runs = pair(range(1, 101))
    assert bias_consistency(runs).inside
    ratio = np.median([found.sigma / found.bound_sigma for found in runs], axis=0)
    assert ratio.max() < 1.5
    without, having = rms(np.array([rms(found.picture_m) for found in runs]))
    assert having < without
