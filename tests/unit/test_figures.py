"""What the figures draw, checked as numbers; pictures are looked at by people."""

import math
from pathlib import Path

import numpy as np
import pytest

from fusion.figures import coverage, gallery, maps, style
from fusion.figures import scenario as scenarios
from fusion.figures.flown import OBJECT, PART, sights, way, ways
from fusion.figures.footprint import Footprints, footprints
from fusion.figures.labels import Label, place
from fusion.figures.observed import NOBODY, observe
from fusion.figures.projection import View, around, project
from sensors import geodesy
from sensors.radar import SNR_13DB, Radar
from sensors.scenario import Scenario, feed, load_scenario
from sharing.messages import NATIONS, S

KOREA = View(38.0, 128.0, -1500.0, 1500.0, -1200.0, 1200.0)


@pytest.fixture(scope="module")
def pull_up() -> Scenario:
    return load_scenario("001")


@pytest.fixture(scope="module")
def story(pull_up: Scenario) -> scenarios.Story:
    return scenarios.tell(pull_up, 1)


@pytest.fixture(scope="module")
def seen(pull_up: Scenario) -> Footprints:
    radars = [s for s in pull_up.sensors if isinstance(s, Radar)]
    return footprints(radars, KOREA, 30.0, 60)


# ------------------------------------------------------------------------------------------------- maps


def test_map_points_come_back_as_the_places_they_are_of() -> None:
    x, y = np.array([-1400.0, 0.0, 3.0, 900.0]), np.array([200.0, 0.0, -1100.0, 800.0])
    again = KOREA.project(*KOREA.geographic(x, y))
    assert np.abs(np.stack(again) - np.stack([x, y])).max() < 1e-6


def test_distances_from_the_centre_are_true() -> None:
    """Against the ellipsoid: the sphere of the mean radius is right to half a percent."""
    x, y = project(38.0, 128.0, [50.0, 21.0], [150.0, 122.0])
    for where, lat, lon in ((0, 50.0, 150.0), (1, 21.0, 122.0)):
        length_m, bearing = geodesy.geodesic(38.0, 128.0, lat, lon)
        assert math.hypot(x[where], y[where]) == pytest.approx(length_m / 1e3, rel=5e-3)
        assert math.degrees(math.atan2(x[where], y[where])) % 360 == pytest.approx(bearing, abs=0.3)


def test_view_holds_its_places_across_the_date_line() -> None:
    lat, lon = np.array([40.0, 45.0, 20.0]), np.array([130.0, -170.0, 179.0])
    view = around(lat, lon, 1.5)
    assert view.shows(*view.project(lat, lon)).all()
    assert (view.right_km - view.left_km) / (view.top_km - view.bottom_km) == pytest.approx(1.5)


def test_land_lies_where_land_is() -> None:
    """Seoul and Sapporo stand on land, the middle of the Sea of Japan does not, in either layer."""
    from matplotlib.path import Path as Outline

    for layer in (maps.coast().region, maps.coast().world):

        def on_land(lat: float, lon: float, layer: list[list[np.ndarray]] = layer) -> bool:
            return any(Outline(polygon[0]).contains_point((lon, lat)) for polygon in layer)

        assert on_land(37.5, 127.2) and on_land(43.0, 141.6)
        assert not on_land(40.0, 134.5)


# --------------------------------------------------------------------------------------------- coverage


def test_cells_are_seen_as_the_radar_says(seen: Footprints) -> None:
    """400 cells drawn at random against `Radar.visible` and `mean_snr`, one by one."""
    rng = np.random.default_rng(3)
    different = some = 0
    for _ in range(400):
        k = int(rng.integers(len(seen.sensors)))
        row, column = int(rng.integers(len(seen.y_km))), int(rng.integers(len(seen.x_km)))
        lat, lon = seen.view.geographic(seen.x_km[column], seen.y_km[row])
        sensor = seen.sensors[k]
        at = sensor.measure(geodesy.ecef(float(lat), float(lon), 30e3))
        there = bool(sensor.visible(*at)[0] and sensor.mean_snr(at[0], 1.0)[0] >= SNR_13DB)
        different += there != bool(seen.seen[k, row, column])
        some += there
    assert different == 0
    assert 10 < some < 390


def test_higher_altitudes_are_seen_farther(seen: Footprints) -> None:
    high = footprints(seen.sensors, KOREA, 100.0, 60)
    assert np.count_nonzero(high.of("KOR")) > 1.2 * np.count_nonzero(seen.of("KOR"))


