"""ASTERIX data blocks as plots and marks: categories 048, 001, 034, 002, 020, 062; decoded by libasterix.

Rules of this module:

- `Decoder.take` never raises for bytes: what cannot be decoded is counted, for its radar where that is
  known, and passed over. A block is decoded record by record, so that what is before a mistake stays.
- A block whose bytes were among the last `REMEMBERED` is a duplicate: dropped and counted. (Every block
  that matters carries a time of day.)
- Values leave here in SI units and radians. Times are as sent: seconds of the UTC day, or truncated.
- All target reports are counted as ``plots``. Those without a position, of a test target, of a fixed
  transponder or without a detection (a track that coasts) go no further; each is counted by its cause.
"""

import importlib
import math
from collections import Counter, OrderedDict
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, NamedTuple

from sharing.settings import SettingsError

Source = tuple[int, int]
"""SAC and SIC."""

REMEMBERED: Final = 10_000
MAX_RECORDS: Final = 30_000
"""Of one block: the shortest record has a byte and a block at most 65,535."""
NM_M: Final = 1852.0
FT_M: Final = 0.3048
FL_M: Final = 100 * FT_M
DAY_S: Final = 86_400.0
TRUNCATED_S: Final = 512.0
EDITIONS: Final = {
    1: "Cat_001_1_4", 2: "Cat_002_1_2", 20: "Cat_020_1_11", 34: "Cat_034_1_29", 48: "Cat_048_1_32",
    62: "Cat_062_1_20",
}  # fmt: skip
"""Decoded categories and the edition taken; older editions of the items used here are the same."""
SIGMA_PRESSURE_M: Final = 200.0
"""Of a pressure altitude taken for height. NOTIONAL: sea-level pressure 15 hPa off the standard moves it by
some 120 m, air 10 K warmer than the standard by 4 % of the height; both are common to all aircraft around."""
SIGMA_GEOMETRIC_M: Final = 30.0
SIGMA_HEIGHT_3D_M: Final = 300.0
"""Of a height measured by a 3-D radar. NOTIONAL."""
SIGMA_MULTILATERATION_M: Final = 50.0
SIGMA_TRACK_M: Final = 300.0
"""Where a multilateration or a system track states none. NOTIONAL."""


class Plot(NamedTuple):
    """A radar's plot; `height_m` is None where there is none, `object` the 24-bit address in hex or ""."""

    source: Source
    category: int
    tod_s: float | None
    """Seconds of the day; CAT001: modulo `TRUNCATED_S`."""
    range_m: float
    azimuth_rad: float
    height_m: float | None
    sigma_height_m: float
    object: str


class Fix(NamedTuple):
    """A position that no radar measured: multilateration (CAT020) or somebody's track (CAT062)."""

    source: Source
    category: int
    tod_s: float | None
    lat_deg: float
    lon_deg: float
    height_m: float
    sigma_m: float
    sigma_height_m: float
    object: str


class Mark(NamedTuple):
    """Where the antenna pointed; `north`: a north mark. Rotation period and the radar's place if told."""

    source: Source
    category: int
    tod_s: float | None
    azimuth_rad: float
    north: bool
    rotation_s: float | None
    place: tuple[float, float, float] | None


Report = Plot | Fix | Mark


@cache
def _library() -> tuple[Any, Any]:
    """libasterix, of the optional dependency `asterix`. Raises SettingsError when it is missing."""
    try:
        return importlib.import_module("asterix.base"), importlib.import_module("asterix.generated")
    except ImportError:
        raise SettingsError("ASTERIX needs libasterix: pip install 'sharedsky[asterix]'") from None


