"""CSV plots: what the rows become, what is assumed, and what is refused in one line."""

from itertools import pairwise

import numpy as np
import pytest

from sensors import geodesy
from sensors.readers.plots import read_plots
from sensors.readers.recorded import Assumed, Plots
from sensors.readers.revisit import covered, cut, revisit_s
from sharing.messages import Detections, Polar, S, Scan, Site, topic_of_feed
from sharing.settings import SettingsError
from sharing.wire import decode, encode

HEADER = "time_s,sensor,lat_deg,lon_deg,alt_m,azimuth_deg,elevation_deg,range_m"


@pytest.fixture
def read(tmp_path):
    """A function reading rows under a header."""

    def reader(*rows, header=HEADER, **options):
        path = tmp_path / "radar.csv"
        path.write_text("\n".join([header, *rows]) + "\n")
        return read_plots(path, **options)

    return reader


def of(feed, kind, sensor=None):
    found = [g.message for g in feed.items if isinstance(g.message, kind)]
    return [m for m in found if sensor in (None, m.sensor)]


def traffic(scan_s=5.0, scans=30, start_s=0.0, miss=0.0):
    """Three aircraft before a turning 2-D radar, as rows; some plots missing."""
    rng = np.random.default_rng(1)
    for k in range(scans):
        for north_m in (30e3, 60e3, -80e3):
            east_m = -40e3 + 200 * k * scan_s
            azimuth = np.degrees(np.arctan2(east_m, north_m)) % 360
            if rng.random() >= miss:
                t_s = start_s + (k + azimuth / 360) * scan_s
                yield f"{t_s:.3f},r-1,51,0,0,{azimuth:.4f},,{np.hypot(east_m, north_m):.1f}"


def test_rows_become_messages_that_the_wire_takes(read):
    feed = read("10,b,38,138,100,90,5,50000", "10.5,a,38,138,0,-90,,60000", "20,b,38,138,100,91,5,50000")
    for given in feed.items:
        topic = topic_of_feed("JPN", given.message.sensor)
        assert decode(encode(topic, given.message))[1].item_id == given.message.item_id
    detections, polar = of(feed, Detections), of(feed, Polar)
    assert [m.sensor for m in detections] == ["b", "b"] and [m.sensor for m in polar] == ["a"]
    assert detections[0].range_m.tolist() == [50000.0]
    assert detections[0].azimuth_rad.tolist() == pytest.approx([np.pi / 2])
    assert polar[0].azimuth_rad.tolist() == pytest.approx([-np.pi / 2])
    site = of(feed, Site, "b")[0]
    assert site.position_ecef_m == pytest.approx(tuple(geodesy.ecef(38.0, 138.0, 100.0)))
    assert feed.sensors == ("JPN/a", "JPN/b")


def test_messages_are_in_the_order_of_sending_and_numbered(read):
    feed = read(*traffic())
    keys = [(g.message.t_sent_ns, g.message.originator, g.message.sensor) for g in feed.items]
    assert keys == sorted(keys)
    assert [g.message.sequence for g in feed.items] == list(range(len(feed.items)))
    for scan, plots in zip(of(feed, Scan), of(feed, Polar), strict=True):
        assert scan.scan == plots.scan
        assert scan.t_start_ns <= plots.t_valid_ns[0] <= plots.t_valid_ns[-1] < scan.t_end_ns


def test_the_order_of_rows_does_not_matter(read):
    rows = list(traffic())
    forward, backward = read(*rows), read(*rows[::-1])
    assert [g.message.item_id for g in forward.items] == [g.message.item_id for g in backward.items]
    times = [m.t_valid_ns.tolist() for m in of(backward, Polar)]
    assert times == [m.t_valid_ns.tolist() for m in of(forward, Polar)]


@pytest.mark.parametrize("scan_s", [1.0, 5.0, 12.0])
@pytest.mark.parametrize("miss", [0.0, 0.2])
def test_the_revisit_time_is_found(read, scan_s, miss):
    about = read(*traffic(scan_s, 60, miss=miss)).report["sensors"]["JPN/r-1"]
    assert about["scan_from"] == "plots"
    assert about["scan_s"] == pytest.approx(scan_s, rel=0.01)


def test_plots_that_share_a_time_share_a_scan(read):
    rows = [f"{k * 0.1},r,38,138,0,{10 * i},1,50000" for k in range(40) for i in range(3)]
    feed = read(*rows, assumed=Assumed(scan_s=0.1))
    assert [len(m.t_valid_ns) for m in of(feed, Detections)] == [3] * 40


