"""Infrared: what is seen of a burning motor from geostationary orbit, and what is published of it."""

import dataclasses

import msgspec
import numpy as np
import pymap3d
import pytest

from sensors import geodesy, infrared, scans
from sensors.infrared import AMPLITUDE_13DB, Clouds
from sensors.scenario import feed, load_scenario, who_sees
from sensors.stations import catalogue
from sensors.threats import load_threat
from sharing.messages import PHASES, Los, S, Scan, Site

SCENARIO = """
title = "t"
shows = "s"
sensors = ["USA/opir-east", "USA/opir-west"]
[[threats]]
class = "hwasong12"
name = "n"
lat_deg = 40.6
lon_deg = 126.4
bearing_deg = 80.0
range_km = 4600.0
apogee_km = 970.0
"""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    path = tmp_path_factory.mktemp("scenarios") / "own.toml"
    path.write_text(SCENARIO)
    return load_scenario(str(path))


def placed(name, clouds=None):
    return infrared.place(name, catalogue()[name], clouds or Clouds())


def test_the_satellites_stand_above_the_equator_one_scans_and_one_stares():
    east, west = placed("USA/opir-east"), placed("USA/opir-west")
    for sensor in (east, west):
        lat, _, height = geodesy.geodetic(sensor.position_ecef_m)
        assert lat == pytest.approx(0.0) and height == pytest.approx(35_786e3)
        assert sensor.type.sigma_mrad == 0.05 and sensor.type.false_alarm == 1e-6
    assert (west.type.mode, west.type.scan_s) == ("scan", 10.0)
    assert (east.type.mode, east.type.scan_s) == ("stare", 2.0)
    assert east.look_fraction(np.array([-1.0, 1.0])).tolist() == [0.5, 0.5]
    middle, width, _, _ = west.sector
    swept = west.look_fraction(middle + width * np.linspace(-0.5, 0.5, 9))
    assert (np.diff(swept) > 0).all() and swept[0] > 0.0 and swept[-1] < 1.0


@pytest.mark.parametrize("name", ["USA/opir-east", "USA/opir-west"])
def test_the_announced_sector_holds_the_region_and_geometry_agrees_with_pymap3d(name):
    sensor = placed(name)
    south, north, west, east = sensor.type.region_deg
    rng = np.random.default_rng(1)
    lat, lon, height = rng.uniform(south, north, 500), rng.uniform(west, east, 500), rng.uniform(0, 5e5, 500)
    place = geodesy.ecef(lat, lon, height)
    far, azimuth, elevation = sensor.measure(place)
    az, el, r = pymap3d.ecef2aer(*place.T, 0.0, sensor.lon_deg, sensor.station.alt_m)
    assert np.allclose(far, r, rtol=1e-12) and np.allclose(elevation, np.radians(el), atol=1e-9)
    assert np.allclose(geodesy.wrap(azimuth - np.radians(az)), 0.0, atol=1e-8)
    middle, width, low, high = sensor.sector
    assert (np.abs(geodesy.wrap(azimuth - middle)) <= width / 2 + 1e-4).all()
    assert ((elevation >= low - 1e-4) & (elevation <= high + 1e-4)).all()
    assert width < np.pi and -np.pi / 2 < low < high < -1.3


def test_the_earth_hides_what_is_behind_it():
    sensor = placed("USA/opir-west")
    rng = np.random.default_rng(2)
    direction = rng.normal(size=(400, 3))
    place = direction / np.linalg.norm(direction, axis=1)[:, None] * rng.uniform(6.4e6, 9e6, (400, 1))
    # Walk along each line of sight and ask for the height of every point of it.
    f = np.linspace(0.0, 1.0, 20_001)[1:-1]
    clearance = [
        geodesy.geodetic(sensor.position_ecef_m + f[:, None] * (p - sensor.position_ecef_m))[2].min()
        for p in place
    ]
    sure = np.abs(clearance) > 5e3
    assert (sensor.unblocked(place)[sure] == (np.array(clearance) > 0.0)[sure]).all()
    assert sure.sum() > 350 and 50 < sensor.unblocked(place).sum() < 350


def test_clouds_hide_what_is_below_their_tops_where_there_are_any():
    sensor = placed("USA/opir-east")
    low, high = (geodesy.ecef([38.0], [130.0], h) for h in (9.9e3, 10.1e3))
    assert not sensor.visible(low)[0] and sensor.visible(high)[0]
    assert placed("USA/opir-east", Clouds(cover=0.0)).visible(low)[0]
    assert placed("USA/opir-east", Clouds(top_km=5.0)).visible(low)[0]
    assert not sensor.visible(geodesy.ecef([20.0], [130.0], 50e3))[0]


