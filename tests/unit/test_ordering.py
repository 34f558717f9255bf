"""The buffer: refusals, and data order whatever the order of arrival."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion.core.heights import ELEVATION, RANGE
from fusion.core.ordering import Buffer, LookEntry, PlotsEntry, SiteEntry
from sharing.messages import Detections, Los, Polar, Scan, Site, floats, ints

S = 10**9


def site(sensor="a", t_s=0, nation="JPN", item=b"site"):
    return Site(
        originator=nation, sensor=sensor, item_id=item + sensor.encode(), t_valid_ns=t_s * S,
        position_ecef_m=(6.4e6, 0.0, 0.0), velocity_ecef_mps=(0.0, 0.0, 0.0),
        enu_ecef=(0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0),
        sigma_range_m=10.0, sigma_azimuth_rad=1e-3, sigma_elevation_rad=1e-3,
        bias_sigma_range_m=10.0, bias_sigma_azimuth_rad=1e-3, bias_sigma_elevation_rad=1e-3,
        azimuth_center_rad=0.0, azimuth_width_rad=6.28, elevation_min_rad=0.0, elevation_max_rad=1.5,
        range_13db_m=1e6, range_max_m=2e6, scan_s=1.0, clutter_per_scan=1.0,
    )  # fmt: skip


def detections(times_s, sensor="a", nation="JPN", scan=0, item=None):
    n = len(times_s)
    ones = floats(np.ones(n))
    return Detections(
        originator=nation, sensor=sensor, item_id=item or f"{nation}{sensor}{scan}".encode(), scan=scan,
        t_sent_ns=int(max(times_s, default=0) * S), t_valid_ns=ints([t * S for t in times_s]),
        range_m=ones, azimuth_rad=ones, elevation_rad=ones,
        sigma_range_m=ones, sigma_azimuth_rad=ones, sigma_elevation_rad=ones, snr_db=ones,
    )  # fmt: skip


def scan(t_s, sensor="a", number=0):
    return Scan(
        originator="JPN", sensor=sensor, item_id=f"scan{sensor}{number}".encode(), scan=number,
        t_start_ns=(t_s - 1) * S, t_end_ns=t_s * S, azimuth_center_rad=0.0, azimuth_width_rad=6.28,
        elevation_min_rad=0.0, elevation_max_rad=1.5, range_max_m=1e6,
    )  # fmt: skip


@pytest.fixture
def buffer():
    buffer = Buffer(max_sensors=2, max_entries=100)
    assert buffer.add(site(), 0) is None
    return buffer


def test_refuses_each_kind_of_wrong_item(buffer):
    assert buffer.add(detections([5.0]), 5 * S) is None
    assert buffer.add(detections([5.0]), 5 * S) == "duplicate"
    assert buffer.add(detections([5.0, 9.1], scan=1), 7 * S) == "future"
    assert buffer.add(detections([5.0], sensor="unknown"), 5 * S) == "unsited"
    buffer.settle(6 * S)
    assert buffer.add(detections([6.0, 8.0], scan=2), 8 * S) == "late"
    assert buffer.add(detections([6.1, 8.0], scan=3), 8 * S) is None


def test_plots_older_than_the_first_site_are_unsited():
    buffer = Buffer(max_sensors=2, max_entries=100)
    buffer.add(site(t_s=10), 10 * S)
    assert buffer.add(detections([9.0]), 10 * S) == "unsited"


def test_limits_are_kept():
    buffer = Buffer(max_sensors=1, max_entries=3)
    assert buffer.add(site("a"), 0) is None
    assert buffer.add(site("b"), 0) == "sensors"
    assert buffer.add(site("b", nation="KOR"), 0) is None
    assert buffer.add(detections([1.0, 2.0, 3.0]), 3 * S) is None
    assert buffer.add(detections([4.0], scan=1), 4 * S) == "full"


def test_one_originator_cannot_use_up_anothers_item_ids(buffer):
    assert buffer.add(site("b", nation="KOR"), 0) is None
    assert buffer.add(detections([1.0], "b", "KOR", item=b"same"), S) is None
    assert buffer.add(detections([1.0], item=b"same"), S) is None


def test_beams_are_cut_where_the_time_changes(buffer):
    buffer.add(detections([2.0, 1.0, 2.0, 3.0]), 3 * S)
    beams = buffer.between(0, 10 * S)
    assert [(e.key[0] // S, len(e.z)) for e in beams] == [(1, 1), (2, 2), (3, 1)]


def test_a_look_comes_after_the_plots_of_its_time(buffer):
    buffer.add(scan(2), 2 * S)
    buffer.add(detections([2.0]), 2 * S)
    kinds = [type(e) for e in buffer.until(2 * S)]
    assert kinds == [SiteEntry, PlotsEntry, LookEntry]


@given(st.permutations(list(range(6))))
def test_order_of_arrival_leaves_no_trace(order):
    items = [detections([1.0, 3.0], scan=0), detections([2.0], "b", scan=1), scan(3), scan(2, "b"),
             detections([2.0, 2.5], scan=2), detections([0.5], "b", scan=3)]  # fmt: skip
    buffer = Buffer(max_sensors=2, max_entries=100)
    for name in ("a", "b"):
        buffer.add(site(name), 0)
    for index in order:
        assert buffer.add(items[index], 10 * S) is None
    keys = [entry.key for entry in buffer.entries]
    assert keys == sorted(keys)
    expected = Buffer(max_sensors=2, max_entries=100)
    for item in itertools.chain((site("a"), site("b")), items):
        expected.add(item, 10 * S)
    assert keys == [entry.key for entry in expected.entries]


def test_news_is_what_was_added_since_it_was_asked_for(buffer):
    buffer.take_news()
    buffer.add(detections([7.0]), 7 * S)
    buffer.add(detections([4.0, 8.0], scan=1), 8 * S)
    assert [entry.key[0] for entry in buffer.take_news()] == [4 * S, 7 * S, 8 * S]
    assert buffer.take_news() == []


def test_what_is_not_measured_has_an_infinite_sigma(buffer):
    common = {
        "originator": "JPN",
        "sensor": "a",
        "t_sent_ns": 3 * S,
        "scan": 1,
        "t_valid_ns": ints([2 * S, S]),
    }
    azimuth = {"azimuth_rad": floats([0.1, 0.2]), "sigma_azimuth_rad": floats([1e-3, 2e-3])}
    polar = Polar(
        **common, **azimuth, item_id=b"polar", range_m=floats([1e5, 2e5]), sigma_range_m=floats([50.0, 60.0]),
        snr_db=floats([13.0, 13.0]),
    )  # fmt: skip
    los = Los(
        **common, **azimuth, item_id=b"los", elevation_rad=floats([0.3, 0.4]),
        sigma_elevation_rad=floats([3e-3, 4e-3]), snr_db=floats([13.0, 13.0]),
    )  # fmt: skip
    assert buffer.add(polar, 3 * S) is None
    assert buffer.add(los, 3 * S) is None
    plots = {(e.key[3], e.key[0] // S): e for e in buffer.until(3 * S) if isinstance(e, PlotsEntry)}
    early, sight = plots[b"polar", 1], plots[b"los", 2]
    assert (early.missing, early.z.tolist(), early.sigma.tolist()) == (
        ELEVATION, [[2e5, 0.2, 0.0]], [[60.0, 2e-3, np.inf]])  # fmt: skip
    assert (sight.missing, sight.z.tolist(), sight.sigma.tolist()) == (
        RANGE, [[0.0, 0.1, 0.3]], [[np.inf, 1e-3, 3e-3]])  # fmt: skip
