"""Every number of M against a picture and a truth made by hand."""

import msgspec
import numpy as np
import pytest
from pymap3d import enu2ecef, geodetic2ecef, geodetic2enu

from fusion.core.regions import Region
from fusion.scoring import CHI2_2D, CHI2_3D, Scorer, cost, rmse_more
from fusion.session import Entry
from sharing.messages import (
    COALITION,
    Detections,
    Picture,
    S,
    Site,
    Truth,
    Warning,
    floats,
    ints,
    topic_of_picture,
)
from sharing.wire import encode

LAT, LON = 38.0, 130.0
END_S = 300
UPPER = np.triu_indices(6)
SIGMA_M, SIGMA_MPS = 100.0, 10.0


def place(east_m, t_s=0.0, up_m=50_000.0):
    """A point over the sea, moving east by 1 km/s from `east_m`."""
    return np.array(enu2ecef(east_m + 1e3 * t_s, 0.0, up_m, LAT, LON, 0.0))


def direction():
    return place(1e3) - place(0.0)


def truth(name="a", east_m=0.0, counts=True, impact=None, last_s=END_S):
    seconds = np.arange(last_s + 1)
    states = [np.concatenate([place(east_m, t), direction()]) for t in seconds]
    return Truth(
        originator=COALITION, name=name, kind="test", counts=counts, t_valid_ns=ints(seconds * S),
        state_ecef=floats(states), phase=ints([0] * 100 + [1] * (last_s - 99)), liftoff_t_ns=0, impact=impact,
    )  # fmt: skip


def picture(t_s, tracks, kind="as-known", impacts=()):
    """`tracks`: (id, east offset m, status); `impacts`: (row, lat, lon, (ee, en, nn))."""
    states = [np.concatenate([place(east, t_s), direction()]) for _, east, _ in tracks]
    covariance = np.diag([SIGMA_M**2] * 3 + [SIGMA_MPS**2] * 3)[UPPER]
    return Picture(
        originator="JPN", picture=kind, t_valid_ns=t_s * S, t_sent_ns=t_s * S, t_available_ns=t_s * S,
        track_id=ints([t[0] for t in tracks]), status=ints([t[2] for t in tracks]),
        mode=ints([1] * len(tracks)), t_update_ns=ints([t_s * S] * len(tracks)), state_ecef=floats(states),
        covariance=floats([covariance] * len(tracks)), nis=floats([1.0] * len(tracks)),
        launch_row=ints([]), launch_t_ns=ints([]), launch_lat_deg=floats([]), launch_lon_deg=floats([]),
        launch_covariance_m2=floats([]), impact_row=ints([i[0] for i in impacts]),
        impact_t_ns=ints([END_S * S] * len(impacts)), impact_lat_deg=floats([i[1] for i in impacts]),
        impact_lon_deg=floats([i[2] for i in impacts]), impact_covariance_m2=floats([i[3] for i in impacts]),
    )  # fmt: skip


def score(pictures, objects, regions=(), extra=()):
    scorer = Scorer("JPN", objects, regions, -10 * S, (END_S + 10) * S)
    for message, t_ns in extra:
        scorer.take(Entry("JPN", "", t_ns, message))
    for one in pictures:
        frame = encode(topic_of_picture("JPN"), one)
        scorer.take(Entry("JPN", topic_of_picture("JPN"), one.t_sent_ns, one, frame))
    return scorer.score()


