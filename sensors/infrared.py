"""Infrared from geostationary orbit: two-angle lines of sight to burning motors. Every number NOTIONAL.

What is seen: an object under power (truth phase boost), above the cloud tops or over a hole in the clouds,
inside the watched region, with nothing of the Earth in between.

- radiant intensity = thrust of the burning stage × a stated kW/sr per kN; aspect and plume growth with
  height are left out;
- amplitude over noise ∝ intensity / distance², 13 dB (20 log10) at a stated intensity and 38,000 km;
- the received amplitude is that plus a standard normal draw; above Φ⁻¹(1 - Pfa) it is a plot, hence
  Pd = Φ(amplitude - Φ⁻¹(1 - Pfa)) (a known signal in Gaussian noise; Van Trees, part I, ch. 2);
- the noise of a line of sight is the same in every direction across it and does not depend on the amplitude
  (it is the pixel's); in azimuth it is divided by the cosine of the elevation;
- sensors do not react to the picture: the one that scans always scans, the one that stares always stares at
  its own region.
"""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from sensors import geodesy
from sensors.draws import uniforms
from sensors.platforms import Platform
from sensors.stations import Entry, InfraredType, Share
from sensors.threats import Spec, load_threat, split
from sharing.messages import S, Truth

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

DISTANCE_13DB_M = 3.8e7
RANGE_MAX_M = 5e7
RANGE_SIGMA_M = 1e7
"""Stands for "no range" in the site message."""
AMPLITUDE_13DB = 10.0 ** (13.0 / 20.0)
CLOUD_CELL_DEG = 1.0
"""Clouds are drawn in cells of one degree, about 100 km."""


class Clouds(Spec, frozen=True, kw_only=True):
    """The cloud deck of a scenario: its top, and which share of the cells it covers."""

    top_km: Annotated[float, msgspec.Meta(ge=0.0, le=30.0)] = 10.0
    cover: Share = 1.0

    def covered(self, lat_deg: Array, lon_deg: Array, seed: int | None) -> Flags:
        """Whether clouds stand over places (n,). The field belongs to the world: all sensors see the same.

        Without a seed, the worst case: overcast wherever there may be clouds.
        """
        if seed is None or self.cover in (0.0, 1.0):
            return np.full(len(lat_deg), self.cover > 0.0)
        cells = np.floor(np.stack([lat_deg, lon_deg], axis=1) / CLOUD_CELL_DEG).astype(np.int64)
        few, row = np.unique(cells, axis=0, return_inverse=True)
        drawn = [uniforms(1, 4, seed, "clouds", *cell)[0, 0] for cell in few.tolist()]
        return (np.array(drawn) < self.cover)[row.reshape(-1)]


