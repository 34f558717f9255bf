"""The tracker against the shipped scenarios: honest covariances, contained impacts, no false alarms.

The quick test runs on every change with fixed seeds; the slow one is the claim of the documentation.
"""

import numpy as np
import pytest
from scipy.stats import chi2

from configs import resolve
from fusion.arms import by_recipient, run_arm
from fusion.regions import load_regions
from fusion.session import Session
from sensors.scenario import load_scenario
from sharing.settings import load_policy

STATE = 6


def scores(name, seeds, nation="COALITION"):
    """The nation's score in the full mesh, for every seed."""
    scenario, policy = load_scenario(name), load_policy(resolve("policies", "full-mesh"))
    regions = by_recipient([r for n in scenario.regions for r in load_regions(resolve("regions", n))])
    sessions = (Session.generate(scenario, seed, policy) for seed in seeds)
    return [run_arm(s, policy, (nation,), regions=regions).scores[nation] for s in sessions]


def nees_at(score, t_s):
    """NEES of the only object at a tick."""
    (row,) = np.flatnonzero(score.t_s == t_s)
    return float(score.nees[row])


def contained(score, to_go_s):
    return all(judged.contained for judged in score.impacts if judged.to_go_s == to_go_s)


def test_a_nodong_is_held_and_its_impact_contained():
    for score in scores("007", (1, 2)):
        m = score.metrics
        assert m["custody_fraction"] > 0.9
        assert m["tracked"] == 1
        assert m["false_warnings"] == 0
        assert m["impact_error_km"] < 2.0
        assert contained(score, 120)
        assert 0.1 < np.mean(score.nees[(score.t_s > 150) & (score.t_s < 500)]) < 3.0


@pytest.mark.slow
def test_covariances_and_ellipses_over_many_seeds():
    """009, seeds 1 to 50: NEES in the observed coast below its 95 % bound, impact ellipses hold the truth."""
    runs = scores("009", range(1, 51))
    total = sum(nees_at(score, 300.0) for score in runs) * STATE
    assert total < chi2.ppf(0.975, STATE * len(runs))
    assert sum(contained(score, 120) for score in runs) >= 45
    assert np.mean([score.metrics["custody_fraction"] for score in runs]) > 0.9


@pytest.mark.slow
def test_an_hour_of_clutter_warns_nobody():
    for score in scores("quiet-hour", (1, 2, 3)):
        assert score.metrics["false_warnings"] == 0
        assert score.metrics["false_tracks"] <= 6