def test_counts_and_nations_agree(seen: Footprints) -> None:
    assert (sum(seen.of(n) for n in NATIONS) == seen.seen.sum(axis=0)).all()
    assert (seen.nations().any(axis=0) == (seen.seen.any(axis=0))).all()


def test_coverage_figure_shades_as_many_cells_as_are_seen(pull_up: Scenario) -> None:
    figure = coverage.draw(pull_up, [30.0])
    images = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    radars = [s for s in pull_up.sensors if isinstance(s, Radar)]
    drawn = footprints(radars, coverage.view_of(radars, 30.0), 30.0, coverage.CELLS)
    for nation, image in zip(NATIONS, images, strict=False):
        assert np.count_nonzero(image[..., 3]) == np.count_nonzero(drawn.of(nation))
    alone = drawn.nations().sum(axis=0)
    assert np.count_nonzero(images[3][..., 3]) == np.count_nonzero(alone)


# --------------------------------------------------------------------------------------------- scenario


def test_plots_are_told_apart_by_object(pull_up: Scenario, story: scenarios.Story) -> None:
    """Without objects all plots are false; with them, those near one are its own."""
    clean = observe(feed(pull_up, 1), pull_up.truth)
    assert all((o.object_number == NOBODY).all() for o in observe(feed(pull_up, 1), ()))
    assert sum(np.count_nonzero(o.object_number == 0) for o in clean) > 300
    for o in clean:
        true = (o.object_number == 0) & np.isfinite(o.position_ecef_m[:, 0])  # a line of sight has no place
        if not true.any():
            continue
        states = story.ways[0].truth.state_ecef.reshape(-1, 6)
        nearest = np.rint(o.t_s[true]).astype(int).clip(0, len(states) - 1)
        miss = np.linalg.norm(o.position_ecef_m[true] - states[nearest, :3], axis=1)
        assert np.median(miss) < 15e3


def test_strips_say_when_each_sensor_could_see(story: scenarios.Story) -> None:
    strips = {f"{s.nation}/{s.sensor}": s for s in scenarios.strips_of(story)}
    assert set(strips) == {f"{s.nation}/{s.id}" for s in story.scenario.sensors}
    for strip in strips.values():
        assert len(strip.t_s) == len(strip.probability)
        could = np.interp(strip.of_objects_s, strip.t_s, strip.probability)
        assert (could > 0.0).mean() > 0.95 if len(could) > 20 else True
    assert len(strips["KOR/rokn-aegis-1"].of_objects_s) > 50
    assert not len(strips["JPN/fps7-miyako"].of_objects_s)


def test_ways_keep_ends_apogee_and_phases(pull_up: Scenario) -> None:
    truth = pull_up.truth[0]
    full, thin = way(truth, 10_000), way(truth, 60)
    assert full.group == OBJECT and len(full.t_s) == len(truth.t_valid_ns)
    assert thin.t_s[0] == full.t_s[0] and thin.t_s[-1] == full.t_s[-1]
    assert thin.alt_km.max() == pytest.approx(full.alt_km.max(), rel=0.01)
    assert {name for name, _ in thin.runs()} == {name for name, _ in full.runs()}
    assert full.downrange_km[-1] == pytest.approx(600.0, rel=0.02)


def test_first_seen_is_the_first_plot_of_each_nation(story: scenarios.Story) -> None:
    for t_s, nation, _ in scenarios.first_seen(story):
        mine = [
            o.t_s[o.object_number != NOBODY].min()
            for o in story.observed
            if o.nation == nation and (o.object_number != NOBODY).any()
        ]
        assert t_s == min(mine)


def test_labels_do_not_overlap() -> None:
    rng = np.random.default_rng(1)
    with style.look():
        figure = style.sheet(5.0, "a title", "a caption")
        axes = style.box(figure, 0.5, 0.9, 11.0, 3.6)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        points = rng.random((40, 2))
        left_out = place(axes, [Label(*p, f"label-{k}") for k, p in enumerate(points)])
    boxes = [t.get_window_extent() for t in axes.texts]
    assert len(boxes) == 40 - len(left_out) >= 20
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])


