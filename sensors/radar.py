"""Radars: geometry, masks with refraction, signal-to-noise ratio, detection, noise.

Equations are this package's own, independent of the tracker's. Every number of a radar is NOTIONAL.

- mean SNR = 13 dB at the table's range for 1 m², ∝ cross-section / range⁴;
- Swerling 1: the received power is exponential with mean 1 + SNR (in units of the noise); it is detected
  above -ln(Pfa), hence Pd = Pfa^(1 / (1 + SNR)) (Skolnik, Radar Handbook, ch. 7);
- the standard deviations of a plot are the table's at 13 dB, ∝ 1/√(instantaneous SNR), floor 0.1;
- masks are apparent elevations: refraction decides what stands above them. Reported angles are corrected
  for the standard refraction, so they are geometric.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sensors import atmosphere, geodesy
from sensors.platforms import Platform
from sensors.stations import Entry, RadarType, catalogue
from sharing.messages import Ints

__all__ = ["Radar", "catalogue", "place", "plot_sigmas"]

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SNR_13DB = 10.0**1.3
SIGMA_FLOOR = 0.1


@dataclass(frozen=True, kw_only=True)
class Radar(Platform):
    """A radar in its place."""

    type: RadarType

    @property
    def lag_s(self) -> float:
        """From a scan's first beam to its arrival at the nation's own node, at most."""
        return self.type.scan_s + self.station.delay_max_s

    @property
    def range_max_m(self) -> float:
        """Where the display ends."""
        return self.type.range_max_km * 1e3

    @property
    def cell(self) -> Array:
        """Resolution (range m, across in azimuth rad, elevation rad): objects closer in all three are one."""
        width = self.type.beam_width_mrad * 1e-3
        return np.array([self.type.resolution_m, width, width])

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

    def visible(self, range_m: Array, azimuth_rad: Array, elevation_rad: Array) -> Flags:
        """Whether points (n,) lie inside the sector, between the masks and inside the display range."""
        offset = geodesy.wrap(azimuth_rad - math.radians(self.station.boresight_deg))
        lowest = atmosphere.geometric_elevation(self.mask_rad, self.station.alt_m, range_m)
        return (
            (np.abs(offset) <= math.radians(self.type.sector_deg) / 2)
            & (elevation_rad >= lowest)
            & (elevation_rad <= math.radians(self.type.elevation_max_deg))
            & (range_m <= self.range_max_m)
        )

    def mean_snr(self, range_m: Array, cross_section_m2: Array | float) -> Array:
        """Mean signal-to-noise ratio (a ratio, not dB) at ranges (n,) for cross-sections (n,)."""
        return SNR_13DB * np.asarray(cross_section_m2) * (self.type.range_13db_km * 1e3 / range_m) ** 4

    def aspect_cos(self, states_ecef: Array, t_ns: Ints | None = None) -> Array:
        """Cosine between the object's axis (along its velocity) and the line of sight, for states (n, 6)."""
        moving = t_ns is not None and self.speed_mps > 0.0
        origin = self.frames(t_ns).position_ecef_m if moving and t_ns is not None else self.position_ecef_m
        sight = states_ecef[:, :3] - origin
        velocity = states_ecef[:, 3:]
        lengths = np.linalg.norm(sight, axis=1) * np.linalg.norm(velocity, axis=1)
        return np.einsum("ij,ij->i", sight, velocity) / np.maximum(lengths, 1e-9)

    def look_fraction(self, azimuth_rad: Array) -> Array:
        """Which part of a scan (0 to 1) has passed when the beam that covers an azimuth (n,) looks."""
        beams = int(np.ceil(self.type.sector_deg / self.type.beam_deg))
        left = np.radians(self.station.boresight_deg - self.type.sector_deg / 2)
        turned = np.mod(azimuth_rad - left, 2 * np.pi) / np.radians(self.type.sector_deg)
        beam = np.minimum(np.floor(turned * beams), beams - 1)
        return (beam + 0.5) / beams

    def detection_probability(self, snr: Array) -> Array:
        """Probability of detection at mean signal-to-noise ratios (n,)."""
        return self.type.false_alarm ** (1.0 / (1.0 + snr))

    @property
    def threshold(self) -> float:
        """Received power over noise above which a plot is made."""
        return -math.log(self.type.false_alarm)

    def received(self, snr: Array, drawn: Array) -> Array:
        """Received powers over noise (n,) for mean ratios (n,) and uniform draws (n,): exponential."""
        return -np.log(drawn) * (1.0 + snr)

    def sigmas_of(self, measurement: Array, received: Array) -> Array:
        """Standard deviations (n, 3) of plots at places (n, 3) with received powers (n,)."""
        return plot_sigmas(self, received)

    def snr_db(self, received: Array) -> Array:
        """Received powers in dB."""
        return 10.0 * np.log10(received)


def plot_sigmas(radar: Radar, snr: Array) -> Array:
    """Standard deviations (n, 3) of plots with instantaneous signal-to-noise ratios (n,)."""
    return radar.sigmas * np.maximum(np.sqrt(SNR_13DB / snr), SIGMA_FLOOR)[:, None]


def place(
    name: str,
    entry: Entry,
    lat_deg: float,
    lon_deg: float,
    *,
    course_deg: float = 0.0,
    speed_mps: float = 0.0,
    t_start_ns: int = 0,
) -> Radar:
    """The radar of a catalogue entry at a place; a ship sails on from there with `t_start_ns`."""
    nation, station, kind = entry
    assert isinstance(kind, RadarType), f"{name} is no radar"
    return Radar(
        nation=nation,
        id=name.partition("/")[2],
        type=kind,
        station=station,
        lat_deg=lat_deg,
        lon_deg=lon_deg,
        position_ecef_m=geodesy.ecef(lat_deg, lon_deg, station.alt_m),
        axes=geodesy.enu_axes(lat_deg, lon_deg),
        course_deg=course_deg,
        speed_mps=speed_mps,
        t_start_ns=t_start_ns,
    )
