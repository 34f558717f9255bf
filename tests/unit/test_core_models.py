"""Satellites, aircraft and lines of sight through the core: what becomes a track, and what it then says."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.stats import chi2

from ext.bank import TrackBank
from fusion.core.engine import Core, CoreConfig
from fusion.core.filters import MODEL_SETS
from fusion.core.tracker import TrackerRules
from sensors.forces import free_fall
from sharing.messages import MODES, Los, Polar
from tests.unit.synthetic import Sensor, covariances, drive, level_path

SITE = {"lat_deg": 38.0, "lon_deg": 138.0}
PASS_SIGMA = (100.0, np.radians(0.02), np.radians(0.02))


def core(models):
    return Core(CoreConfig("JPN", tracker=TrackerRules.of(models)))


def orbit(times_s, height_m=500e3, inclination_deg=97.4):
    """States (n, 6) in ECEF of a circular orbit that culminates near the site in the middle of the times."""
    spin = np.array([0.0, 0.0, 7.292115e-5])
    middle = 0.5 * (times_s[0] + times_s[-1])
    up = np.array([np.cos(0.66) * np.cos(2.43), np.cos(0.66) * np.sin(2.43), np.sin(0.66)])
    east = np.array([-np.sin(2.43), np.cos(2.43), 0.0])
    heading = np.cos(np.radians(inclination_deg)) / np.cos(0.66)  # eastward part of the way
    way = heading * east + np.sqrt(1 - heading**2) * np.cross(up, east)
    r = (6.371e6 + height_m) * up
    v = np.sqrt(3.986e14 / np.linalg.norm(r)) * way - np.cross(spin, r)
    back = solve_ivp(flow, (middle, times_s[0]), np.append(r, v), rtol=1e-11, atol=1e-4)
    flown = solve_ivp(flow, (times_s[0], times_s[-1]), back.y[:, -1], t_eval=times_s, rtol=1e-11, atol=1e-4)
    return flown.y.T


def flow(_t, x):
    return np.append(x[3:], free_fall(*x[:5]))


def pass_errors(models, seed, ahead_s=(10, 25, 50)):
    """NEES (6 degrees of freedom) of a pass that is tracked half, so long after its last plot."""
    rng = np.random.default_rng(seed)
    times = np.arange(101.0)
    truth = orbit(times)
    radar = Sensor("radar", **SITE, sigma=PASS_SIGMA)
    messages = [radar.site()]
    for t_s in range(1, 51):
        messages += radar.look(t_s, t_s, truth[t_s, :3], rng)
    pictures = drive(core(models), messages, 50 + max(ahead_s))
    found = []
    for s in ahead_s:
        picture = pictures[50 + s]
        assert len(picture.track_id) == 1
        assert MODES[picture.mode[0]] == "coast"
        assert not len(picture.impact_row)
        error = picture.state_ecef - truth[50 + s]
        found.append(error @ np.linalg.solve(covariances(picture)[0], error))
    return np.array(found)


WIDENED = 0.8
"""What mixing with models that manoeuvre may leave of a free flight's NEES (0.84 to 0.88 over 100 seeds, as
measured): a little too wide, never too narrow."""


def consistent(models, seeds):
    nees = np.array([pass_errors(models, seed) for seed in seeds])
    low, high = chi2.ppf([0.005, 0.995], 6 * len(nees))
    assert (WIDENED * low < nees.sum(axis=0)).all(), nees.mean(axis=0)
    assert (nees.sum(axis=0) < high).all(), nees.mean(axis=0)


@pytest.mark.parametrize("models", ["missiles", "mixed"])
def test_the_second_half_of_a_satellite_pass_is_where_the_first_predicts_it(models):
    consistent(models, range(8))


@pytest.mark.slow
@pytest.mark.parametrize("models", ["missiles", "mixed"])
def test_satellite_passes_over_many_seeds(models):
    consistent(models, range(100, 200))


def test_an_airliner_of_a_2d_radar_is_a_level_track():
    rng = np.random.default_rng(1)
    truth = level_path(39.0, 137.0, 11_000.0, 240.0, 120.0, np.arange(601.0))
    radar = Sensor("radar", **SITE, kind=Polar, sigma=(80.0, 2e-3, 1.0), scan_s=5.0)
    messages = [radar.site()]
    for number, t_s in enumerate(range(5, 601, 5)):
        messages += radar.look(number, t_s, truth[t_s, :3] if rng.random() < 0.9 else np.empty((0, 3)), rng)
    pictures = drive(core("air"), messages, 600)
    picture = pictures[600]
    assert len({i for p in pictures for i in p.track_id.tolist()}) == 1
    assert MODES[picture.mode[0]] == "level"
    error, p = picture.state_ecef - truth[600], covariances(picture)[0]
    up = truth[600, :3] / np.linalg.norm(truth[600, :3])
    flat = np.eye(3) - np.outer(up, up)
    assert np.linalg.norm(flat @ error[:3]) < 600.0
    assert np.linalg.norm(flat @ error[3:]) < 15.0
    assert np.sqrt(up @ p[:3, :3] @ up) < 7_000.0  # nothing measures its height, and still it has a bound
    assert error @ np.linalg.solve(p, error) < chi2.ppf(0.999, 6)


def test_a_turning_aircraft_is_a_turn_to_the_right():
    rng = np.random.default_rng(2)
    turn = np.radians(1.5) * np.arange(121.0)
    way = 120.0 / np.radians(1.5) * np.column_stack([1 - np.cos(turn), np.sin(turn)])
    start = level_path(39.0, 138.0, 6_000.0, 1.0, 0.0, np.zeros(1))[0, :3]
    up = start / np.linalg.norm(start)
    east = np.cross([0.0, 0.0, 1.0], up)
    east /= np.linalg.norm(east)
    truth = start + way @ np.array([east, np.cross(up, east)])
    radar = Sensor("radar", **SITE, scan_s=4.0, sigma=(50.0, 1e-3, 1e-3))
    messages = [radar.site()]
    for number, t_s in enumerate(range(4, 121, 4)):
        messages += radar.look(number, t_s, truth[t_s], rng)
    pictures = drive(core("air"), messages, 120)
    assert [MODES[p.mode[0]] for p in pictures[60:]].count("right") > 55
    assert np.linalg.norm(pictures[120].state_ecef[:3] - truth[120]) < 400.0


def test_airliners_and_satellites_come_down_nowhere_in_a_mixed_picture():
    rng = np.random.default_rng(3)
    times = np.arange(301.0)
    radar = Sensor("radar", **SITE, sigma=(80.0, 3e-3, 3e-3), scan_s=10.0)
    aircraft = [
        level_path(37.0 + 0.4 * k, 136.5 + 0.5 * k, 9_000.0 + 500.0 * k, 230.0, 70.0 * k, times)
        for k in range(5)
    ]
    sky = [*aircraft, orbit(times)]
    messages = [radar.site()]
    for number, t_s in enumerate(range(10, 301, 10)):
        seen = np.array([x[t_s, :3] for x in sky])
        messages += radar.look(number, t_s, seen, rng)
    pictures = drive(core("mixed"), messages, 300)
    last = pictures[300]
    assert sorted(MODES[m] for m in last.mode) == ["coast", *["level"] * 5]
    late = pictures[100:]  # ten plots, before which nobody is warned
    assert not any(len(p.impact_row) or len(p.launch_row) for p in late)


def boost(times_s):
    """States of a missile that climbs at 45° along a straight line, 30 m/s² from 200 m/s and 15 km on."""
    start = level_path(39.0, 128.0, 15_000.0, 1.0, 60.0, np.zeros(1))[0]
    up = start[:3] / np.linalg.norm(start[:3])
    way = (up + start[3:]) / np.sqrt(2.0)
    t = np.asarray(times_s)[:, None]
    return np.hstack([start[:3] + (200.0 * t + 15.0 * t**2) * way, (200.0 + 30.0 * t) * way])


def eyes(scan_s=2.0):
    east = Sensor("east", 0.0, 160.0, 35_786e3, Los, (1.0, 3.5e-4, 5e-5), scan_s)
    return east, Sensor("west", 0.0, 90.0, 35_786e3, Los, (1.0, 3.5e-4, 5e-5), scan_s)


def seen_by(sensors, truth, last_s, rng):
    messages = [sensor.site() for sensor in sensors]
    for number, t_s in enumerate(range(2, last_s + 1, 2)):
        for sensor in sensors:
            messages += sensor.look(number, t_s, truth[t_s, :3], rng)
    return messages


def test_two_satellites_place_a_burning_missile():
    truth = boost(np.arange(61.0))
    pictures = drive(core("missiles"), seen_by(eyes(), truth, 60, np.random.default_rng(4)), 60)
    assert len(pictures[20].track_id) == 1
    for t_s in (30, 45, 60):
        error, p = pictures[t_s].state_ecef - truth[t_s], covariances(pictures[t_s])[0]
        assert np.linalg.norm(error[:3]) < 6_000.0
        assert error @ np.linalg.solve(p, error) < chi2.ppf(0.999, 6)
        assert MODES[pictures[t_s].mode[0]] == "powered"


def test_one_satellite_gives_a_track_but_no_impact_and_no_launch():
    truth = boost(np.arange(61.0))
    pictures = drive(core("missiles"), seen_by(eyes()[:1], truth, 60, np.random.default_rng(5)), 90)
    assert len(pictures[40].track_id) == 1
    assert np.sqrt(np.trace(covariances(pictures[40])[0, :3, :3])) > 25_000.0
    assert not any(len(p.impact_row) or len(p.launch_row) for p in pictures)
    assert not len(pictures[90].track_id)  # nothing holds it up once it is unseen


def test_a_radar_takes_over_what_one_satellite_has_begun():
    rng = np.random.default_rng(6)
    truth = boost(np.arange(61.0))
    radar = Sensor("radar", **SITE, sigma=(50.0, 1e-3, 1e-3))
    messages = [*seen_by(eyes()[:1], truth, 60, rng), radar.site()]
    for t_s in range(40, 61):
        messages += radar.look(t_s, t_s, truth[t_s, :3], rng)
    pictures = drive(core("missiles"), messages, 60)
    assert len({i for p in pictures for i in p.track_id.tolist()}) == 1
    error = pictures[60].state_ecef - truth[60]
    assert np.linalg.norm(error[:3]) < 2_000.0  # one plot is good to 700 m
    assert error @ np.linalg.solve(covariances(pictures[60])[0], error) < chi2.ppf(0.999, 6)


def test_infrared_silence_costs_a_confirmed_track_nothing():
    truth = boost(np.arange(41.0))
    sensors = eyes()
    rng = np.random.default_rng(7)
    messages = seen_by(sensors, truth, 40, rng)
    for number, t_s in enumerate(range(42, 120, 2)):
        for sensor in sensors:
            messages += sensor.look(100 + number, t_s, np.empty((0, 3)), rng)
    made = core("missiles")
    assert len(drive(made, messages, 60)[60].track_id) == 1
    assert not made._current.tracker.table.misses[: made._current.tracker.table.used].any()


def test_what_cannot_be_a_plot_does_not_say_how_things_move():
    """A line of sight weighs the models by whether they burn; the weights must be possible ones."""
    bank = TrackBank(1, 1, [1.0, 1.0], [0.0, 0.0], [[0, 0], [0, 0]])
    bank.set_site(0, 0, [6.4e6, 0, 0], [0.0] * 3, [0, 1, 0, 0, 0, 1, 1, 0, 0], [0.0] * 3)
    slot = np.zeros(1, np.int32)
    z, sigma = np.array([[0.0, 0.3, 0.5]]), np.array([[np.inf, 1e-3, 1e-3]])
    bank.start(0, 0, [4e5, 0.3, 0.5], [1e3, 1e-3, 1e-3], 0, 100.0, 100.0, 0)
    bank.update(slot, slot, z, sigma, 0, (1.0, 0.02))
    assert bank.estimate(slot)[2][0] == pytest.approx([1 / 1.02, 0.02 / 1.02])
    for bad in ((1.0, 0.0), (1.0, 2.0), (1.0,), (np.nan, 1.0)):
        with pytest.raises(ValueError, match="sight"):
            bank.update(slot, slot, z, sigma, 0, bad)


def test_every_set_is_whole():
    for models in MODEL_SETS.values():
        count = len(models.modes)
        columns = (models.q, models.beta, models.turn, models.start, models.sight)
        columns += (models.estimates, models.prior_sigma, models.wander, models.growth)
        assert {len(column) for column in columns} == {count}
        assert np.shape(models.rates) == np.shape(models.thin_rates) == (count, count)
        assert sum(models.start) == pytest.approx(1.0)
        assert max(models.modes) < len(MODES)
    with pytest.raises(ValueError, match=r"models = 'sea': one of missiles, air, mixed"):
        TrackerRules.of("sea")


def test_sets_agree_on_the_models_that_they_share():
    """What a picture names by its mode alone can be predicted without knowing the set."""
    named = [
        (mode, m.q[k], m.beta[k], m.turn[k], m.estimates[k], m.prior_sigma[k], m.wander[k], m.growth[k])
        for m in MODEL_SETS.values()
        for k, mode in enumerate(m.modes)
    ]
    assert len(set(named)) == len({mode for mode, *_ in named}) == len(MODES)
