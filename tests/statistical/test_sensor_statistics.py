"""Every sensor of the table: detections, false plots, noise, bias, clock and delay are what its file says.

Fixed seeds. Each check is a χ² statistic (or a Kolmogorov-Smirnov one) with a two-sided bound of 1e-4: about
170 checks in the long version, so one in sixty seeds would fail somewhere by chance.
"""

import dataclasses

import msgspec
import numpy as np
import pytest
from scipy import stats

from sensors import geodesy, infrared, radar, scans
from sensors.clutter import false_plots
from sensors.infrared import Clouds, Infrared
from sensors.publishing import _delays_ns
from sensors.stations import InfraredType, catalogue
from sensors.threats import CrossSection, Signature
from sharing.messages import S, Truth, floats, ints

SEED = 11
ALPHA = 1e-4
SOME = ("JPN/asev-1", "KOR/greenpine-b-1", "USA/opir-west")


def placed(name):
    """The sensor in its place, ships on a track; a flame near the threshold for infrared."""
    entry = catalogue()[name]
    nation, station, kind = entry
    if isinstance(kind, InfraredType):
        faint = msgspec.structs.replace(kind, intensity_recorded_kw_sr=33.0)
        return infrared.place(name, (nation, station, faint), Clouds())
    if station.lat_deg is None:
        return radar.place(name, entry, 38.0, 135.0, course_deg=40.0, speed_mps=8.0)
    return radar.place(name, entry, station.lat_deg, station.lon_deg)


def hovering(sensor, end_ns):
    """An object of 1 m² that stands still where the mean SNR is 13 dB; for infrared, a flame that stays."""
    if isinstance(sensor, Infrared):
        south, north, west, east = sensor.type.region_deg
        position = geodesy.ecef(0.5 * (south + north), 0.5 * (west + east), 50e3)
    else:
        azimuth, elevation = np.radians(sensor.station.boresight_deg), np.radians(20.0)
        level = np.cos(elevation)
        sight = np.array([level * np.sin(azimuth), level * np.cos(azimuth), np.sin(elevation)])
        far = sensor.type.range_13db_km * 1e3
        position = sensor.position_ecef_m + far * sight @ sensor.axes
    states = np.tile(np.concatenate([position, np.zeros(3)]), (2, 1))
    return Truth(
        originator="COALITION", name="sphere", kind="falcon9", counts=True, t_valid_ns=ints([0, end_ns]),
        state_ecef=floats(states), phase=ints([0, 0]), liftoff_t_ns=0,
    )  # fmt: skip


def inside(statistic, freedom):
    """Whether a χ² statistic lies between its bounds."""
    low, high = stats.chi2.ppf([ALPHA / 2, 1 - ALPHA / 2], freedom)
    return low < statistic < high


def as_stated(name, draws, monkeypatch):
    """Check one sensor with about as many scans, and seeds, as `draws`."""
    side = CrossSection(nose_m2=1.0, side_m2=1.0)
    monkeypatch.setattr(scans, "signature", lambda kind: Signature(boost=side, after=side))
    sensor = placed(name)
    end_ns = round((draws + 1) * sensor.type.scan_s * S)
    plan = scans.schedule(sensor, SEED, 0, end_ns)
    assert len(plan.number) >= draws
    check_plots(sensor, plan, hovering(sensor, end_ns))
    check_clutter(sensor, plan)
    check_constants(sensor, draws)
    low, high = sensor.station.delay_min_s, sensor.station.delay_max_s
    assert stats.kstest((_delays_ns(sensor, SEED, plan) / S - low) / (high - low), "uniform").pvalue > ALPHA


def check_plots(sensor, plan, truth):
    """How often one object is detected, and how far off."""
    quiet = dataclasses.replace(sensor, type=msgspec.structs.replace(sensor.type, clutter_per_scan=0.0))
    found = scans.plots(quiet, SEED, plan, (truth,))
    bias, clock_ns = scans.errors(sensor, SEED)
    looks = scans.sight(quiet, truth, plan.start_ns + plan.period_ns // 2)
    assert looks.visible.all()
    if isinstance(sensor, Infrared):
        p = stats.norm.sf(stats.norm.isf(1e-6) - looks.snr)
    else:
        p = 1e-6 ** (1.0 / (1.0 + looks.snr))
        assert 0.3 < p[0] < 0.6
    assert inside((len(found.scan) - p.sum()) ** 2 / np.sum(p * (1 - p)), 1)
    t_ns = found.t_valid_ns - clock_ns
    within = t_ns - plan.start_ns[found.scan]
    assert (within > 0).all() and (within < plan.period_ns).all()
    place = np.tile(truth.state_ecef[:3], (len(t_ns), 1))
    columns = slice(1, 3) if isinstance(sensor, Infrared) else slice(0, 3)
    off = found.measurement - np.stack(sensor.measure(place, t_ns), axis=1)
    off[:, 1] = geodesy.wrap(off[:, 1])
    normal = ((off - bias) / found.sigma)[:, columns]
    assert inside(np.sum(normal**2), normal.size)
    assert inside(np.sum(normal.sum(axis=0) ** 2) / len(normal), normal.shape[1])


def check_clutter(sensor, plan):
    """False plots: as many as stated, in the stated shares."""
    mean = sensor.type.clutter_per_scan
    shares = (sensor.station.sea_share, sensor.station.land_share)
    found = scans.plots(sensor, SEED, plan, ())
    expected = mean * len(plan.number)
    assert inside((len(found.scan) - expected) ** 2 / expected, 1)
    # The number per scan is Poisson: its index of dispersion is χ² distributed.
    counts = np.bincount(found.scan, minlength=len(plan.number))
    assert inside(np.sum((counts - mean) ** 2) / mean, len(plan.number))
    for part, share in zip(("sea_share", "land_share"), shares, strict=True):
        if share:
            only = {"sea_share": 0.0, "land_share": 0.0, part: 1.0}
            alone = dataclasses.replace(sensor, station=msgspec.structs.replace(sensor.station, **only))
            number = sum(len(plots.scan) for plots in false_plots(alone, SEED, plan))
            assert inside((number - expected) ** 2 / expected, 1)


def check_constants(sensor, draws):
    """Biases and clocks over seeds."""
    sigma = sensor.bias_sigmas
    has = sigma > 0.0
    drawn = [scans.errors(sensor, seed) for seed in range(draws)]
    bias = np.array([b for b, _ in drawn])[:, has] / sigma[has]
    clock = np.array([c for _, c in drawn]) / (sensor.type.clock_s * S)
    assert inside(np.sum(bias**2), bias.size) and inside(np.sum(clock**2), clock.size)
    assert inside(np.sum(bias.sum(axis=0) ** 2) / draws, bias.shape[1])
    assert inside(clock.sum() ** 2 / draws, 1)


@pytest.mark.parametrize("name", SOME)
def test_some_sensors_are_as_their_files_say(name, monkeypatch):
    as_stated(name, 1500, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(catalogue()))
def test_every_sensor_is_as_its_file_says(name, monkeypatch):
    as_stated(name, 10_000, monkeypatch)
