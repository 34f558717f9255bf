"""Regions, probabilities, and what is said of a region when."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import configs
from fusion.core.prediction import Forecast, GroundPoint, equal_probability_points
from fusion.core.regions import Region, Toucher, inside
from fusion.core.warning import (
    DECLARE,
    DOUBTED,
    IMPACT,
    MOVES,
    OVERFLIGHT,
    QUIET,
    REASONS,
    RETRACT,
    REVISE,
    Look,
    Warner,
    WarningRules,
    needed,
)
from fusion.regions import load_regions
from sharing.settings import SettingsError

S = 10**9
SQUARE = ((40.0, 140.0), (40.0, 142.0), (42.0, 142.0), (42.0, 140.0))
REGION = Region("square", "JPN", "land", SQUARE, 60.0)
OUTSIDE = ((50.0, 150.0), (50.0, 150.0))
OVER = ((41.0, 138.0), (41.0, 141.0), (41.0, 150.0))


def forecast(lat, lon, sigma_m=1000.0, path=OUTSIDE, t_s=1000):
    """A free flight that comes down at one place."""
    point = GroundPoint(t_s * S, lat, lon, (sigma_m**2, 0.0, sigma_m**2))
    tracks = np.tile(np.array(path), (14, 1, 1))
    return Forecast(0, point, ((1.0, point),), tracks, 400.0, np.full(14, 1 / 14), np.ones(14))


def burning(share, over=OVER, beside=((30.0, 138.0), (30.0, 141.0), (30.0, 150.0))):
    """A burn of which this share of 16 paths crosses the square."""
    count = round(16 * share)
    paths = np.array([over] * count + [beside] * (16 - count))
    return Forecast(0, None, (), paths, 400.0, np.full(16, 1 / 16), np.ones(16))


def mixed(*shares_and_places):
    """Several models' impacts."""
    parts = tuple(
        (share, GroundPoint(1000 * S, lat, lon, (1e6, 0.0, 1e6))) for share, lat, lon in shares_and_places
    )
    return Forecast(
        0, parts[0][1], parts, np.tile(np.array(OUTSIDE), (1, 1, 1)), 400.0, np.ones(1), np.ones(1)
    )


def said(warner, t_s, *looks, live=(7,)):
    """Actions and reasons at a time."""
    return [(n.action, n.reason) for n in warner.weigh(t_s * S, looks, live)]


def test_inside_follows_the_even_odd_rule():
    lat = np.array([41.0, 39.9, 41.0, 43.0])
    lon = np.array([141.0, 141.0, 139.9, 141.0])
    assert inside(SQUARE, lat, lon).tolist() == [True, False, False, False]


def test_a_closed_ring_and_an_open_one_are_the_same():
    lat, lon = np.meshgrid(np.linspace(39, 43, 41), np.linspace(139, 143, 41))
    assert (inside(SQUARE, lat, lon) == inside((*SQUARE, SQUARE[0]), lat, lon)).all()


def test_equal_probability_points_have_unit_covariance():
    points = equal_probability_points(rings=64, spokes=16)
    assert abs(points.mean(axis=0)).max() < 1e-12
    assert np.allclose(points.T @ points / len(points), np.eye(2), atol=0.02)


def test_an_ellipse_on_the_border_is_half_inside():
    assert Toucher().touch(REGION, forecast(41.0, 140.0, 5000.0)).falls == pytest.approx(0.5, abs=0.02)


def test_the_models_impacts_count_by_their_probability():
    touch = Toucher().touch(REGION, mixed((0.7, 41.0, 141.0), (0.3, 50.0, 150.0)))
    assert touch.falls == pytest.approx(0.7)


def test_a_path_says_when_it_enters_and_leaves():
    touch = Toucher().touch(REGION, forecast(30.0, 170.0, path=OVER))
    assert (touch.falls, touch.enters_ns, touch.leaves_ns) == (0.0, 400 * S, 400 * S)
    assert touch.crosses == pytest.approx(1.0)


def test_an_impact_in_the_region_is_declared_once():
    warner = Warner((REGION,), WarningRules())
    (notice,) = warner.weigh(0, [Look(7, 20, forecast(41.0, 141.0))], (7,))
    assert (notice.action, notice.kind, notice.reason) == (DECLARE, IMPACT, "impact-ellipse")
    assert (notice.track_id, notice.probability, notice.t_impact_ns) == (7, 1.0, 1000 * S)
    assert said(warner, 10, Look(7, 20, forecast(41.0, 141.0))) == []
    assert said(warner, 20, Look(9, 20, forecast(41.0, 141.0)), live=(7, 9)) == []