def test_a_perfect_stretch_and_a_miss():
    # Held exactly 100 m off from 50 to 149 s by track 5, from 150 to 199 by track 6; track 9 is far away.
    pictures = [
        picture(t, [(5 if t < 150 else 6, 100.0, 1), (9, 90e3, 1)] if 50 <= t < 200 else [], impacts=[])
        for t in range(-10, END_S + 40)
    ]
    m = score(pictures, [truth()]).metrics
    assert (m["objects"], m["tracked"], m["false_tracks"], m["id_switches"]) == (1, 1, 1, 1)
    assert m["first_track_s"] == 50.0
    assert m["custody_fraction"] == pytest.approx(150 / 301)
    assert m["position_rmse_m"] == pytest.approx(100.0)
    assert m["velocity_rmse_mps"] == pytest.approx(0.0, abs=1e-9)
    assert m["nees"] == pytest.approx(1 / 6)
    held = np.sqrt(100.0**2 + 1e8 / 2)
    assert m["gospa_m"] == pytest.approx((150 * held + 151 * np.sqrt(1e8 / 2)) / 301)
    assert m["siap"]["completeness"] == pytest.approx(150 / 301)
    assert m["siap"]["spuriousness"] == pytest.approx(0.5)
    assert m["siap"]["longest_segment_fraction"] == pytest.approx(99 / 300)
    assert m["first_detection_s"] is m["impact_error_km"] is m["warning_s"] is None


def test_nothing_known_is_none_and_not_zero():
    m = score([picture(t, []) for t in range(END_S)], [truth()]).metrics
    assert (m["tracked"], m["custody_fraction"], m["false_tracks"]) == (0, 0.0, 0)
    for key in ("first_track_s", "position_rmse_m", "nees", "impact_ellipse_km2", "warning_lead_s"):
        assert m[key] is None
    assert m["gospa_m"] == pytest.approx(np.sqrt(1e8 / 2))


def test_nothing_launched():
    m = score([picture(t, [(3, 0.0, 1)] if t == 20 else []) for t in range(-10, 60)], []).metrics
    assert (m["objects"], m["false_tracks"], m["custody_fraction"]) == (0, 1, None)
    assert m["gospa_m"] == pytest.approx(np.sqrt(1e8 / 2) / 70)


def test_nine_ticks_are_not_tracked_and_tentative_tracks_do_not_count():
    short = [picture(t, [(5, 0.0, 1)] if 50 <= t < 59 else [(5, 0.0, 0)]) for t in range(END_S)]
    m = score(short, [truth()]).metrics
    assert m["tracked"] == 0
    assert m["custody_fraction"] == pytest.approx(9 / 301)


def test_a_wide_position_is_no_custody():
    wide = [picture(t, [(5, 0.0, 2)]) for t in range(END_S)]
    scale = (10_001 / SIGMA_M) ** 2 / CHI2_3D
    wide = [msgspec.structs.replace(p, covariance=floats(p.covariance * scale)) for p in wide]
    assert score(wide, [truth()]).metrics["custody_fraction"] == 0.0


def test_debris_is_neither_hit_nor_false():
    debris = truth("stage", east_m=30e3, counts=False)
    pictures = [picture(t, [(5, 0.0, 1), (7, 30e3, 1)]) for t in range(END_S + 1)]
    m = score(pictures, [truth(), debris]).metrics
    assert (m["objects"], m["tracked"], m["false_tracks"]) == (1, 1, 0)
    assert m["gospa_m"] == pytest.approx(0.0, abs=1e-3)


def test_impact_is_judged_as_known_120_s_before():
    impact = ((END_S * S) + 7, 39.0, 131.0)
    east, north, _ = geodetic2enu(39.0, 131.0, 0.0, 39.02, 131.03, 0.0)
    covariance = (4e6, 1e6, 2e6)
    guess = [(0, 39.02, 131.03, covariance)]
    pictures = [picture(t, [(5, 0.0, 1)], impacts=guess if t == 180 else ()) for t in range(END_S)]
    result = score(pictures, [truth(impact=impact)])
    assert result.metrics["impact_error_km"] == pytest.approx(np.hypot(east, north) / 1e3)
    area = np.pi * CHI2_2D * np.sqrt(4e6 * 2e6 - 1e12) / 1e6
    assert result.metrics["impact_ellipse_km2"] == pytest.approx(area)
    offset = np.array([east, north])
    inside = offset @ np.linalg.solve(np.array([[4e6, 1e6], [1e6, 2e6]]), offset) <= CHI2_2D
    assert [(i.to_go_s, i.contained) for i in result.impacts] == [(120, bool(inside))]


