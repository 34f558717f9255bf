"""Plots of recorded sensors from CSV: any number of sensors and nations, 2-D and 3-D, in any order of time.

The columns are those of `NEEDED` and `OPTIONAL`; an empty elevation is a plot without one, an empty optional
cell is one that does not exist. Azimuths are clockwise from true north. Every mistake is one line with the
file, the line, the column and what is allowed. ``range_rate_mps`` is checked and not used: no message has it.
"""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from sensors import geodesy
from sensors.readers.recorded import (
    SMALLEST_SIGMA_M,
    SMALLEST_SIGMA_RAD,
    Assumed,
    Given,
    Line,
    Place,
    Plots,
    Quality,
    RecordedFeed,
    in_order,
    sensor_feed,
)
from sensors.readers.revisit import covered, cut, revisit_s
from sharing.messages import NATIONS, S
from sharing.settings import SettingsError, read_text
from sharing.wire import MAX_ROWS

NEEDED: Final = (
    "time_s", "sensor", "lat_deg", "lon_deg", "alt_m", "azimuth_deg", "elevation_deg", "range_m"
)  # fmt: skip
OPTIONAL: Final = (
    "nation", "sigma_azimuth_deg", "sigma_elevation_deg", "sigma_range_m", "range_rate_mps", "snr_db",
    "object",
)  # fmt: skip
LIMITS: Final[dict[str, tuple[float, float]]] = {
    "time_s": (-1e11, 1e11), "lat_deg": (-90, 90), "lon_deg": (-360, 360), "alt_m": (-1e4, 1e8),
    "azimuth_deg": (-360, 360), "elevation_deg": (-90, 90), "range_m": (1e-3, 1e9),
    "sigma_azimuth_deg": (1e-5, 90), "sigma_elevation_deg": (1e-5, 90), "sigma_range_m": (0.01, 1e6),
    "range_rate_mps": (-1e5, 1e5), "snr_db": (-100, 300),
}  # fmt: skip
MAY_BE_EMPTY: Final = ("elevation_deg", *OPTIONAL)
SENSOR: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
SENSOR_RULE: Final = "1 to 32 lower-case letters, digits and hyphens"
OBJECT_LENGTH: Final = 64
SMALL_TIME_S: Final = 1e6
"""Times up to here are scenario seconds already; others begin at some epoch."""
TEN_YEARS_S: Final = 315_576_000
"""The wire's bound of scenario time."""
SENSORS_OF_A_NATION: Final = 16
"""As many as a core takes."""
DEFAULT_SCAN_S: Final = 10.0
SCAN_LIMITS_S: Final = (0.01, 3600.0)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file; NaN is an empty cell."""

    line: int
    nation: str
    sensor: str
    object: str
    numbers: dict[str, float]


def read_plots(path: Path | str, nation: str = "JPN", assumed: Assumed | None = None) -> RecordedFeed:
    """The feed in the CSV file at `path`; rows that name no nation are `nation`'s. Raises SettingsError."""
    assumed = assumed or Assumed()
    rows, notes = _rows(Path(path), nation)
    t_zero_s = _zero([row.numbers["time_s"] for row in rows], path)
    by_sensor: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        by_sensor.setdefault((row.nation, row.sensor), []).append(row)
    _check_count(by_sensor, path)
    given: list[Given] = []
    about: dict[str, Any] = {}
    for (of, sensor), theirs in sorted(by_sensor.items()):
        name = f"{of}/{sensor}"
        line = Line(of, sensor, Path(path).stem)
        found, about[name] = _sensor(line, theirs, t_zero_s, assumed, path)
        given += found
        notes += _notes(name, about[name], assumed)
    ends = [g.message.t_sent_ns for g in given]
    report = {"plots": len(rows), "t_zero_s": t_zero_s, "sensors": about}
    lag_s = max(sensor["scan_s"] for sensor in about.values())
    start_ns, end_ns = min(ends) // S * S, -(-max(ends) // S) * S
    return RecordedFeed(
        Path(path).stem, in_order(given), start_ns, end_ns, lag_s, t_zero_s, tuple(notes), report
    )  # fmt: skip