@dataclass(frozen=True, kw_only=True)
class Infrared(Platform):
    """A geostationary infrared sensor. Its frame is that of the point on the ellipsoid below it."""

    type: InfraredType
    clouds: Clouds = field(default_factory=Clouds)

    @property
    def lag_s(self) -> float:
        """From a scan's beginning to its arrival at the nation's own node, at most."""
        return self.type.scan_s + self.station.delay_max_s

    @property
    def range_max_m(self) -> float:
        """Farther than any point of the Earth that it sees."""
        return RANGE_MAX_M

    @cached_property
    def sector(self) -> tuple[float, float, float, float]:
        """Azimuth in the middle, width in azimuth, lowest and highest elevation (rad) of the region.

        From a grid over the region, at the ground and 500 km above it.
        """
        south, north, west, east = self.type.region_deg
        lat, lon, height = np.meshgrid(
            np.linspace(south, north, 9), np.linspace(west, east, 9), [0.0, 500e3], indexing="ij"
        )
        places = geodesy.ecef(lat.ravel(), lon.ravel(), height.ravel())
        _, azimuth, elevation = self.measure(places)
        middle = float(np.arctan2(np.sin(azimuth).mean(), np.cos(azimuth).mean()))
        half = float(np.abs(geodesy.wrap(azimuth - middle)).max())
        return middle, 2.0 * half, float(elevation.min()), float(elevation.max())

    @property
    def sigmas(self) -> Array:
        """Standard deviations (range m, azimuth rad, elevation rad) in the middle of the region."""
        middle = 0.5 * (self.sector[2] + self.sector[3])
        sigma = self.type.sigma_mrad * 1e-3
        return np.array([RANGE_SIGMA_M, sigma / math.cos(middle), sigma])

    @property
    def bias_sigmas(self) -> Array:
        """Standard deviations (range m, azimuth rad, elevation rad) of the constant errors."""
        return np.array([0.0, self.type.bias_azimuth_mrad * 1e-3, self.type.bias_elevation_mrad * 1e-3])

    @property
    def cell(self) -> Array:
        """Resolution (range m: none, across in azimuth rad, elevation rad)."""
        width = self.type.cell_mrad * 1e-3
        return np.array([np.inf, width, width])

    def unblocked(self, position_ecef_m: Array) -> Flags:
        """Whether the Earth leaves the line of sight to positions (n, 3) free.

        The ellipsoid becomes a sphere when the axis is stretched by a/b; the line's point that is closest to
        the centre lies outside that sphere or behind the object.
        """
        stretch = np.array([1.0, 1.0, 1.0 / (1.0 - geodesy.FLATTENING)])
        start, end = self.position_ecef_m * stretch, position_ecef_m * stretch
        along = end - start
        f = np.clip(-(along @ start) / np.einsum("ij,ij->i", along, along), 0.0, 1.0)
        closest = np.linalg.norm(start + f[:, None] * along, axis=1)
        return (f >= 1.0) | (closest > geodesy.RADIUS_M)

    def visible(self, position_ecef_m: Array, seed: int | None = None) -> Flags:
        """Whether a flame at positions (n, 3) stands above the clouds, in the region, on this side."""
        lat, lon, height = geodesy.geodetic(position_ecef_m)
        south, north, west, east = self.type.region_deg
        inside = (lat >= south) & (lat <= north) & (lon >= west) & (lon <= east)
        clear = (height >= self.clouds.top_km * 1e3) | ~self.clouds.covered(lat, lon, seed)
        return inside & clear & self.unblocked(position_ecef_m)

    def intensity_kw_sr(self, truth: Truth, elapsed_s: Array) -> Array:
        """Radiant intensity (n,) of an object's burning stage at times (n,) after liftoff."""
        stages = load_threat(split(truth.kind)[0]).stages
        if not stages:
            return np.full(len(elapsed_s), self.type.intensity_recorded_kw_sr)
        ends = np.cumsum([stage.burn_s for stage in stages])
        burning = np.minimum(np.searchsorted(ends, elapsed_s, side="right"), len(stages) - 1)
        thrust = np.array([stage.thrust_vacuum_kn for stage in stages])[burning]
        return thrust * self.type.intensity_kw_sr_per_kn

    def amplitude(self, truth: Truth, t_ns: npt.NDArray[np.int64], range_m: Array) -> Array:
        """Mean amplitude over noise (n,) of an object's flame at times and distances (n,)."""
        intensity = self.intensity_kw_sr(truth, (t_ns - truth.liftoff_t_ns) / S)
        scale = (DISTANCE_13DB_M / range_m) ** 2
        return AMPLITUDE_13DB * intensity / self.type.intensity_13db_kw_sr * scale

    def detection_probability(self, snr: Array) -> Array:
        """Probability of detection at mean amplitudes over noise (n,)."""
        return np.asarray(ndtr(snr - self.threshold))

    @property
    def threshold(self) -> float:
        """Received amplitude over noise above which a plot is made."""
        return -float(ndtri(self.type.false_alarm))

    def received(self, snr: Array, drawn: Array) -> Array:
        """Received amplitudes over noise (n,) for mean amplitudes (n,) and uniform draws (n,)."""
        return snr - np.asarray(ndtri(drawn))

    def sigmas_of(self, measurement: Array, received: Array) -> Array:
        """Standard deviations (n, 3) of lines of sight (n, 3: range, azimuth, elevation)."""
        sigma = self.type.sigma_mrad * 1e-3
        n = len(measurement)
        across = sigma / np.cos(measurement[:, 2])
        return np.stack([np.full(n, RANGE_SIGMA_M), across, np.full(n, sigma)], axis=1)

    def snr_db(self, received: Array) -> Array:
        """Received amplitudes in dB."""
        return 20.0 * np.log10(received)

    def look_fraction(self, azimuth_rad: Array) -> Array:
        """Which part of a scan (0 to 1) has passed when an azimuth (n,) is looked at."""
        if self.type.mode == "stare":
            return np.full(len(azimuth_rad), 0.5)
        middle, width, _, _ = self.sector
        turned = geodesy.wrap(azimuth_rad - middle) / width + 0.5
        return np.clip(turned, 1e-3, 1.0 - 1e-3)


def place(name: str, entry: Entry, clouds: Clouds) -> Infrared:
    """The infrared sensor of a catalogue entry over a scenario's clouds."""
    nation, station, kind = entry
    assert isinstance(kind, InfraredType), f"{name} is no infrared sensor"
    assert station.lat_deg is not None and station.lon_deg is not None
    return Infrared(
        nation=nation,
        id=name.partition("/")[2],
        type=kind,
        station=station,
        lat_deg=station.lat_deg,
        lon_deg=station.lon_deg,
        position_ecef_m=geodesy.ecef(station.lat_deg, station.lon_deg, station.alt_m),
        axes=geodesy.enu_axes(station.lat_deg, station.lon_deg),
        clouds=clouds,
    )