class Decoder:
    """Decodes payloads; `counters` counts blocks, and `radars` by source what became of records."""

    def __init__(self) -> None:
        self._base, generated = _library()
        self._uaps = {number: getattr(generated, name).cv_uap for number, name in EDITIONS.items()}
        self._seen: OrderedDict[bytes, Counter[Source]] = OrderedDict()
        self.counters: Counter[str] = Counter()
        self.radars: dict[Source, Counter[str]] = {}

    def take(self, payload: bytes) -> list[Report]:
        """The reports in one payload, in order."""
        reports: list[Report] = []
        at = 0
        while at < len(payload):
            length = int.from_bytes(payload[at + 1 : at + 3])
            if length < 3 or at + length > len(payload):
                self.counters["undecoded_blocks"] += 1
                break
            reports += self._block(payload[at : at + length])
            at += length
        return reports

    def _block(self, block: bytes) -> list[Report]:
        self.counters["blocks"] += 1
        if block in self._seen:
            self.counters["duplicate_blocks"] += 1
            for source, count in self._seen[block].items():
                self._tally(source)["duplicates"] += count
            return []
        category = block[0]
        if category not in EDITIONS:
            self.counters["other_categories"] += 1
            return []
        reports: list[Report] = []
        plots: Counter[Source] = Counter()
        last: Source | None = None
        for record in self._records(category, block[3:]):
            if record is None:
                self._undecoded(last)
                break
            last = _source(record)
            if last is None:
                self._undecoded(None)
                continue
            plots[last] += category not in (2, 34)
            report = self._report(category, last, record)
            if report is not None:
                reports.append(report)
        self._remember(block, plots)
        return reports

    def _records(self, category: int, data: bytes) -> Iterator[Any]:
        """The records of a block; None, at the end, for what cannot be decoded."""
        strict = self._base.ParsingMode.StrictParsing
        bits = self._base.Bits.from_bytes(data)
        for _ in range(MAX_RECORDS):
            if not len(bits):
                return
            try:
                found = self._layout(category, bits).parse(strict, bits)
            except Exception:  # a library that parses a peer's bytes: whatever it raises is the bytes' fault
                found = ValueError()
            if isinstance(found, ValueError) or len(found[1]) == len(bits):
                yield None
                return
            record, bits = found
            yield record

    def _layout(self, category: int, bits: Any) -> Any:
        """The record type; in CAT001 a bit of item 020, second in both layouts, tells plots from tracks."""
        uap = self._uaps[category]
        if category != 1:
            return uap.cv_record
        data = bits.to_bytes() if len(bits) < 64 else bits.take(64).to_bytes()
        fspec = 1
        while fspec < len(data) and data[fspec - 1] & 1:
            fspec += 1
        at = fspec + (2 if data[0] & 0x80 else 0)
        is_track = bool(data[0] & 0x40) and at < len(data) and bool(data[at] & 0x80)
        return uap.cv_uaps["track" if is_track else "plot"]

    def _report(self, category: int, source: Source, record: Any) -> Report | None:
        tally = self._tally(source)
        if category in (2, 34):
            tally["marks"] += 1
            return _mark(category, source, record)
        tally["plots"] += 1
        report = _fix(category, source, record) if category in (20, 62) else _plot(category, source, record)
        if isinstance(report, str):
            tally[report] += 1
            return None
        return report

    def _tally(self, source: Source) -> Counter[str]:
        return self.radars.setdefault(source, Counter())

    def _undecoded(self, source: Source | None) -> None:
        self.counters["undecoded_records"] += 1
        if source is not None:
            self._tally(source)["undecoded"] += 1

    def _remember(self, block: bytes, plots: "Counter[Source]") -> None:
        self._seen[block] = plots
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)


# ------------------------------------------------------------------------------------------ records


def _item(record: Any, *names: str) -> Any:
    """The rule of an item or of a part of it, None where the record does not have it."""
    found = record.get_item(names[0])
    for name in names[1:]:
        if found is None:
            return None
        found = found.variation.get_item(name)
    return found


def _uint(record: Any, *names: str) -> int | None:
    found = _item(record, *names)
    return None if found is None else int(found.as_uint())


def _quantity(record: Any, unit: str, *names: str) -> float | None:
    found = _item(record, *names)
    return None if found is None else float(found.variation.content.as_quantity(unit))


def _source(record: Any) -> Source | None:
    sac, sic = _uint(record, "010", "SAC"), _uint(record, "010", "SIC")
    return None if sac is None or sic is None else (sac, sic)


def _mark(category: int, source: Source, record: Any) -> Mark | None:
    """A north mark or a sector crossing; other service messages tell nothing of scans."""
    kind, sector = _uint(record, "000"), _quantity(record, "°", "020")
    if kind not in (1, 2) or (kind == 2 and sector is None):
        return None
    place = None
    if category == 34 and record.get_item("120") is not None:
        lat, lon, height = (
            _quantity(record, unit, "120", name) for name, unit in (("LAT", "°"), ("LON", "°"), ("HGT", "m"))
        )
        place = (lat or 0.0, lon or 0.0, height or 0.0)
    azimuth = 0.0 if kind == 1 else math.radians(sector or 0.0)
    rotation = _quantity(record, "s", "041")
    return Mark(source, category, _quantity(record, "s", "030"), azimuth, kind == 1, rotation, place)