def test_a_label_stands_nearer_to_its_own_point_than_to_another() -> None:
    with style.look():
        figure = style.sheet(5.0, "a title", "a caption")
        axes = style.box(figure, 0.5, 0.9, 11.0, 3.6)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        points = np.array([[0.5, 0.5], [0.505, 0.5], [0.5, 0.53], [0.505, 0.53]])
        place(axes, [Label(*p, f"label-{k}") for k, p in enumerate(points)])
    dots = axes.transData.transform(points)
    for k, text in enumerate(axes.texts):
        box = text.get_window_extent().extents
        away = np.hypot(*(dots - np.clip(dots, box[:2], box[2:])).T)
        assert away[k] == away.min()


def test_no_way_passes_through_a_flag(story: scenarios.Story) -> None:
    """What stands beside its flag: `JPN first, 72 s` of 001 comes while the missile climbs."""
    figure = scenarios.draw(story)
    flags = [t for axes in figure.axes for t in axes.texts if " first, " in t.get_text()]
    assert len(flags) == 3
    for flag in flags:
        box, axes = flag.get_window_extent(), flag.axes
        assert axes is not None
        for flown in story.ways:
            x, y = axes.transData.transform(np.stack([flown.t_s / 60, flown.alt_km], axis=1)).T
            beside = (x > box.x0) & (x < box.x1)
            assert not ((y[beside] > box.y0) & (y[beside] < box.y1)).any()


def test_figures_are_the_same_bytes_again(story: scenarios.Story, tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "a.svg", "b.svg"):
        style.save(scenarios.draw(story), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b"<dc:date>" not in (tmp_path / "a.svg").read_bytes()


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with style.look(), pytest.raises(ValueError, match=r"\.png or \.svg"):
        style.save(style.sheet(2.0, "a", "b"), tmp_path / "a.jpg")
    assert not list(tmp_path.iterdir())


def test_parts_are_measured_from_their_launch_point_and_told_apart() -> None:
    stages = load_scenario("012")
    drawn = ways(stages.truth)
    assert {w.group for w in drawn} == {OBJECT, PART} and drawn[-1].group == OBJECT
    parts = [w for w in drawn if w.group == PART]
    assert all(w.downrange_km[0] > 0.1 for w in parts)
    assert max(w.downrange_km.max() for w in parts) < 2 * drawn[-1].downrange_km.max()


def test_outages_have_no_probability_and_are_shown() -> None:
    dual = load_scenario("016").with_sensors(["KOR/greenpine-b-1"])
    (radar,) = dual.sensors
    ((begin_s, end_s),) = radar.station.outages_s
    seen = sights(dual)
    off = (seen.t_s >= begin_s) & (seen.t_s < end_s)
    assert off.any() and not seen.probability["KOR/greenpine-b-1"][off].any()
    (strip,) = scenarios.strips_of(scenarios.tell(dual, 1))
    assert strip.off_s == ((begin_s, end_s),)


QUIET = """
title = "Nothing but background, NOTIONAL"
shows = "clutter"
duration_s = 5400
sensors = ["KOR/greenpine-b-1"]

[background]
airliners = 30
"""


def test_quiet_time_is_cut_and_its_false_plots_are_shown(tmp_path: Path) -> None:
    (tmp_path / "quiet.toml").write_text(QUIET)
    quiet = load_scenario(str(tmp_path / "quiet.toml"))
    story = scenarios.tell(quiet, 1)
    assert story.cut and story.scenario.t_end_ns - quiet.t_start_ns == scenarios.QUIET_S * S
    strips = {s.sensor: s for s in scenarios.strips_of(story)}
    radar = next(s for s in quiet.sensors if isinstance(s, Radar))
    expected = radar.type.clutter_per_scan * scenarios.QUIET_S / radar.type.scan_s
    assert len(strips["greenpine-b-1"].of_objects_s) == pytest.approx(expected, rel=0.15)
    assert len(strips["greenpine-b-1"].of_others_s) > 0
    assert scenarios.draw(story).axes


def test_gallery_page_shows_every_scenario(repo_root: Path) -> None:
    page = (repo_root / "docs" / "gallery.md").read_text(encoding="utf-8")
    pictures = {p.name for p in (repo_root / "docs" / "gallery").iterdir()}
    assert pictures == {f"{name}.png" for name in (*gallery.names(), "coverage", "session")}
    assert all(f"(gallery/{name})" in page for name in pictures)
    sizes = [p.stat().st_size for p in (repo_root / "docs" / "gallery").iterdir()]
    assert max(sizes) < 150_000 and sum(sizes) < 2_000_000
