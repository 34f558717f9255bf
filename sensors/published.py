"""Published flights, row by row: flight times against physics, and what is physically odd in a test list.

Two forms of CSV. *Flight times*: ``missile, lat, lon, bearing_deg, range_km, apogee_km, flight_time_s,
quality`` in any order. *Tests*: ``missile, lat, lon, apogee_km, distance_km, bearing_deg, outcome``, where
``unknown`` and ``na`` stand for what nobody published.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sensors.claims import TOLERANCE, Claim, Judgement, holding, judge, limit, outside
from sensors.reach import Reach, reach
from sharing.settings import SettingsError, read_text

FLIGHT_TIMES = ("missile", "lat", "lon", "bearing_deg", "range_km", "apogee_km", "flight_time_s", "quality")
TESTS = ("missile", "lat", "lon", "apogee_km", "distance_km", "bearing_deg", "outcome")
UNKNOWN = ("", "unknown", "na")
UNTESTED = ("time rough", "apogee lower bound")
"""A flight time of such quality is listed and not tested."""

CLASSES: Mapping[str, str] = {
    "scud-b": "scud-b", "scud-c": "scud-c", "er-scud": "scud-er", "scud-er": "scud-er",
    "scud (marv)": "scud-marv", "scud-b-marv": "scud-marv", "scud-c-marv": "scud-marv", "nodong": "nodong",
    "kn-25": "kn25", "pukguksong-3": "pukguksong3", "hwasong-12": "hwasong12",
    "hwasong-12 (mod)": "hwasong12", "new-irbm-2022": "hwasong12", "hwasong-14": "hwasong14",
    "hwasong-15": "hwasong15", "hwasong-17": "hwasong17", "icbm (japan mod)": "hwasong17",
    "hwasong-11a": "kn23", "rail-mobile-kn-23": "kn23", "hwasong-11c": "kn23-heavy",
}  # fmt: skip
"""Class of a published name; names that are not here are judged by every class of the table."""
LAUNCHERS = ("unha", "unha-3", "taepodong-1")
"""Space launchers: the distance in a list is that of a stage or of a failed ascent."""


@dataclass(frozen=True)
class FlightTime:
    """One row of flight times, judged. `tested` is false for rows that only a table shows."""

    date: str
    missile: str
    quality: str
    judgement: Judgement

    @property
    def tested(self) -> bool:
        """Whether the quality of the row allows a test."""
        return not any(mark in self.quality for mark in UNTESTED)

    @property
    def difference(self) -> float | None:
        """Published over modelled time, less one."""
        time, model = self.judgement.claim.time_s, self.judgement.model_time_s
        return None if time is None or model is None else time / model - 1.0


@dataclass(frozen=True)
class Odd:
    """A row of a test list that does not fit physics, or not the class that it names."""

    line: int
    date: str
    missile: str
    apogee_km: float | None
    distance_km: float | None
    outcome: str
    reason: str


@dataclass(frozen=True)
class Tests:
    """What looking at a test list gave: rows judged (of which `odd`), skipped as unknown or as launchers."""

    rows: int
    judged: int
    unknown: int
    launchers: int
    odd: tuple[Odd, ...]


def form_of(path: Path | str) -> str | None:
    """``flight times`` or ``tests`` by the header of a CSV, None for any other. Raises SettingsError."""
    header = set(next(csv.reader(read_text(path).splitlines()[:1]), []))
    if header.issuperset(FLIGHT_TIMES):
        return "flight times"
    return "tests" if header.issuperset(TESTS) else None


def flight_times(path: Path | str) -> list[FlightTime]:
    """Every row of a CSV of flight times, judged by the class that it names. Raises SettingsError."""
    found = []
    for line, row in _rows(path, FLIGHT_TIMES):
        values = {name: _number(path, line, row, name) for name in FLIGHT_TIMES[1:7]}
        numbers = {name: value for name, value in values.items() if value is not None}
        missing = sorted(values.keys() - numbers.keys() - {"flight_time_s"})
        if missing:
            raise SettingsError(f"{path}:{line}: {missing[0]}: is missing")
        try:
            claim = Claim(
                numbers["range_km"], numbers["apogee_km"], numbers.get("flight_time_s"),
                numbers["lat"], numbers["lon"], numbers["bearing_deg"], _class(row["missile"]),
            )  # fmt: skip
        except SettingsError as error:
            raise SettingsError(f"{path}:{line}: {error}") from None
        found.append(FlightTime(row.get("date_utc", ""), row["missile"], row["quality"], judge(claim)))
    return found


def tests(path: Path | str) -> Tests:
    """What is physically odd in a CSV of tests. Raises SettingsError."""
    rows = judged = unknown = launchers = 0
    odd = []
    for line, row in _rows(path, TESTS):
        rows += 1
        apogee, distance = (_number(path, line, row, name) for name in ("apogee_km", "distance_km"))
        name = _class(row["missile"])
        if row["missile"] in LAUNCHERS:
            launchers += 1
            continue
        if (apogee is None or distance is None) and (name is None or apogee is distance):
            unknown += 1
            continue
        judged += 1
        reason = _oddity(name, apogee, distance)
        if reason:
            odd.append(
                Odd(line, row.get("date", ""), row["missile"], apogee, distance, row["outcome"], reason)
            )
    return Tests(rows, judged, unknown, launchers, tuple(odd))


def _oddity(name: str | None, apogee_km: float | None, distance_km: float | None) -> str:
    """What is odd about a pair, or about the half of it that is known; empty when nothing is."""
    for value, what in ((apogee_km, "apogee"), (distance_km, "distance")):
        if value is not None and value <= 0.0:
            return f"a {what} of {value:g} km"
    if apogee_km is None or distance_km is None:
        return _half(reach(name), apogee_km, distance_km) if name else ""
    if holding(distance_km, apogee_km, name):
        return ""
    other = holding(distance_km, apogee_km)
    if name and other:
        return f"ballistic for a {other.name}, but {limit(apogee_km, name)}"
    beyond = outside(distance_km, apogee_km)
    if beyond:
        return "" if not name else f"{beyond}; {limit(apogee_km, name)}"
    return f"needs lift: {limit(apogee_km, name)}"


def _half(edge: Reach, apogee_km: float | None, distance_km: float | None) -> str:
    """Where only apogee or distance is known: is it more than the class can do at all?"""
    if apogee_km is not None and apogee_km * 1e3 > edge.highest_m * (1.0 + TOLERANCE):
        return f"a {edge.name} climbs to {edge.highest_m / 1e3:.0f} km at most"
    if distance_km is not None and distance_km * 1e3 > edge.longest_m * (1.0 + TOLERANCE):
        return f"a {edge.name} flies {edge.longest_m / 1e3:.0f} km at most"
    return ""


def _class(missile: str) -> str | None:
    return CLASSES.get(missile.strip().lower())


def _rows(path: Path | str, needed: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """Line numbers and rows of a CSV that has the needed columns. Raises SettingsError."""
    reader = csv.DictReader(read_text(path).splitlines())
    missing = [name for name in needed if name not in (reader.fieldnames or ())]
    if missing:
        raise SettingsError(f"{path}:1: column {missing[0]!r} is missing")
    rows = []
    for row in reader:
        if None in row or None in row.values():
            width = len(reader.fieldnames or ())
            raise SettingsError(f"{path}:{reader.line_num}: expected {width} values")
        rows.append((reader.line_num, row))
    return rows


def _number(path: Path | str, line: int, row: Mapping[str, str], name: str) -> float | None:
    """The number in a column, None where it says that it is unknown. Raises SettingsError."""
    text = row[name].strip()
    if text.lower() in UNKNOWN:
        return None
    try:
        return float(text)
    except ValueError:
        raise SettingsError(
            f"{path}:{line}: {name} = {text!r}: expected a number or one of {', '.join(UNKNOWN[1:])}"
        ) from None
