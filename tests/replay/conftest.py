"""A short session with one missile and four radars of three nations, recorded once for all tests here."""

from pathlib import Path

import msgspec
import pytest

from configs import resolve
from fusion.arms import by_recipient, run_arm
from fusion.regions import load_regions
from fusion.session import Regions, Session
from sensors.scenario import Scenario, load_scenario
from sharing.settings import load_policy

SECONDS = 150
SMALL = """
title = "NOTIONAL: a short flight for tests"
shows = "nothing"
regions = ["jpn", "kor"]
sensors = ["KOR/greenpine-b-1", "USA/tpy2-seongju", "JPN/fps5-sado"]

[[threats]]
class = "kn23"
name = "test-1"
lat_deg = 39.4
lon_deg = 127.5
bearing_deg = 90.0
range_km = 600.0
apogee_km = 50.0

[ships]
"JPN/jmsdf-aegis-2" = { lat_deg = 36.3, lon_deg = 133.8 }
"""


@pytest.fixture(scope="session")
def small_scenario(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("scenario") / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="session")
def regions() -> Regions:
    return by_recipient([r for n in ("jpn", "kor") for r in load_regions(resolve("regions", n))])


@pytest.fixture(scope="session")
def scenario(small_scenario) -> Scenario:
    """Only the flight's first minutes, for speed."""
    loaded = load_scenario(small_scenario)
    (truth,) = loaded.truth
    cut = {
        "t_valid_ns": truth.t_valid_ns[:SECONDS],
        "state_ecef": truth.state_ecef[: 6 * SECONDS],
        "phase": truth.phase[:SECONDS],
        "impact": None,
    }
    return loaded.with_truth((msgspec.structs.replace(truth, **cut),))


@pytest.fixture(scope="session")
def small(scenario) -> Session:
    return Session.generate(scenario, 7, load_policy(resolve("policies", "full-mesh")))


@pytest.fixture(scope="session")
def recorded(small, regions, tmp_path_factory):
    """Path of the recorded session, and the arm that was recorded."""
    path = tmp_path_factory.mktemp("recorded") / "small.mcap"
    return path, run_arm(small, small.policy, regions=regions, record=path)
