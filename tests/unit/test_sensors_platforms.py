"""Ships on tracks: what they announce, and that they measure in exactly the announced frame."""

import bisect
import dataclasses

import msgspec
import numpy as np
import pytest
from pymap3d import vincenty

from sensors import geodesy, radar, scans
from sensors.publishing import messages
from sensors.stations import catalogue
from sharing.messages import Detections, S, Scan, Site, Truth, floats, ints

NAME = "JPN/asev-1"
END_NS = 400 * S


def ship(name=NAME, **kind):
    """A ship under way, exact and noiseless as far as `kind` says."""
    nation, station, full = catalogue()[name]
    entry = nation, station, msgspec.structs.replace(full, **kind)
    return radar.place(name, entry, 38.0, 135.0, course_deg=60.0, speed_mps=12.0, t_start_ns=-10 * S)


@pytest.fixture(scope="module")
def passing():
    """An object that flies 300 km high, straight in ECEF."""
    t_s = np.arange(0, END_NS // S + 1)
    start = geodesy.ecef(40.0, 134.0, 300e3)
    velocity = np.array([500.0, -800.0, 300.0])
    states = np.column_stack([start + t_s[:, None] * velocity, np.tile(velocity, (len(t_s), 1))])
    return Truth(
        originator="COALITION", name="o", kind="nodong", counts=True, t_valid_ns=ints(t_s * S),
        state_ecef=floats(states), phase=ints(np.ones(len(t_s))), liftoff_t_ns=0,
    )  # fmt: skip


def test_sites_follow_the_geodesic_of_the_course_every_ten_seconds():
    sites = [m for m in messages(ship(), 1, -10 * S, END_NS, ()) if isinstance(m, Site)]
    assert [m.t_valid_ns for m in sites] == list(range(-10 * S, END_NS + 1, 10 * S))
    for m in sites[::7]:
        elapsed = m.t_valid_ns / S + 10.0
        lat, lon = vincenty.vreckon(38.0, 135.0, 12.0 * elapsed, 60.0)
        assert np.linalg.norm(geodesy.ecef(lat, lon, 20.0) - m.position_ecef_m) < 1e-6
        assert np.array(m.enu_ecef).reshape(3, 3) == pytest.approx(geodesy.enu_axes(lat, lon))
        east, north, up = np.array(m.enu_ecef).reshape(3, 3) @ m.velocity_ecef_mps
        assert np.hypot(east, north) == pytest.approx(12.0, rel=1e-5) and abs(up) < 1e-3
        assert np.degrees(np.arctan2(east, north)) == pytest.approx(60.0, abs=0.1)
    onward = np.array(sites[0].position_ecef_m) + 10.0 * np.array(sites[0].velocity_ecef_mps)
    assert onward == pytest.approx(sites[1].position_ecef_m, abs=1e-6)


def test_plots_are_measured_in_the_newest_announced_frame(passing):
    exact = {"sigma_range_m": 1e-3, "sigma_angle_mrad": 1e-7, "bias_range_m": 0.0, "bias_angle_mrad": 0.0}
    sensor = ship(**exact, clutter_per_scan=0.0, clock_s=0.0)
    stream = list(messages(sensor, 1, -10 * S, END_NS, (passing,)))
    sites = [m for m in stream if isinstance(m, Site)]
    times = [m.t_valid_ns for m in sites]
    checked = 0
    for m in stream:
        if not isinstance(m, Detections):
            continue
        for k, t_ns in enumerate(m.t_valid_ns.tolist()):
            site = sites[bisect.bisect_right(times, t_ns) - 1]
            origin = np.array(site.position_ecef_m)
            origin = origin + np.array(site.velocity_ecef_mps) * ((t_ns - site.t_valid_ns) / S)
            place = scans.interpolate(passing, np.array([t_ns]))[0, :3]
            east, north, up = np.array(site.enu_ecef).reshape(3, 3) @ (place - origin)
            assert m.range_m[k] == pytest.approx(np.sqrt(east**2 + north**2 + up**2), abs=0.01)
            assert m.azimuth_rad[k] == pytest.approx(np.arctan2(east, north), abs=1e-8)
            assert m.elevation_rad[k] == pytest.approx(np.arctan2(up, np.hypot(east, north)), abs=1e-8)
            checked += 1
    assert checked > 100


def test_a_site_is_always_announced_before_the_plots_that_need_it(passing):
    newest, last = None, -1
    for m in messages(ship(), 2, -10 * S, END_NS, (passing,)):
        if isinstance(m, Site):
            newest = m.t_valid_ns
        elif isinstance(m, Scan):
            assert newest is not None and m.t_end_ns - newest < 10 * S
        assert m.sequence == last + 1
        last = m.sequence


def test_a_ship_that_stays_is_a_fixed_site(passing):
    fixed = dataclasses.replace(ship(), speed_mps=0.0)
    sites = [m for m in messages(fixed, 1, 0, END_NS, ()) if isinstance(m, Site)]
    assert len(sites) == 7 and {m.velocity_ecef_mps for m in sites} == {(0.0, 0.0, 0.0)}
    at = scans.interpolate(passing, passing.t_valid_ns)[:, :3]
    for with_time, without in zip(fixed.measure(at, passing.t_valid_ns), fixed.measure(at), strict=True):
        assert (with_time == without).all()


def test_no_scan_is_left_out_in_which_a_sensor_could_see_an_object(passing):
    for name in catalogue():
        entry = catalogue()[name]
        if name.startswith("USA/opir"):
            continue
        lat, lon = entry[1].lat_deg or 38.0, entry[1].lon_deg or 135.0
        sensor = radar.place(name, entry, lat, lon)
        plan = scans.schedule(sensor, 1, -100 * S, 2 * END_NS)
        near = set(scans.nearby(sensor, plan, passing).number.tolist())
        for part in (0.0, 0.5, 1.0):
            t_ns = plan.start_ns + round(part * plan.period_ns)
            seen = plan.number[scans.sight(sensor, passing, t_ns).visible]
            assert set(seen.tolist()) <= near
