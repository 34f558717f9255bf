"""Published claims: the vacuum bound, what classes can fly, verdicts, and the tables of docs/claims.md."""

import csv
import math
import re

import pytest

from sensors import claims, published
from sensors.claims import Claim, ClaimError, judge, vacuum_time_s
from sensors.geodesy import GM, MEAN_RADIUS_M
from sensors.reach import (
    SAFETY,
    bending,
    ideal_mps,
    launch_mass_kg,
    missiles,
    needed_mps,
    reach,
    without_lift,
)
from sensors.threats import load_threat
from sensors.trajectory import solve
from sharing.settings import SettingsError

FLIGHT_TIMES = "date_utc,missile,lat,lon,bearing_deg,range_km,apogee_km,flight_time_s,quality\n"
TESTS = "date,missile,lat,lon,apogee_km,distance_km,bearing_deg,outcome\n"


def kepler_time_s(range_km, apogee_km):
    """Time over a sphere that does not turn, by quadrature over the radius instead of Kepler's equation."""
    half = range_km * 1e3 / MEAN_RADIUS_M / 2.0
    top = MEAN_RADIUS_M + apogee_km * 1e3
    e = (top - MEAN_RADIUS_M) / (top - MEAN_RADIUS_M * math.cos(half))
    momentum = math.sqrt(GM * top * (1.0 - e))
    parameter = top * (1.0 - e)
    # dt = r² dν / h, midpoint rule about the apogee.
    steps = 20_000
    width = 2.0 * half / steps
    angles = (math.pi - half + (i + 0.5) * width for i in range(steps))
    return sum((parameter / (1.0 + e * math.cos(v))) ** 2 for v in angles) * width / momentum


@pytest.mark.parametrize("pair", [(300.0, 90.0), (1000.0, 6000.0), (8000.0, 1200.0), (600.0, 50.0)])
def test_the_vacuum_bound_is_keplers_time(pair):
    # From a pole the aim turns about the launch point: rotation changes nothing.
    polar = Claim(*pair, lat_deg=89.0, lon_deg=0.0, bearing_deg=0.0)
    assert vacuum_time_s(polar) == pytest.approx(kepler_time_s(*pair), rel=2e-3)


def test_the_turning_earth_lengthens_the_arc_of_a_shot_to_the_east():
    east, west = (vacuum_time_s(Claim(3000.0, 800.0, bearing_deg=b)) for b in (90.0, 270.0))
    assert east != pytest.approx(west, rel=1e-3)
    mean = kepler_time_s(3000.0, 800.0)
    assert min(east, west) < mean < max(east, west)


@pytest.mark.parametrize("pair,name", [((1000.0, 300.0), "nodong"), ((787.0, 2111.5), "hwasong12")])
def test_every_powered_flight_is_longer_than_the_vacuum_bound(pair, name):
    found = judge(Claim(*pair, threat=name))
    assert found.model_time_s > found.vacuum_time_s + 20.0


def test_classes_are_tried_from_the_lightest_and_launchers_never():
    names = [name for name, _ in missiles()]
    masses = [launch_mass_kg(threat) for _, threat in missiles()]
    assert masses == sorted(masses)
    assert "unha3" not in names and "falcon9" not in names
    assert claims.holding(250.0, 80.0).name == names[0]
    assert claims.holding(787.0, 2111.5).name == "hwasong12"


def test_reach_is_what_solve_finds():
    edge = reach("scud-b")
    farthest = edge.range_at_m(90e3)
    flight = solve(edge.threat, (39.0, 126.0), 90.0, 0.97 * farthest, 90e3)
    assert flight.apogee_m == pytest.approx(90e3, rel=1e-3)
    assert not edge.holds(1.01 * farthest, 90e3)
    assert edge.range_at_m(1.01 * edge.highest_m) == 0.0


def test_the_flattest_flight_bends_the_body_as_much_as_it_stands():
    edge = reach("nodong")
    near = solve(edge.threat, (39.0, 126.0), 90.0, 0.99 * edge.range_at_m(100e3), 100e3)
    longest_tilt = max(
        (solve(edge.threat, (39.0, 126.0), 90.0, 0.99 * edge.longest_m, h) for h in (300e3, 330e3)),
        key=lambda flight: flight.impact_s,
    )
    ratio = bending(edge.threat, near) / bending(edge.threat, longest_tilt)
    assert 1.1 < ratio < 1.15 * SAFETY


def test_the_ideal_speed_leaves_out_only_classes_that_cannot():
    for name in ("kn25", "nodong", "hwasong12"):
        edge = reach(name)
        for range_m, apogee_m in zip(edge.range_m.tolist(), edge.apogee_m.tolist(), strict=True):
            if range_m > 0.0:
                assert needed_mps(range_m, apogee_m) < ideal_mps(edge.threat)


