"""docs/sensors.md: its tables are those of the files in `configs/sensors/`."""

from pathlib import Path

import configs
from sensors.stations import InfraredType, RadarType, catalogue

PAGE = Path(__file__).parents[2] / "docs" / "sensors.md"


def number(value):
    """A number as short as it goes."""
    return f"{value:g}"


def table(head, rows):
    """Lines of a Markdown table."""
    cells = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(row) + " |" for row in cells]


def kinds(kind):
    """Types of a kind in the order of the files, by name; one that two nations have stands once."""
    return {entry[1].type: entry[2] for entry in catalogue().values() if isinstance(entry[2], kind)}


def radar_types():
    head = [
        "type", "range km", "display km", "sector deg", "elevation deg", "σ m / mrad", "bias m / mrad",
        "scan s", "beam deg", "cell m / mrad", "false plots a scan", "Pfa", "clock s",
    ]  # fmt: skip
    rows = [
        [
            name, number(t.range_13db_km), number(t.range_max_km), number(t.sector_deg),
            f"{t.elevation_min_deg:g}–{t.elevation_max_deg:g}",
            f"{t.sigma_range_m:g} / {t.sigma_angle_mrad:g}", f"{t.bias_range_m:g} / {t.bias_angle_mrad:g}",
            number(t.scan_s), number(t.beam_deg), f"{t.resolution_m:g} / {t.beam_width_mrad:g}",
            number(t.clutter_per_scan), number(t.false_alarm), number(t.clock_s),
        ]
        for name, t in kinds(RadarType).items()
    ]  # fmt: skip
    return table(head, rows)


def infrared_types():
    head = [
        "type", "mode", "scan s", "region deg", "σ mrad", "bias el / az mrad", "cell mrad", "13 dB kW/sr",
        "kW/sr per kN", "recorded kW/sr", "false plots a scan", "Pfa", "clock s",
    ]  # fmt: skip
    rows = []
    for name, t in kinds(InfraredType).items():
        south, north, west, east = t.region_deg
        rows.append([
            name, t.mode, number(t.scan_s), f"{south:g}–{north:g} N {west:g}–{east:g} E",
            number(t.sigma_mrad), f"{t.bias_elevation_mrad:g} / {t.bias_azimuth_mrad:g}", number(t.cell_mrad),
            number(t.intensity_13db_kw_sr), number(t.intensity_kw_sr_per_kn),
            number(t.intensity_recorded_kw_sr), number(t.clutter_per_scan), number(t.false_alarm),
            number(t.clock_s),
        ])  # fmt: skip
    return table(head, rows)


def stations():
    head = [
        "sensor", "type", "where", "height m", "boresight deg", "site mask deg", "delay s", "outages",
        "sea / land share", "sea deg",
    ]  # fmt: skip
    rows = []
    for name, (_, s, kind) in catalogue().items():
        where = "ship" if s.lat_deg is None else f"{s.lat_deg:g} N {s.lon_deg:g} E"
        shares = "–" if isinstance(kind, InfraredType) else f"{s.sea_share:g} / {s.land_share:g}"
        all_round = isinstance(kind, RadarType) and kind.sector_deg == 360.0
        sea = ", ".join(f"{a:g}–{b:g}" for a, b in s.sea_deg) or "–"
        rows.append([
            name, s.type, where, number(round(s.alt_m)) if s.alt_m < 1e6 else "35786000",
            "–" if all_round or isinstance(kind, InfraredType) else number(s.boresight_deg),
            number(s.site_mask_deg), f"{s.delay_min_s:g}–{s.delay_max_s:g}",
            ", ".join(f"{a:g}–{b:g}" for a, b in s.outages_s) or "none", shares, sea,
        ])  # fmt: skip
    return table(head, rows)


def test_the_page_shows_what_the_files_say():
    page = PAGE.read_text(encoding="utf-8").splitlines()
    shown = [line for line in page if line.startswith("|") and not line.startswith("| column")]
    explained = {line for line in shown if line.startswith("| `")}
    rest = [line for line in shown if line not in explained and line != "| --- | --- |"]
    assert rest == [*radar_types(), *infrared_types(), *stations()]


def test_every_key_of_the_files_is_explained():
    page = PAGE.read_text(encoding="utf-8")
    for kind in (RadarType, InfraredType):
        for name in kind.__struct_fields__:
            assert f"`{name}`" in page, name
    station = next(iter(catalogue().values()))[1]
    for name in station.__struct_fields__:
        assert f"`{name}`" in page, name


def test_every_file_says_that_it_is_notional():
    for path in configs.available("sensors"):
        assert "NOTIONAL" in path.read_text(encoding="utf-8"), path


def test_a_type_that_several_nations_have_is_the_same_everywhere():
    known = {}
    for _, station, kind in catalogue().values():
        assert known.setdefault(station.type, kind) == kind, station.type
