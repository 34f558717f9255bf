"""The standard atmosphere against its published table; refraction against independent statements."""

import numpy as np
import pytest

from sensors import atmosphere

EARTH_M = 6_371_000.0


# Geometric height km, temperature K, pressure Pa, density kg/m³, speed of sound m/s: U.S. Standard
# Atmosphere, 1976 (NOAA-S/T 76-1562), tables I and III.
PUBLISHED = (
    (0, 288.15, 101325.0, 1.2250, 340.29),
    (5, 255.68, 54048.0, 0.73643, 320.55),
    (10, 223.25, 26500.0, 0.41351, 299.53),
    (15, 216.65, 12111.0, 0.19476, 295.07),
    (20, 216.65, 5529.3, 0.088910, 295.07),
    (25, 221.55, 2549.2, 0.040084, 298.39),
    (30, 226.51, 1197.0, 0.018410, 301.71),
    (40, 250.35, 287.14, 3.9957e-3, 317.19),
    (50, 270.65, 79.779, 1.0269e-3, 329.80),
    (60, 247.02, 21.958, 3.0968e-4, 315.07),
    (70, 219.58, 5.2209, 8.2829e-5, 297.06),
    (80, 198.64, 1.0524, 1.8458e-5, 282.54),
)


@pytest.mark.parametrize("height_km,temperature,pressure,density,sound", PUBLISHED)
def test_air_of_the_published_table(height_km, temperature, pressure, density, sound):
    # The rows hang together (ideal gas, 287.053 J/(kg K)), so that a slip of the pen here would show.
    assert pressure / (287.053 * temperature) == pytest.approx(density, rel=2e-4)
    found = atmosphere.standard().at(height_km * 1e3)
    assert found[0] == pytest.approx(density, rel=2e-4)
    assert found[1] == pytest.approx(sound, rel=1e-4)
    assert found[2] == pytest.approx(pressure / 101325.0, rel=2e-4, abs=1e-9)


def test_densities_of_many_heights_are_those_of_each():
    heights = np.array([-50.0, 0.0, 137.0, 11_020.0, 86_000.0, 133_000.0, 999_999.0, 1e6, 2e6])
    one_by_one = [atmosphere.standard().at(h)[0] for h in heights.tolist()]
    assert atmosphere.standard().density(heights) == pytest.approx(one_by_one, rel=1e-12)


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