def test_flat_flights_need_lift():
    found = judge(Claim(600.0, 50.0, 420.0, threat="kn23"))
    assert found.verdict == "not-ballistic"
    assert "without lift" in found.reason and "430 s" in found.reason
    assert without_lift(load_threat("kn23")).glide is None


@pytest.mark.slow
def test_no_class_flies_flat_without_lift_and_the_lightest_with_it_is_found():
    found = judge(Claim(600.0, 50.0))
    assert (found.verdict, found.threat) == ("not-ballistic", "kn23")
    assert judge(Claim(1000.0, 60.0)).threat == "hwasong16"


@pytest.mark.parametrize(
    "time,verdict",
    [
        (300.0, "too-short"),
        (530.0, "too-short"),
        (590.0, "consistent"),
        (700.0, "too-long"),
        (None, "consistent"),
    ],
)
def test_times_are_judged_by_bound_and_model(time, verdict):
    found = judge(Claim(1000.0, 300.0, time, threat="nodong"))
    assert found.verdict == verdict
    assert str(round(found.model_time_s)) in found.reason or str(round(found.vacuum_time_s)) in found.reason


def test_a_time_to_the_minute_has_more_room():
    assert Claim(500.0, 100.0, 360.0).rounding_s == 30.0
    assert Claim(500.0, 100.0, 361.0).rounding_s == 0.5
    model = judge(Claim(1000.0, 300.0, threat="nodong")).model_time_s
    edge = model * (1.0 + claims.TOLERANCE)
    minute = math.floor((edge + claims.MINUTE_S) / 60.0) * 60.0
    assert judge(Claim(1000.0, 300.0, minute, threat="nodong")).verdict == "consistent"
    assert judge(Claim(1000.0, 300.0, math.ceil(edge) + 1.25, threat="nodong")).verdict == "too-long"


@pytest.mark.parametrize("pair", [(19_500.0, 40_000.0), pytest.param((110.0, 25.0), marks=pytest.mark.slow)])
def test_what_the_table_cannot_tell_is_judged_by_the_bound_alone(pair):
    found = judge(Claim(*pair))
    assert (found.verdict, found.model_time_s) == ("consistent", None)
    assert judge(Claim(*pair, found.vacuum_time_s - 31.0)).verdict == "too-short"


def test_a_named_class_that_cannot_is_told_what_it_can():
    found = judge(Claim(1000.0, 300.0, threat="kn25"))
    assert found.verdict == "not-ballistic" and "climbs to" in found.reason
    assert "reaches" in judge(Claim(1000.0, 200.0, threat="scud-c")).reason


@pytest.mark.parametrize(
    "values,named",
    [
        (dict(range_km=0.0, apogee_km=50.0), "range_km"),
        (dict(range_km=500.0, apogee_km=math.nan), "apogee_km"),
        (dict(range_km=500.0, apogee_km=100.0, time_s=-1.0), "time_s"),
        (dict(range_km=30_000.0, apogee_km=100.0), "range_km"),
        (dict(range_km=500.0, apogee_km=100.0, lat_deg=91.0), "lat_deg"),
    ],
)
def test_values_that_mean_nothing_are_refused_in_a_line(values, named):
    with pytest.raises(ClaimError, match=named):
        Claim(**values)


def test_a_recorded_class_is_no_missile():
    with pytest.raises(ClaimError, match="falcon9"):
        judge(Claim(500.0, 100.0, threat="falcon9"))


def test_rows_say_where_they_are_wrong(tmp_path):
    path = tmp_path / "claims.csv"
    for text, told in (
        (FLIGHT_TIMES + "2017,Nodong,39,126,70,much,300,580,reported\n", ":2: range_km = 'much'"),
        (FLIGHT_TIMES + "2017,Nodong,39,126,70,unknown,300,580,reported\n", ":2: range_km: is missing"),
        (FLIGHT_TIMES + "2017,Nodong,39,126\n", ":2: expected 9 values"),
        (FLIGHT_TIMES + "2017,Nodong,39,126,70,0,300,580,reported\n", ":2: range_km = 0"),
        ("missile\nx\n", ":1: column"),
    ):
        path.write_text(text)
        with pytest.raises(SettingsError, match=re.escape(told)):
            published.flight_times(path)