def box(name, lat, lon, half=0.5, dissemination_s=60.0):
    corners = [(-1, -1), (-1, 1), (1, 1), (1, -1), (-1, -1)]
    polygon = tuple((lat + half * a, lon + half * b) for a, b in corners)
    return Region(name, "JPN", "land", polygon, dissemination_s)


def warning(region, t_s, kind="impact"):
    message = Warning(
        originator="JPN", t_sent_ns=t_s * S, t_available_ns=t_s * S, t_valid_ns=t_s * S, region=region,
        kind=kind, track_id=5, probability=0.6, t_impact_ns=END_S * S,
    )  # fmt: skip
    return message, t_s * S


def test_warnings():
    regions = [box("hit", 39.0, 131.0), box("path", LAT, LON + 1.0, half=0.2), box("never", 20.0, 150.0)]
    impact = (END_S * S, 39.0, 131.0)
    said = [warning("never", 100), warning("hit", 130), warning("path", 140), warning("never", 150)]
    m = score([], [truth(impact=impact)], regions, said).metrics
    assert (m["warning_s"], m["false_warnings"]) == (130.0, 1)
    assert m["warning_lead_s"] == pytest.approx(300 - 130 - 60)
    m = score([], [truth(impact=impact)], regions, [warning("path", 20, "overflight")]).metrics
    middle_m = geodetic2enu(LAT, LON + 1.0, 0.0, LAT, LON, 0.0)[0]
    assert m["warning_lead_s"] == pytest.approx(middle_m / 1e3 - 20 - 60, abs=1.5)


def test_a_late_warning_is_not_right_and_a_lead_too_short_is_worth_nothing():
    regions = [box("hit", 39.0, 131.0, dissemination_s=60.0)]
    flown = [truth(impact=(END_S * S, 39.0, 131.0))]
    for t_s in (END_S, END_S + 5):
        m = score([], flown, regions, [warning("hit", t_s)]).metrics
        assert (m["warning_s"], m["warning_lead_s"], m["false_warnings"]) == (None, None, 0)
    m = score([], flown, regions, [warning("hit", END_S - 1)]).metrics
    assert (m["warning_s"], m["warning_lead_s"]) == (END_S - 1, 1.0 - 60.0)  # people hear of it too late
    never = {**m, "warning_lead_s": None}
    assert cost(never, m)["warning_lead_lost_s"] == 0.0
    after_the_end = score([], flown, [box("never", 20.0, 150.0)], [warning("never", END_S + 11)]).metrics
    assert after_the_end["false_warnings"] == 0


def test_the_next_danger_of_a_raid_counts():
    regions = [box("hit", 39.0, 131.0)]
    raid = [truth("a", impact=(200 * S, 39.0, 131.0)), truth("b", impact=(END_S * S, 39.1, 131.1))]
    for t_s, lead_s in ((100, 200 - 100 - 60), (210, END_S - 210 - 60)):
        m = score([], raid, regions, [warning("hit", t_s)]).metrics
        assert (m["warning_s"], m["warning_lead_s"]) == (t_s, lead_s)


def test_a_warning_of_the_other_kind_is_neither_right_nor_false():
    regions = [box("hit", 39.0, 131.0), box("path", LAT, LON + 1.0, half=0.2)]
    flown = [truth(impact=(END_S * S, 39.0, 131.0))]
    wrong = [warning("path", 20), warning("hit", 20, "overflight")]
    m = score([], flown, regions, wrong).metrics
    assert (m["warning_s"], m["false_warnings"]) == (None, 0)
    m = score([], flown, regions, [*wrong, warning("path", 30, "overflight"), warning("hit", 40)]).metrics
    assert m["warning_s"] == 30.0


