"""ASTERIX from captures and raw bytes: fields beside an independent decoder's, and what cannot be decoded."""

import math
import struct
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors import geodesy
from sensors.readers.capture import payloads
from sensors.readers.radars import elevation, read_asterix, unwrapped
from sharing.messages import Detections, Polar, Scan, Site
from sharing.settings import SettingsError

pytest.importorskip("asterix.base", reason="libasterix is not installed")

from sensors.readers.asterix import Decoder, Fix, Mark, Plot


@pytest.fixture(scope="module")
def capture(data_dir):
    return data_dir / "asterix" / "cat_034_048.pcap"


# ------------------------------------------------------------------------- a decoder of its own, in bits


def decoded_048(block):
    """Fields of the records of a CAT048 block, of items 010, 140, 020, 040, 070, 090, 130, 220 on."""
    data, at = block[3:], 0
    while at < len(data):
        fspec = []
        while True:
            fspec += [bool(data[at] >> bit & 1) for bit in range(7, 0, -1)]
            at += 1
            if not data[at - 1] & 1:
                break
        present = {frn for frn, there in enumerate(fspec, 1) if there}
        fields = {"sac": data[at], "sic": data[at + 1]}
        at += 2
        for frn in sorted(present - {1}):
            at = _field_048(frn, data, at, fields)
        yield fields


FIXED_048 = {2: 3, 4: 4, 5: 2, 6: 2, 8: 3, 9: 6, 11: 2, 12: 4, 13: 4, 15: 4, 17: 2, 18: 4, 19: 2, 21: 2}


def _field_048(frn, data, at, fields):
    if frn == 2:
        fields["tod"] = int.from_bytes(data[at : at + 3]) / 128
    elif frn == 4:
        rho, theta = struct.unpack_from(">HH", data, at)
        fields["range"], fields["azimuth"] = rho / 256 * 1852, theta * math.tau / 65536
    elif frn == 6:
        (level,) = struct.unpack_from(">H", data, at)
        signed = (level & 0x3FFF) - (0x4000 if level & 0x2000 else 0)
        fields["level"] = None if level & 0xC000 else signed / 4 * 100 * 0.3048
    elif frn == 8:
        fields["address"] = data[at : at + 3].hex()
    elif frn == 19:
        (height,) = struct.unpack_from(">H", data, at)
        fields["height"] = ((height & 0x3FFF) - (0x4000 if height & 0x2000 else 0)) * 25 * 0.3048
    if frn in FIXED_048:
        return at + FIXED_048[frn]
    if frn == 10:
        return at + 1 + 8 * data[at]
    if frn == 7:
        return at + 1 + (data[at] & 0xFE).bit_count()
    assert frn in (3, 14, 16), f"item {frn} is not in the sample"
    while data[at] & 1:
        at += 1
    return at + 1


def blocks(capture):
    """Distinct blocks of the sample."""
    seen = {}
    for payload in payloads(capture, Counter()):
        at = 0
        while at < len(payload.data):
            length = int.from_bytes(payload.data[at + 1 : at + 3])
            seen.setdefault(payload.data[at : at + length])
            at += length
    return list(seen)


def test_every_field_equals_an_independent_decoders(capture):
    decoder, ours, theirs = Decoder(), [], []
    for block in blocks(capture):
        ours += [report for report in decoder.take(block) if isinstance(report, Plot)]
        if block[0] == 48:
            theirs += list(decoded_048(block))
    assert len(theirs) == 64
    assert [(f["sac"], f["sic"], f["tod"]) for f in theirs if "range" not in f] == [(25, 13, 27336.2578125)]
    placed = [f for f in theirs if "range" in f]
    assert len(ours) == len(placed) == 63
    for plot, fields in zip(ours, placed, strict=True):
        assert plot.source == (fields["sac"], fields["sic"])
        assert plot.tod_s == fields["tod"]
        assert plot.range_m == pytest.approx(fields["range"], abs=1e-6)
        assert plot.azimuth_rad == pytest.approx(fields["azimuth"], abs=1e-9)
        assert plot.object == fields.get("address", "")
        height = fields.get("height", fields.get("level"))
        assert plot.height_m == (None if height is None else pytest.approx(height, abs=1e-6))


