"""The standard atmosphere against its published table; refraction against independent statements."""

import numpy as np
import pytest

from sensors import atmosphere

EARTH_M = 6_371_000.0


@pytest.mark.parametrize(
    "height_km,density,sound",
    [(0, 1.2250, 340.29), (11, 0.36480, 295.15), (32, 1.3555e-2, 303.02), (70, 8.2829e-5, 297.06)],
)
def test_air_of_the_published_table(height_km, density, sound):
    # Values of the 1976 table at geometric heights.
    found = atmosphere.standard().at(height_km * 1e3)
    assert found[0] == pytest.approx(density, rel=5e-3)
    assert found[1] == pytest.approx(sound, rel=5e-3)


def test_air_thins_without_a_jump_to_the_top():
    heights = np.arange(0.0, 1_001_000.0, 125.0)
    density = np.array([atmosphere.standard().at(h)[0] for h in heights])
    inside = heights < 1e6
    steps = np.diff(np.log(density[inside]))
    assert (steps < 0).all()
    assert steps.min() > -0.04
    assert density[~inside].max() == 0.0


def test_the_four_thirds_earth_is_kilometres_low_at_long_range():
    elevation, distance = np.radians(1.5), 600e3
    true = atmosphere.geometric_elevation(elevation, 0.0, distance)
    height = np.sqrt(EARTH_M**2 + distance**2 + 2 * EARTH_M * distance * np.sin(true)) - EARTH_M
    rule = distance * np.sin(elevation) + (distance * np.cos(elevation)) ** 2 / (2 * 4 / 3 * EARTH_M)
    assert height - rule == pytest.approx(3.5e3, abs=0.3e3)


def test_a_steep_ray_is_straight_and_a_low_one_bends_down():
    far = 1000e3
    assert abs(atmosphere.geometric_elevation(np.radians(85.0), 0.0, far) - np.radians(85.0)) < 5e-5
    bending = 0.0 - atmosphere.geometric_elevation(0.0, 0.0, far)
    # Radio bending at the horizon is three quarters of a degree through the whole atmosphere (Bean & Dutton).
    assert np.radians(0.5) < bending < np.radians(0.8)


def test_a_ray_keeps_snells_invariant():
    ranges, elevations = atmosphere.ray(np.radians(2.0), 0.0)
    up, along = EARTH_M + ranges * np.sin(elevations), ranges * np.cos(elevations)
    radius, angle = np.hypot(up, along), np.arctan2(along, up)
    index = 1.0 + 313e-6 * np.exp(-(radius - EARTH_M) / 6951.0)
    # The local elevation of the ray from its own shape: dr / (r dφ) = tan θ.
    slope = np.gradient(radius, angle) / radius
    invariant = (index * radius * np.cos(np.arctan(slope)))[5:50]
    assert np.allclose(invariant, invariant[0], rtol=2e-6)
