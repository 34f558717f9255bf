"""Impact and launch points: right against an independent flight, and as sure as they say."""

import math

import numpy as np
import pymap3d
import pytest
from scipy.integrate import solve_ivp

from fusion.core.burn import BurnRules, Sample, predict_burn, specific_force
from fusion.core.filters import COAST, LEVEL, POWERED, REENTRY
from fusion.core.launch import LaunchRules, estimate_launch
from fusion.core.prediction import Hypothesis, PredictionRules, predict_impact
from fusion.metrics import wilson
from sensors.scenario import load_scenario

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


def coasting(state, covariance, rules=RULES, t_ns=0):
    """The forecast of a track that certainly coasts."""
    return predict_impact(t_ns, [Hypothesis(COAST, 1.0, state, covariance)], rules)


def over_japan_sea(speed=3000.0, climb=1200.0, height=150e3):
    position = np.array(pymap3d.geodetic2ecef(40.0, 135.0, height))
    east, north, up = np.array(pymap3d.enu2ecefv(*np.eye(3), 40.0, 135.0)).T
    return np.concatenate((position, speed * east + 300.0 * north + climb * up))


def test_impact_in_vacuum_equals_an_independent_integration():
    state = over_japan_sea()
    t_s, (lat, lon, _) = independent_fall(state)
    impact = coasting(state, np.eye(6) * 1e-6)
    east, north, _ = pymap3d.geodetic2enu(impact.point.lat_deg, impact.point.lon_deg, 0, lat, lon, 0)
    assert np.hypot(east, north) < 20.0
    assert impact.point.t_ns / S == pytest.approx(t_s, abs=0.02)


def test_the_impact_ellipse_holds_what_it_says():
    """300 states drawn from a covariance fall where the ellipse says, with Wilson's interval around 95 %."""
    rng = np.random.default_rng(3)
    mean, sigma = over_japan_sea(), np.array([300.0] * 3 + [3.0] * 3)
    impact = coasting(mean, np.diag(sigma**2))
    ee, en, nn = impact.point.covariance_m2
    inverse = np.linalg.inv([[ee, en], [en, nn]])
    inside = 0
    runs = 300
    for _ in range(runs):
        one = coasting(mean + sigma * rng.standard_normal(6), np.eye(6) * 1e-6).point
        miss = pymap3d.geodetic2enu(
            one.lat_deg, one.lon_deg, 0, impact.point.lat_deg, impact.point.lon_deg, 0
        )[:2]
        inside += np.array(miss) @ inverse @ np.array(miss) <= 5.991
    assert 0.915 < inside / runs < 0.98


def test_what_never_comes_down_has_no_impact():
    assert coasting(over_japan_sea(speed=9000.0), np.eye(6)) is None


def test_drag_shortens_the_flight():
    light = PredictionRules(ballistic_spread=1e-6, ballistic_coefficient_kg_m2=1500.0)
    free, slowed = (coasting(over_japan_sea(), np.eye(6) * 1e-6, r).point for r in (RULES, light))
    assert slowed.lon_deg < free.lon_deg
    assert slowed.t_ns > free.t_ns


def test_the_time_to_go_is_as_sure_as_it_says():
    rng = np.random.default_rng(4)
    mean, sigma = over_japan_sea(), np.array([300.0] * 3 + [3.0] * 3)
    point = coasting(mean, np.diag(sigma**2)).point
    draws = [coasting(mean + sigma * rng.standard_normal(6), np.eye(6) * 1e-6).point.t_ns for _ in range(200)]
    assert np.std(draws) / S == pytest.approx(point.t_sigma_s, rel=0.15)
    assert np.mean(draws) / S == pytest.approx(point.t_ns / S, abs=0.3)