def test_sixty_four_plots_of_seven_radars_each_once(capture):
    feed = read_asterix(capture, "KOR")
    assert feed.report["plots"] == feed.report["duplicates"] == 64
    assert sorted(feed.report["radars"]) == [f"25/{sic}" for sic in (11, 12, 13, 14, 201, 204, 205)]
    assert {n: r["plots"] for n, r in feed.report["radars"].items()} == {
        "25/11": 4, "25/12": 19, "25/13": 8, "25/14": 2, "25/201": 14, "25/204": 14, "25/205": 3
    }  # fmt: skip
    assert all(r["undecoded"] == 0 for r in feed.report["radars"].values())
    rows = [g.message for g in feed.items if isinstance(g.message, Detections | Polar)]
    assert sum(len(m.t_valid_ns) for m in rows) == 63
    assert len({name for g in feed.items for name in g.objects} - {""}) > 50


def test_a_north_mark_says_where_the_radar_stands_and_how_fast_it_turns(capture):
    about = read_asterix(capture, places={(25, 11): (45.0, 16.0, 100.0)}).report["sensors"]
    twelve = about["JPN/radar-25-12"]
    assert twelve["place_from"] == "I034/120" and twelve["place"] == pytest.approx(
        [43.571, 16.406, 780], abs=1e-3
    )
    assert twelve["scan_from"] == "I034/041" and twelve["scan_s"] == pytest.approx(4.945, abs=1e-3)
    assert about["JPN/radar-25-11"]["place"] == [45.0, 16.0, 100.0]
    assert about["JPN/radar-25-13"]["place_from"] == "made up"


def test_a_cut_capture_is_said_to_be_cut(capture, tmp_path):
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(capture.read_bytes()[:3000])
    assert "file cut: what follows is lost" in read_asterix(cut).notes
    assert not any("lost" in note for note in read_asterix(capture).notes)


def test_a_part_of_a_turn_claims_only_what_it_saw(capture):
    feed = read_asterix(capture)
    for scan in (item.message for item in feed.items if isinstance(item.message, Scan)):
        assert scan.azimuth_width_rad < math.pi


def test_system_tracks_are_taken_in_only_when_asked(data_dir):
    path = data_dir / "asterix" / "cat_062_065.pcap"
    with pytest.raises(SettingsError, match="2 system tracks"):
        read_asterix(path)
    feed = read_asterix(path, system_tracks=True)
    (message,) = [g.message for g in feed.items if isinstance(g.message, Detections)]
    (site,) = [g.message for g in feed.items if isinstance(g.message, Site)][:1]
    enu = np.stack([
        np.cos(message.elevation_rad) * np.sin(message.azimuth_rad),
        np.cos(message.elevation_rad) * np.cos(message.azimuth_rad),
        np.sin(message.elevation_rad),
    ], axis=1)  # fmt: skip
    at = np.array(site.position_ecef_m) + message.range_m[:, None] * enu @ np.array(site.enu_ecef).reshape(
        3, 3
    )
    lat, lon, alt = geodesy.geodetic(at)
    assert sorted(lat) == pytest.approx([41.1671233, 41.4169389], abs=1e-6)
    assert sorted(lon) == pytest.approx([15.7088667, 19.3891364], abs=1e-6)
    assert sorted(alt) == pytest.approx([11119.485, 12902.565], abs=1e-2)
    assert not any(isinstance(g.message, Scan) for g in feed.items)


# -------------------------------------------------------------------------------------- made-up bytes


def block(category, *records):
    data = b"".join(records)
    return bytes([category, *(3 + len(data)).to_bytes(2)]) + data


def test_plots_and_tracks_of_category_001():
    where, level = struct.pack(">HH", 128 * 20, 0x4000), (400).to_bytes(2)
    plot = bytes([0b11101010, 1, 2, 0b00100000]) + where + level + (12800).to_bytes(2)
    fields = bytes([1, 2, 0b10100000]) + b"\0\7" + where + level + (12800).to_bytes(2)
    track = bytes([0b11110001, 0b11000000]) + fields
    reports = Decoder().take(block(1, plot, track, plot))
    assert len(reports) == 3
    for report in reports:
        assert report.source == (1, 2) and report.tod_s == 100.0
        assert report.range_m == pytest.approx(20 * 1852) and report.azimuth_rad == pytest.approx(math.pi / 2)
        assert report.height_m == pytest.approx(100 * 30.48)


