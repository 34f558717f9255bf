"""Where a sensor is: a fixed site, a satellite, or a ship on a track, and the frame it measures in.

A moving sensor announces its place every 10 s (a `Site` with position and velocity), and between two
announcements it is, by definition, where the announced position has moved to along the announced velocity,
with the announced axes. The simulated sensor measures in exactly that frame; the announced velocity is that
of the chord to the next announcement, so the announced path has no steps.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from pymap3d import vincenty

from sensors import geodesy
from sensors.stations import Station
from sharing.messages import Ints, S

Array = npt.NDArray[np.float64]

SITE_EVERY_NS = 60 * S
"""How often a sensor that stands still announces its site."""
MOVING_SITE_EVERY_NS = 10 * S


class Frames(NamedTuple):
    """Position m (n, 3), velocity m/s (n, 3) and axes (n, 3, 3: east, north, up as rows), in ECEF."""

    position_ecef_m: Array
    velocity_ecef_mps: Array
    axes: Array


@dataclass(frozen=True, kw_only=True)
class Platform:
    """A sensor of a nation in its place.

    `position_ecef_m` and `axes` (east, north, up as rows, in ECEF) hold at `t_start_ns`; from then on a ship
    follows the geodesic of its initial course.
    """

    nation: str
    id: str
    station: Station
    lat_deg: float
    lon_deg: float
    position_ecef_m: Array
    axes: Array
    course_deg: float = 0.0
    speed_mps: float = 0.0
    t_start_ns: int = 0

    @property
    def name(self) -> str:
        """``NATION/id``."""
        return f"{self.nation}/{self.id}"

    @property
    def site_every_ns(self) -> int:
        """Time between two announcements of the site."""
        return MOVING_SITE_EVERY_NS if self.speed_mps else SITE_EVERY_NS

    def announced(self, number: Ints) -> Frames:
        """The frames (n, ...) of the announcements of some numbers (n,), counted from `t_start_ns`."""
        if not self.speed_mps:
            n = len(number)
            return Frames(
                np.tile(self.position_ecef_m, (n, 1)), np.zeros((n, 3)), np.tile(self.axes, (n, 1, 1))
            )
        step_s = MOVING_SITE_EVERY_NS / S
        elapsed_s = np.asarray(number * step_s, dtype=np.float64)
        lat, lon = self._at(elapsed_s)
        position = geodesy.ecef(lat, lon, self.station.alt_m)
        onward = geodesy.ecef(*self._at(elapsed_s + step_s), self.station.alt_m)
        return Frames(position, (onward - position) / step_s, geodesy.enu_axes(lat, lon))

    def _at(self, elapsed_s: Array) -> tuple[Array, Array]:
        """Latitude and longitude in degrees (n,) after times (n,) on the track."""
        lat, lon = vincenty.vreckon(self.lat_deg, self.lon_deg, elapsed_s * self.speed_mps, self.course_deg)
        return np.atleast_1d(lat), np.atleast_1d(lon)

    def frames(self, t_ns: Ints) -> Frames:
        """The frames (n, ...) in which a moving sensor measures at times (n,)."""
        number = np.maximum((t_ns - self.t_start_ns) // self.site_every_ns, 0)
        few, row = np.unique(number, return_inverse=True)
        at = self.announced(few)
        since_s = (t_ns - self.t_start_ns - number * self.site_every_ns) / S
        velocity = at.velocity_ecef_mps[row]
        return Frames(at.position_ecef_m[row] + velocity * since_s[:, None], velocity, at.axes[row])

    def measure(self, position_ecef_m: Array, t_ns: Ints | None = None) -> tuple[Array, Array, Array]:
        """Geometric range m, azimuth rad in (-π, π] and elevation rad of positions (n, 3) at times (n,).

        Times matter for moving sensors only; without them the sensor is where it was at the start.
        """
        points = np.atleast_2d(position_ecef_m)
        if t_ns is None or not self.speed_mps:
            east, north, up = self.axes @ (points - self.position_ecef_m).T
        else:
            frames = self.frames(t_ns)
            east, north, up = np.einsum("nij,nj->in", frames.axes, points - frames.position_ecef_m)
        level = np.hypot(east, north)
        return np.hypot(level, up), np.arctan2(east, north), np.arctan2(up, level)