def test_models_are_mixed_by_their_probability():
    """Two models that disagree by 30 m/s: the mean between them, and their distance in the covariance."""
    slow, fast = over_japan_sea(speed=2985.0), over_japan_sea(speed=3015.0)
    tight = np.eye(6) * 1e-6
    ends = [coasting(state, tight).point for state in (slow, fast)]
    known = [Hypothesis(COAST, 0.6, slow, tight), Hypothesis(REENTRY, 0.3, fast, tight)]
    both = predict_impact(0, [*known, Hypothesis(LEVEL, 0.1, fast, tight)], RULES)
    apart = np.array(
        pymap3d.geodetic2enu(ends[1].lat_deg, ends[1].lon_deg, 0, ends[0].lat_deg, ends[0].lon_deg, 0)
    )
    assert [share for share, _ in both.parts] == pytest.approx([2 / 3, 1 / 3])
    assert both.point.lon_deg == pytest.approx(ends[0].lon_deg * 2 / 3 + ends[1].lon_deg / 3, abs=1e-3)
    assert both.point.covariance_m2[0] == pytest.approx(2 / 9 * apart[0] ** 2, rel=0.01)
    assert both.weight.sum() == pytest.approx(1.0)


def test_drag_that_a_filter_has_estimated_takes_the_place_of_the_assumed():
    """Through the air at the end: a known coefficient leaves a smaller ellipse; a lower one falls shorter."""
    rules = PredictionRules()
    state = np.append(over_japan_sea(speed=2000.0, climb=-1500.0, height=60e3), 0.0)
    assumed = predict_impact(0, [Hypothesis(COAST, 1.0, state[:6], np.eye(6))], rules).point
    covariance = np.diag([1.0] * 6 + [0.05**2])
    known = predict_impact(0, [Hypothesis(REENTRY, 1.0, state, covariance)], rules).point
    assert known.covariance_m2[0] < 0.02 * assumed.covariance_m2[0]
    state[6] = math.log(0.5)
    assert (
        predict_impact(0, [Hypothesis(REENTRY, 1.0, state, covariance)], rules).point.lon_deg < known.lon_deg
    )


def test_power_widens_the_answer_and_then_withholds_it():
    state, tight, wide = over_japan_sea(), np.eye(6), np.diag([300.0**2] * 3 + [60.0**2] * 3)

    def area(power):
        known = [Hypothesis(COAST, 1 - power, state, tight), Hypothesis(POWERED, power, state, wide)]
        found = predict_impact(0, known, RULES)
        return None if found is None else found.point.covariance_m2[0]

    assert area(0.04) == pytest.approx(area(0.0))  # negligible
    assert area(0.0) < area(0.1) < area(0.4)
    assert area(0.6) is None


# ------------------------------------------------------------------------------------------------ launch


@pytest.mark.parametrize("height", [-1.0, 200e3])
def test_no_launch_point_from_the_ground_or_from_space(height):
    assert estimate_launch(0, over_japan_sea(height=height), np.eye(6), LaunchRules()) is None


def test_a_vertical_climb_started_below():
    state = over_japan_sea(speed=0.0, climb=1000.0, height=40e3)
    state[3:] = 1000.0 * state[:3] / np.linalg.norm(state[:3])
    launch = estimate_launch(100 * S, state, np.eye(6), LaunchRules())
    east, north, _ = pymap3d.geodetic2enu(launch.lat_deg, launch.lon_deg, 0, 40.0, 135.0, 0)
    assert math.hypot(east, north) < 500.0
    assert launch.t_ns / S == pytest.approx(100.0 - 40e3 / 1000.0 * 2.5, abs=3.0)  # v = a t^1.5


def test_a_climbing_track_came_from_behind():
    state = over_japan_sea(speed=800.0, climb=1000.0, height=40e3)
    launch = estimate_launch(100 * S, state, np.eye(6), LaunchRules())
    east, north, _ = pymap3d.geodetic2enu(launch.lat_deg, launch.lon_deg, 0, 40.0, 135.0, 0)
    assert -32e3 < east < -10e3 and north == pytest.approx(east * 300 / 800, rel=0.05)
    assert 2e3 < math.sqrt(launch.covariance_m2[0]) < 8e3


