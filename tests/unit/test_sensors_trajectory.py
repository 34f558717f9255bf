"""Truth: gravity, conservation, independent integration, what `solve` promises, what nature reported."""

import csv
import math

import msgspec
import numpy as np
import pytest
from pymap3d import ecef2geodetic
from scipy.integrate import solve_ivp

from sensors import atmosphere, geodesy, vacuum
from sensors.forces import AIR_SCALE_M, Forces
from sensors.geodesy import GM, J2, J3, J4, RADIUS_M, ROTATION_RADPS
from sensors.threats import Shroud, load_threat
from sensors.trajectory import (
    Programme,
    TrajectoryError,
    apogee_for,
    fly,
    gravity,
    height_m,
    shortest_glide_s,
    solve,
)
from sharing.messages import PHASES


def potential(position):
    """Gravitational potential with zonal harmonics by Legendre polynomials (sign: positive)."""
    r = np.linalg.norm(position)
    s = position[2] / r
    legendre = {2: (3 * s**2 - 1) / 2, 3: (5 * s**3 - 3 * s) / 2, 4: (35 * s**4 - 30 * s**2 + 3) / 8}
    terms = sum(j * (RADIUS_M / r) ** n * legendre[n] for n, j in ((2, J2), (3, J3), (4, J4)))
    return GM / r * (1.0 - terms)


def numerical_gravity(position):
    step = 50.0
    # Five-point stencil: truncation far below the test's tolerance.
    slopes = []
    for axis in np.eye(3) * step:
        near = potential(position + axis) - potential(position - axis)
        far = potential(position + 2 * axis) - potential(position - 2 * axis)
        slopes.append((8 * near - far) / (12 * step))
    return np.array(slopes)


def to_inertial(states, t_s):
    """Inertial states (n, 6) of ECEF states at times (n,), axes aligned at time zero."""
    c, s = np.cos(ROTATION_RADPS * t_s), np.sin(ROTATION_RADPS * t_s)
    zero, one = np.zeros_like(c), np.ones_like(c)
    turn = np.moveaxis(np.array([[c, -s, zero], [s, c, zero], [zero, zero, one]]), -1, 0)
    velocity = states[:, 3:] + np.cross([0.0, 0.0, ROTATION_RADPS], states[:, :3])
    return np.concatenate(
        [np.einsum("nij,nj->ni", turn, states[:, :3]), np.einsum("nij,nj->ni", turn, velocity)], axis=1
    )


LOFTED = ((40.0659, 125.2099), 71.0, 787e3, 2111.5e3)
LOFTED_ICBM = ((39.2, 125.7), 70.0, 1000e3, 6200e3)


@pytest.fixture(
    scope="module", params=[("hwasong12", LOFTED), ("hwasong17", LOFTED_ICBM)], ids=lambda p: p[0]
)
def airless(request):
    """Lofted shots whose coasts, half an hour and more than an hour, meet no air."""
    name, shot = request.param
    threat = load_threat(name)
    vacuum_only = msgspec.structs.replace(threat, reentry_beta_kg_m2=1e30)
    return fly(vacuum_only, shot[0], solve(threat, *shot).programme)


@pytest.mark.parametrize("position", [(7e6, 1e5, 2e5), (1e6, -2e6, 6.4e6), (-3e6, 4e6, -5e6)])
def test_gravity_is_the_gradient_of_the_potential(position):
    assert np.allclose(gravity(*position), numerical_gravity(np.array(position)), rtol=0, atol=3e-8)


def test_energy_and_angular_momentum_are_kept_without_air(airless):
    # In the inertial frame, where the field with its zonal harmonics is conservative.
    times = np.linspace(airless.burnout_s, airless.impact_s, 200)
    states = to_inertial(airless.state(times), times)
    energy = 0.5 * np.sum(states[:, 3:] ** 2, axis=1) - [potential(p) for p in states[:, :3]]
    # An axially symmetric field keeps the component along its axis.
    momentum = np.cross(states[:, :3], states[:, 3:])[:, 2]
    assert np.ptp(energy) < 1e-9 * abs(energy[0])
    assert np.ptp(momentum) < 1e-9 * abs(momentum[0])


