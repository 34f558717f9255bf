"""The ways to start a track of `fusion.study.starts`: each by its own formula, and all on one scenario."""

import numpy as np
import pytest

from configs import resolve
from fusion.core.filters import MISSILES, arguments
from fusion.session import Session
from fusion.study.starts import DIFFUSE_MPS, WAYS, Watched, joins, outcome, until
from fusion.truths import Sky
from sensors.scenario import load_scenario
from sharing.messages import S, Truth
from sharing.settings import load_policy

EARTH_M = 6_378_137.0
AXES = np.array([0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0])
"""East, north, up on the equator at longitude 0, in ECEF."""
PLACE = np.array([EARTH_M + 20_000.0, 30_000.0, 200_000.0])
VELOCITY = np.array([100.0, 300.0, -1500.0])
ONE = np.zeros(1, np.int32)
SIGMA = np.array([50.0, 1e-3, 1e-3])
SEEN = 5 * S


def bank(way: str, *places: np.ndarray, bias: float = 0.0) -> Watched:
    """A bank that starts tracks in this way, its sensors at these places, an object that flies evenly."""
    t_ns = np.array([0, SEEN])
    states = np.array([[*PLACE, *VELOCITY], [*(PLACE + 5 * VELOCITY), *VELOCITY]])
    truth = Truth(
        originator="JPN", sequence=0, t_sent_ns=0, t_available_ns=0, name="m", kind="missile", counts=True,
        t_valid_ns=t_ns, state_ecef=states.ravel(), phase=np.ones(2, np.int64), liftoff_t_ns=0,
    )  # fmt: skip
    made = WAYS[way](*arguments(8, 4, MISSILES)).watch(Sky([truth]))
    for number, place in enumerate(places):
        made.set_site(number, 0, place, np.zeros(3), AXES, bias * SIGMA)
    return made


def seen_from(place: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Range, azimuth and elevation of a position."""
    e, n, u = AXES.reshape(3, 3) @ (position - place)
    return np.array([np.sqrt(e * e + n * n + u * u), np.arctan2(e, n), np.arctan2(u, np.hypot(e, n))])


def two_plots(way: str, bias: float = 0.0) -> tuple[Watched, np.ndarray, np.ndarray]:
    """A track of two exact plots of one radar: bank, state and covariance."""
    radar = np.array([EARTH_M, 0.0, 0.0])
    made = bank(way, radar, bias=bias)
    made.start(0, 0, seen_from(radar, PLACE), SIGMA, 0, 2500.0, 2500.0, -1)
    made.predict(ONE, SEEN)
    made.update(ONE, ONE, seen_from(radar, PLACE + 5 * VELOCITY)[None], SIGMA[None], 0)
    x, p, _ = made.estimate(ONE)
    return made, x[0], p[0]


def test_two_points_are_the_difference_of_two_plots():
    made, x, p = two_plots("two-point")
    assert x == pytest.approx(np.concatenate([PLACE + 5 * VELOCITY, VELOCITY]), abs=1e-3)
    line = PLACE + 5 * VELOCITY - [EARTH_M, 0.0, 0.0]
    line /= np.linalg.norm(line)
    assert line @ p[3:, 3:] @ line == pytest.approx(2 * SIGMA[0] ** 2 / 5**2, rel=0.02)
    assert made.found[-1].plots == 2


@pytest.mark.parametrize("bias", [0.0, 1.0])
def test_a_wide_start_is_as_good_as_a_diffuse_one(bias):
    """The velocity that 2,500 m/s at rest takes away is a small part of the doubt that is left."""
    _, wide, p_wide = two_plots("one-point", bias)
    _, diffuse, p_diffuse = two_plots("diffuse", bias)
    sigma = np.sqrt(np.diagonal(p_diffuse))
    assert np.max(np.abs(wide - diffuse) / sigma) < 0.15
    assert np.sqrt(np.diagonal(p_wide)) == pytest.approx(sigma, rel=0.03)
    assert np.all(sigma[3:] < DIFFUSE_MPS / 100)


@pytest.mark.parametrize(("way", "off_m"), [("diffuse", 100.0), ("one-point", 2000.0)])
def test_lines_from_two_places_give_the_point_where_they_meet(way, off_m):
    """By the assumed height alone the track would be 100 km away."""
    places = np.array([4.2e7, 0.0, 0.0]), np.array([2.5e7, 3.4e7, 0.0])
    made = bank(way, *places)
    line = np.array([np.inf, 2e-5, 2e-5])
    z = [seen_from(place, PLACE) for place in places]
    assumed = np.array([z[0][0] - 1e5, *z[0][1:]])
    made.start(0, 0, assumed, np.array([1.5e5, 2e-5, 2e-5]), 0, 2500.0, 2500.0, 0)
    made.update(ONE, ONE, np.array([[0.0, *z[1][1:]]]), line[None], 1, MISSILES.sight)
    x, p, _ = made.estimate(ONE)
    assert np.linalg.norm(x[0, :3] - PLACE) < off_m
    assert np.sqrt(np.trace(p[0, :3, :3])) < 5000.0
    assert joins(made.plots[0]) == [1]
    assert made.found[-1].joined


def test_on_a_scenario_all_ways_hold_the_missile_at_the_same_second():
    scenario = load_scenario("009").with_sensors(["USA/opir-east", "USA/opir-west"])
    session = until(Session.generate(scenario, 1, load_policy(resolve("policies", "full-mesh"))), 65.0)
    found = {way: outcome(session, way) for way in WAYS}
    assert len({one.held_s for one in found.values()}) == 1
    assert all(one.held_s is not None and one.false_tracks == 0 for one in found.values())
    joined = {way: next(h for h in one.hits if h.joined) for way, one in found.items()}
    assert np.array_equal(joined["two-point"].error, joined["one-point"].error)
    assert not np.array_equal(joined["diffuse"].error, joined["one-point"].error)
    assert all(np.linalg.norm(h.error[:3]) < 10_000.0 for h in joined.values())
