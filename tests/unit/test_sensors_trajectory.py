"""Truth: gravity, conservation, independent integration, what `solve` promises, what nature reported."""

import csv
import math

import msgspec
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from sensors import geodesy
from sensors.geodesy import GM, J2, J3, J4, RADIUS_M, ROTATION_RADPS
from sensors.threats import load_threat
from sensors.trajectory import TrajectoryError, fly, gravity, height_m, solve
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


@pytest.fixture(scope="module")
def airless():
    """A lofted shot whose coast, about half an hour, meets no air."""
    threat = load_threat("hwasong12")
    solved = solve(threat, *LOFTED)
    vacuum = msgspec.structs.replace(threat, reentry_beta_kg_m2=1e30)
    programme = solved.programme
    return fly(vacuum, LOFTED[0], programme)


@pytest.mark.parametrize("position", [(7e6, 1e5, 2e5), (1e6, -2e6, 6.4e6), (-3e6, 4e6, -5e6)])
def test_gravity_is_the_gradient_of_the_potential(position):
    assert np.allclose(gravity(*position), numerical_gravity(np.array(position)), rtol=0, atol=3e-8)


def test_energy_and_angular_momentum_are_kept_without_air(airless):
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
