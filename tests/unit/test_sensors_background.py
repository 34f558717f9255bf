"""Airliners and satellites: as many as asked, the same in every run, moving as such things move."""

import math

import numpy as np
import pytest

from sensors import geodesy
from sensors.background import (
    REGION_DEG,
    Airliner,
    Background,
    airways,
    background,
    orbits,
    propagated,
)
from sensors.draws import uniforms
from sensors.forces import gravity
from sensors.geodesy import GM, RADIUS_M, ROTATION_RADPS
from sensors.scans import interpolate
from sensors.scenario import load_scenario
from sensors.threats import signature
from sharing.messages import PHASES, S


@pytest.fixture(scope="module")
def six_hours():
    return background(Background(airliners=12, satellites=20), -10 * S, 6 * 3600 * S)


def states(truth):
    return truth.state_ecef.reshape(-1, 6)


def alive(truths, kind, t_s):
    return [t for t in truths if t.kind == kind and t.t_valid_ns[0] <= t_s * S <= t.t_valid_ns[-1]]


def test_nothing_of_it_counts(six_hours):
    assert len({t.name for t in six_hours}) == len(six_hours)
    for truth in six_hours:
        assert not truth.counts and truth.impact is None
        assert set(truth.phase.tolist()) == {PHASES.index("other")}
        assert (np.diff(truth.t_valid_ns) == 10 * S).all() and truth.t_valid_ns[0] % (10 * S) == 0
        assert signature(truth.kind).after.side_m2 > 0.0


def test_as_many_airliners_as_asked_are_in_the_air(six_hours):
    # A slot is empty for less than the 10 s between samples when one flight follows another.
    counts = [len(alive(six_hours, "airliner", t)) for t in range(0, 21_600, 300)]
    assert max(counts) == 12 and np.mean(counts) > 11.8 and min(counts) >= 11


def test_airliners_climb_cruise_and_land_within_their_limits(six_hours):
    ways = airways()
    cruising = 0
    for truth in (t for t in six_hours if t.kind == "airliner"):
        own = states(truth)
        lat, lon, height = geodesy.geodetic(own[:, :3])
        axes = geodesy.enu_axes(lat, lon)
        velocity = np.einsum("nij,nj->ni", axes, own[:, 3:])
        assert height.min() > -1.0 and height.max() < ways.cruise_m[1] + 1.0
        assert np.linalg.norm(velocity[:, :2], axis=1).max() < ways.cruise_mps[1] + 1.0
        assert -ways.descent_mps - 0.1 < velocity[:, 2].min()
        assert velocity[:, 2].max() < ways.climb_mps + 0.1
        level = np.abs(velocity[:, 2]) < 0.01
        assert np.ptp(height[level]) < 0.1 if level.any() else True
        cruising += int(level.sum())
        # No turn is harder than standard rate (3 degrees a second at 250 m/s).
        assert np.linalg.norm(np.diff(own[:, 3:], axis=0), axis=1).max() / 10.0 < 13.1
    assert cruising > 5000


def test_between_samples_a_flight_is_where_its_interpolation_says():
    flight = Airliner(airways(), uniforms(3, 8, "background", "airliner", 0)[2])
    times = np.arange(0.0, flight.length_s, 10.0)
    coarse, fine = flight.states(times), flight.states(times[:-1] + 5.0)
    middle = (coarse[:-1, :3] + coarse[1:, :3]) / 2 + 10.0 / 8 * (coarse[:-1, 3:] - coarse[1:, 3:])
    off = np.linalg.norm(middle - fine[:, :3], axis=1)
    assert np.median(off) < 0.05 and off.max() < 30.0
    ends = geodesy.geodetic(flight.states(np.array([0.0, flight.length_s]))[:, :3])
    for place, lat, lon in zip((flight.route[0], flight.route[-1]), ends[0], ends[1], strict=True):
        assert geodesy.geodesic(place.lat_deg, place.lon_deg, float(lat), float(lon))[0] < 10e3


