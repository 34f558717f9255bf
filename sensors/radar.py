"""Radars: typed configuration, geometry, masks with refraction, signal-to-noise ratio, detection, noise.

Equations are this package's own, independent of the tracker's. Every number of a radar is NOTIONAL.

- mean SNR = 13 dB at the table's range for 1 m², ∝ cross-section / range⁴;
- Swerling 1: the received power is exponential with mean 1 + SNR (in units of the noise); it is detected
  above -ln(Pfa), hence Pd = Pfa^(1 / (1 + SNR)) (Skolnik, Radar Handbook, ch. 7);
- the standard deviations of a plot are the table's at 13 dB, ∝ 1/√(instantaneous SNR), floor 0.1;
- masks are apparent elevations: refraction decides what stands above them. Reported angles are corrected
  for the standard refraction, so they are geometric.
"""

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt

import configs
from sensors import atmosphere, geodesy
from sensors.threats import Degrees, Latitude, Longitude, NotNegative, Positive, Spec
from sharing import settings
from sharing.messages import NATIONS

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Elevation = Annotated[float, msgspec.Meta(ge=0.0, lt=90.0)]

SNR_13DB = 10.0**1.3
SIGMA_FLOOR = 0.1


class RadarType(Spec, frozen=True, kw_only=True):
    """What radars of one type have in common; `range_13db_km` is for 1 m² and a mean SNR of 13 dB."""

    range_13db_km: Positive
    range_max_km: Positive
    sector_deg: Annotated[float, msgspec.Meta(gt=0.0, le=360.0)]
    elevation_min_deg: Elevation
    elevation_max_deg: Elevation
    sigma_range_m: Positive
    sigma_angle_mrad: Positive
    bias_range_m: NotNegative
    bias_angle_mrad: NotNegative
    scan_s: Positive
    beam_deg: Positive
    clutter_per_scan: Annotated[float, msgspec.Meta(ge=0.0, le=100.0)]
    false_alarm: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)]
    clock_s: NotNegative
    """Standard deviation of the constant error of this sensor's clock."""


class Station(Spec, frozen=True, kw_only=True):
    """One radar of a nation. Ships have no place of their own: the scenario gives it."""

    type: str
    boresight_deg: Degrees = 0.0
    lat_deg: Latitude | None = None
    lon_deg: Longitude | None = None
    alt_m: float = 20.0
    site_mask_deg: NotNegative = 0.0
    """Terrain around the site: nothing is seen at a lower apparent elevation."""
    delay_min_s: NotNegative
    delay_max_s: NotNegative
    outages_s: tuple[tuple[float, float], ...] = ()
    """Intervals of scenario time without scans."""


class Nation(Spec, frozen=True, kw_only=True):
    """One file of `configs/sensors/`: a nation's radar types and radars."""

    nation: str
    types: dict[str, RadarType]
    sensors: dict[str, Station]