def test_odd_rows_and_why(tmp_path):
    path = tmp_path / "tests.csv"
    rows = (
        "2019,hwasong-11a,39,127,50,600,70,success",
        "1984,scud-b,40,129,400,unknown,90,success",
        "2014,scud-b,40,129,80,200,90,success",
        "2016,scud-c,40,129,unknown,1000,90,success",
        "1984,scud-b,40,129,unknown,unknown,90,success",
        "2012,unha-3,39,124,581,2600,181,success",
        "2022,unknown,39,124,620,300,70,success",
        "2022,unknown,39,124,unknown,300,70,success",
        "2022,unknown,39,124,na,0,70,success",
    )
    path.write_text(TESTS + "\n".join(rows) + "\n")
    found = published.tests(path)
    assert (found.rows, found.judged, found.unknown, found.launchers) == (9, 5, 3, 1)
    assert [odd.line for odd in found.odd] == [2, 3, 5]
    assert "needs lift" in found.odd[0].reason
    assert "climbs to" in found.odd[1].reason
    assert published.form_of(path) == "tests"


# ------------------------------------------------------------------------------- what nature reported


@pytest.fixture(scope="module")
def page(repo_root):
    return (repo_root / "docs" / "claims.md").read_text()


@pytest.fixture(scope="module")
def rows(data_dir):
    return published.flight_times(data_dir / "launches" / "flight_times.csv")


def table(page, first):
    """Cells of the table of the page whose header begins with `first`."""
    lines = page.split(f"| {first} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.fixture(scope="module")
def lines(data_dir):
    """The rows of the flight times as they are written."""
    with (data_dir / "launches" / "flight_times.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_reported_rows_agree_with_the_model_within_five_percent(lines, tmp_path):
    chosen = [line for line in lines if line["quality"] == "reported"]
    with (tmp_path / "reported.csv").open("w") as stream:
        writer = csv.DictWriter(stream, chosen[0])
        writer.writeheader()
        writer.writerows(chosen)
    reported = published.flight_times(tmp_path / "reported.csv")
    assert len(reported) == 2
    for row in reported:
        assert abs(row.difference) < 0.05, row
        assert row.judgement.verdict == "consistent"


def test_tested_rows_lie_above_the_vacuum_bound_less_rounding(lines):
    assert len(lines) == 14
    tested = [line for line in lines if not any(mark in line["quality"] for mark in published.UNTESTED)]
    assert len(tested) == 11
    for line in tested:
        names = ("range_km", "apogee_km", "flight_time_s", "lat", "lon", "bearing_deg")
        claim = Claim(*(float(line[name]) for name in names))
        assert claim.time_s + claim.rounding_s >= vacuum_time_s(claim), line


@pytest.mark.slow
def test_the_page_shows_every_flight_time_as_it_is_judged(rows, page):
    shown = table(page, "date | missile | range km")
    assert len(shown) == len(rows)
    for cells, row in zip(shown, rows, strict=True):
        judgement = row.judgement
        assert cells[:2] == [row.date, row.missile]
        assert [float(c) for c in cells[2:5]] == [
            judgement.claim.range_km, judgement.claim.apogee_km, judgement.claim.time_s,
        ]  # fmt: skip
        assert float(cells[6]) == pytest.approx(judgement.vacuum_time_s, abs=1.0)
        assert float(cells[7]) == pytest.approx(judgement.model_time_s, abs=1.0)
        assert cells[9] == (judgement.verdict if row.tested else f"({judgement.verdict})")


@pytest.mark.slow
def test_the_page_shows_every_odd_row(data_dir, page):
    found = published.tests(data_dir / "launches" / "tests_1984_2022.csv")
    shown = {}
    for lines, _, missile, apogee, distance, _ in table(page, "line | date"):
        for line in lines.split(","):
            shown[int(line)] = (missile, float(apogee), float(distance))
    assert shown == {odd.line: (odd.missile, odd.apogee_km, odd.distance_km) for odd in found.odd}
    told = f"has {found.rows} rows: {found.unknown} do not give enough"
    assert told in " ".join(page.split())
    assert f"Of the {found.judged} that remain {len(found.odd)} are odd" in " ".join(page.split())


@pytest.mark.slow
def test_the_page_shows_the_reach_of_every_class(page):
    shown = {cells[0]: cells for cells in table(page, "class | launch mass t")}
    assert list(shown) == [name for name, _ in missiles()]
    for name, cells in shown.items():
        edge = reach(name)
        assert float(cells[7]) == pytest.approx(edge.longest_m / 1e3, rel=5e-3)
        assert float(cells[8]) == pytest.approx(edge.highest_m / 1e3, rel=5e-3)
        for cell, apogee_km in zip(cells[3:7], (30, 50, 90, 300), strict=True):
            assert float(cell) == pytest.approx(edge.range_at_m(apogee_km * 1e3) / 1e3, rel=0.01, abs=1.0)