def _plot(category: int, source: Source, record: Any) -> Plot | str:
    """A radar's plot (CAT048, CAT001), or the cause for which it is none."""
    cause = _no_plot(category, record)
    if cause:
        return cause
    range_nm, azimuth_deg = _quantity(record, "NM", "040", "RHO"), _quantity(record, "°", "040", "THETA")
    if not range_nm or azimuth_deg is None:
        return "unplaced"
    height_m, sigma_m = _height(category, record)
    address = _uint(record, "220") if category == 48 else None
    return Plot(
        source,
        category,
        _quantity(record, "s", "140" if category == 48 else "141"),
        range_nm * NM_M,
        math.radians(azimuth_deg),
        height_m,
        sigma_m,
        "" if address is None else f"{address:06x}",
    )


def _no_plot(category: int, record: Any) -> str:
    """Why a target report is no plot: test targets, fixed transponders, no detection; "" when it is one."""
    if record.get_item("020") is None:
        return ""
    if _uint(record, "020", "TST"):
        return "test_targets"
    if _uint(record, "020", "RAB"):
        return "fixed_transponders"
    detected = _uint(record, "020", "TYP" if category == 48 else "SSRPSR")
    return "" if detected else "not_detected"


def _height(category: int, record: Any) -> tuple[float | None, float]:
    """Height and its sigma: a 3-D radar's before a valid flight level."""
    if category == 48:
        height_m = _quantity(record, "ft", "110", "3DH")
        if height_m is not None:
            return height_m * FT_M, SIGMA_HEIGHT_3D_M
    level = _flight_level(record, "HGT" if category == 1 else "FL")
    return (None, 0.0) if level is None else (level * FL_M, SIGMA_PRESSURE_M)


def _flight_level(record: Any, name: str) -> float | None:
    """The flight level, None where it is not validated or garbled."""
    if _uint(record, "090", "V") or _uint(record, "090", "G"):
        return None
    return _quantity(record, "FL", "090", name)


def _fix(category: int, source: Source, record: Any) -> Fix | str:
    """A position of CAT020 or CAT062, or the cause for which it is none."""
    if category == 20 and (_uint(record, "020", "TST") or _uint(record, "020", "RAB")):
        return "test_targets"
    place, geometric, time = ("041", "105", "140") if category == 20 else ("105", "130", "070")
    lat, lon = _quantity(record, "°", place, "LAT"), _quantity(record, "°", place, "LON")
    if lat is None or lon is None:
        return "unplaced"
    height_ft = _quantity(record, "ft", geometric)
    level = _flight_level(record, "FL") if category == 20 else _quantity(record, "FL", "136")
    if height_ft is None and level is None:
        return "no_height"
    height_m = (level or 0.0) * FL_M if height_ft is None else height_ft * FT_M
    sigma_m, sigma_height_m = _accuracy(category, record, SIGMA_PRESSURE_M if height_ft is None else 0.0)
    address = _uint(record, "220") if category == 20 else _uint(record, "380", "ADR")
    name = "" if address is None else f"{address:06x}"
    return Fix(
        source, category, _quantity(record, "s", time), lat, lon, height_m, sigma_m, sigma_height_m, name
    )  # fmt: skip


def _accuracy(category: int, record: Any, least_height_m: float) -> tuple[float, float]:
    """Standard deviations stated in item 500, or those assumed: in the plane (the larger), and of height."""
    part = "SDP" if category == 20 else "APC"
    x, y = (_quantity(record, "m", "500", part, axis) for axis in ("X", "Y"))
    assumed = SIGMA_MULTILATERATION_M if category == 20 else SIGMA_TRACK_M
    stated = _quantity(record, "m", "500", "SDH") if category == 20 else None
    height_m = max(stated or SIGMA_GEOMETRIC_M, least_height_m)
    return max(x or 0.0, y or 0.0) or assumed, height_m