def _sensor(
    line: Line, rows: list[Row], t_zero_s: float, assumed: Assumed, path: Path | str
) -> tuple[list[Given], dict[str, Any]]:
    """The messages of one sensor, and what is to be said of it."""
    rows = sorted(rows, key=lambda row: row.numbers["time_s"])
    plots, assumed_sigmas = _columns(rows, t_zero_s, assumed)
    estimate = None if assumed.scan_s else revisit_s(plots)
    scan_s = assumed.scan_s or estimate or DEFAULT_SCAN_S
    if not SCAN_LIMITS_S[0] <= scan_s <= SCAN_LIMITS_S[1]:
        raise SettingsError(f"{path}: {line.sensor}: plots come again after {scan_s:.3g} s: say --scan-s")
    arc = covered(plots.z[:, 1])
    looks, scan_of = cut(plots, scan_s, arc)
    fullest = int(np.bincount(scan_of - scan_of[0]).max())
    if fullest > MAX_ROWS:
        problem = f"{fullest} plots in one scan of {scan_s:g} s, at most {MAX_ROWS}: say a shorter --scan-s"
        raise SettingsError(f"{path}: {line.sensor}: {problem}")
    places = _places(rows, t_zero_s, looks[0].start_ns)
    quality = Quality.of(plots, arc, scan_s, assumed)
    given = list(sensor_feed(line, quality, places, looks, plots, scan_of, say_looks=assumed.looks))
    about = {
        "plots": len(rows),
        "without_elevation": int(np.isnan(plots.z[:, 2]).sum()),
        "scans": len(looks),
        "scan_s": scan_s,
        "scan_from": "given" if assumed.scan_s else "plots" if estimate else "assumed",
        "assumed_sigmas": assumed_sigmas,
        "azimuth_deg": [float(np.degrees(a)) for a in arc],
        "moves": len(places) > 1,
        "t_first_s": float(plots.t_ns[0] / S),
        "t_last_s": float(plots.t_ns[-1] / S),
    }
    return given, about


def _notes(name: str, about: dict[str, Any], assumed: Assumed) -> list[str]:
    notes = []
    if about["scan_from"] == "assumed":
        notes.append(f"{name}: too few plots come again to tell the scan: {about['scan_s']:g} s is assumed")
    if about["assumed_sigmas"]:
        said = [f"range {assumed.sigma_range_m:g} m", f"azimuth {math.degrees(assumed.sigma_azimuth_rad):g}°"]
        said.append(f"elevation {math.degrees(assumed.sigma_elevation_rad):g}°")
        notes.append(f"{name}: {about['assumed_sigmas']} missing sigmas assumed: {', '.join(said)}")
    return notes


def _columns(rows: list[Row], t_zero_s: float, assumed: Assumed) -> tuple[Plots, int]:
    """The rows as plots, and how many sigmas were missing."""

    def column(name: str) -> np.ndarray:
        return np.array([row.numbers.get(name, math.nan) for row in rows])

    t_ns = np.array([round((row.numbers["time_s"] - t_zero_s) * 1e9) for row in rows], dtype=np.int64)
    azimuth, elevation = np.radians(column("azimuth_deg")), np.radians(column("elevation_deg"))
    z = np.stack([column("range_m"), geodesy.wrap(azimuth), elevation], axis=1)
    sigma = np.stack(
        [
            column("sigma_range_m"),
            np.radians(column("sigma_azimuth_deg")),
            np.radians(column("sigma_elevation_deg")),
        ],
        axis=1,
    )
    missing = np.isnan(sigma)
    missing[:, 2] &= ~np.isnan(elevation)
    sigma = np.where(np.isnan(sigma), np.array(assumed.sigma), sigma)
    sigma = np.maximum(sigma, (SMALLEST_SIGMA_M, SMALLEST_SIGMA_RAD, SMALLEST_SIGMA_RAD))
    snr = column("snr_db")
    snr = np.where(np.isnan(snr), assumed.snr_db, snr)
    return Plots(t_ns, z, sigma, snr, tuple(row.object for row in rows)), int(missing.sum())


