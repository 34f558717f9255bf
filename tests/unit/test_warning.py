"""Regions, probabilities, and when a warning is issued again."""

import numpy as np
import pytest

import configs
from fusion.core.prediction import GroundPoint, Impact, equal_probability_points
from fusion.core.warning import IMPACT, OVERFLIGHT, Region, Warner, WarningRules, inside
from fusion.regions import load_regions
from sharing.settings import SettingsError

S = 10**9
SQUARE = ((40.0, 140.0), (40.0, 142.0), (42.0, 142.0), (42.0, 140.0))
REGION = Region("square", "JPN", "land", SQUARE, 60.0)


def impact(lat, lon, sigma_m=1000.0, path=((50.0, 150.0),)):
    point = GroundPoint(1000 * S, lat, lon, (sigma_m**2, 0.0, sigma_m**2))
    return Impact(point, np.tile(np.array(path), (14, 1, 1)))


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


def test_an_impact_in_the_region_is_warned_once_and_again_after_quiet():
    warner = Warner((REGION,), WarningRules(quiet_s=300.0))
    danger = [(7, 20, impact(41.0, 141.0))]
    assert [d.kind for d in warner.fresh(0, danger)] == [IMPACT]
    assert warner.fresh(10 * S, danger) == []
    assert warner.fresh(320 * S, danger)[0].track_id == 7


def test_a_track_of_few_plots_warns_nobody():
    assert Warner((REGION,), WarningRules()).fresh(0, [(7, 9, impact(41.0, 141.0))]) == []


def test_an_ellipse_on_the_border_is_half_inside():
    warner = Warner((REGION,), WarningRules(threshold=0.01))
    (danger,) = warner.fresh(0, [(7, 20, impact(41.0, 140.0, sigma_m=5000.0))])
    assert danger.probability == pytest.approx(0.5, abs=0.02)


def test_a_path_over_the_region_is_an_overflight():
    warner = Warner((REGION,), WarningRules())
    over = impact(30.0, 170.0, path=((41.0, 138.0), (41.0, 141.0), (41.0, 150.0)))
    assert [d.kind for d in warner.fresh(0, [(7, 20, over)])] == [OVERFLIGHT]
    assert warner.fresh(0, [(8, 20, impact(30.0, 170.0))]) == []


def test_every_shipped_region_loads_and_has_a_unique_name():
    regions = [r for path in configs.available("regions") for r in load_regions(path)]
    assert len({r.name for r in regions}) == len(regions) > 10
    assert {r.nation for r in regions} == {"JPN", "KOR", "USA"}


def test_a_bad_region_file_is_one_line(tmp_path):
    path = tmp_path / "bad.geojson"
    path.write_text('{"nation": "JPN", "features": [{"properties": {"name": "x"}}]}')
    with pytest.raises(SettingsError, match=r"bad.geojson: .*kind"):
        load_regions(path)