def test_a_path_over_the_region_is_an_overflight_and_passes():
    warner = Warner((REGION,), WarningRules())
    over = Look(7, 20, forecast(30.0, 170.0, path=OVER))
    assert [n.kind for n in warner.weigh(0, [over], (7,))] == [OVERFLIGHT]
    assert said(warner, 410) == []
    assert said(warner, 411) == [(RETRACT, "passed")]
    assert said(warner, 420, over) == []  # nothing is declared of what is over


def test_a_track_of_few_plots_warns_nobody():
    assert said(Warner((REGION,), WarningRules()), 0, Look(7, 9, forecast(41.0, 141.0))) == []


def test_what_changes_much_is_revised():
    warner = Warner((REGION,), WarningRules())
    assert said(warner, 0, Look(7, 20, forecast(41.0, 141.0))) == [(DECLARE, "impact-ellipse")]
    assert said(warner, 10, Look(7, 20, forecast(41.0, 141.0, t_s=1029))) == []
    assert said(warner, 20, Look(7, 20, forecast(41.0, 141.0, t_s=1031))) == [(REVISE, "impact-ellipse")]
    assert said(warner, 30, Look(7, 20, forecast(41.0, 140.0, 5e3, t_s=1031))) == [(REVISE, "impact-ellipse")]


def test_doubt_is_retracted_only_when_it_lasts():
    warner = Warner((REGION,), WarningRules(persist_s=20.0))
    there, gone = Look(7, 20, forecast(41.0, 141.0)), Look(7, 20, forecast(30.0, 170.0))
    assert said(warner, 0, there) == [(DECLARE, "impact-ellipse")]
    assert said(warner, 10, gone) == said(warner, 20, there) == said(warner, 30, gone) == []
    assert said(warner, 40, gone) == []
    assert said(warner, 50, gone) == [(RETRACT, "doubtful")]
    assert said(warner, 60, there) == [(DECLARE, "impact-ellipse")]


def test_between_the_thresholds_nothing_is_said():
    warner = Warner((REGION,), WarningRules(notable=1.0))
    third = Look(7, 20, mixed((0.3, 41.0, 141.0), (0.7, 50.0, 150.0)))
    assert said(warner, 0, third) == []
    assert said(warner, 10, Look(7, 20, forecast(41.0, 141.0))) == [(DECLARE, "impact-ellipse")]
    for t_s in range(20, 200, 10):
        assert said(warner, t_s, third) == []


def test_a_lost_track_is_retracted_and_one_taken_over_is_not():
    warner = Warner((REGION,), WarningRules(persist_s=20.0))
    said(warner, 0, Look(7, 20, forecast(41.0, 141.0)))
    assert said(warner, 10, live=()) == []
    assert said(warner, 30, live=()) == [(RETRACT, "track-lost")]
    said(warner, 40, Look(7, 20, forecast(41.0, 141.0)))
    assert said(warner, 50, Look(8, 20, forecast(41.0, 141.0)), live=(8,)) == []
    assert said(warner, 90, live=(8,)) == []


def test_a_manoeuvre_holds_the_warning_for_a_while_and_vagueness_until_it_is_over():
    warner = Warner((REGION,), WarningRules(hold_s=60.0, persist_s=20.0))
    said(warner, 0, Look(7, 20, forecast(41.0, 141.0)))
    vague = Look(7, 20, None)
    turns = Look(7, 20, None, free=False)
    assert said(warner, 100, vague) == said(warner, 200, turns) == said(warner, 260, turns) == []
    assert said(warner, 261, turns) == []
    assert said(warner, 281, turns) == [(RETRACT, "manoeuvre")]


def test_while_a_motor_burns_a_region_is_watched_first():
    warner = Warner((REGION,), WarningRules(watch_s=10.0))
    assert said(warner, 0, Look(7, 20, None, burning(0.75), free=False)) == []
    assert said(warner, 10, Look(7, 20, None, burning(0.75), free=False)) == [(DECLARE, "burn")]
    assert said(warner, 20, Look(7, 20, None, burning(0.0), free=False)) == said(warner, 30) == []
    assert said(warner, 40) == [(RETRACT, "doubtful")]


def test_a_region_at_sea_waits_for_the_end_of_the_burn():
    warner = Warner((replace(REGION, kind="sea"),), WarningRules())
    assert (
        said(warner, 0, Look(7, 20, None, burning(1.0), free=False))
        == said(warner, 10, Look(7, 20, None, burning(1.0), free=False))
        == []
    )
    over = Look(7, 20, forecast(30.0, 170.0, path=OVER))
    assert said(warner, 20, over) == [(DECLARE, "path-crosses")]
    assert said(warner, 30, Look(7, 20, None, burning(0.0), free=False)) == []


