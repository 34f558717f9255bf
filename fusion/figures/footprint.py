"""Who can see which altitude where, as numbers: one flag per sensor and map cell. No matplotlib.

A cell is seen when its middle, at the altitude, lies between the sensor's masks (with refraction), inside its
sector and its display, and no farther than where an object of 1 m² has a mean SNR of 13 dB.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fusion.figures.projection import Array, View
from sensors import geodesy
from sensors.radar import SNR_13DB, Radar
from sharing.messages import NATIONS

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Footprints:
    """`seen` (sensors, rows, columns) over the cells of a map whose middles are `x_km`, `y_km`."""

    view: View
    altitude_km: float
    x_km: Array
    y_km: Array
    sensors: tuple[Radar, ...]
    seen: Flags

    def of(self, nation: str) -> npt.NDArray[np.int64]:
        """How many of a nation's sensors see each cell (rows, columns)."""
        chosen = [s.nation == nation for s in self.sensors]
        return np.count_nonzero(self.seen[chosen], axis=0)

    def nations(self) -> Flags:
        """Which nations see each cell: (3, rows, columns), in the order of NATIONS."""
        return np.stack([self.of(nation) > 0 for nation in NATIONS])


def sees(sensor: Radar, lat_deg: Array, lon_deg: Array, altitude_km: float) -> Flags:
    """Whether places (n,) at an altitude are seen: 1 m² at a mean SNR of 13 dB, masks, sector, display."""
    range_m, azimuth, elevation = sensor.measure(geodesy.ecef(lat_deg, lon_deg, 1e3 * altitude_km))
    enough = sensor.mean_snr(range_m, 1.0) >= SNR_13DB
    return np.asarray(sensor.visible(range_m, azimuth, elevation) & enough)


def footprints(sensors: Sequence[Radar], view: View, altitude_km: float, cells: int = 160) -> Footprints:
    """The cells of a view, `cells` of them along its longer side, and who sees each."""
    width, height = view.right_km - view.left_km, view.top_km - view.bottom_km
    step = max(width, height) / cells
    x = np.arange(view.left_km + step / 2, view.right_km, step)
    y = np.arange(view.bottom_km + step / 2, view.top_km, step)
    lat, lon = view.geographic(*(part.reshape(-1) for part in np.meshgrid(x, y)))
    seen = [sees(sensor, lat, lon, altitude_km).reshape(len(y), len(x)) for sensor in sensors]
    stacked = np.stack(seen) if seen else np.zeros((0, len(y), len(x)), bool)
    return Footprints(view, altitude_km, x, y, tuple(sensors), stacked)


def extent(sensors: Sequence[Radar], view: View, altitude_km: float) -> tuple[Array, Array]:
    """Latitudes and longitudes of the cells of a (generous) view that anybody sees at an altitude."""
    coarse = footprints(sensors, view, altitude_km, 90)
    rows, columns = np.nonzero(coarse.seen.any(axis=0))
    return view.geographic(coarse.x_km[columns], coarse.y_km[rows])
