"""Sessions in which nations share tracks: recorded, verified, asked again under another arrangement."""

from dataclasses import replace

import pytest

from configs import resolve
from fusion.arms import run_arm
from fusion.session import Session, run
from fusion.verify import verify
from sharing.messages import RECIPIENTS, S
from sharing.settings import load_policy
from tests.unit.nations import REGIONS, feed, session_of

LAST_S = 60


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A session under `tracks`, as it was run and as a file."""
    policy = load_policy(resolve("policies", "tracks"))
    known = {
        "scenario": "flight",
        "seed": "1",
        "t_start_ns": "0",
        "t_end_ns": str(LAST_S * S),
        "objects": "1",
    }
    session = replace(session_of(feed(1, LAST_S), policy, 1, LAST_S), metadata=known)
    path = tmp_path_factory.mktemp("products") / "tracks.mcap"
    arm = run_arm(session, policy, RECIPIENTS, regions=REGIONS, record=path)
    return session, arm, path


def test_each_nations_arrivals_give_its_pictures_again(recorded):
    _, _, path = recorded
    result = verify(path, regions=REGIONS)
    assert result.difference is None and all(count > LAST_S for count in result.compared.values())


def test_a_recording_is_asked_again_and_its_products_are_remade(recorded):
    session, arm, path = recorded
    loaded = Session.load(path)
    again = run(loaded, regions=REGIONS, keep=False)
    assert {n: r.picture_sha256 for n, r in again.items()} == {
        n: r.picture_sha256 for n, r in arm.results.items()
    }
    other = load_policy(resolve("policies", "careless-relay"))
    asked, made = (run(s, other, regions=REGIONS, keep=False) for s in (loaded, session))
    assert [r.picture_sha256 for r in asked.values()] == [r.picture_sha256 for r in made.values()]
    assert asked["JPN"].picture_sha256 != again["JPN"].picture_sha256


def test_whoever_has_no_sensor_sees_the_fused_tracks(recorded):
    _, arm, _ = recorded
    assert arm.results["COALITION"].counters["tracks_accepted"] > 0


def test_what_a_nation_withholds_reaches_nobody(recorded):
    session, _, _ = recorded
    alone = run(session, withhold=("JPN", "KOR", "USA"), nations=("COALITION",), regions=REGIONS)["COALITION"]
    assert all(not len(picture.track_id) for picture in alone.as_known)
