"""Scenarios beside what was reported: the changes, what a recipient knew, the cells of the tables."""

import dataclasses

import numpy as np
import pytest

import configs
from fusion.command import invoke
from fusion.study import beside, changes
from fusion.study.known import regions_of, watch
from fusion.study.stories import STORIES, Arm, Case, Column, Story
from sensors.radar import Radar
from sensors.scenario import ScenarioFile, _placed, feed, who_sees
from sharing import settings
from sharing.messages import Detections

GREEN_PINE = "KOR/greenpine-b-1"
SHIP = "JPN/jmsdf-aegis-2"


def coverage(scenario, name):
    """What one sensor could see of the first object."""
    return next(c for c in who_sees(scenario) if changes.name_of(c.radar) == name)


def test_a_cross_section_is_a_signal_to_noise_ratio(scenario):
    before, after = (coverage(s, GREEN_PINE).sight for s in (scenario, changes.cross_sections(scenario, 4.0)))
    assert after.snr == pytest.approx(4.0 * before.snr)
    assert (after.visible == before.visible).all()


def test_a_mask_hides_and_its_removal_shows(scenario):
    seen = [
        int(coverage(changes.mask(scenario, degrees, GREEN_PINE), GREEN_PINE).sight.visible.sum())
        for degrees in (0.5, 2.0, 8.0)
    ]
    assert seen[0] > seen[1] > seen[2]
    assert int(coverage(scenario, GREEN_PINE).sight.visible.sum()) == seen[1]


def test_a_display_ends_elsewhere_and_a_ship_stands_elsewhere(scenario):
    wide = changes.display(scenario, 2.0)
    assert all(
        a.type.range_max_km == 2.0 * b.type.range_max_km
        for a, b in zip(wide.sensors, scenario.sensors, strict=True)
        if isinstance(a, Radar)
    )
    there = changes.moved(scenario, SHIP, 38.0, 131.0)
    (ship,) = there.with_sensors((SHIP,)).sensors
    assert (ship.lat_deg, ship.lon_deg) == (38.0, 131.0)
    assert there.with_sensors((GREEN_PINE,)).sensors == scenario.with_sensors((GREEN_PINE,)).sensors


def test_sensors_and_nations_are_left_out_by_name(scenario):
    left = {changes.name_of(s) for s in changes.without(scenario, "USA", SHIP).sensors}
    assert left == {GREEN_PINE, "JPN/fps5-sado"}
    for change in (
        lambda: changes.without(scenario, "KOR/none"),
        lambda: changes.mask(scenario, 1.0, "KOR/none"),
    ):
        with pytest.raises(KeyError, match="KOR/none"):
            change()


def test_what_was_known_agrees_with_the_score(small, scenario):
    known = watch(small, ("JPN", "KOR"), regions_of(scenario))["KOR"]
    assert known.first.name == "test-1" and list(known.held) == ["test-1"]
    ticks = known.ticks("test-1")
    assert len(ticks) >= 10 and (np.diff(ticks) >= 1.0).all()
    assert known.metrics["first_track_s"] == ticks[0]
    assert known.gap_s("test-1") == np.diff(ticks).max() - 1.0
    assert known.gap_s("nothing") is None
    # After 150 of 430 s it is about to pull up: the extrapolation falls short of the 600 km to come.
    assert known.range_km is not None and 200.0 < known.range_km < 600.0


def test_arms_under_one_arrangement_share_a_run_and_rows_are_in_order(scenario, monkeypatch):
    runs = []

    def counted(session, nations, regions):
        runs.append((session.policy.name, tuple(nations)))
        return watch(session, nations, regions)

    monkeypatch.setattr(beside, "watch", counted)
    arms = (Arm("Japan", "JPN"), Arm("all", "COALITION", "full-mesh"), Arm("Korea", "KOR"))
    case = Case("one radar less", lambda s: changes.without(s, "USA"), arms)
    story = Story((Column("held, s", lambda k: float(len(k.ticks(k.first.name)))),), (case,))
    table = list(beside.rows(story, scenario, (1,)))
    assert [row[:2] for row in table] == [["one radar less", "Japan"], ["", "all"], ["", "Korea"]]
    assert runs == [("national-only", ("JPN", "KOR")), ("full-mesh", ("COALITION",))]
    assert int(table[2][2]) > int(table[0][2])  # Sado, 1000 km away, sees less of it


def test_cells_give_median_extremes_and_what_is_missing():
    assert beside.cell([1.0, 3.0, 2.0], ".0f") == "2 (1 … 3)"
    assert beside.cell([2.0, 2.04], ".1f") == "2.0"
    assert beside.cell([5.0, None], ".0f") == "5 in 1 of 2"
    assert beside.cell([None], ".0f") == "–"


@pytest.mark.parametrize("name", STORIES)
def test_every_change_of_a_story_changes_something(name, scenario):
    path = configs.resolve("scenarios", name)
    placed = _placed(settings.load(path, ScenarioFile), str(path))
    scenario = dataclasses.replace(scenario, sensors=placed)
    for case in STORIES[name].cases:
        changed = case.change(scenario)
        assert (changed.sensors == scenario.sensors) == (case.title == "as in the file")
        assert case.arms and all(arm.recipient in ("JPN", "KOR", "USA", "COALITION") for arm in case.arms)


def test_a_scenario_without_a_story_is_refused_in_one_line(capsys):
    assert invoke(beside.main, ["017"], "beside") == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_detections_are_what_the_changes_leave_alone(scenario):
    """A ship elsewhere changes its own plots and no other sensor's."""

    def plots(of):
        return {
            (m.sensor, m.scan): m.range_m.tobytes()
            for m in feed(of, 3)
            if isinstance(m, Detections) and m.sensor != "jmsdf-aegis-2"
        }

    assert plots(changes.moved(scenario, SHIP, 38.0, 131.0)) == plots(scenario)