def test_an_independent_integration_in_an_inertial_frame_agrees_to_a_metre(airless):
    start, end = airless.burnout_s, airless.impact_s
    assert end - start > 1600.0
    first = to_inertial(airless.state([start]), np.array([start]))[0]

    def slope(_t, y):
        return [*y[3:], *numerical_gravity(y[:3])]

    other = solve_ivp(slope, (start, end), first, "LSODA", rtol=1e-12, atol=1e-6)
    ours = to_inertial(airless.state([end]), np.array([end]))[0]
    assert np.linalg.norm(other.y[:3, -1] - ours[:3]) < 1.0


def test_an_independent_integration_through_the_air_agrees_to_a_metre():
    # Coast and re-entry, the air carried along by the rotating Earth; heights by another library.
    threat = load_threat("hwasong12")
    flight = fly(threat, LOFTED[0], solve(threat, *LOFTED).programme)
    start, end = flight.burnout_s, flight.impact_s
    first = to_inertial(flight.state([start]), np.array([start]))[0]

    def slope(t, y):
        c, s = math.cos(ROTATION_RADPS * t), math.sin(ROTATION_RADPS * t)
        height = float(ecef2geodetic(c * y[0] + s * y[1], c * y[1] - s * y[0], y[2])[2])
        wind = y[3:] - np.cross([0.0, 0.0, ROTATION_RADPS], y[:3])
        drag = 0.5 * atmosphere.standard().at(height)[0] / threat.reentry_beta_kg_m2 * np.linalg.norm(wind)
        return [*y[3:], *(numerical_gravity(y[:3]) - drag * wind)]

    other = solve_ivp(slope, (start, end), first, "LSODA", rtol=1e-10, atol=1e-5)
    ours = to_inertial(flight.state([end]), np.array([end]))[0]
    assert end - start > 1600.0 and np.linalg.norm(flight.state([end])[0, 3:]) < 2500.0
    assert np.linalg.norm(other.y[:3, -1] - ours[:3]) < 1.0


@pytest.mark.parametrize(
    "threat,launch,bearing,range_km,apogee_km,minutes",
    [
        ("kn23", (39.4017, 127.5369), 90.0, 600.0, 50.0, 7.0),
        ("nodong", (38.6868, 125.7020), 74.0, 1000.0, 300.0, 9.7),
        ("hwasong12", (40.6112, 126.4257), 80.0, 4600.0, 970.0, 21.0),
    ],
)
def test_range_bearing_and_apogee_are_met(threat, launch, bearing, range_km, apogee_km, minutes):
    flight = solve(load_threat(threat), launch, bearing, range_km * 1e3, apogee_km * 1e3)
    flown, toward = geodesy.geodesic(*launch, flight.impact_lat_deg, flight.impact_lon_deg)
    assert flown == pytest.approx(range_km * 1e3, rel=5e-4)
    assert toward == pytest.approx(bearing, abs=0.05)
    assert flight.apogee_m == pytest.approx(apogee_km * 1e3, rel=5e-4)
    assert flight.impact_s == pytest.approx(minutes * 60.0, rel=0.08)