def launches(scenarios, seconds, draws, sigma):
    """Whether the 95 % ellipses and the 95 % times hold the truth, for noisy true states in boost."""
    rng = np.random.default_rng(5)
    covariance = np.diag(sigma**2)
    held = []
    for name in scenarios:
        truth = load_scenario(name).truth[0]
        states = truth.state_ecef.reshape(-1, 6)
        lat, lon, _ = pymap3d.ecef2geodetic(*states[0, :3])
        for k in np.searchsorted(truth.t_valid_ns, truth.liftoff_t_ns + np.array(seconds) * S).tolist():
            for _ in range(draws if truth.phase[k] == 0 else 0):
                seen = states[k] + sigma * rng.standard_normal(6)
                launch = estimate_launch(int(truth.t_valid_ns[k]), seen, covariance, LaunchRules())
                if launch is not None:
                    miss = np.array(pymap3d.geodetic2enu(lat, lon, 0, launch.lat_deg, launch.lon_deg, 0)[:2])
                    ee, en, nn = launch.covariance_m2
                    m2 = miss @ np.linalg.solve([[ee, en], [en, nn]], miss)
                    late_s = (launch.t_ns - truth.liftoff_t_ns) / S
                    held.append((m2 <= 5.991, abs(late_s) <= 1.96 * launch.t_sigma_s))
    return np.array(held)


def test_launch_ellipses_hold_the_truth():
    """Six classes, 30 to 80 s after liftoff, tracks of 200 m and 60 m/s an axis."""
    sigma = np.array([200.0] * 3 + [60.0] * 3)
    held = launches(["003", "007", "009", "011", "012", "015"], (30, 45, 60, 80), 6, sigma)
    assert len(held) > 100
    for column in held.T:
        _, low, high = wilson(int(column.sum()), len(column))
        assert high > 0.95 and low > 0.85


# ------------------------------------------------------------------------------------------ a burning motor


EXHAUST = BurnRules().exhaust_mps


def run_of(force, count=3):
    """Samples every ten seconds of a burn straight up that begins with this specific force."""
    start = np.array([0.0, 0.0, 6.4e6])
    gravity = 3.986004418e14 / 6.4e6**2
    up = np.array([0.0, 0.0, 1.0])
    seconds = [10 * k for k in range(count)]
    gained = [-EXHAUST * math.log(1.0 - force * t / EXHAUST) - gravity * t for t in seconds]
    return [Sample(t * S, start, v * up) for t, v in zip(seconds, gained, strict=True)]


def test_the_specific_force_is_the_acceleration_without_gravity():
    now = 40.0 / (1.0 - 40.0 * 20.0 / EXHAUST)  # that of the last sample: the tanks have emptied since
    assert specific_force(run_of(40.0), BurnRules()) == pytest.approx(now, rel=0.03)
    assert specific_force(run_of(40.0, 1), BurnRules()) is None
    assert specific_force(run_of(5.0), BurnRules()) is None


def test_a_force_that_fades_is_no_steady_burn():
    run = run_of(60.0)
    run[2] = Sample(20 * S, run[2].position, run[1].velocity)
    assert specific_force(run, BurnRules()) is None


def test_what_pulls_hard_is_near_its_end():
    """After the burn the paths lie between the place where the motor would stop now and far beyond."""
    state, covariance = over_japan_sea(speed=1500.0, climb=1000.0, height=60e3), np.eye(6)
    now = coasting(state, covariance).point.lon_deg
    ends = {}
    for force in (30.0, 90.0):
        ahead = predict_burn(0, state, covariance, force, RULES, BurnRules())
        assert ahead.point is None and ahead.weight.sum() == pytest.approx(1.0)
        ends[force] = np.sort(ahead.path_lat_lon_deg[:, -1, 1] % 360.0)
    assert ends[90.0][0] > now - 0.05
    assert np.median(ends[30.0]) > np.median(ends[90.0]) + 3.0


def test_a_burn_is_not_looked_ahead_of_when_it_falls():
    falling = over_japan_sea(climb=-1200.0)
    assert predict_burn(0, falling, np.eye(6), 40.0, RULES, BurnRules()) is None