def test_the_same_traffic_whatever_part_of_the_day_is_looked_at(six_hours):
    later = background(Background(airliners=12, satellites=20), 7200 * S, 9000 * S)
    known = {t.name: t for t in six_hours if t.kind == "airliner"}
    airliners = [t for t in later if t.kind == "airliner"]
    assert len(airliners) >= 12
    for truth in airliners:
        whole = known[truth.name]
        first = int(np.searchsorted(whole.t_valid_ns, truth.t_valid_ns[0]))
        same = states(whole)[first : first + len(truth.t_valid_ns)]
        assert np.array_equal(same, states(truth))
    assert len(alive(later, "satellite", 8000)) == len(alive(six_hours, "satellite", 8000))
    fewer = background(Background(airliners=3), -10 * S, 600 * S)
    more = {t.name: t for t in background(Background(airliners=5, satellites=2), -10 * S, 600 * S)}
    assert all(np.array_equal(states(t), states(more[t.name])) for t in fewer)


def test_satellites_circle_in_the_truths_own_gravity():
    start = orbits(16)
    times = np.array([-600.0, 0.0, 5400.0])
    flown = propagated(start, times)
    assert np.abs(flown[:, 1] - start).max() < 1e-6
    radius = np.linalg.norm(flown[..., :3], axis=-1)
    assert np.ptp(radius, axis=1).max() < 30e3 and radius.min() > RADIUS_M + 370e3
    assert radius[:, 1].max() < RADIUS_M + 8000e3
    turn = np.array([0.0, 0.0, ROTATION_RADPS])
    inertial = flown[..., 3:] + np.cross(turn, flown[..., :3])
    assert np.linalg.norm(inertial[:, 1], axis=1) == pytest.approx(np.sqrt(GM / radius[:, 1]), rel=1e-9)
    # In the inertial frame the component of angular momentum along the axis is kept.
    momentum = np.cross(flown[..., :3], inertial)
    whole = np.linalg.norm(momentum[:, 1], axis=1)
    assert (np.ptp(momentum[..., 2], axis=1) < 1e-9 * whole).all()
    # A tenth of a second of motion: the second derivative is the acceleration.
    near = propagated(start, np.array([0.0, 0.1]))
    jump = (near[:, 1, 3:] - near[:, 0, 3:]) / 0.1
    for row in range(16):
        x, y, z, vx, vy, _ = start[row].tolist()
        w = ROTATION_RADPS
        turning = np.array([w * w * x + 2 * w * vy, w * w * y - 2 * w * vx, 0.0])
        expected = np.array(gravity(x, y, z)) + turning
        assert np.abs(jump[row] - expected).max() < 1e-3


def test_a_pass_is_above_the_horizon_of_the_region_and_smooth(six_hours):
    passes = [t for t in six_hours if t.kind == "satellite"]
    assert len(passes) > 20
    for truth in passes:
        own = states(truth)
        lat, lon, height = geodesy.geodetic(own[:, :3])
        assert height.min() > 370e3
        # Somewhere in the region, 2500 km about its centre, it is above the horizon.
        closest = min(
            geodesy.geodesic(float(a), float(b), *REGION_DEG)[0]
            for a, b in zip(lat[::10], lon[::10], strict=True)
        )
        reach = math.acos(RADIUS_M / (RADIUS_M + height.max())) * RADIUS_M
        assert closest < 2500e3 + reach
    truth = max(passes, key=lambda t: len(t.t_valid_ns))
    middle = truth.t_valid_ns[:-1] + 5 * S
    exact = propagated(states(truth)[:1], (middle - truth.t_valid_ns[0]) / S)[0]
    assert np.abs(interpolate(truth, middle)[:, :3] - exact[:, :3]).max() < 1.0


def test_a_scenario_may_have_background_only(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        'title = "t"\nshows = "s"\nsensors = []\nduration_s = 600\n'
        "[background]\nairliners = 4\nsatellites = 30\n"
    )
    truth = load_scenario(str(path)).truth
    assert sum(t.kind == "airliner" for t in truth) >= 4
    assert all(t.t_valid_ns[0] >= -10 * S and t.t_valid_ns[-1] <= 600 * S for t in truth)