def test_a_burn_that_ends_while_watched_warns_nobody():
    warner = Warner((REGION,), WarningRules(watch_s=10.0))
    assert said(warner, 0, Look(7, 20, None, burning(0.75), free=False)) == []
    assert said(warner, 10, Look(7, 20, None, free=False)) == []
    assert said(warner, 30) == []
    assert said(warner, 40, Look(7, 20, forecast(30.0, 170.0, path=OVER))) == [(DECLARE, "path-crosses")]


@pytest.mark.parametrize(("delay", "false", "threshold"), [(1, 1, 0.5), (3, 1, 0.25), (1, 9, 0.9)])
def test_the_costs_set_the_threshold(delay, false, threshold):
    """The decision of least expected cost: P · delay against (1 - P) · false."""
    region = Region("square", "JPN", "land", SQUARE, 60.0, delay, false)
    assert needed(region) == pytest.approx(threshold)
    for p, warned in ((threshold - 0.02, False), (threshold + 0.02, True)):
        assert (p * delay > (1 - p) * false) == warned
        look = Look(7, 20, mixed((p, 41.0, 141.0), (1 - p, 50.0, 150.0)))
        assert bool(said(Warner((region,), WarningRules()), 0, look)) == warned


STATES = {state for state, *_ in MOVES}


def test_the_table_of_moves_is_sound():
    """Every state is left and reached, no move is ambiguous, what is declared ends by being retracted."""
    assert len({move[:2] for move in MOVES}) == len(MOVES)
    assert {after for _, _, after, _ in MOVES} == STATES
    assert all(action == RETRACT for state, _, after, action in MOVES if after == QUIET and state == DOUBTED)


looks = st.builds(
    Look,
    st.sampled_from([7, 8]),
    st.just(20),
    st.one_of(
        st.none(),
        st.sampled_from([0.1, 0.3, 0.6, 0.9]).map(lambda p: mixed((p, 41.0, 141.0), (1 - p, 50.0, 150.0))),
        st.sampled_from([600, 1000]).map(lambda t: forecast(30.0, 170.0, path=OVER, t_s=t)),
    ),
    st.none() | st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]).map(burning),
    st.booleans(),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.lists(looks, max_size=2), st.sampled_from([(), (7,), (7, 8)])), max_size=30))
def test_what_is_said_makes_sense_to_the_listener(steps):
    """Declared, then revised any number of times, then retracted: of each kind, in this order only."""
    warner = Warner((REGION,), WarningRules())
    standing = {IMPACT: False, OVERFLIGHT: False}
    for k, (seen, live) in enumerate(steps):
        for notice in warner.weigh(10 * k * S, seen, live):
            assert standing[notice.kind] == (notice.action != DECLARE)
            standing[notice.kind] = notice.action != RETRACT
            assert 0.0 <= notice.probability <= 1.0 and notice.reason in REASONS
            assert notice.action != DECLARE or notice.probability > needed(REGION)
    last = warner.weigh(5000 * S, (), ())
    assert sum(standing.values()) == len([n for n in last if n.reason == "passed"])


def test_every_shipped_region_loads_and_has_a_unique_name():
    files = {path.stem: load_regions(path) for path in configs.available("regions")}
    early = files.pop("jpn-early")
    regions = [r for found in files.values() for r in found]
    assert len({r.name for r in regions}) == len(regions) > 10
    assert {r.nation for r in regions} == {"JPN", "KOR", "USA"}
    assert [replace(r, cost_of_delay=1.0) for r in early] == list(files["jpn"])
    assert {needed(r) for r in early} == {0.2} and {needed(r) for r in regions} == {0.5}


@pytest.mark.parametrize(
    ("properties", "where"),
    [
        ('{"name": "x"}', "kind"),
        ('{"name": "x", "kind": "sea", "dissemination_s": 1, "cost_of_delay": 0}', "cost_of_delay"),
    ],
)
def test_a_bad_region_file_is_one_line(tmp_path, properties, where):
    path = tmp_path / "bad.geojson"
    path.write_text(f'{{"nation": "JPN", "features": [{{"properties": {properties}}}]}}')
    with pytest.raises(SettingsError, match=rf"bad.geojson: .*{where}"):
        load_regions(path)


def test_the_tutorial_shows_the_table_of_moves():
    page = Path(__file__).parents[2] / "docs" / "tutorials" / "08-impact-and-warning.md"
    rows = [line.strip("|").split("|") for line in page.read_text(encoding="utf-8").splitlines()]
    shown = [tuple(cell.strip() for cell in row) for row in rows if len(row) == 4][2:]
    assert shown == [(*move[:3], move[3] or "") for move in MOVES]