def test_rmse_is_compared_where_both_arms_hold_the_object():
    held = score([picture(t, [(5, 100.0 if t < 200 else 900.0, 1)]) for t in range(END_S)], [truth()])
    less = score([picture(t, [(5, 300.0, 1)] if t < 200 else []) for t in range(END_S)], [truth()])
    assert rmse_more(held, less)["position_rmse_more_m"] == pytest.approx(200.0)
    assert rmse_more(held, less)["velocity_rmse_more_mps"] == pytest.approx(0.0, abs=1e-9)
    nothing = score([], [truth()])
    assert rmse_more(held, nothing) == {"position_rmse_more_m": None, "velocity_rmse_more_mps": None}


def site():
    lat, lon = np.radians(LAT), np.radians(LON)
    enu = [
        -np.sin(lon), np.cos(lon), 0.0, -np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat),
        np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat),
    ]  # fmt: skip
    return Site(
        originator="KOR", sensor="r", t_valid_ns=0, position_ecef_m=tuple(geodetic2ecef(LAT, LON, 0.0)),
        velocity_ecef_mps=(0.0, 0.0, 0.0), enu_ecef=tuple(enu), sigma_range_m=50.0, sigma_azimuth_rad=2e-3,
        sigma_elevation_rad=2e-3, bias_sigma_range_m=0.0, bias_sigma_azimuth_rad=0.0,
        bias_sigma_elevation_rad=0.0, azimuth_center_rad=0.0, azimuth_width_rad=6.28, elevation_min_rad=0.0,
        elevation_max_rad=1.5, range_13db_m=1e6, range_max_m=1e6, scan_s=3.0, clutter_per_scan=0.0,
    )  # fmt: skip


def plots(t_s, range_offset_m):
    """One plot of the object of `truth()` at `t_s`, which flies due east at 50 km height."""
    t_ns = round(t_s * S)
    east = 1e3 * t_s
    return Detections(
        originator="KOR", sensor="r", scan=0, t_sent_ns=t_ns, t_available_ns=t_ns, t_valid_ns=ints([t_ns]),
        range_m=floats([np.hypot(east, 50e3) + range_offset_m]), azimuth_rad=floats([np.pi / 2]),
        elevation_rad=floats([np.arctan2(50e3, east)]), sigma_range_m=floats([50.0]),
        sigma_azimuth_rad=floats([2e-3]), sigma_elevation_rad=floats([2e-3]), snr_db=floats([13.0]),
    )  # fmt: skip


def test_first_detection_is_the_first_true_one_by_available_time():
    false, late, early = plots(20.5, 5000.0), plots(40.25, 100.0), plots(41.0, 0.0)
    extra = [(site(), 0), (false, 21 * S), (late, 43 * S), (early, 42 * S)]
    m = score([], [truth()], extra=extra).metrics
    assert m["first_detection_s"] == m["first_range_detection_s"] == 42.0


def test_cost():
    keys = (
        "objects", "tracked", "first_detection_s", "first_track_s", "warning_lead_s", "custody_fraction",
        "impact_ellipse_km2",
    )  # fmt: skip
    policy = dict(zip(keys, (2, 2, 50.0, 60.0, 90.0, 0.8, 10.0), strict=True))
    against = dict(zip(keys, (2, 1, 91.0, None, None, 0.5, 25.0), strict=True))
    assert cost(policy, against) == {
        "first_detection_later_s": 41.0,
        "first_track_later_s": None,
        "warning_lead_lost_s": 90.0,
        "impact_ellipse_ratio": 2.5,
        "custody_lost": pytest.approx(0.3),
        "raid_fraction_lost": 0.5,
    }
    nothing = {**policy, "objects": 0, "custody_fraction": None, "impact_ellipse_km2": None}
    assert cost(nothing, against)["custody_lost"] is cost(nothing, nothing)["raid_fraction_lost"] is None