def test_multilateration_has_a_place_and_a_height():
    lat, lon = round(45.0 * 2**25 / 180), round(16.0 * 2**25 / 180)
    record = bytes([0b11110001, 0b00000001, 0b10000000, 9, 8, 0b01000001, 0x00])
    record += (128 * 60).to_bytes(3) + struct.pack(">ii", lat, lon) + struct.pack(">h", 1600)
    (fix,) = Decoder().take(block(20, record))
    assert isinstance(fix, Fix)
    assert (fix.lat_deg, fix.lon_deg) == pytest.approx((45.0, 16.0), abs=1e-5)
    assert fix.height_m == pytest.approx(1600 * 6.25 * 0.3048) and fix.tod_s == 60.0


@pytest.mark.parametrize(
    ("tod_s", "category", "near_s", "is_s"),
    [
        (10.0, 48, 86_395.0, 86_410.0),
        (86_390.0, 48, 86_405.0, 86_390.0),
        (27_354.6, 48, 1_462_433_756.5, 1_462_433_754.6),
        (5.0, 1, 3 * 512.0 - 4, 3 * 512.0 + 5),
        (510.0, 1, 86_400.0 * 2 + 512.0, 86_400.0 * 2 + 510.0),
        (None, 48, 7.0, 7.0),
        (7.0, 48, None, 7.0),
        (None, 48, None, None),
    ],
)
def test_times_of_day_roll_over(tod_s, category, near_s, is_s):
    found = unwrapped(tod_s, category, near_s)
    assert found == (None if is_s is None else pytest.approx(is_s))


def test_a_recording_over_midnight_goes_on(tmp_path):
    plots = []
    for tod in (86_390.0, 86_395.0, 0.0, 5.0):
        time = int(tod * 128).to_bytes(3)
        plots.append(
            block(48, bytes([0b11110000, 3, 4]) + time + bytes([0x40]) + struct.pack(">HH", 9999, 5))
        )
    path = tmp_path / "midnight.ast"
    path.write_bytes(b"".join(plots))
    feed = read_asterix(path)
    times = [t for g in feed.items if isinstance(g.message, Polar) for t in g.message.t_valid_ns.tolist()]
    assert np.diff(times).tolist() == [5_000_000_000] * 3


@pytest.mark.parametrize(("range_m", "height_m"), [(20e3, 3e3), (100e3, 11e3), (400e3, 12e3), (100e3, -10.0)])
def test_the_elevation_reaches_the_height(range_m, height_m):
    place = (43.57, 16.4, 780.0)
    angle, slope = elevation(place, range_m, 2.0, height_m)
    enu = range_m * np.array(
        [math.cos(angle) * math.sin(2.0), math.cos(angle) * math.cos(2.0), math.sin(angle)]
    )
    at = geodesy.ecef(*place) + enu @ geodesy.enu_axes(*place[:2])
    assert float(geodesy.geodetic(at)[2]) == pytest.approx(height_m, abs=1e-3)
    above = elevation(place, range_m, 2.0, height_m + 1.0)[0]
    assert above - angle == pytest.approx(slope, rel=1e-2)


def test_a_height_out_of_reach_has_no_elevation():
    assert elevation((43.57, 16.4, 780.0), 5e3, 2.0, 11e3) is None


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([1, 2, 20, 34, 48, 62, 7]))
def test_no_bytes_break_the_decoder(data, category):
    decoder = Decoder()
    for payload in (data, block(category, data)):
        for report in decoder.take(payload):
            assert isinstance(report, Plot | Fix | Mark)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_flipped_bytes_are_counted_or_decoded(capture, data):
    raw = bytearray(data.draw(st.sampled_from(blocks(capture))))
    for at in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=4)):
        raw[at] = data.draw(st.integers(0, 255))
    decoder = Decoder()
    decoder.take(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    assert set(decoder.counters) <= {"blocks", "undecoded_blocks", "undecoded_records", "other_categories"}
