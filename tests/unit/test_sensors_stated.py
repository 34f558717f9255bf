"""What a scenario file says of its sensors: ships, outages, delays, clouds, models; dropping any."""

import numpy as np
import pytest

from sensors.draws import normals_at, uniforms, uniforms_at
from sensors.publishing import PLOT_LIMIT, _within_limit
from sensors.scans import Plots
from sensors.scenario import feed, load_scenario
from sensors.stations import catalogue
from sharing import wire
from sharing.messages import S, Scan, topic_of_feed
from sharing.settings import SettingsError

LAND = ["JPN/fps5-sado", "KOR/greenpine-c", "USA/tpy2-shariki", "USA/opir-east", "USA/opir-west"]
TEXT = f"""
title = "t"
shows = "s"
sensors = {LAND}
models = "mixed"
[ships]
"JPN/asev-1" = {{ lat_deg = 38.0, lon_deg = 135.0, course_deg = 45.0, speed_mps = 9.0 }}
"USA/us-aegis-1" = {{ lat_deg = 39.0, lon_deg = 134.0 }}
[outages]
"KOR/greenpine-c" = [[60, 120], [200, 210]]
[delays]
"USA/opir-east" = 30.0
[clouds]
top_km = 4.0
cover = 0.5
[[threats]]
class = "nodong"
name = "n"
lat_deg = 38.7
lon_deg = 125.7
bearing_deg = 74.0
range_km = 1000.0
apogee_km = 300.0
count = 2
every_s = 20
"""


def written(tmp_path, text):
    path = tmp_path / "own.toml"
    path.write_text(text)
    return str(path)


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    return load_scenario(written(tmp_path_factory.mktemp("scenarios"), TEXT))


def frames(messages):
    return [wire.encode(topic_of_feed(m.originator, m.sensor), m) for m in messages]


def test_the_file_reaches_the_sensors(scenario):
    by_name = {s.name: s for s in scenario.sensors}
    assert scenario.models == "mixed" and len(by_name) == len(LAND) + 2
    asev = by_name["JPN/asev-1"]
    assert (asev.course_deg, asev.speed_mps, asev.t_start_ns) == (45.0, 9.0, -10 * S)
    assert by_name["USA/us-aegis-1"].speed_mps == 0.0
    assert by_name["USA/opir-east"].clouds.top_km == 4.0
    assert by_name["KOR/greenpine-c"].station.outages_s == ((60, 120), (200, 210))
    plain = catalogue()["USA/opir-east"][1]
    assert by_name["USA/opir-east"].station.delay_max_s == plain.delay_max_s + 30.0
    assert by_name["USA/opir-east"].lag_s == 2.0 + plain.delay_max_s + 30.0


def test_outages_and_delays_show_in_the_stream(scenario):
    stream = list(feed(scenario, 2))
    scans = [m for m in stream if isinstance(m, Scan) and m.sensor == "greenpine-c"]
    for begin, end in ((60, 120), (200, 210)):
        assert all(m.t_end_ns <= begin * S or m.t_start_ns >= end * S for m in scans)
    assert len(scans) > 100
    late = [m.t_available_ns - m.t_sent_ns for m in stream if m.sensor == "opir-east"]
    assert min(late) >= 33 * S and max(late) <= 36 * S


@pytest.mark.parametrize("dropped", ["JPN/asev-1", "KOR/greenpine-c", "USA/opir-west", "USA/us-aegis-1"])
def test_dropping_a_sensor_or_ship_changes_no_byte_of_another(scenario, dropped):
    nation, _, sensor = dropped.partition("/")
    kept = scenario.with_sensors([s.name for s in scenario.sensors if s.name != dropped])
    others = [m for m in feed(scenario, 2) if (m.originator, m.sensor) != (nation, sensor)]
    assert frames(feed(kept, 2)) == frames(others)


def test_what_one_scenario_adds_changes_no_other_sensor(scenario, tmp_path):
    calm = TEXT.replace('"KOR/greenpine-c" = [[60, 120], [200, 210]]', "")
    calm = calm.replace('"USA/opir-east" = 30.0', "").replace("speed_mps = 9.0", "speed_mps = 0.0")
    touched = ("asev-1", "greenpine-c", "opir-east")
    without = feed(load_scenario(written(tmp_path, calm)), 2)
    ours, plain = (frames(m for m in s if m.sensor not in touched) for s in (feed(scenario, 2), without))
    assert ours == plain and ours


BASE = 'title = "t"\nshows = "s"\nduration_s = 60\nsensors = ["KOR/greenpine-c"]\n'


