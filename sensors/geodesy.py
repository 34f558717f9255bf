"""WGS-84 constants and the geometry that the simulators share.

Everything here is independent of the tracker's equations (`ext`), so that neither can hide the other's
mistakes. Positions are ECEF metres, angles radians unless a name says `_deg`, azimuths clockwise from true
north. Geodesics on the ellipsoid come from `pymap3d` (Vincenty).
"""

import numpy as np
import numpy.typing as npt
import pymap3d
from pymap3d import vincenty

Array = npt.NDArray[np.float64]

GM = 3.986004418e14
"""Gravitational parameter of the Earth, m³/s² (WGS-84)."""
RADIUS_M = 6_378_137.0
"""Equatorial radius (WGS-84)."""
FLATTENING = 1 / 298.257223563
MEAN_RADIUS_M = 6_371_008.8
"""Mean radius, (2 a + b) / 3 (IUGG)."""
ROTATION_RADPS = 7.292115e-5
"""Rotation rate of the Earth (WGS-84)."""
J2, J3, J4 = 1.08262668e-3, -2.53265649e-6, -1.61962159e-6
"""Zonal harmonics, unnormalised (EGM-96; Vallado, Fundamentals of Astrodynamics, appendix D)."""


def ecef(lat_deg: npt.ArrayLike, lon_deg: npt.ArrayLike, alt_m: npt.ArrayLike = 0.0) -> Array:
    """ECEF position (..., 3) of geodetic coordinates."""
    return np.stack(pymap3d.geodetic2ecef(lat_deg, lon_deg, alt_m), axis=-1)


def geodetic(position_ecef_m: Array) -> tuple[Array, Array, Array]:
    """Latitude and longitude in degrees and ellipsoidal height in metres of positions (..., 3)."""
    x, y, z = np.moveaxis(np.asarray(position_ecef_m, dtype=float), -1, 0)
    lat, lon, alt = pymap3d.ecef2geodetic(x, y, z)
    return np.asarray(lat), np.asarray(lon), np.asarray(alt)


def enu_axes(lat_deg: npt.ArrayLike, lon_deg: npt.ArrayLike) -> Array:
    """Unit vectors east, north, up as rows (..., 3, 3), in ECEF."""
    lat, lon = np.radians(lat_deg), np.radians(lon_deg)
    sin_lat, cos_lat, sin_lon, cos_lon = np.sin(lat), np.cos(lat), np.sin(lon), np.cos(lon)
    zero = np.zeros_like(sin_lat)
    east = np.stack([-sin_lon, cos_lon, zero], axis=-1)
    north = np.stack([-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat], axis=-1)
    up = np.stack([cos_lat * cos_lon, cos_lat * sin_lon, sin_lat], axis=-1)
    return np.stack([east, north, up], axis=-2)


def destination(lat_deg: float, lon_deg: float, bearing_deg: float, range_m: float) -> tuple[float, float]:
    """Where the geodesic of that initial bearing and length ends (latitude, longitude in degrees)."""
    lat, lon = vincenty.vreckon(lat_deg, lon_deg, range_m, bearing_deg)
    return float(lat), (float(lon) + 180.0) % 360.0 - 180.0


def geodesic(lat_deg: float, lon_deg: float, to_lat_deg: float, to_lon_deg: float) -> tuple[float, float]:
    """Length in metres and initial bearing in degrees of the geodesic between two points."""
    length, bearing = vincenty.vdist(lat_deg, lon_deg, to_lat_deg, to_lon_deg)
    return float(np.asarray(length).item()), float(np.asarray(bearing).item())


def wrap(angle_rad: npt.ArrayLike) -> Array:
    """The same angle in (-π, π]."""
    return np.pi - np.mod(np.pi - np.asarray(angle_rad), 2 * np.pi)
