"""Classes from energy, height, orbit and way of flying; on states made by hand."""

import numpy as np
import pytest

from fusion.core.classification import (
    EARTH_M,
    MU,
    OMEGA,
    energy_evidence,
    flight_evidence,
    perigee,
    prior,
    probabilities,
    surface_speed,
)
from sharing.messages import CLASSES

SURE = np.diag([50.0**2] * 3 + [3.0**2] * 3)[None]
FREE, BURNS = np.zeros(1), np.ones(1)


def state(height_m, speed_mps, climb=0.0):
    """Over the equator, heading north with a climb of this sine; speed relative to the rotating Earth."""
    return np.array(
        [[EARTH_M + 7e3 + height_m, 0, 0, speed_mps * climb, 0, speed_mps * (1 - climb**2) ** 0.5]]
    )


def for_range(range_km, height_m=150e3, climb=0.5):
    """Speed at a height of the least energy for this range (Bate, Mueller and White 1971, section 6.2)."""
    s = np.sin(range_km * 1e3 / EARTH_M / 2.0)
    u2 = 2.0 * s / (1.0 + s) * MU / EARTH_M
    r = EARTH_M + 7e3 + height_m
    return state(height_m, np.sqrt(u2 - 2.0 * MU * (1.0 / EARTH_M - 1.0 / r)), climb)


def classed(x, powered=FREE, seconds=0.0, level=FREE, child=False, p=SURE):
    evidence, counts = energy_evidence(x, p, powered)
    assert counts.all()
    flight = flight_evidence(np.zeros((1, len(CLASSES))), powered, level, seconds)
    return probabilities(prior(child) + evidence + flight)[0]


@pytest.mark.parametrize(
    ("x", "name"),
    [
        (for_range(600.0), "SRBM"),
        (for_range(1800.0), "MRBM"),
        (for_range(4600.0, climb=0.7), "IRBM"),
        (for_range(10_000.0), "ICBM"),
        (state(150e3, 7600.0, 0.99), "ICBM"),  # lofted: its range is short, its energy is not
        (state(500e3, 7612.0), "satellite"),
    ],
)
def test_free_flight_is_classed_by_energy(x, name):
    p = classed(x, seconds=60.0)
    assert CLASSES[int(np.argmax(p))] == name and p.max() > 0.6
    assert p.sum() == pytest.approx(1.0)


def test_level_flight_is_an_aircraft_and_what_burns_into_orbit_a_launcher():
    assert classed(state(11e3, 250.0), seconds=30.0, level=np.ones(1))[CLASSES.index("aircraft")] > 0.95
    orbit = state(500e3, 7612.0)
    flight = flight_evidence(np.zeros((1, len(CLASSES))), BURNS, FREE, 60.0)
    p = probabilities(prior(False) + energy_evidence(orbit, SURE, FREE)[0] + flight)[0]
    assert CLASSES[int(np.argmax(p))] == "space launch"


def test_a_burn_leaves_every_class_open_that_has_more_energy():
    p = classed(for_range(1800.0), powered=BURNS)
    assert p[CLASSES.index("SRBM")] < 1e-3
    assert min(p[CLASSES.index(name)] for name in ("MRBM", "IRBM", "ICBM")) > 0.05


def test_a_vague_track_is_less_sure():
    vague = np.diag([20e3**2] * 3 + [1500.0**2] * 3)[None]
    assert classed(for_range(1800.0), p=vague).max() < classed(for_range(1800.0)).max() - 0.1


def test_what_falls_in_the_air_tells_no_energy():
    _, counts = energy_evidence(np.vstack([state(50e3, 1500.0, -0.6), state(50e3, 1500.0, 0.6)]),
                                np.repeat(SURE, 2, axis=0), np.zeros(2))  # fmt: skip
    assert counts.tolist() == [False, True]


def test_surface_speed_and_its_sigma_against_many_draws():
    x = for_range(1800.0)
    rng = np.random.default_rng(3)
    u, sigma = surface_speed(x, SURE)
    many = surface_speed(
        x + rng.multivariate_normal(np.zeros(6), SURE[0], 4000), np.repeat(0 * SURE, 4000, 0)
    )[0]
    assert u[0] == pytest.approx(many.mean(), abs=0.5)
    assert np.sqrt(sigma[0] ** 2 - 60.0**2) == pytest.approx(many.std(), rel=0.05)


def test_the_perigee_of_a_circle_is_its_height():
    r = EARTH_M + 400e3
    circle = np.array([[r, 0.0, 0.0, 0.0, np.sqrt(MU / r) - OMEGA * r, 0.0]])
    assert perigee(circle)[0] == pytest.approx(400e3, abs=1.0)
