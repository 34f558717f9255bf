"""The studies on small input: they run, and say what the session says."""

import json

import numpy as np
import pytest

from fusion.cli import invoke
from fusion.session import Session
from fusion.study.ascents import BEARING_DEG, LAT_DEG, LON_DEG, follow
from fusion.study.holders import holders, rows_of, watched
from fusion.study.seeds import phase_middles, run_seed
from sensors.readers.ascent import ascent_truth
from sensors.scenario import load_scenario
from sharing.messages import S


def test_run_seed_gives_both_arms_of_one_draw(scenario, monkeypatch, small):
    monkeypatch.setattr("fusion.study.seeds.load_scenario", lambda name: scenario)
    pairs = run_seed("small", ("full-mesh", "withheld-kor"), ("KOR", "COALITION"), 7)
    assert set(pairs) == {"KOR", "COALITION"}
    korea = pairs["KOR"]
    assert korea.policy.metrics == korea.against.metrics
    assert set(korea.lost.values()) <= {None, 0.0, 1.0}  # 1.0: the ratio of the areas
    assert pairs["COALITION"].lost["first_track_later_s"] > 0
    assert pairs["COALITION"].lost["custody_lost"] > 0
    middles = phase_middles(small)
    assert {(0, phase) for phase in korea.policy.nees} <= set(middles)
    assert all(0 <= t <= small.t_end_ns / S for t in middles.values())


def test_holders(scenario):
    found = {h.sensor: h for h in holders(scenario, 7)}
    assert list(found) == sorted(found)
    assert len(found) == 4
    seen = found["KOR/greenpine-b-1"]
    assert seen.visible[0] <= seen.first_detection_s <= seen.held[0]
    assert 0 < seen.held_fraction < 1
    assert len(rows_of(list(found.values()))) == 4
    assert watched(scenario).dtype == np.bool_


@pytest.mark.parametrize("name", ["SES_11"])
def test_a_real_first_stage_is_held_through_coast(data_dir, name):
    truth = ascent_truth(data_dir / "rocket-ascents" / f"{name}.csv", LAT_DEG, LON_DEG, BEARING_DEG)
    held = follow(load_scenario("009"), truth, 1)
    assert held.watched_s > 200
    assert held.fraction >= 0.9
    assert min(share for phase, _, share in held.by_phase if phase == "coast") >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DM_1", "Hispasat_30W_6", "Iridium_NEXT_3", "JCSAT_16", "SES_10"])
def test_the_other_ascents_are_held(data_dir, name):
    test_a_real_first_stage_is_held_through_coast(data_dir, name)


def test_import_ascent(data_dir, tmp_path, capsys, small_scenario):
    source, out = data_dir / "rocket-ascents" / "Iridium_NEXT_3.csv", tmp_path / "ascent.mcap"
    place = ["--lat", "40.6", "--lon", "126.4", "--bearing-deg", "80"]
    arguments = ["import", "ascent", str(source), *place, "--scenario", str(small_scenario), "-o", str(out)]
    assert invoke([*arguments, "--policy", "national-only", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    session = Session.load(out)
    assert session.sha256() == answer["session_sha256"]
    assert [t.name for t in session.truth] == ["Iridium_NEXT_3"]
    assert answer["metrics"]["KOR"]["tracked"] == 1
