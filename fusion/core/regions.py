"""Warning regions, and how probable it is that a forecast touches one.

An impact in a region: the share of the impact ellipses inside it, each model's by its probability; while a
motor burns, the share of the paths that end there. An overflight: the share of the forecast's ground tracks
that cross it. These shares of 14 or 16 paths are fit to be compared with a threshold.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ext.elementary import cos
from fusion.core.prediction import DEGREES, Forecast, GroundPoint, equal_probability_points
from sharing.messages import Floats, S

METRES_PER_DEGREE = 6_371_000.0 / DEGREES


@dataclass(frozen=True, slots=True)
class Region:
    """A notional land or sea area: `polygon` of (latitude, longitude) in degrees, not crossing 180°.

    What it costs there to warn late, against what it costs to warn for nothing: only their ratio counts.
    """

    name: str
    nation: str
    kind: str
    polygon: tuple[tuple[float, float], ...]
    dissemination_s: float
    cost_of_delay: float = 1.0
    cost_of_false: float = 1.0


@dataclass(frozen=True, slots=True)
class Touch:
    """What a forecast holds for a region: probabilities of impact and overflight, and when.

    `enters_ns`, `leaves_ns`: the mean over the paths that cross it.
    """

    falls: float
    crosses: float
    enters_ns: int
    leaves_ns: int


def inside(
    polygon: tuple[tuple[float, float], ...], lat_deg: Floats, lon_deg: Floats
) -> npt.NDArray[np.bool_]:
    """Which points lie in the polygon (even-odd rule); arrays of one shape."""
    result = np.zeros(lat_deg.shape, np.bool_)
    lats, lons = [lat for lat, _ in polygon], [lon for _, lon in polygon]
    if (
        lat_deg.max() < min(lats)
        or lat_deg.min() > max(lats)
        or lon_deg.max() < min(lons)
        or lon_deg.min() > max(lons)
    ):
        return result
    corners = zip(polygon, (*polygon[1:], polygon[0]), strict=True)
    for (lat1, lon1), (lat2, lon2) in corners:
        if lat1 == lat2:
            continue
        crossing = (lat1 > lat_deg) != (lat2 > lat_deg)
        result ^= crossing & (lon_deg < lon1 + (lat_deg - lat1) * ((lon2 - lon1) / (lat2 - lat1)))
    return result


@dataclass(slots=True)
class Toucher:
    """Works out touches; holds the points that stand for an ellipse."""

    points: Floats = field(default_factory=equal_probability_points)

    def touch(self, region: Region, forecast: Forecast) -> Touch:
        """What `forecast` holds for `region`."""
        path = forecast.path_lat_lon_deg
        within = inside(region.polygon, path[:, :, 0], path[:, :, 1])
        crossed = within.any(axis=1)
        crosses = _total(forecast.weight[crossed])
        if forecast.parts:
            falls = 0.0
            for share, point in forecast.parts:
                falls += share * self._share(region, point)
        else:
            falls = _total((forecast.weight * forecast.landed)[within[:, -1]])
        if not crosses:
            t_ns = forecast.point.t_ns if forecast.point else forecast.t_ns
            return Touch(falls, 0.0, t_ns, t_ns)
        samples = within.shape[1]
        first = within.argmax(axis=1)[crossed]
        last = samples - 1 - within[:, ::-1].argmax(axis=1)[crossed]
        weight = forecast.weight[crossed] / crosses
        enters, leaves = (_total(weight * at) * forecast.path_s for at in (first, last))
        return Touch(falls, crosses, forecast.t_ns + round(enters * S), forecast.t_ns + round(leaves * S))

    def _share(self, region: Region, point: GroundPoint) -> float:
        """The share of an impact ellipse inside a region."""
        lat, lon = self._scatter(point)
        hits = inside(region.polygon, lat, lon)
        return int(np.count_nonzero(hits)) / hits.size

    def _scatter(self, point: GroundPoint) -> tuple[Floats, Floats]:
        """Latitudes and longitudes of equally likely impact points."""
        ee, en, nn = point.covariance_m2
        sigma_east = float(np.sqrt(ee))
        slope = en / sigma_east if sigma_east > 0.0 else 0.0
        rest = float(np.sqrt(max(nn - slope * slope, 0.0)))
        east = sigma_east * self.points[:, 0]
        north = slope * self.points[:, 0] + rest * self.points[:, 1]
        shrink = float(cos(np.array([point.lat_deg / DEGREES]))[0])
        lat = point.lat_deg + north / METRES_PER_DEGREE
        lon = point.lon_deg + east / (METRES_PER_DEGREE * shrink)
        return lat, lon


def _total(values: Floats) -> float:
    """Sum in a fixed order, the same on every machine."""
    total = 0.0
    for value in values.tolist():
        total += value
    return total
