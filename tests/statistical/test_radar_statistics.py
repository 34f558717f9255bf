"""Fixed seeds, a few thousand draws: plots are as often, as noisy and as biased as the files say."""

import dataclasses

import msgspec
import numpy as np
import pytest
from scipy import stats

from sensors import geodesy
from sensors.radar import catalogue, place
from sensors.scans import errors, plots, schedule
from sensors.scenario import feed, load_scenario
from sharing.messages import S, Truth, floats, ints

HOURS_NS = 6000 * S


@pytest.fixture(scope="module")
def radar():
    return place("USA/tpy2-shariki", catalogue()["USA/tpy2-shariki"], 40.9, 140.3)


@pytest.fixture(scope="module")
def hovering(radar, tmp_path_factory):
    """An object of 1 m² from every side that stands still where the mean SNR is 13 dB."""
    path = tmp_path_factory.mktemp("threats") / "sphere.toml"
    side = "{ nose_m2 = 1.0, side_m2 = 1.0 }"
    path.write_text(f'title = "sphere"\nkind = "recorded"\nrcs = {{ boost = {side}, after = {side} }}\n')
    azimuth, elevation = np.radians(280.0), np.radians(20.0)
    sight = np.array(
        [np.cos(elevation) * np.sin(azimuth), np.cos(elevation) * np.cos(azimuth), np.sin(elevation)]
    )
    position = radar.position_ecef_m + 1500e3 * sight @ radar.axes
    states = np.tile(np.concatenate([position, np.zeros(3)]), (2, 1))
    return Truth(
        originator="COALITION", name="sphere", kind=str(path), counts=True, t_valid_ns=ints([0, HOURS_NS]),
        state_ecef=floats(states), phase=ints([1, 1]), liftoff_t_ns=0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def seen(radar, hovering):
    """All plots near the object in 6000 scans, and how many scans there were."""
    quiet = dataclasses.replace(radar, type=_without_clutter(radar.type))
    plan = schedule(quiet, 3, 0, HOURS_NS)
    return plots(quiet, 3, plan, (hovering,)), len(plan.number)


def _without_clutter(kind):
    return msgspec.structs.replace(kind, clutter_per_scan=0.0)


def test_half_of_the_looks_at_13_db_detect(seen):
    found, scans = seen
    assert scans > 5900
    interval = stats.binomtest(len(found.scan), scans).proportion_ci(0.999, method="wilson")
    assert interval.low < 1e-6 ** (1 / (1 + 10**1.3)) < interval.high


def test_noise_is_as_large_as_the_plots_say(radar, hovering, seen):
    found, _ = seen
    bias, _ = errors(radar, 3)
    true = np.stack(radar.measure(hovering.state_ecef[:3]), axis=1)
    normal = (found.measurement - true - bias) / found.sigma
    for column in normal.T:
        assert stats.kstest(column, "norm").pvalue > 1e-3
    total = np.sum(normal**2)
    assert stats.chi2.ppf(5e-4, normal.size) < total < stats.chi2.ppf(1 - 5e-4, normal.size)
    assert abs(np.corrcoef(normal.T) - np.eye(3)).max() < 0.06


def test_detected_power_is_exponential_above_the_threshold(radar, seen):
    found, _ = seen
    above = (found.snr - radar.threshold) / (1 + 10**1.3)
    assert stats.kstest(above, "expon").pvalue > 1e-3


def test_biases_scatter_over_seeds_as_the_file_says(radar):
    drawn = np.array([errors(radar, seed)[0] / radar.bias_sigmas for seed in range(2000)])
    for column in drawn.T:
        assert stats.kstest(column, "norm").pvalue > 1e-3
    clocks = np.array([errors(radar, seed)[1] for seed in range(2000)]) / (radar.type.clock_s * S)
    assert stats.kstest(clocks, "norm").pvalue > 1e-3


def test_clutter_is_poisson_uniform_in_azimuth_and_mostly_low(radar):
    plan = schedule(radar, 4, 0, HOURS_NS)
    found = plots(radar, 4, plan, ())
    mean = radar.type.clutter_per_scan
    low, high = stats.poisson.ppf([5e-4, 1 - 5e-4], mean * len(plan.number))
    assert low < len(found.scan) < high
    per_scan = np.bincount(np.bincount(found.scan, minlength=len(plan.number)), minlength=4)[:4]
    expected = len(plan.number) * np.array([stats.poisson.pmf(k, mean) for k in range(3)])
    assert stats.chisquare([*per_scan[:3]], expected * per_scan[:3].sum() / expected.sum()).pvalue > 1e-3
    offset = geodesy.wrap(found.measurement[:, 1] - np.radians(280.0)) / np.radians(120.0) + 0.5
    assert stats.kstest(offset, "uniform").pvalue > 1e-3
    assert np.median(found.measurement[:, 2]) < np.radians(20.0)
    assert found.measurement[:, 2].min() >= radar.mask_rad


def test_delays_are_uniform_between_the_files_bounds():
    scenario = load_scenario("quiet-hour").with_sensors(("KOR/greenpine-c",))
    delays = [(m.t_available_ns - m.t_sent_ns) / S for m in feed(scenario, 2) if type(m).__name__ == "Scan"]
    (radar,) = scenario.sensors
    low, high = radar.station.delay_min_s, radar.station.delay_max_s
    # No delay here reaches the next scan, so that keeping the order changes none.
    assert stats.kstest((np.array(delays) - low) / (high - low), "uniform").pvalue > 1e-3
