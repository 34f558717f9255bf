"""Typed configuration of the sensors: the files of `configs/sensors/`, one a nation. All numbers NOTIONAL."""

import functools
from pathlib import Path
from typing import Annotated, Literal

import msgspec

import configs
from sensors.threats import Degrees, Latitude, Longitude, NotNegative, Positive, Spec
from sharing import settings
from sharing.messages import NATIONS

Elevation = Annotated[float, msgspec.Meta(ge=0.0, lt=90.0)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Probability = Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)]
PerScan = Annotated[float, msgspec.Meta(ge=0.0, le=100.0)]
Turn = Annotated[float, msgspec.Meta(ge=0.0, le=360.0)]
Box = tuple[Latitude, Latitude, Longitude, Longitude]


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
    """Beam positions in which the sector is swept."""
    resolution_m: Positive
    beam_width_mrad: Positive
    """With `resolution_m` the resolution cell: objects inside one give one plot."""
    clutter_per_scan: PerScan
    """Mean of all false plots of a scan; the station says how many of them are sea and land."""
    false_alarm: Probability
    clock_s: NotNegative
    """Standard deviation of the constant error of this sensor's clock."""


class InfraredType(Spec, frozen=True, kw_only=True):
    """What infrared sensors of one type have in common.

    `mode`: ``scan`` sweeps the region once in `scan_s`, ``stare`` looks at all of it at once.
    """

    mode: Literal["scan", "stare"]
    scan_s: Positive
    region_deg: Box
    """South, north, west, east ends of what is watched."""
    sigma_mrad: Positive
    """Standard deviation of a line of sight in each of two perpendicular directions."""
    bias_elevation_mrad: NotNegative
    bias_azimuth_mrad: NotNegative
    cell_mrad: Positive
    """Flames inside one cell give one plot."""
    intensity_13db_kw_sr: Positive
    """Radiant intensity that has 13 dB at a distance of 38,000 km."""
    intensity_kw_sr_per_kn: Positive
    intensity_recorded_kw_sr: Positive
    """Of classes without stages (recorded ascents)."""
    clutter_per_scan: PerScan
    false_alarm: Probability
    clock_s: NotNegative


SensorType = RadarType | InfraredType


class Station(Spec, frozen=True, kw_only=True):
    """One sensor of a nation. Ships have no place of their own: the scenario gives it."""

    type: str
    boresight_deg: Degrees = 0.0
    lat_deg: Latitude | None = None
    lon_deg: Longitude | None = None
    alt_m: Positive = 20.0
    site_mask_deg: NotNegative = 0.0
    """Terrain around the site: nothing is seen at a lower apparent elevation."""
    delay_min_s: NotNegative
    delay_max_s: NotNegative
    outages_s: tuple[tuple[float, float], ...] = ()
    """Intervals of scenario time without scans."""
    sea_share: Share = 0.0
    land_share: Share = 0.0
    """Parts of the false plots that come from the sea and from the land; the rest stands anywhere."""
    sea_deg: tuple[tuple[Turn, Turn], ...] = ()
    """Azimuths of the sea inside the sector, clockwise from one to the other; all else is land."""


class Nation(Spec, frozen=True, kw_only=True):
    """One file of `configs/sensors/`: a nation's sensor types and sensors."""

    nation: str
    types: dict[str, RadarType]
    infrared: dict[str, InfraredType] = msgspec.field(default_factory=dict)
    sensors: dict[str, Station]

    @property
    def kinds(self) -> dict[str, SensorType]:
        """All types, of radars and infrared sensors, by name."""
        return {**self.types, **self.infrared}


Entry = tuple[str, Station, SensorType]
"""Nation, station and type of one sensor."""


@functools.lru_cache(maxsize=64)
def load_nation(path: Path) -> Nation:
    """The file of one nation. Raises SettingsError."""
    nation = settings.load(path, Nation)
    if nation.nation not in NATIONS:
        raise settings.SettingsError(f"{path}: nation = {nation.nation!r}: one of {', '.join(NATIONS)}")
    for name, kind in nation.infrared.items():
        south, north, west, east = kind.region_deg
        if name in nation.types or south >= north or west >= east:
            why = "also in types" if name in nation.types else "region_deg: south < north and west < east"
            raise settings.SettingsError(f"{path}: infrared.{name}: {why}")
    for name, station in nation.sensors.items():
        problem = _problem(nation, station)
        if problem:
            raise settings.SettingsError(f"{path}: sensors.{name}.{problem}")
    return nation


def _problem(nation: Nation, station: Station) -> str:
    """What is wrong with a station, in a few words; empty when nothing is."""
    known = nation.kinds
    if station.type not in known:
        return f"type = {station.type!r}: one of {', '.join(known)}"
    if station.delay_max_s < station.delay_min_s:
        return f"delay_max_s = {station.delay_max_s}: not below delay_min_s = {station.delay_min_s}"
    for begin, end in station.outages_s:
        if end <= begin:
            return f"outages_s = [{begin}, {end}]: the end comes after the beginning"
    if station.sea_share + station.land_share > 1.0:
        return "land_share: sea_share and land_share make more than 1"
    kind = known[station.type]
    if isinstance(kind, InfraredType):
        return "lat_deg: a satellite stands somewhere" if station.lat_deg is None else ""
    sea = sea_width_deg(station)
    if station.sea_share and not sea:
        return "sea_deg: needed where there is a sea_share"
    if station.land_share and sea >= kind.sector_deg - 1e-9:
        return "land_share: there is no land inside the sector"
    left = station.boresight_deg - kind.sector_deg / 2
    for begin, end in station.sea_deg if kind.sector_deg < 360.0 else ():
        if (begin - left) % 360.0 + width_deg(begin, end) > kind.sector_deg + 1e-9:
            return f"sea_deg = [{begin}, {end}]: inside the sector of {kind.sector_deg} deg"
    return ""


def width_deg(begin_deg: float, end_deg: float) -> float:
    """Clockwise angle from one azimuth to another; a whole turn for 0 to 360."""
    return 360.0 if abs(end_deg - begin_deg) == 360.0 else (end_deg - begin_deg) % 360.0


def sea_width_deg(station: Station) -> float:
    """Degrees of azimuth that are sea."""
    return sum(width_deg(begin, end) for begin, end in station.sea_deg)


def catalogue() -> dict[str, Entry]:
    """All sensors of `configs/sensors/` by ``NATION/id``. Raises SettingsError."""
    found: dict[str, Entry] = {}
    for path in configs.available("sensors"):
        nation = load_nation(path)
        known = nation.kinds
        for name, station in nation.sensors.items():
            found[f"{nation.nation}/{name}"] = (nation.nation, station, known[station.type])
    return found
