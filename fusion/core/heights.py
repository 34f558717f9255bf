"""What a plot leaves out, filled in from an assumed height: a place to look for tracks, and to start one.

Rules of this module:

- A 2-D radar's plot (no elevation) and a line of sight (no range) each leave a curve in space. Of this curve
  the point is taken at which an object would stand at the assumed height above the ellipsoid, and as the
  missing component's sigma what the height's sigma makes of it there.
- The filled plot serves the coarse gate and one-point starts only (Blackman and Popoli 1999, section 3.2, for
  starts from angles); gate and update proper use what was measured, and no more.
- Only + - * / √ and `ext.elementary`: the same bytes on every machine.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ext.elementary import atan2, cos
from ext.geodesy import geodetic
from sharing.messages import Floats

NOTHING, RANGE, ELEVATION = -1, 0, 2
"""Which component of a plot (range, azimuth, elevation) is missing."""
EQUATOR_M, POLE_M = 6_378_137.0, 6_356_752.314245
"""Semi-axes of the ellipsoid (WGS-84)."""
STEEPEST = 0.7071067811865476
"""Sine of the highest elevation assumed: an object nearer than its assumed height may be anywhere above."""
WIDEST_RAD = 0.5
"""Largest sigma of an assumed elevation: with it, everything from the horizon to the zenith is within two."""
REFRACTED_RAD = 0.01
"""How far below a radar's lowest elevation a plot may be: angles are corrected for refraction."""
PROBE_M = 1e7
AWAY_M = 1e6
"""Range assumed where a line of sight looks away from the Earth: any is as good."""


@dataclass(frozen=True, slots=True)
class Heights:
    """Assumed heights above the ellipsoid and their sigmas, m, of plots without elevation and range."""

    polar_m: float
    polar_sigma_m: float
    los_m: float
    los_sigma_m: float


class Places(Protocol):
    """What of a bank is needed here: it knows where sensors stand."""

    def positions(self, z: Floats, sensor: int, t_ns: int) -> Floats:
        """Plots (k, 3) as ECEF positions (k, 3), m."""


def fill_elevation(
    bank: Places, sensor: int, t_ns: int, plots: tuple[Floats, Floats], lowest_rad: float, heights: Heights
) -> tuple[Floats, Floats]:
    """Plots (z, sigma, each (k, 3)) of a 2-D radar with elevations in the place of the missing ones.

    On a sphere through the radar's foot first, then corrected once by the ellipsoid; never below
    `lowest_rad`, the radar's lowest elevation, less `REFRACTED_RAD`, and not above 45°.
    """
    z, sigma = plots[0].copy(), plots[1].copy()
    origin = bank.positions(np.zeros((1, 3)), sensor, t_ns)
    own_m = float(geodetic(origin)[2][0])
    x, y, up = origin[0].tolist()
    distance_m = float(np.sqrt(x * x + y * y + up * up))
    target_m = distance_m - own_m + heights.polar_m
    range_m = np.maximum(z[:, 0], 1.0)
    sine = (target_m * target_m - distance_m * distance_m - range_m * range_m) / (2.0 * distance_m * range_m)
    lowest = lowest_rad - REFRACTED_RAD
    highest = float(atan2([STEEPEST], [STEEPEST])[0])
    sine = np.minimum(np.maximum(sine, -STEEPEST), STEEPEST)
    z[:, 2] = np.maximum(atan2(sine, np.sqrt(1.0 - sine * sine)), lowest)
    height_m = geodetic(bank.positions(z, sensor, t_ns))[2]
    better = z[:, 2] + (heights.polar_m - height_m) / (range_m * cos(z[:, 2].copy()))
    z[:, 2] = np.minimum(np.maximum(better, lowest), max(highest, lowest))
    sigma[:, 2] = np.minimum(heights.polar_sigma_m / (range_m * cos(z[:, 2].copy())), WIDEST_RAD)
    return z, sigma


def fill_range(
    bank: Places, sensor: int, t_ns: int, plots: tuple[Floats, Floats], heights: Heights
) -> tuple[Floats, Floats]:
    """Lines of sight (z, sigma, each (k, 3)) with ranges in the place of the missing ones.

    To the first point ahead at the assumed height (an ellipsoid with both semi-axes longer by it); to the
    lowest point of a line that passes above it. A line that grazes says little of its range: the sigma ends
    at half the chord that a shell as thick as the height's sigma allows.
    """
    z, sigma = plots[0].copy(), plots[1].copy()
    z[:, 0] = 0.0
    origin = bank.positions(z, sensor, t_ns)
    z[:, 0] = PROBE_M
    ahead = (bank.positions(z, sensor, t_ns) - origin) / PROBE_M
    axes = np.array([EQUATOR_M, EQUATOR_M, POLE_M]) + heights.los_m
    start, step = origin / axes, ahead / axes
    square = _dot(step, step)
    half = _dot(start, step) / square
    root2 = half * half - (_dot(start, start) - 1.0) / square
    root = np.sqrt(np.maximum(root2, 0.0))
    range_m = np.where(-half - root > 0.0, -half - root, -half + root)
    z[:, 0] = np.where(range_m > 0.0, range_m, AWAY_M)
    normal = (origin + z[:, :1] * ahead) / (axes * axes)
    slope = np.abs(_dot(ahead, normal)) / np.sqrt(_dot(normal, normal))
    chord_m = float(np.sqrt(2.0 * EQUATOR_M * heights.los_sigma_m))
    sigma[:, 0] = heights.los_sigma_m / np.maximum(slope, heights.los_sigma_m / chord_m)
    return z, sigma


def _dot(a: Floats, b: Floats) -> Floats:
    """Scalar products of the rows of two tables (k, 3), in a fixed order."""
    product = a * b
    total: Floats = product[:, 0] + product[:, 1] + product[:, 2]
    return total
