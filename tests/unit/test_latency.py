"""Latencies in bounded memory: percentiles near the exact ones, and histograms that add up."""

import numpy as np
import pytest

from fusion.node.latency import Latency


def test_nothing_counted_gives_nothing():
    assert Latency().summary() == {"p50": None, "p99": None, "max": None}


def test_percentiles_are_within_a_bin_of_the_exact_ones():
    values = np.random.default_rng(1).lognormal(np.log(5e6), 1.0, 5000).astype(int)
    latency = Latency()
    for value in values:
        latency.add(int(value))
    summary = latency.summary()
    for name, share in (("p50", 50), ("p99", 99)):
        exact_ms = np.percentile(values, share) / 1e6
        assert exact_ms * 0.99 <= summary[name] <= exact_ms * 1.13
    assert summary["max"] == values.max() / 1e6


def test_histograms_of_several_nodes_add_up():
    whole, one, other = Latency(), Latency(), Latency()
    for number in range(1, 200):
        whole.add(number * 100_000)
        (one if number % 3 else other).add(number * 100_000)
    merged = Latency()
    for part in (one, other):
        merged.merge(part.counts(), part.summary()["max"])
    assert merged.counts() == whole.counts()
    assert merged.summary() == pytest.approx(whole.summary())


def test_extremes_stay_in_the_end_bins():
    latency = Latency()
    latency.add(0)
    latency.add(10**15)
    assert sum(latency.counts().values()) == 2