def _places(rows: list[Row], t_zero_s: float, start_ns: int) -> list[Place]:
    """Where the sensor is: one place, or one at each row where it has moved, with the velocity on."""
    keys = [(row.numbers["lat_deg"], row.numbers["lon_deg"], row.numbers["alt_m"]) for row in rows]
    changes = [i for i, key in enumerate(keys) if i == 0 or key != keys[i - 1]]
    if len(changes) == 1:
        return [Place(start_ns, *keys[0])]
    t_s = np.array([rows[i].numbers["time_s"] - t_zero_s for i in changes])
    at = geodesy.ecef(*np.array([keys[i] for i in changes]).T)
    step = np.diff(t_s)[:, None]
    velocity = np.divide(np.diff(at, axis=0), step, out=np.zeros((len(step), 3)), where=step > 0)
    velocity = np.concatenate([velocity, velocity[-1:]])
    return [
        Place(round(t * S), *keys[i], (vx, vy, vz))
        for t, i, (vx, vy, vz) in zip(t_s.tolist(), changes, velocity.tolist(), strict=True)
    ]


def _zero(times_s: Sequence[float], path: Path | str) -> float:
    """What is subtracted from all times: nothing where they are scenario seconds, else the first, floored."""
    first, last = min(times_s), max(times_s)
    if last - first > TEN_YEARS_S:
        raise SettingsError(f"{path}: times from {first:g} to {last:g} s: ten years at most in one session")
    return 0.0 if max(abs(first), abs(last)) <= SMALL_TIME_S else float(math.floor(first))


def _check_count(by_sensor: dict[tuple[str, str], list[Row]], path: Path | str) -> None:
    for nation in NATIONS:
        count = sum(of == nation for of, _ in by_sensor)
        if count > SENSORS_OF_A_NATION:
            raise SettingsError(f"{path}: {count} sensors of {nation}: at most {SENSORS_OF_A_NATION}")


# -------------------------------------------------------------------------------------------- the file


def _rows(path: Path, nation: str) -> tuple[list[Row], list[str]]:
    """All rows, and what is to be said of them. Raises SettingsError."""
    reader = csv.reader(read_text(path).removeprefix("\ufeff").splitlines())
    header = [name.strip() for name in next(reader, [])]
    _check_header(path, header)
    rows = []
    try:
        for cells in reader:
            if cells:
                rows.append(_row(path, reader.line_num, header, cells, nation))
    except csv.Error as error:
        raise SettingsError(f"{path}:{reader.line_num}: not CSV: {error}") from None
    if not rows:
        raise SettingsError(f"{path}: no plots in this file")
    notes = [] if "nation" in header else [f"no column nation: all sensors are taken as {nation}'s"]
    return rows, notes


def _check_header(path: Path, header: list[str]) -> None:
    for name in NEEDED:
        if name not in header:
            raise SettingsError(f"{path}:1: no column {name}; needed are {', '.join(NEEDED)}")
    for name in header:
        if name not in (*NEEDED, *OPTIONAL):
            raise SettingsError(f"{path}:1: column {name!r} is not known; optional are {', '.join(OPTIONAL)}")
        if header.count(name) > 1:
            raise SettingsError(f"{path}:1: column {name} is there twice")


def _row(path: Path, line: int, header: list[str], cells: list[str], nation: str) -> Row:
    where = f"{path}:{line}"
    if len(cells) != len(header):
        raise SettingsError(f"{where}: {len(cells)} cells, the header has {len(header)}")
    texts = dict(zip(header, (cell.strip() for cell in cells), strict=True))
    of = texts.get("nation") or nation
    if of not in NATIONS:
        raise SettingsError(f"{where}: nation = {of!r}: one of {', '.join(NATIONS)}")
    if not SENSOR.fullmatch(texts["sensor"]):
        raise SettingsError(f"{where}: sensor = {texts['sensor']!r}: {SENSOR_RULE}")
    known = texts.get("object", "")
    if len(known) > OBJECT_LENGTH:
        raise SettingsError(f"{where}: object = {known[:16]!r}…: at most {OBJECT_LENGTH} characters")
    numbers = {name: _number(where, name, texts[name]) for name in LIMITS if name in texts}
    return Row(line, of, texts["sensor"], known, numbers)


def _number(where: str, name: str, text: str) -> float:
    """The number in a cell, NaN where it may be empty and is. Raises SettingsError."""
    if not text and name in MAY_BE_EMPTY:
        return math.nan
    low, high = LIMITS[name]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise SettingsError(f"{where}: {name} = {text!r}: a number from {low:g} to {high:g}")
    return value
