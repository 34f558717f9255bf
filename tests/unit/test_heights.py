"""Filling in what a plot leaves out, against geometry worked out another way."""

import numpy as np
import pymap3d
import pytest

from ext.bank import TrackBank
from fusion.core.heights import WIDEST_RAD, Heights, fill_elevation, fill_range
from tests.unit.synthetic import Sensor

HEIGHTS = Heights(8_000.0, 5_000.0, 60_000.0, 20_000.0)
LOWEST = np.radians(0.3)


def banked(sensor):
    bank = TrackBank(1, 1, [1.0], [0.0], [[0.0]])
    site = sensor.site()
    bank.set_site(0, 0, site.position_ecef_m, site.velocity_ecef_mps, site.enu_ecef, [0.0] * 3)
    return bank


def height(bank, z):
    return pymap3d.ecef2geodetic(*bank.positions(z, 0, 0).T)[2]


def plots(count, missing, sigma=1e-3):
    """Plots all round, nothing but azimuths yet."""
    z, s = np.zeros((count, 3)), np.full((count, 3), sigma)
    z[:, 1] = np.linspace(-3.0, 3.0, count)
    s[:, missing] = np.inf
    return z, s


@pytest.mark.parametrize("alt_m", [0.0, 1_200.0])
def test_a_2d_plot_stands_at_the_assumed_height(alt_m):
    bank = banked(Sensor("a", 38.0, 138.0, alt_m))
    z, sigma = plots(20, 2)
    z[:, 0] = np.linspace(15e3, 320e3, 20)
    filled, spread = fill_elevation(bank, 0, 0, (z, sigma), LOWEST, HEIGHTS)
    assert height(bank, filled) == pytest.approx(8_000.0, abs=60.0)
    higher = filled.copy()
    higher[:, 2] += 1e-5
    slope = (height(bank, higher) - height(bank, filled)) / 1e-5
    assert slope[5:] * spread[5:, 2] == pytest.approx(5_000.0, rel=0.02)
    assert np.array_equal(filled[:, :2], z[:, :2])
    assert np.array_equal(spread[:, :2], sigma[:, :2])
    assert np.isinf(sigma[:, 2]).all()  # the plots themselves stay as they are


def test_near_and_far_2d_plots_stay_within_the_radars_sight():
    bank = banked(Sensor("a", 38.0, 138.0))
    z, sigma = plots(3, 2)
    z[:, 0] = [50.0, 3e3, 600e3]
    filled, spread = fill_elevation(bank, 0, 0, (z, sigma), LOWEST, HEIGHTS)
    assert filled[:2, 2] == pytest.approx(np.pi / 4)  # nearer than 8 km: it may be anywhere above
    assert spread[:2, 2].tolist() == [WIDEST_RAD] * 2
    assert filled[2, 2] == pytest.approx(LOWEST - 0.01)  # beyond the horizon of 8 km: just above it


def test_a_line_of_sight_ends_at_the_assumed_height():
    """From a satellite, and from the ground upwards."""
    for sensor, elevation in ((Sensor("a", 0.0, 90.0, 35_786e3), -1.5), (Sensor("a", 38.0, 138.0), 0.4)):
        bank = banked(sensor)
        z, sigma = plots(9, 0)
        z[:, 2] = elevation
        filled, spread = fill_range(bank, 0, 0, (z, sigma), HEIGHTS)
        assert height(bank, filled) == pytest.approx(60_000.0, abs=5.0)
        farther = filled.copy()
        farther[:, 0] += 100.0
        slope = np.abs(height(bank, farther) - height(bank, filled)) / 100.0
        assert slope * spread[:, 0] == pytest.approx(20_000.0, rel=0.02)
        assert (filled[:, 0] < 4.2e7).all()  # the near side of the Earth


def test_a_line_of_sight_past_the_earth_ends_at_its_lowest_point():
    bank = banked(Sensor("a", 0.0, 90.0, 35_786e3))
    z, sigma = plots(5, 0)
    z[:, 2] = -np.arccos(6_600e3 / 42_164e3)  # 222 km above the equator, where it is lowest
    filled, spread = fill_range(bank, 0, 0, (z, sigma), HEIGHTS)
    for step in (-1e4, 1e4):
        aside = filled.copy()
        aside[:, 0] += step
        assert (height(bank, aside) > height(bank, filled)).all()
    chord = np.sqrt(2 * 6_378_137.0 * 20_000.0)
    assert spread[:, 0] == pytest.approx(chord, rel=0.01)
    z[:, 2] = 0.5  # and away from it, there is nothing to hold on to
    assert np.isfinite(fill_range(bank, 0, 0, (z, sigma), HEIGHTS)[0]).all()
