"""Where things stand on a flat map: azimuthal equidistant about a centre.

Distances from the centre are true, on a sphere of the Earth's mean radius. x is east, y is north, km.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

RADIUS_KM = 6371.0


@dataclass(frozen=True)
class View:
    """A map's centre and the rectangle of it that is shown, in km."""

    lat_deg: float
    lon_deg: float
    left_km: float
    right_km: float
    bottom_km: float
    top_km: float

    def project(self, lat_deg: npt.ArrayLike, lon_deg: npt.ArrayLike) -> tuple[Array, Array]:
        """East and north in km of places (n,) along great circles from the centre."""
        return project(self.lat_deg, self.lon_deg, lat_deg, lon_deg)

    def geographic(self, x_km: npt.ArrayLike, y_km: npt.ArrayLike) -> tuple[Array, Array]:
        """Latitude and longitude in degrees of map points (Snyder, eqs. 20-14, 20-15, 20-18, 25-15)."""
        x, y = np.asarray(x_km, float), np.asarray(y_km, float)
        rho = np.maximum(np.hypot(x, y), 1e-9)
        c = rho / RADIUS_KM
        lat0 = math.radians(self.lat_deg)
        sine = np.cos(c) * math.sin(lat0) + y * np.sin(c) * math.cos(lat0) / rho
        east = np.arctan2(x * np.sin(c), rho * math.cos(lat0) * np.cos(c) - y * math.sin(lat0) * np.sin(c))
        lon = (self.lon_deg + np.degrees(east) + 180.0) % 360.0 - 180.0
        return np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0))), lon

    def shows(self, x_km: Array, y_km: Array) -> npt.NDArray[np.bool_]:
        """Which map points (n,) lie in the rectangle."""
        return (
            (x_km >= self.left_km) & (x_km <= self.right_km)
            & (y_km >= self.bottom_km) & (y_km <= self.top_km)
        )  # fmt: skip


def project(
    lat0_deg: float, lon0_deg: float, lat_deg: npt.ArrayLike, lon_deg: npt.ArrayLike
) -> tuple[Array, Array]:
    """East and north in km of places (n,) from a centre, along great circles."""
    lat, lat0 = np.radians(np.asarray(lat_deg, float)), math.radians(lat0_deg)
    turn = np.radians(np.asarray(lon_deg, float) - lon0_deg)
    x = np.cos(lat) * np.sin(turn)
    y = math.cos(lat0) * np.sin(lat) - math.sin(lat0) * np.cos(lat) * np.cos(turn)
    z = math.sin(lat0) * np.sin(lat) + math.cos(lat0) * np.cos(lat) * np.cos(turn)
    level = np.hypot(x, y)
    stretch = RADIUS_KM * np.arctan2(level, z) / np.maximum(level, 1e-12)
    return x * stretch, y * stretch


def around(
    lat_deg: npt.ArrayLike,
    lon_deg: npt.ArrayLike,
    shape: float,
    margin: float = 0.08,
    least_km: float = 300.0,
) -> View:
    """The view of aspect `shape` (width over height) that holds places (n,), with a margin.

    Centred on the middle of the places, so that longitudes on both sides of 180 degrees do no harm.
    """
    lat, lon = np.radians(np.asarray(lat_deg, float)), np.radians(np.asarray(lon_deg, float))
    middle = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]).mean(axis=1)
    lat0 = math.degrees(math.atan2(middle[2], math.hypot(middle[0], middle[1])))
    lon0 = math.degrees(math.atan2(middle[1], middle[0]))
    x, y = project(lat0, lon0, np.degrees(lat), np.degrees(lon))
    half_x = max((x.max() - x.min()) / 2, least_km) * (1 + 2 * margin)
    half_y = max((y.max() - y.min()) / 2, least_km) * (1 + 2 * margin)
    half_x, half_y = max(half_x, half_y * shape), max(half_y, half_x / shape)
    mid_x, mid_y = (x.max() + x.min()) / 2, (y.max() + y.min()) / 2
    return View(lat0, lon0, mid_x - half_x, mid_x + half_x, mid_y - half_y, mid_y + half_y)