def test_identities_change_no_message(read):
    named = HEADER + ",object"
    rows = list(traffic())
    plain = read(*rows)
    known = read(*(f"{row},plane-{i % 3}" for i, row in enumerate(rows)), header=named)
    for a, b in zip(plain.items, known.items, strict=True):
        topic = topic_of_feed("JPN", "r-1")
        assert encode(topic, a.message) == encode(topic, b.message)
    assert {name for g in known.items for name in g.objects} == {"plane-0", "plane-1", "plane-2"}
    assert not any(g.objects for g in plain.items)


def test_times_since_an_epoch_are_shifted(read):
    feed = read(*traffic(start_s=1.6e9))
    assert 1.6e9 <= feed.t_zero_s < 1.6e9 + 5
    assert 0 <= of(feed, Polar)[0].t_valid_ns[0] < S
    assert read(*traffic(start_s=-500.0)).t_zero_s == 0.0


def test_sigmas_are_the_files_where_it_has_them(read):
    header = HEADER + ",sigma_range_m,sigma_azimuth_deg,nation"
    feed = read("0,r,38,138,0,1,,50000,12,0.5,KOR", "9,r,38,138,0,1,,50000,,,KOR", header=header)
    ranges = [m.sigma_range_m.tolist() for m in of(feed, Polar)]
    assert ranges == [[12.0], [70.0]]
    assert of(feed, Polar)[0].originator == "KOR"
    assert feed.report["sensors"]["KOR/r"]["assumed_sigmas"] == 2
    assert any("2 missing sigmas assumed" in note for note in feed.notes)


def test_a_ship_says_where_it_is_and_how_fast(read):
    rows = [f"{k * 10},ship,{40 + k * 0.001},137,0,90,5,50000" for k in range(5)]
    sites = of(read(*rows), Site)
    assert [s.t_valid_ns for s in sites] == [k * 10 * S for k in range(5)]
    for now, then in pairwise(sites):
        moved = np.array(now.position_ecef_m) + 10.0 * np.array(now.velocity_ecef_mps)
        assert moved == pytest.approx(np.array(then.position_ecef_m), abs=1e-6)


def test_without_plots_nothing_is_claimed(read):
    rows = ["0,r,38,138,0,10,1,50000", "100,r,38,138,0,10,1,50000"]
    feed = read(*rows, assumed=Assumed(scan_s=10.0))
    assert len(of(feed, Scan)) == 2
    assert of(read(*rows, assumed=Assumed(scan_s=10.0, looks=False)), Scan) == []


def test_the_arc_that_plots_cover():
    center, width = covered(np.radians([350, 0, 10]))
    assert np.degrees([center, width]) == pytest.approx([0, 22])
    assert covered(np.radians([0, 80, 160, 240, 320]))[1] == pytest.approx(2 * np.pi)
    assert np.degrees(covered([1.0])[1]) == pytest.approx(2)


def test_a_lone_plot_tells_no_revisit_time():
    one = Plots(np.array([5 * S]), np.array([[1e4, 0.0, np.nan]]), np.ones((1, 3)), np.ones(1), ("",))
    assert revisit_s(one) is None
    looks, number = cut(one, 4.0, (0.0, 1.0))
    assert number.tolist() == [0] and looks[0].start_ns == 3 * S and looks[0].end_ns == 7 * S


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("x,r,38,138,0,1,1,50000", "radar.csv:2: time_s = 'x': a number from -1e+11 to 1e+11"),
        ("0,R 1,38,138,0,1,1,50000", "radar.csv:2: sensor = 'R 1': 1 to 32 lower-case"),
        ("0,r,91,138,0,1,1,50000", "radar.csv:2: lat_deg = '91': a number from -90 to 90"),
        ("0,r,38,138,0,1,nan,50000", "radar.csv:2: elevation_deg = 'nan': a number"),
        ("0,r,38,138,0,1,1,", "radar.csv:2: range_m = '': a number"),
        ("0,r,38,138,0,1,1", "radar.csv:2: 7 cells, the header has 8"),
    ],
)
def test_bad_rows_are_refused_in_one_line(read, row, said):
    with pytest.raises(SettingsError) as refused:
        read(row)
    assert said in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        (HEADER.replace(",range_m", ""), [], "1: no column range_m; needed are time_s"),
        (HEADER + ",range", [], "1: column 'range' is not known; optional are nation"),
        (HEADER + ",nation", ["0,r,38,138,0,1,1,5,FRA"], "2: nation = 'FRA': one of JPN, KOR, USA"),
        (HEADER, [], "no plots in this file"),
        (HEADER, [f"0,r{i},38,138,0,1,1,5" for i in range(17)], "17 sensors of JPN: at most 16"),
        (HEADER, ["0,r,38,138,0,1,1,5", "4e8,r,38,138,0,1,1,5"], "ten years at most"),
    ],
)
def test_bad_files_are_refused_in_one_line(read, header, rows, said):
    with pytest.raises(SettingsError, match=said):
        read(*rows, header=header)
