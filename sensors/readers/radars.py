"""ASTERIX reports as a feed: plots to scans, flight levels to elevations, times of day to scenario time.

Rules of this module:

- Radars do not say in their plots where they stand. A place given by hand comes first, then that in the
  radar's own north marks (I034/120), else a made-up one, with a note: NOTIONAL, and worth nothing together
  with other radars.
- A scan ends at a north mark, or where the azimuth passes north when there are none. What lies between two
  norths has looked all round; a part of a turn has looked from its first azimuth to its last.
- A valid flight level or a measured height turns a 2-D plot into one with an elevation: that at which the
  slant range reaches the height. Pressure altitude is not height; its sigma says so. Where the elevation
  would be worse than `WORST_ELEVATION_RAD`, the plot stays 2-D.
- Multilateration and system tracks are no radar's plots. They become range, azimuth and elevation from a
  point `ASIDE_M` south of their middle (or from a given place), without any claim where was looked.
- Times of day begin again at midnight: a time is taken on the day that brings it nearest to its capture, or
  to the time before it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from pymap3d import ecef2enu

from sensors import geodesy
from sensors.readers.asterix import DAY_S, TRUNCATED_S, Decoder, Fix, Mark, Plot, Source
from sensors.readers.capture import BROKEN, payloads
from sensors.readers.plots import DEFAULT_SCAN_S, SENSORS_OF_A_NATION
from sensors.readers.recorded import (
    Assumed,
    Given,
    Line,
    Look,
    Place,
    Plots,
    Quality,
    RecordedFeed,
    in_order,
    sensor_feed,
)
from sensors.readers.revisit import clockwise, covered, cut, revisit_s
from sharing.messages import Ints, S
from sharing.settings import SettingsError

Places = Mapping[Source, tuple[float, float, float]]
"""Latitude and longitude in degrees and height in metres of sources."""

WORST_ELEVATION_RAD: Final = 0.1
ASIDE_M: Final = 100_000.0
ALL_ROUND: Final = (0.0, 2 * math.pi)


def unwrapped(tod_s: float | None, category: int, near_s: float | None) -> float | None:
    """A time of day as seconds since some midnight, on the day that brings it nearest to `near_s`.

    Without a time of day it is `near_s` itself; without either, None.
    """
    if tod_s is None or near_s is None:
        return near_s if tod_s is None else tod_s
    if category != 1:
        return tod_s + DAY_S * round((near_s - tod_s) / DAY_S)
    midnight = math.floor(near_s / DAY_S) * DAY_S
    return midnight + tod_s + TRUNCATED_S * round((near_s - midnight - tod_s) / TRUNCATED_S)


def elevation(
    place: tuple[float, float, float], range_m: float, azimuth_rad: float, height_m: float
) -> tuple[float, float] | None:
    """The elevation at which a slant range reaches a height above the ellipsoid, and its change a metre.

    Law of cosines on a sphere through the radar, then Newton steps on the ellipsoid. None where the height
    is out of reach or the target stands so steeply that its height tells nothing of its elevation.
    """
    lat_deg, lon_deg, alt_m = place
    radius = geodesy.RADIUS_M + alt_m
    sine = ((height_m - alt_m) * (2 * radius + height_m - alt_m) - range_m**2) / (2 * range_m * radius)
    if abs(sine) >= 1.0:
        return None
    angle = math.asin(sine)
    origin, axes = geodesy.ecef(lat_deg, lon_deg, alt_m), geodesy.enu_axes(lat_deg, lon_deg)

    def height_at(angle: float) -> float:
        level = math.cos(angle)
        enu = np.array([level * math.sin(azimuth_rad), level * math.cos(azimuth_rad), math.sin(angle)])
        return float(geodesy.geodetic(origin + range_m * enu @ axes)[2])

    for _ in range(3):
        slope = (height_at(angle + 1e-5) - height_at(angle - 1e-5)) / 2e-5
        if slope < 1.0 or abs(angle) > 1.5:
            return None
        angle -= (height_at(angle) - height_m) / slope
    return angle, 1.0 / slope


def row_of(
    report: Plot | Fix, place: tuple[float, float, float], assumed: Assumed
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Range, azimuth and elevation (NaN: none) of a report from a place, and their sigmas."""
    if isinstance(report, Fix):
        return _from(place, report)
    z: tuple[float, ...] = (report.range_m, float(geodesy.wrap(report.azimuth_rad)), math.nan)
    if report.height_m is None:
        return z, assumed.sigma
    found = elevation(place, report.range_m, report.azimuth_rad, report.height_m)
    if found is None or found[1] * report.sigma_height_m > WORST_ELEVATION_RAD:
        return z, assumed.sigma
    return (*z[:2], found[0]), (*assumed.sigma[:2], found[1] * report.sigma_height_m)


