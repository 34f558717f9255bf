"""US Standard Atmosphere 1976 and radio refraction, each behind one small class.

Air up to 81 km comes from the package `ambiance`; above, from the published table of the same standard
(U.S. Standard Atmosphere, 1976, NOAA-S/T 76-1562, table I), exponential between its entries. Both are
tabulated once on a fixed grid, because the trajectory integrator asks a million times.

Refraction is that of an exponential atmosphere, N(h) = 313 exp(-h / 6.951 km) (Bean & Thayer, CRPL
Exponential Reference Atmosphere, 1959): the 4/3-Earth rule is kilometres off at long range.
"""

import functools
import math

import ambiance
import numpy as np
import numpy.typing as npt
from scipy.integrate import solve_ivp

Array = npt.NDArray[np.float64]

_STEP_M = 250.0
_TOP_M = 1_000_000.0
_AMBIANCE_TOP_M = 81_000.0
_TABLE_ABOVE = (  # height km, density kg/m³
    (86, 6.958e-6), (90, 3.416e-6), (95, 1.393e-6), (100, 5.604e-7), (105, 2.325e-7), (110, 9.708e-8),
    (115, 4.289e-8), (120, 2.222e-8), (130, 8.152e-9), (140, 3.831e-9), (150, 2.076e-9), (160, 1.233e-9),
    (180, 5.194e-10), (200, 2.541e-10), (250, 6.073e-11), (300, 1.916e-11), (400, 2.803e-12),
    (500, 5.215e-13), (600, 1.137e-13), (800, 1.136e-14), (1000, 3.561e-15),
)  # fmt: skip
_REFRACTIVITY = 313e-6
_REFRACTION_SCALE_M = 6_951.0


class StandardAtmosphere:
    """Density, pressure ratio and speed of sound by height, linear (density: in its logarithm) on a grid."""

    def __init__(self) -> None:
        heights = np.arange(0.0, _TOP_M + _STEP_M, _STEP_M)
        low = heights <= _AMBIANCE_TOP_M
        air = ambiance.Atmosphere(heights[low])
        nodes_m = np.concatenate([heights[low], [1e3 * h for h, _ in _TABLE_ABOVE]])
        nodes_log = np.log(np.concatenate([air.density, [rho for _, rho in _TABLE_ABOVE]]))
        self._log_densities = np.interp(heights, nodes_m, nodes_log)
        self._log_density = self._log_densities.tolist()
        self._sound_mps = np.interp(heights, heights[low], air.speed_of_sound).tolist()
        pressure = np.interp(heights, heights[low], air.pressure, right=0.0)
        self._pressure_ratio = (pressure / pressure[0]).tolist()
        self._last = len(heights) - 2

    def at(self, height_m: float) -> tuple[float, float, float]:
        """Density kg/m³, speed of sound m/s and pressure over that at sea level, at one height.

        Below sea level the values of sea level, above 1000 km no air.
        """
        if height_m >= _TOP_M:
            return 0.0, self._sound_mps[-1], 0.0
        place = max(height_m, 0.0) / _STEP_M
        i = min(int(place), self._last)
        f = place - i
        log_density, sound, pressure = self._log_density, self._sound_mps, self._pressure_ratio
        return (
            math.exp(log_density[i] + f * (log_density[i + 1] - log_density[i])),
            sound[i] + f * (sound[i + 1] - sound[i]),
            pressure[i] + f * (pressure[i + 1] - pressure[i]),
        )

    def density(self, height_m: Array) -> Array:
        """Density in kg/m³ at heights (n,), as `at` gives it one by one."""
        place = np.clip(height_m, 0.0, _TOP_M) / _STEP_M
        i = np.minimum(place.astype(np.int64), self._last)
        low = self._log_densities[i]
        found = np.exp(low + (place - i) * (self._log_densities[i + 1] - low))
        return np.where(height_m < _TOP_M, found, 0.0)


@functools.cache
def standard() -> StandardAtmosphere:
    """The one tabulated standard atmosphere."""
    return StandardAtmosphere()


@functools.lru_cache(maxsize=256)
def ray(elevation_rad: float, height_m: float, radius_m: float = 6_371_000.0) -> tuple[Array, Array]:
    """The radio ray that leaves a radar at an apparent elevation, seen as geometry sees it.

    Returns slant ranges in metres (ascending, to 4000 km) and the geometric elevation in radians of the
    ray's point at that range; the difference from `elevation_rad` is the refraction. Integrates
    dr/ds = sin θ, dφ/ds = cos θ / r, dθ/ds = cos θ (1/r + n'/n) along the path s (Snell's law in a
    spherically layered medium; Blake, Radar Range-Performance Analysis, ch. 5).
    """

    def slope(_s: float, y: Array) -> list[float]:
        height, _, theta = y
        r = radius_m + height
        excess = _REFRACTIVITY * math.exp(-max(height, 0.0) / _REFRACTION_SCALE_M)
        bend = -excess / _REFRACTION_SCALE_M / (1.0 + excess)
        return [math.sin(theta), math.cos(theta) / r, math.cos(theta) * (1.0 / r + bend)]

    path = np.concatenate([np.arange(1e3, 300e3, 5e3), np.arange(300e3, 4001e3, 50e3)])
    flown = solve_ivp(
        slope, (0.0, path[-1]), [height_m, 0.0, elevation_rad], t_eval=path, rtol=1e-9, atol=1e-9
    )
    height, angle, _ = flown.y
    r = radius_m + height
    up = r * np.cos(angle) - (radius_m + height_m)
    along = r * np.sin(angle)
    return np.hypot(up, along), np.arctan2(up, along)


def geometric_elevation(apparent_rad: float, height_m: float, range_m: npt.ArrayLike) -> Array:
    """Geometric elevation of what is seen at an apparent elevation, at slant ranges: a mask's true height."""
    ranges, elevations = ray(apparent_rad, height_m)
    return np.interp(np.asarray(range_m), ranges, elevations)
