"""The air-traffic study: flights out of states, the radar's plots, and how tracks are judged."""

import csv
import io

import numpy as np
import pytest

from fusion.command import invoke
from fusion.study import airtraffic
from fusion.study.airtraffic import (
    ALT_M,
    LAT_DEG,
    LON_DEG,
    SCAN_S,
    SIGMA_AZIMUTH_RAD,
    SIGMA_RANGE_M,
    Held,
    flights,
    followed,
    judged,
    plots_csv,
)
from sensors import geodesy
from sensors.readers.plots import read_plots
from sharing.messages import COALITION, Picture, Polar, S, floats, ints
from sharing.settings import SettingsError

HEADER = "time,icao24,lat,lon,onground,geoaltitude,lastposupdate"


def states(tmp_path, aircraft=3, seconds=300, gap=()):
    """Aircraft that fly east at 200 m/s, 25 km apart, sent every 10 s with positions of a second before."""
    path = tmp_path / "states.csv"
    rows = [HEADER]
    for t in range(0, seconds, 10):
        for k in range(aircraft if t not in gap else 0):
            lat, lon = (
                LAT_DEG + 0.2 + 0.225 * k,
                LON_DEG - 0.4 + 200 * t / (111_320 * np.cos(np.radians(51.5))),
            )
            rows.append(f"{t},ac{k},{lat},{lon},False,10000,{t - 1}.0")
            rows.append(f"{t + 5},ac{k},{lat},{lon},False,10000,{t - 1}.0")
    path.write_text("\n".join(rows) + "\n")
    return path


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_position_counts_once_and_gaps_are_not_flown(tmp_path):
    (whole,) = flights(states(tmp_path, 1))
    assert (whole.start_s, whole.end_s) == (-1.0, 289.0)
    first, second = flights(states(tmp_path, 1, gap=(100, 110, 120)))
    assert (first.end_s, second.start_s) == (89.0, 129.0)


def test_states_without_what_is_needed_are_one_line(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("time,icao24\n")
    with pytest.raises(SettingsError, match="no column lat; needed are icao24"):
        flights(path)


def test_plots_are_the_flights_with_the_radars_noise(tmp_path):
    flown = flights(states(tmp_path))
    errors = []
    for seed in range(6):
        rows = rows_of(plots_csv(flown, seed))
        assert len(rows) == pytest.approx(0.9 * 3 * 290 / SCAN_S, rel=0.15)
        for row in rows:
            (flight,) = [f for f in flown if f.name == row["object"]]
            at = flight.path(float(row["time_s"])) - geodesy.ecef(LAT_DEG, LON_DEG, ALT_M)
            east, north, up = geodesy.enu_axes(LAT_DEG, LON_DEG) @ at
            azimuth = np.radians(float(row["azimuth_deg"])) - np.arctan2(east, north)
            errors.append([
                (float(row["range_m"]) - np.linalg.norm([east, north, up])) / SIGMA_RANGE_M,
                float(geodesy.wrap(azimuth)) / SIGMA_AZIMUTH_RAD,
            ])  # fmt: skip
    n = len(errors)
    assert np.abs(np.mean(errors, axis=0)).max() < 4 / np.sqrt(n)
    assert np.abs(np.var(errors, axis=0) - 1).max() < 4 * np.sqrt(2 / n)


def test_an_aircraft_more_changes_no_other_plot(tmp_path):
    alone, together = (rows_of(plots_csv(flights(states(tmp_path, n)), 1)) for n in (1, 3))
    assert alone == [row for row in together if row["object"] == "ac0"]


def test_aircraft_in_sight_are_each_one_track(tmp_path):
    path = tmp_path / "traffic.csv"
    path.write_text(plots_csv(flights(states(tmp_path)), 1))
    held = followed(read_plots(path))
    assert held.tracks == (1, 1, 1)
    assert (held.breaks, held.swaps, held.unknown_tracks) == (0, 0, 0)
    assert held.completeness > 0.9


def test_breaks_and_swaps_are_told_apart(tmp_path):
    """Made-up pictures: a's track 1 is lost and followed by 3; then b goes on with a's track 3."""
    path = tmp_path / "two.csv"
    rows = [f"{k + 0.5},r,{LAT_DEG},{LON_DEG},0,{10 * (1 + (k % 2))},,50000,{'ab'[k % 2]}" for k in range(8)]
    path.write_text(
        "time_s,sensor,lat_deg,lon_deg,alt_m,azimuth_deg,elevation_deg,range_m,object\n" + "\n".join(rows)
    )
    feed = read_plots(path)
    used = [1, 2, 1, 2, 3, 2, None, 3]
    assert [n for g in feed.items for n in g.objects] == list("abababab")
    times = [t for g in feed.items if isinstance(g.message, Polar) for t in g.message.t_valid_ns.tolist()]
    held = judged(feed, [picture(t, track) for t, track in zip(times, used, strict=True)])
    assert (held.breaks, held.breaks_after_silence, held.swaps) == (1, 0, 1)
    assert held.plots == (4, 4) and held.used == (3, 4) and held.tracks == (2, 2)
    assert held.unknown_tracks == 1


def picture(t_ns, track):
    """A picture at the next tick, of a track with that update and one that nobody knows."""
    ids = sorted([99, *([track] if track else [])])
    n = len(ids)
    none = {f"{end}_{name}": (ints if name in ("row", "t_ns") else floats)([]) for end in ("launch", "impact")
            for name in ("row", "t_ns", "lat_deg", "lon_deg", "covariance_m2")}  # fmt: skip
    return Picture(
        originator=COALITION, picture="settled", t_valid_ns=-(-t_ns // S) * S, track_id=ints(ids),
        status=ints([1] * n), mode=ints([3] * n), t_update_ns=ints([0 if i == 99 else t_ns for i in ids]),
        state_ecef=floats([0.0] * 6 * n), covariance=floats([0.0] * 21 * n), nis=floats([0.0] * n), **none,
    )  # fmt: skip


def test_the_command_prints_a_table_for_a_page(monkeypatch, capsys):
    held = Held(1, (10, 10), (9, 8), (1, 2), 1, 0, 0, (0, 1), 0)
    monkeypatch.setattr(airtraffic, "study", lambda states, seed, models: held)
    assert invoke(airtraffic.main, ["x.csv", "--seeds", "1", "--markdown"], "airtraffic") == 0
    head, rule, row = capsys.readouterr().out.splitlines()
    assert head.count("|") == rule.count("|") == row.count("|") == len(airtraffic.HEADS) + 1
    assert row == "| 1 | 2 | 20 | 2 | 0.850 | 0.895 | 1.50 | 1 | 0 | 0 | 0 | 2 |"