def _from(place: tuple[float, float, float], fix: Fix) -> tuple[tuple[float, ...], tuple[float, ...]]:
    at = geodesy.ecef(fix.lat_deg, fix.lon_deg, fix.height_m)
    east, north, up = (float(x) for x in ecef2enu(*at, *place))
    level, slant = math.hypot(east, north), math.hypot(east, north, up)
    sigma = (max(fix.sigma_m, 1.0), min(fix.sigma_m / max(level, 1.0), 1.0))
    z = (slant, math.atan2(east, north), math.asin(up / slant))
    return z, (*sigma, min(fix.sigma_height_m / max(level, 1.0), 1.0))


# --------------------------------------------------------------------------------------------- a file


@dataclass
class _Radar:
    """What one source has said, with times in seconds since a midnight."""

    source: Source
    fixes: bool
    plots: list[tuple[float, Plot | Fix]] = field(default_factory=list)
    marks: list[tuple[float, Mark]] = field(default_factory=list)

    @property
    def id(self) -> str:
        """Its sensor id."""
        sac, sic = self.source
        return f"{'fix' if self.fixes else 'radar'}-{sac}-{sic}"


def read_asterix(
    path: Path | str,
    nation: str = "JPN",
    assumed: Assumed | None = None,
    places: Places | None = None,
    *,
    system_tracks: bool = False,
) -> RecordedFeed:
    """The feed in a capture or a raw ASTERIX file; `system_tracks` takes in CAT062. Raises SettingsError."""
    assumed, places = assumed or Assumed(), places or {}
    decoder = Decoder()
    radars, untimed, skipped = _collect(Path(path), decoder, system_tracks)
    seen = [radar for radar in radars if radar.plots or radar.marks]
    with_plots = [radar for radar in seen if radar.plots]
    if not with_plots:
        tracks = f"; {skipped} system tracks (CAT062): --system-tracks takes them in" if skipped else ""
        raise SettingsError(f"{path}: no radar plots in this file{tracks}")
    if len(with_plots) > SENSORS_OF_A_NATION:
        raise SettingsError(f"{path}: {len(with_plots)} radars: at most {SENSORS_OF_A_NATION} of one nation")
    zero_s = math.floor(min(t for r in with_plots for t, _ in (*r.plots, *r.marks)))
    given: list[Given] = []
    sensors: dict[str, Any] = {}
    notes: list[str] = [f"all radars are taken as {nation}'s"]
    for radar in with_plots:
        name = f"{nation}/{radar.id}"
        theirs, sensors[name] = _radar_feed(
            radar, Line(nation, radar.id, Path(path).stem), zero_s, assumed, places
        )
        given += theirs
        notes += _notes(name, sensors[name])
    if skipped:
        notes.append(f"{skipped} system tracks (CAT062) left out: --system-tracks takes them in")
    notes += [f"{cause}: what follows is lost" for cause in BROKEN if decoder.counters[cause]]
    ends = [g.message.t_sent_ns for g in given]
    return RecordedFeed(
        Path(path).stem,
        in_order(given),
        min(ends) // S * S,
        -(-max(ends) // S) * S,
        max(about["scan_s"] for about in sensors.values()),
        float(zero_s),
        tuple(notes),
        _report(decoder, sensors, radars, untimed, zero_s),
    )


def _report(
    decoder: Decoder, sensors: Mapping[str, Any], radars: Sequence[_Radar], untimed: int, zero_s: int
) -> dict[str, Any]:
    tallies = {f"{sac}/{sic}": dict(t) for (sac, sic), t in sorted(decoder.radars.items())}
    times = {f"{r.source[0]}/{r.source[1]}": _span(r) for r in radars}
    radars_said = {
        name: {"plots": 0, "duplicates": 0, "undecoded": 0, **tally, **times.get(name, {})}
        for name, tally in tallies.items()
    }
    return {
        "plots": sum(r["plots"] for r in radars_said.values()),
        "duplicates": sum(r["duplicates"] for r in radars_said.values()),
        "untimed": untimed,
        "t_zero_s": float(zero_s),
        "counters": dict(decoder.counters),
        "radars": radars_said,
        "sensors": dict(sensors),
    }


def _span(radar: _Radar) -> dict[str, float]:
    times = [t for t, _ in (*radar.plots, *radar.marks)]
    return {"t_first_s": min(times), "t_last_s": max(times)} if times else {}


def _collect(path: Path, decoder: Decoder, system_tracks: bool) -> tuple[list[_Radar], int, int]:
    """What every source says; reports without any time, and system tracks that were left out."""
    radars: dict[tuple[bool, Source], _Radar] = {}
    near_s: float | None = None
    untimed = skipped = 0
    for t_ns, data in payloads(path, decoder.counters):
        near_s = near_s if t_ns is None else t_ns / S
        for report in decoder.take(data):
            t_s = unwrapped(report.tod_s, report.category, near_s)
            if report.category == 62 and not system_tracks:
                skipped += 1
                continue
            if t_s is None:
                untimed += 1
                continue
            near_s = t_s if t_ns is None else near_s
            fixes = isinstance(report, Fix)
            radar = radars.setdefault((fixes, report.source), _Radar(report.source, fixes))
            if isinstance(report, Mark):
                radar.marks.append((t_s, report))
            else:
                radar.plots.append((t_s, report))
    return [radars[key] for key in sorted(radars)], untimed, skipped


def _radar_feed(
    radar: _Radar, line: Line, zero_s: int, assumed: Assumed, places: Places
) -> tuple[list[Given], dict[str, Any]]:
    """The messages of one source, and what is to be said of it."""
    place, place_from = place_of(radar, places)
    plots = _columns(radar, place, zero_s, assumed)
    period_s, scan_from = _period(radar, plots, assumed)
    if radar.fixes:
        arc = covered(plots.z[:, 1])
        looks, scan_of = cut(plots, period_s, arc)
    else:
        arc = ALL_ROUND
        looks, scan_of = turns(plots, _marks(radar, zero_s), round(period_s * S))
        order = np.argsort(scan_of, kind="stable")
        plots, scan_of = plots.where(order), scan_of[order]
    quality = Quality.of(plots, arc, period_s, assumed)
    start_ns = min(int(plots.t_ns.min()), looks[0].start_ns)
    say_looks = assumed.looks and not radar.fixes
    given = sensor_feed(line, quality, [Place(start_ns, *place)], looks, plots, scan_of, say_looks=say_looks)
    about = {
        "plots": len(radar.plots),
        "without_elevation": int(np.isnan(plots.z[:, 2]).sum()),
        "scans": len(looks),
        "scan_s": period_s,
        "scan_from": scan_from,
        "place": list(place),
        "place_from": place_from,
        "t_first_s": float(plots.t_ns.min() / S),
        "t_last_s": float(plots.t_ns.max() / S),
    }
    return list(given), about


def _notes(name: str, about: Mapping[str, Any]) -> list[str]:
    notes = []
    if about["place_from"] == "made up":
        lat, lon, _ = about["place"]
        notes.append(f"{name}: its place is not known: NOTIONAL {lat:.2f}, {lon:.2f}; --site gives another")
    if about["scan_from"] == "assumed":
        notes.append(f"{name}: nothing tells its turn: {about['scan_s']:g} s is assumed")
    return notes


def place_of(radar: _Radar, places: Places) -> tuple[tuple[float, float, float], str]:
    """Where a source stands, and who says so."""
    if radar.source in places:
        return places[radar.source], "given"
    for _, mark in radar.marks:
        if mark.place is not None:
            return mark.place, "I034/120"
    if radar.fixes:
        at = np.array([(f.lat_deg, f.lon_deg) for _, f in radar.plots if isinstance(f, Fix)])
        middle_lat, middle_lon = at.mean(axis=0).tolist()
        lat, lon = geodesy.destination(middle_lat, middle_lon, 180.0, ASIDE_M)
        return (lat, lon, 0.0), "aside"
    return made_up(radar.source), "made up"


def made_up(source: Source) -> tuple[float, float, float]:
    """A place of its own for a radar of which none is known, in the waters around Japan. NOTIONAL."""
    sac, sic = source
    return 30.0 + (sic % 16), 128.0 + (sac + sic // 16) % 20, 0.0


def _columns(radar: _Radar, place: tuple[float, float, float], zero_s: int, assumed: Assumed) -> Plots:
    radar.plots.sort(key=lambda pair: pair[0])
    rows = [row_of(report, place, assumed) for _, report in radar.plots]
    return Plots(
        np.array([round((t - zero_s) * S) for t, _ in radar.plots], dtype=np.int64),
        np.array([z for z, _ in rows]),
        np.array([sigma for _, sigma in rows]),
        np.full(len(rows), assumed.snr_db),
        tuple(report.object for _, report in radar.plots),
    )


def _period(radar: _Radar, plots: Plots, assumed: Assumed) -> tuple[float, str]:
    """Seconds a turn, and who says so."""
    told = [mark.rotation_s for _, mark in radar.marks if mark.rotation_s]
    norths = np.diff(sorted(t for t, mark in radar.marks if mark.north))
    if assumed.scan_s:
        return assumed.scan_s, "given"
    if told:
        return float(np.median(told)), "I034/041"
    if len(norths):
        return float(np.median(norths)), "north marks"
    estimate = revisit_s(plots)
    return (estimate, "plots") if estimate else (DEFAULT_SCAN_S, "assumed")


def _marks(radar: _Radar, zero_s: int) -> list[tuple[int, float, bool]]:
    """Marks in order of time: ns, azimuth, whether north."""
    return sorted((round((t - zero_s) * S), mark.azimuth_rad, mark.north) for t, mark in radar.marks)


def turns(plots: Plots, marks: Sequence[tuple[int, float, bool]], period_ns: int) -> tuple[list[Look], Ints]:
    """The scans of a turning radar and each plot's scan; north marks end a scan, or azimuths that wrap.

    A turn without plots is a scan when north marks bound it: the radar was on. North marks farther apart
    than one and a half periods say nothing of what lies between them.
    """
    has_north = any(north for *_, north in marks)
    events = [(t, azimuth, north, -1) for t, azimuth, north in marks]
    azimuths = np.mod(plots.z[:, 1], 2 * np.pi).tolist()
    events += [(t, azimuths[i], False, i) for i, t in enumerate(plots.t_ns.tolist())]
    looks: list[Look] = []
    scan_of = np.zeros(len(plots.t_ns), dtype=np.int64)
    turn: list[tuple[int, float, bool, int]] = []

    def close(at_north: bool) -> None:
        first, last = turn[0], turn[-1]
        whole = at_north and first[2] and last[0] - first[0] < 1.5 * period_ns
        arc = ALL_ROUND if whole else clockwise([first[1], 2 * math.pi if at_north else last[1]])
        if whole or any(event[3] >= 0 for event in turn):
            looks.append(Look(len(looks), first[0], last[0], *arc))

    for event in sorted(events):
        late = bool(turn) and event[0] - turn[0][0] > 1.5 * period_ns
        passed = bool(turn) and (event[2] if has_north else turn[-1][1] - event[1] > math.pi)
        if passed and not late:
            close_with = event if event[2] else turn[-1]
            turn.append((close_with[0], 2 * math.pi, close_with[2], -1))
            close(event[2])
            turn = []
        elif late:
            close(False)
            turn = []
        turn.append(event)
        if event[3] >= 0:
            scan_of[event[3]] = len(looks)
    if any(event[3] >= 0 for event in turn):
        close(False)
    return looks, scan_of