def test_holes_in_the_clouds_are_the_same_for_every_sensor_and_as_many_as_stated():
    rng = np.random.default_rng(3)
    lat, lon = rng.uniform(-60, 60, 4000), rng.uniform(-180, 180, 4000)
    clouds = Clouds(cover=0.3)
    covered = clouds.covered(lat, lon, 1)
    assert covered.mean() == pytest.approx(0.3, abs=0.03)
    assert (covered == clouds.covered(lat, lon, 1)).all() and (covered != clouds.covered(lat, lon, 2)).any()
    same_cell = clouds.covered(np.floor(lat) + 0.5, np.floor(lon) + 0.5, 1)
    assert (covered == same_cell).all()
    assert clouds.covered(lat, lon, None).all()


def test_intensity_is_that_of_the_burning_stage(scenario):
    sensor = placed("USA/opir-east")
    truth = msgspec.structs.replace(scenario.truth[0], kind="unha3")
    stages = load_threat("unha3").stages
    middles = np.cumsum([s.burn_s for s in stages]) - 0.5 * np.array([s.burn_s for s in stages])
    expected = 0.5 * np.array([s.thrust_vacuum_kn for s in stages])
    assert sensor.intensity_kw_sr(truth, middles) == pytest.approx(expected)
    far = np.full(1, 3.8e7)
    recorded = msgspec.structs.replace(truth, kind="falcon9")
    assert sensor.amplitude(recorded, np.array([0]), far)[0] == pytest.approx(AMPLITUDE_13DB * 1000 / 30)


def test_every_ballistic_class_is_seen_at_once():
    # The weakest motor of the table at the region's far end.
    sensor = placed("USA/opir-east")
    weakest = min(load_threat(n).stages[-1].thrust_vacuum_kn for n in ("scud-b", "kn23", "kn25", "nodong"))
    mean = AMPLITUDE_13DB * weakest * 0.5 / 30.0 * (3.8 / 4.0) ** 2
    assert sensor.detection_probability(np.array([mean]))[0] > 0.9


def test_only_motors_are_seen_and_only_two_angles_are_published(scenario):
    stream = list(feed(scenario, 3))
    assert {type(m) for m in stream} == {Site, Scan, Los}
    (truth, *_) = scenario.truth
    lat, lon, height = geodesy.geodetic(truth.state_ecef.reshape(-1, 6)[:, :3])
    burning = truth.phase == PHASES.index("boost")
    for coverage in who_sees(scenario):
        seen = coverage.sight.visible
        south, north, west, east = coverage.radar.type.region_deg
        inside = (lat > south) & (lat < north) & (lon > west) & (lon < east)
        expected = burning & (height >= 10e3) & inside if coverage.truth is truth else np.zeros(len(seen))
        assert (seen == expected).all() and coverage.probability[seen].min(initial=1.0) > 0.99
    for name, least in (("opir-east", 35), ("opir-west", 7)):
        (sensor,) = [s for s in scenario.sensors if s.id == name]
        looks = [m for m in stream if isinstance(m, Los) and m.sensor == name]
        bias, clock = scans.errors(sensor, 3)
        hits = 0
        for m in looks:
            level = np.cos(m.elevation_rad)
            assert m.sigma_elevation_rad == pytest.approx(np.full(len(level), 5e-5))
            # Biases stand in the reported angle, so the cosine is off by some 1e-4 of itself.
            assert m.sigma_azimuth_rad * level == pytest.approx(np.full(len(level), 5e-5), rel=0.01)
            at = scans.interpolate(truth, m.t_valid_ns - clock)
            _, azimuth, elevation = sensor.measure(at[:, :3])
            off = np.stack([geodesy.wrap(m.azimuth_rad - azimuth), m.elevation_rad - elevation], axis=1)
            near = (np.abs(off - bias[1:]) < 5 * np.array([4.5e-4, 5e-5])).all(axis=1)
            hits += int(near.sum())
            low, high = sensor.station.delay_min_s * S, sensor.station.delay_max_s * S
            assert low <= m.t_available_ns - m.t_sent_ns
            assert m.t_available_ns - m.t_sent_ns <= high
        assert hits >= least


def test_the_site_says_that_there_is_no_range(scenario):
    site = next(m for m in feed(scenario, 3) if isinstance(m, Site) and m.sensor == "opir-east")
    assert (site.range_13db_m, site.range_max_m) == (5e7, 5e7)
    assert (site.sigma_range_m, site.bias_sigma_range_m) == (1e7, 0.0)
    assert site.sigma_elevation_rad == pytest.approx(5e-5) and site.clutter_per_scan == 0.05
    assert 3e-4 < site.sigma_azimuth_rad < 5e-4


def test_the_truth_after_burn_out_is_never_near(scenario):
    (truth, *_) = scenario.truth
    (east, west) = scenario.sensors
    plan = scans.schedule(west, 1, scenario.t_start_ns, scenario.t_end_ns)
    near = scans.nearby(west, plan, truth)
    assert 10 < len(near.number) < 16
    coasting = msgspec.structs.replace(truth, phase=np.full_like(truth.phase, PHASES.index("coast")))
    assert not len(scans.nearby(east, plan, coasting).number)
    quiet = dataclasses.replace(east, type=msgspec.structs.replace(east.type, clutter_per_scan=0.0))
    assert not len(scans.plots(quiet, 1, plan, (coasting,)).scan)