@pytest.mark.parametrize(
    "text,problem",
    [
        ('[ships]\n"JPN/fps5-sado" = { lat_deg = 1.0, lon_deg = 1.0 }\n', "JPN/fps5-sado is no ship"),
        (
            '[ships]\n"JPN/asev-1" = { lat_deg = 1, lon_deg = 1, speed_mps = 80 }\n',
            "speed_mps: Expected `float` <= 30",
        ),
        ('[outages]\n"KOR/greenpine-b-1" = [[0, 1]]\n', "outages: 'KOR/greenpine-b-1' is no sensor of this"),
        ('[outages]\n"KOR/greenpine-c" = [[5, 1]]\n', "the end comes first"),
        ('[delays]\n"KOR/greenpine-c" = -1.0\n', "delays"),
        ("[clouds]\ncover = 1.5\n", "clouds.cover = 1.5"),
        ('models = "birds"\n', "models = 'birds'"),
    ],
)
def test_what_an_operator_gets_wrong_is_said_in_one_line(tmp_path, text, problem):
    with pytest.raises(SettingsError, match=problem) as said:
        load_scenario(written(tmp_path, BASE + text))
    assert "own.toml" in str(said.value) and "\n" not in str(said.value)


NATION = """
nation = "JPN"
[types.t]
range_13db_km = 1.0
range_max_km = 1.0
sector_deg = 120.0
elevation_min_deg = 1.0
elevation_max_deg = 80.0
sigma_range_m = 1.0
sigma_angle_mrad = 1.0
bias_range_m = 1.0
bias_angle_mrad = 1.0
scan_s = 1.0
beam_deg = 2.0
resolution_m = 6.3
beam_width_mrad = 10.0
clutter_per_scan = 1.0
false_alarm = 1e-6
clock_s = 1e-4
[sensors.s]
type = "t"
delay_min_s = 0.1
delay_max_s = 0.4
"""


@pytest.mark.parametrize(
    "old,new,problem",
    [
        ('nation = "JPN"', 'nation = "XYZ"', "nation = 'XYZ'"),
        ('type = "t"', 'type = "u"', "type = 'u': one of t"),
        ("delay_max_s = 0.4", "delay_max_s = 0.05", "delay_max_s = 0.05"),
        ("delay_max_s = 0.4", "delay_max_s = 0.4\nsea_share = 0.2", "sea_deg: needed"),
        (
            "delay_max_s = 0.4",
            "delay_max_s = 0.4\nsea_share = 0.2\nsea_deg = [[50, 90]]",
            "inside the sector",
        ),
        ("delay_max_s = 0.4", "delay_max_s = 0.4\nland_share = 0.2\nsea_deg = [[300, 60]]", "no land"),
        ("delay_max_s = 0.4", "delay_max_s = 0.4\nland_share = 0.7\nsea_share = 0.7", "more than 1"),
        ("delay_max_s = 0.4", "delay_max_s = 0.4\noutages_s = [[3, 2]]", "outages_s"),
        ("scan_s = 1.0", "scan_s = 0.0", "scan_s: Expected `float` > 0"),
        ("scan_s = 1.0", "scan_s = 1.0\ncolour = 1", "colour"),
    ],
)
def test_a_wrong_sensor_file_is_refused_in_one_line(tmp_path, monkeypatch, old, new, problem):
    path = tmp_path / "jpn.toml"
    path.write_text(NATION.replace(old, new))
    monkeypatch.setattr("configs.available", lambda kind: [path])
    with pytest.raises(SettingsError, match=problem) as said:
        catalogue()
    assert "jpn.toml" in str(said.value) and "\n" not in str(said.value)


def test_any_rows_of_draws_are_those_of_the_whole_table():
    whole = uniforms(9000, 8, 1, "a")
    rows = np.array([0, 3, 4, 700, 701, 5000, 8999])
    assert np.array_equal(uniforms_at(rows, 8, 1, "a"), whole[rows])
    assert np.array_equal(uniforms(10, 8, 1, "a", first=777), whole[777:787])
    assert uniforms_at(np.array([], dtype=np.int64), 4, 1, "a").shape == (0, 4)
    assert normals_at(rows, 4, 1, "b").shape == (7, 4)


def test_of_more_plots_than_a_scan_can_carry_the_strongest_stay():
    rng = np.random.default_rng(1)
    scan = np.sort(np.concatenate([np.zeros(PLOT_LIMIT + 50), np.ones(20)])).astype(np.int64)
    snr = rng.uniform(20, 50, len(scan))
    three = np.ones((len(scan), 3))
    made = Plots(scan, np.arange(len(scan)), three, three, snr)
    kept = _within_limit(made)
    assert np.bincount(kept.scan).tolist() == [PLOT_LIMIT, 20]
    assert (np.diff(kept.t_valid_ns) > 0).all()
    assert kept.snr[kept.scan == 0].min() >= np.sort(snr[: PLOT_LIMIT + 50])[50]
