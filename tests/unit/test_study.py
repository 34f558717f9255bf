"""Statistics of the seeds runner against published and hand-worked values."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from fusion.study.seeds import COMPARED, COUNTED, Run, bootstrap, summarise, wilson


@pytest.mark.parametrize(("hits", "count"), [(45, 50), (50, 50), (0, 7), (1, 3)])
def test_wilson_inverts_the_score_test(hits, count):
    p, low, high = wilson(hits, count)
    assert p == hits / count

    def excess(q):
        return abs(p - q) - norm.ppf(0.975) * np.sqrt(q * (1 - q) / count)

    for bound in (low, high):
        if 1e-9 < bound < 1 - 1e-9:
            assert excess(bound) == pytest.approx(0, abs=1e-9)
    if 0 < hits < count:
        assert low == pytest.approx(brentq(excess, 1e-12, p))


def test_wilson_and_bootstrap_of_nothing():
    assert wilson(0, 0) is None
    assert bootstrap([]) is None


def test_bootstrap_is_repeatable_and_near_the_normal_interval():
    values = np.random.default_rng(3).normal(10.0, 2.0, 400).tolist()
    mean, low, high = bootstrap(values)
    assert bootstrap(values) == (mean, low, high)
    half = 1.96 * np.std(values) / 20
    assert (low, high) == (pytest.approx(mean - half, abs=0.02), pytest.approx(mean + half, abs=0.02))


def a_run(custody, first_track_s, contained):
    metrics = {**dict.fromkeys((*COMPARED, *COUNTED)), **dict.fromkeys(COUNTED, 0)}
    metrics |= {"custody_fraction": custody, "first_track_s": first_track_s}
    return Run(metrics, {120: contained} if contained is not None else {}, {"coast": 1.0}, {"coast": 1.2})


def test_summary_pairs_the_arms_and_counts_what_exists():
    runs = [
        [{"JPN": a_run(0.9, 50.0, True)}, {"JPN": a_run(0.6, 90.0, False)}],
        [{"JPN": a_run(0.8, 60.0, True)}, {"JPN": a_run(0.6, None, None)}],
    ]
    found = summarise(runs, ("full-mesh", "withheld-kor"))["JPN"]
    assert found["arms"]["full-mesh"]["custody_fraction"]["mean"] == pytest.approx(0.85)
    assert found["lost"]["custody_fraction"]["mean"] == pytest.approx(-0.25)
    assert (found["lost"]["first_track_s"]["mean"], found["lost"]["first_track_s"]["n"]) == (40.0, 1)
    assert found["lost"]["impact_error_km"] is None
    assert found["arms"]["full-mesh"]["contained"]["120"]["held"] == 2
    assert found["arms"]["withheld-kor"]["contained"]["120"]["n"] == 1
    assert found["arms"]["full-mesh"]["contained"]["60"] is None
    nees = found["arms"]["full-mesh"]["nees"]["coast"]
    assert nees["low"] < nees["mean"] == 1.0 < nees["high"]
    assert found["arms"]["full-mesh"]["nees_held"]["coast"]["mean"] == pytest.approx(1.2)