@pytest.mark.parametrize("date,apogee", [("2017-05-14", 2111.5), ("2017-08-28", 550.0)])
def test_flight_times_of_reported_hwasong12_shots(data_dir, date, apogee):
    with (data_dir / "launches" / "flight_times.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["date_utc"] == date and r["missile"] == "Hwasong-12"]
    (row,) = rows
    assert float(row["apogee_km"]) == apogee
    launch = (float(row["lat"]), float(row["lon"]))
    flight = solve(
        load_threat("hwasong12"),
        launch,
        float(row["bearing_deg"]),
        float(row["range_km"]) * 1e3,
        apogee * 1e3,
    )
    # Published to the minute; an impulsive vacuum shot of August's range and apogee already takes 13.5 of
    # the 14 minutes, and a burn of two minutes adds more than one.
    assert flight.impact_s == pytest.approx(float(row["flight_time_s"]), rel=0.10)


@pytest.mark.parametrize(
    "threat,range_km,apogee_km",
    [
        ("scud-b", 110.0, 27.0),
        ("kn23", 110.0, 25.0),
        ("hwasong12", 2700.0, 300.0),
        ("pukguksong3", 450.0, 910.0),
        ("hwasong17", 1000.0, 6200.0),
        ("hwasong17", 15000.0, 1000.0),
    ],
)
def test_short_long_depressed_and_lofted_flights_are_found(threat, range_km, apogee_km):
    launch, bearing = (39.3, 126.0), 60.0
    flight = solve(load_threat(threat), launch, bearing, range_km * 1e3, apogee_km * 1e3)
    flown, toward = geodesy.geodesic(*launch, flight.impact_lat_deg, flight.impact_lon_deg)
    assert flown == pytest.approx(range_km * 1e3, abs=100.0)
    assert toward == pytest.approx(bearing, abs=0.02)
    assert flight.apogee_m == pytest.approx(apogee_km * 1e3, abs=100.0)


@pytest.mark.parametrize(
    "name,azimuth,tilt,share,glide_s",
    [
        ("scud-er", 130.0, 35.0, 0.8, 0.0),
        ("hwasong14", 250.0, 22.0, 0.95, 0.0),
        ("unha3", 15.0, 60.0, 0.7, 0.0),
        ("kn23-heavy", 320.0, 20.0, 1.0, 150.0),
        ("hwasong16", 60.0, 14.0, 1.0, 300.0),
    ],
)
def test_what_was_flown_is_found_again(name, azimuth, tilt, share, glide_s):
    threat = load_threat(name)
    burn = share * sum(stage.burn_s for stage in threat.stages)
    programme = Programme(math.radians(azimuth), math.radians(tilt), burn, glide_s)
    launch = (39.0, 127.0)
    flown = fly(threat, launch, programme, 1e-9)
    range_m, bearing = geodesy.geodesic(*launch, flown.impact_lat_deg, flown.impact_lon_deg)
    found = solve(threat, launch, bearing, range_m, flown.apogee_m)
    assert found.apogee_m == pytest.approx(flown.apogee_m, abs=100.0)
    off, _ = geodesy.geodesic(
        found.impact_lat_deg, found.impact_lon_deg, flown.impact_lat_deg, flown.impact_lon_deg
    )
    assert off < 100.0
    assert found.impact_s == pytest.approx(flown.impact_s, rel=0.02)


@pytest.mark.parametrize("range_km", [110.0, 1000.0, 4600.0, 10_000.0, 15_000.0])
def test_minimum_energy_is_the_slowest_shot(range_km):
    # Independent of the closed form: of all elevations, the one whose shot to that range is slowest.
    angle = range_km * 1e3 / geodesy.MEAN_RADIUS_M
    gamma = np.linspace(0.01, 0.80, 200_001)
    t = np.tan(angle / 2.0)
    q = t / (np.sin(gamma) * np.cos(gamma) + t * np.cos(gamma) ** 2)
    best = int(np.argmin(q))
    e = np.sqrt(1.0 - q[best] * (2.0 - q[best]) * np.cos(gamma[best]) ** 2)
    apogee = geodesy.MEAN_RADIUS_M * ((1.0 + e) / (2.0 - q[best]) - 1.0)
    assert apogee_for("minimum-energy", range_km * 1e3) == pytest.approx(apogee, rel=1e-3)
    assert (
        apogee_for("depressed", range_km * 1e3) < apogee_for("minimum-energy", range_km * 1e3)
        < apogee_for("lofted", range_km * 1e3)
    )  # fmt: skip


@pytest.mark.parametrize("apogee_km", [100.0, 1000.0, 6200.0])
def test_an_impulsive_shot_comes_down_where_it_is_aimed(apogee_km):
    launch = geodesy.ecef(39.0, 126.0)
    aim = geodesy.ecef(*geodesy.destination(39.0, 126.0, 75.0, 1000e3))
    velocity, time_s = vacuum.impulsive_shot(launch, aim, apogee_km * 1e3)
    radius = float(np.linalg.norm(launch))
    arc = vacuum.ballistic(np.concatenate([launch, velocity])[None], radius)
    assert arc.time_s[0] == pytest.approx(time_s, abs=0.01)
    assert arc.apogee_m[0] == pytest.approx(apogee_km * 1e3, abs=1.0)
    assert np.linalg.norm(arc.impact_ecef_m[0] / radius - aim / np.linalg.norm(aim)) * radius < 20.0


def test_a_vacuum_arc_is_what_integration_gives_for_a_round_earth():
    launch = geodesy.ecef(0.0, 140.0)
    state = np.concatenate([launch, geodesy.enu_axes(0.0, 140.0).T @ [1500.0, 800.0, 2500.0]])
    arc = vacuum.ballistic(state[None], RADIUS_M)
    first = to_inertial(state[None], np.array([0.0]))[0]

    def slope(_t, y):
        return [*y[3:], *(-GM / np.linalg.norm(y[:3]) ** 3 * y[:3])]

    run = solve_ivp(slope, (0.0, arc.time_s[0]), first, "LSODA", rtol=1e-11, atol=1e-4)
    landed = vacuum.turn_about_axis(run.y[:3, -1], -ROTATION_RADPS * arc.time_s[0])
    assert np.linalg.norm(landed - arc.impact_ecef_m[0]) < 1.0


def test_what_cannot_be_reached_is_refused():
    with pytest.raises(TrajectoryError, match="no trajectory of 9000 km"):
        solve(load_threat("nodong"), (39.0, 126.0), 80.0, 9000e3, 300e3)


def test_velocity_is_the_derivative_of_position_and_legs_join():
    flight = solve(load_threat("nodong"), (38.6868, 125.7020), 74.0, 1000e3, 300e3)
    times = np.linspace(1.0, flight.impact_s - 1.0, 3000)
    step = 1e-3
    derivative = (flight.state(times + step)[:, :3] - flight.state(times - step)[:, :3]) / (2 * step)
    assert np.abs(derivative - flight.state(times)[:, 3:]).max() < 0.05
    for (_, end, dense), (start, _, following) in zip(flight.legs, flight.legs[1:], strict=False):
        assert end == start
        assert np.allclose(dense(end), following(start), rtol=0, atol=1e-3)
    assert height_m(*flight.state([flight.impact_s])[0, :3]) == pytest.approx(0.0, abs=0.1)


def test_phases_follow_each_other():
    flight = solve(load_threat("nodong"), (38.6868, 125.7020), 74.0, 1000e3, 300e3)
    phases = flight.phases(np.arange(0.0, flight.impact_s))
    assert [PHASES[p] for p in dict.fromkeys(phases.tolist())] == ["boost", "coast", "reentry"]


def test_the_quasi_ballistic_missile_pulls_up_and_holds_its_height():
    flight = solve(load_threat("kn23"), (39.4017, 127.5369), 90.0, 600e3, 50e3)
    times = np.arange(flight.lift_s[0], flight.lift_s[1])
    states = flight.state(times)
    height = geodesy.geodetic(states[:, :3])[2]
    up = states[:, :3] / np.linalg.norm(states[:, :3], axis=1)[:, None]
    climb = np.einsum("ij,ij->i", states[:, 3:], up)
    assert climb.min() < -200.0
    assert np.abs(climb[-20:]).max() < 20.0
    assert 20e3 < height[-1] < 40e3
    assert PHASES.index("pull-up") in flight.phases(times)
    speed = np.linalg.norm(states[:, 3:], axis=1)
    assert (np.diff(speed[-60:]) < 0).all()
    assert math.isclose(flight.apogee_m, 50e3, rel_tol=1e-3)


@pytest.fixture(scope="module")
def glider():
    return solve(load_threat("hwasong16"), (39.0, 125.8), 60.0, 1500e3, 99.8e3)


def test_the_glider_falls_pulls_up_skips_and_dives(glider):
    times = np.arange(0.0, glider.impact_s)
    states = glider.state(times)
    height = geodesy.geodetic(states[:, :3])[2]
    peaks = np.flatnonzero((np.diff(height[:-1]) > 0) & (np.diff(height[1:]) <= 0)) + 1
    assert len(peaks) == 2 and height[peaks[0]] == pytest.approx(99.8e3, rel=1e-3)
    assert 40e3 < height[peaks[1]] < 65e3
    phases = [PHASES[p] for p in dict.fromkeys(glider.phases(times).tolist())]
    assert phases == ["boost", "coast", "pull-up", "glide", "reentry"]
    up = states[:, :3] / np.linalg.norm(states[:, :3], axis=1)[:, None]
    sine = np.einsum("ij,ij->i", states[:, 3:], up) / np.linalg.norm(states[:, 3:], axis=1).clip(1.0)
    assert np.degrees(np.arcsin(sine[-2])) < -35.0
    flown, _ = geodesy.geodesic(39.0, 125.8, glider.impact_lat_deg, glider.impact_lon_deg)
    assert flown == pytest.approx(1500e3, abs=100.0)


def test_a_damped_glide_is_in_equilibrium():
    threat = load_threat("hwasong16")
    calm = msgspec.structs.replace(threat, glide=msgspec.structs.replace(threat.glide, skip_damping=0.3))
    programme = Programme(math.radians(60.0), math.radians(10.0), 500.0, 500.0)
    flight = fly(calm, (39.0, 125.8), programme)
    end = flight.lift_s[1]
    for state in flight.state(np.arange(end - 60.0, end - 1.0, 10.0)):
        r, speed = np.linalg.norm(state[:3]), np.linalg.norm(state[3:])
        density = atmosphere.standard().at(height_m(*state[:3].tolist()))[0]
        glide = calm.glide
        lift = 0.5 * density * speed**2 * glide.lift_coefficient * glide.area_m2 / glide.mass_kg
        weight = GM / r**2 - speed**2 / r
        climb = state[:3] @ state[3:] / r
        # What damps the skips stays at work against the slow descent.
        lift *= 1.0 - 0.6 * climb / math.sqrt(weight * AIR_SCALE_M)
        # Eastwards the Earth's rotation carries too: the inertial speed counts.
        inertial = np.linalg.norm(state[3:] + np.cross([0.0, 0.0, ROTATION_RADPS], state[:3]))
        assert lift == pytest.approx(GM / r**2 - inertial**2 / r, rel=0.05)


def test_a_glide_too_long_for_the_range_costs_thrust_and_stays_a_glide():
    flight = solve(load_threat("hwasong16"), (39.0, 125.8), 60.0, 1000e3, 101e3)
    assert flight.programme.burn_s < sum(s.burn_s for s in load_threat("hwasong16").stages) - 1.0
    assert flight.programme.glide_s == pytest.approx(shortest_glide_s(load_threat("hwasong16"), 101e3))
    assert PHASES.index("glide") in flight.phases(np.arange(0.0, flight.impact_s))


def test_the_tangent_law_starts_where_the_tilt_ends():
    threat = load_threat("unha3")
    forces = Forces(threat, (39.7, 124.7), Programme(3.0, 0.5, 500.0, bend_per_s=3e-3))
    tilted = threat.vertical_s + threat.tilt_s
    assert forces.elevation(0.0) == pytest.approx(math.pi / 2)
    assert forces.elevation(tilted - 1e-6) == pytest.approx(forces.elevation(tilted + 1e-6), abs=1e-6)
    assert math.tan(forces.elevation(tilted + 100.0)) == pytest.approx(math.tan(0.5) - 0.3)


def test_a_shroud_weighs_until_it_is_thrown_off():
    threat = load_threat("unha3")
    covered = msgspec.structs.replace(
        threat, shroud=Shroud(mass_kg=300.0, diameter_m=1.2, length_m=2.5, t_s=150.0)
    )
    with_it, without = (Forces(t, (39.7, 124.7), Programme(3.0, 0.5, 500.0)) for t in (covered, threat))
    number = 1
    assert with_it.mass_kg(149.0, number) - without.mass_kg(149.0, number) == pytest.approx(300.0)
    assert with_it.mass_kg(151.0, number) == without.mass_kg(151.0, number)
    assert 150.0 in with_it.marks(500.0)
