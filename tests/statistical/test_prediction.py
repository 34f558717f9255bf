"""Impact and launch points: right against an independent flight, and as sure as they say."""

import numpy as np
import pymap3d
import pytest
from scipy.integrate import solve_ivp

from fusion.core.prediction import PredictionRules, estimate_launch, predict_impact

S = 10**9
RULES = PredictionRules(ballistic_spread=1e-6, ballistic_coefficient_kg_m2=1e9)


def independent_fall(state):
    """Impact by scipy in the inertial frame: point mass and J2, no air."""
    gm, j2, a, omega = 3.986004418e14, 1.08262668e-3, 6378137.0, 7.292115e-5
    position, velocity = state[:3], state[3:] + np.cross([0, 0, omega], state[:3])

    def slope(_, y):
        r = np.linalg.norm(y[:3])
        k = 1.5 * j2 * gm * a**2 / r**5
        s = 5 * y[2] ** 2 / r**2
        pull = -gm * y[:3] / r**3 - k * np.array([y[0] * (1 - s), y[1] * (1 - s), y[2] * (3 - s)])
        return np.concatenate((y[3:], pull))

    def earth_fixed(t, y):
        c, s = np.cos(omega * t), np.sin(omega * t)
        return np.array([c * y[0] + s * y[1], -s * y[0] + c * y[1], y[2]])

    def ground(t, y):
        return pymap3d.ecef2geodetic(*earth_fixed(t, y))[2]

    ground.terminal, ground.direction = True, -1
    flight = solve_ivp(
        slope, (0, 3000), [*position, *velocity], events=ground, rtol=1e-11, atol=1e-6, method="DOP853"
    )
    t = float(flight.t_events[0][0])
    return t, pymap3d.ecef2geodetic(*earth_fixed(t, flight.y_events[0][0]))


def over_japan_sea(speed=3000.0, climb=1200.0, height=150e3):
    position = np.array(pymap3d.geodetic2ecef(40.0, 135.0, height))
    east, north, up = np.array(pymap3d.enu2ecefv(*np.eye(3), 40.0, 135.0)).T
    return np.concatenate((position, speed * east + 300.0 * north + climb * up))


def test_impact_in_vacuum_equals_an_independent_integration():
    state = over_japan_sea()
    t_s, (lat, lon, _) = independent_fall(state)
    impact = predict_impact(0, state, np.eye(6) * 1e-6, RULES)
    east, north, _ = pymap3d.geodetic2enu(impact.point.lat_deg, impact.point.lon_deg, 0, lat, lon, 0)
    assert np.hypot(east, north) < 20.0
    assert impact.point.t_ns / S == pytest.approx(t_s, abs=0.02)


def test_the_impact_ellipse_holds_what_it_says():
    """300 states drawn from a covariance fall where the ellipse says, with Wilson's interval around 95 %."""
    rng = np.random.default_rng(3)
    mean, sigma = over_japan_sea(), np.array([300.0] * 3 + [3.0] * 3)
    impact = predict_impact(0, mean, np.diag(sigma**2), RULES)
    ee, en, nn = impact.point.covariance_m2
    inverse = np.linalg.inv([[ee, en], [en, nn]])
    inside = 0
    runs = 300
    for _ in range(runs):
        one = predict_impact(0, mean + sigma * rng.standard_normal(6), np.eye(6) * 1e-6, RULES).point
        miss = pymap3d.geodetic2enu(
            one.lat_deg, one.lon_deg, 0, impact.point.lat_deg, impact.point.lon_deg, 0
        )[:2]
        inside += np.array(miss) @ inverse @ np.array(miss) <= 5.991
    assert 0.915 < inside / runs < 0.98


def test_what_never_comes_down_has_no_impact():
    assert predict_impact(0, over_japan_sea(speed=9000.0), np.eye(6), RULES) is None


def test_drag_shortens_the_flight():
    light = PredictionRules(ballistic_spread=1e-6, ballistic_coefficient_kg_m2=1500.0)
    free, slowed = (predict_impact(0, over_japan_sea(), np.eye(6) * 1e-6, r).point for r in (RULES, light))
    assert slowed.lon_deg < free.lon_deg
    assert slowed.t_ns > free.t_ns


@pytest.mark.parametrize("height", [-1.0, 200e3])
def test_no_launch_point_from_the_ground_or_from_space(height):
    assert estimate_launch(0, over_japan_sea(height=height), np.eye(6), PredictionRules()) is None


def test_a_climbing_track_came_from_behind():
    state = over_japan_sea(speed=800.0, climb=1000.0, height=40e3)
    launch = estimate_launch(100 * S, state, np.eye(6), PredictionRules())
    east, north, _ = pymap3d.geodetic2enu(launch.lat_deg, launch.lon_deg, 0, 40.0, 135.0, 0)
    assert east == pytest.approx(-0.6 * 40e3 * 0.8, rel=0.02)
    assert north == pytest.approx(-0.6 * 40e3 * 0.3, rel=0.02)
    assert launch.t_ns < 100 * S
    assert np.sqrt(launch.covariance_m2[0]) == pytest.approx(0.15 * 40e3 * 0.8, rel=0.05)