@dataclass(frozen=True)
class Radar:
    """A radar in its place. `axes` holds east, north, up as rows, in ECEF."""

    nation: str
    id: str
    type: RadarType
    station: Station
    lat_deg: float
    lon_deg: float
    position_ecef_m: Array
    axes: Array

    @property
    def mask_rad(self) -> float:
        """Lowest apparent elevation: the beam's or the terrain's."""
        return math.radians(max(self.type.elevation_min_deg, self.station.site_mask_deg))

    @property
    def sigmas(self) -> Array:
        """Standard deviations (range m, azimuth rad, elevation rad) of a plot at 13 dB."""
        angle = self.type.sigma_angle_mrad * 1e-3
        return np.array([self.type.sigma_range_m, angle, angle])

    @property
    def bias_sigmas(self) -> Array:
        """Standard deviations (range m, azimuth rad, elevation rad) of the constant errors."""
        angle = self.type.bias_angle_mrad * 1e-3
        return np.array([self.type.bias_range_m, angle, angle])

    def measure(self, position_ecef_m: Array) -> tuple[Array, Array, Array]:
        """Geometric range m, azimuth rad in (-π, π] and elevation rad of positions (n, 3)."""
        east, north, up = self.axes @ (np.atleast_2d(position_ecef_m) - self.position_ecef_m).T
        level = np.hypot(east, north)
        return np.hypot(level, up), np.arctan2(east, north), np.arctan2(up, level)

    def visible(self, range_m: Array, azimuth_rad: Array, elevation_rad: Array) -> Flags:
        """Whether points (n,) lie inside the sector, between the masks and inside the display range."""
        offset = geodesy.wrap(azimuth_rad - math.radians(self.station.boresight_deg))
        lowest = atmosphere.geometric_elevation(self.mask_rad, self.station.alt_m, range_m)
        return (
            (np.abs(offset) <= math.radians(self.type.sector_deg) / 2)
            & (elevation_rad >= lowest)
            & (elevation_rad <= math.radians(self.type.elevation_max_deg))
            & (range_m <= self.type.range_max_km * 1e3)
        )

    def mean_snr(self, range_m: Array, cross_section_m2: Array | float) -> Array:
        """Mean signal-to-noise ratio (a ratio, not dB) at ranges (n,) for cross-sections (n,)."""
        return SNR_13DB * np.asarray(cross_section_m2) * (self.type.range_13db_km * 1e3 / range_m) ** 4

    def aspect_cos(self, states_ecef: Array) -> Array:
        """Cosine between the object's axis (along its velocity) and the line of sight, for states (n, 6)."""
        sight = states_ecef[:, :3] - self.position_ecef_m
        velocity = states_ecef[:, 3:]
        lengths = np.linalg.norm(sight, axis=1) * np.linalg.norm(velocity, axis=1)
        return np.einsum("ij,ij->i", sight, velocity) / np.maximum(lengths, 1e-9)

    def detection_probability(self, snr: Array) -> Array:
        """Probability of detection at mean signal-to-noise ratios (n,)."""
        return self.type.false_alarm ** (1.0 / (1.0 + snr))

    @property
    def threshold(self) -> float:
        """Received power over noise above which a plot is made."""
        return -math.log(self.type.false_alarm)


def plot_sigmas(radar: Radar, snr: Array) -> Array:
    """Standard deviations (n, 3) of plots with instantaneous signal-to-noise ratios (n,)."""
    return radar.sigmas * np.maximum(np.sqrt(SNR_13DB / snr), SIGMA_FLOOR)[:, None]


@functools.lru_cache(maxsize=64)
def _load(path: Path) -> Nation:
    nation = settings.load(path, Nation)
    if nation.nation not in NATIONS:
        raise settings.SettingsError(f"{path}: nation = {nation.nation!r}: one of {', '.join(NATIONS)}")
    for name, station in nation.sensors.items():
        if station.type not in nation.types:
            known = ", ".join(nation.types)
            raise settings.SettingsError(f"{path}: sensors.{name}.type = {station.type!r}: one of {known}")
    return nation


def catalogue() -> dict[str, tuple[str, Station, RadarType]]:
    """All radars of `configs/sensors/` by ``NATION/id``. Raises SettingsError."""
    found = {}
    for path in configs.available("sensors"):
        nation = _load(path)
        for name, station in nation.sensors.items():
            found[f"{nation.nation}/{name}"] = (nation.nation, station, nation.types[station.type])
    return found


def place(name: str, entry: tuple[str, Station, RadarType], lat_deg: float, lon_deg: float) -> Radar:
    """The radar of a catalogue entry at a place."""
    nation, station, kind = entry
    position = geodesy.ecef(lat_deg, lon_deg, station.alt_m)
    axes = geodesy.enu_axes(lat_deg, lon_deg)
    return Radar(nation, name.partition("/")[2], kind, station, lat_deg, lon_deg, position, axes)
