"""Region warnings: whose land or sea a predicted impact or flight path touches.

Decided on the as-known picture only, because a warning cannot be unissued. The probability of an impact in
a region is the share of the impact ellipse inside it; that of an overflight, the share of the cubature
points' ground tracks that cross it. A region is warned once an event: after `quiet_s` without danger it may
be warned again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ext.elementary import cos
from fusion.core.prediction import DEGREES, GroundPoint, Impact, equal_probability_points
from sharing.messages import Floats, S

IMPACT, OVERFLIGHT = "impact", "overflight"
METRES_PER_DEGREE = 6_371_000.0 / DEGREES


@dataclass(frozen=True, slots=True)
class Region:
    """A notional land or sea area: `polygon` of (latitude, longitude) in degrees, not crossing 180°."""

    name: str
    nation: str
    kind: str
    polygon: tuple[tuple[float, float], ...]
    dissemination_s: float


@dataclass(frozen=True, slots=True)
class WarningRules:
    """When a region is warned. NOTIONAL."""

    threshold: float = 0.5
    quiet_s: float = 300.0
    least_hits: int = 10
    """A track with fewer plots warns nobody: false tracks end before, missiles have dozens at burn-out."""


@dataclass(frozen=True, slots=True)
class Danger:
    """A region that a track threatens now, with its probability."""

    region: str
    kind: str
    track_id: int
    probability: float
    t_impact_ns: int


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
class Warner:
    """Remembers which regions have been warned."""

    regions: tuple[Region, ...]
    rules: WarningRules
    _declared: dict[tuple[str, str], int] = field(default_factory=dict)
    _points: Floats = field(default_factory=equal_probability_points)

    def fresh(self, t_ns: int, impacts: Iterable[tuple[int, int, Impact]]) -> list[Danger]:
        """The warnings to issue at `t_ns` for the given tracks: id, number of hits, predicted impact."""
        issued = []
        for track_id, hits, impact in impacts:
            if hits < self.rules.least_hits:
                continue
            for region in self.regions:
                for kind, probability in self._probabilities(region, impact):
                    if probability < self.rules.threshold:
                        continue
                    last = self._declared.get((region.name, kind))
                    self._declared[(region.name, kind)] = t_ns
                    if last is None or t_ns - last > self.rules.quiet_s * S:
                        issued.append(Danger(region.name, kind, track_id, probability, impact.point.t_ns))
        return issued

    def _probabilities(self, region: Region, impact: Impact) -> list[tuple[str, float]]:
        lat, lon = self._scatter(impact.point)
        hits = inside(region.polygon, lat, lon)
        path = impact.path_lat_lon_deg
        crossed = inside(region.polygon, path[:, :, 0], path[:, :, 1]).any(axis=1)
        falls = np.count_nonzero(hits) / hits.size
        crosses = np.count_nonzero(crossed) / crossed.size
        # A path that ends in the region is an impact there, not an overflight of it.
        return [(IMPACT, falls)] if falls >= self.rules.threshold else [(OVERFLIGHT, crosses)]

    def _scatter(self, point: GroundPoint) -> tuple[Floats, Floats]:
        """Latitudes and longitudes of equally likely impact points."""
        ee, en, nn = point.covariance_m2
        sigma_east = float(np.sqrt(ee))
        slope = en / sigma_east if sigma_east > 0.0 else 0.0
        rest = float(np.sqrt(max(nn - slope * slope, 0.0)))
        east = sigma_east * self._points[:, 0]
        north = slope * self._points[:, 0] + rest * self._points[:, 1]
        shrink = float(cos(np.array([point.lat_deg / DEGREES]))[0])
        lat = point.lat_deg + north / METRES_PER_DEGREE
        lon = point.lon_deg + east / (METRES_PER_DEGREE * shrink)
        return lat, lon
