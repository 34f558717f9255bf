"""One radar: geometry, masks, signal-to-noise ratio, detection, configuration errors."""

import numpy as np
import pymap3d
import pytest

from sensors import geodesy
from sensors.draws import normals, uniforms
from sensors.radar import catalogue, place, plot_sigmas
from sensors.stations import RadarType
from sensors.threats import CrossSection, load_threat
from sharing.settings import SettingsError


@pytest.fixture
def radar():
    return place("JPN/fps5-sado", catalogue()["JPN/fps5-sado"], 38.1, 138.4)


def test_geometry_agrees_with_pymap3d(radar):
    positions = geodesy.ecef([40.0, 38.3, 30.0], [130.0, 138.4, 140.0], [300e3, 90e3, 10.0])
    azimuth, elevation, distance = pymap3d.ecef2aer(*positions.T, 38.1, 138.4, radar.station.alt_m)
    ours = radar.measure(positions)
    assert np.allclose(ours[0], distance, rtol=0, atol=1e-4)
    assert np.allclose(geodesy.wrap(ours[1] - np.radians(azimuth)), 0.0, atol=1e-9)
    assert np.allclose(ours[2], np.radians(elevation), atol=1e-9)


def test_the_sector_and_both_masks_limit_what_is_seen(radar):
    def sees(azimuth_deg, elevation_deg, range_km=500.0):
        point = np.array([range_km * 1e3]), np.radians([azimuth_deg]), np.radians([elevation_deg])
        return bool(radar.visible(*point)[0])

    assert sees(300.0, 10.0)
    assert sees(300.0 - 359.0, 10.0)
    assert sees(359.9, 10.0) and not sees(0.1, 10.0)
    assert not sees(300.0, 86.0)
    assert not sees(300.0, 10.0, 1901.0)
    # The beam's lowest elevation is 1.5 degrees; refraction brings a little less above it.
    assert not sees(300.0, 1.0)
    assert sees(300.0, 1.4)


def test_snr_follows_the_radar_equation(radar):
    at = radar.mean_snr(np.array([1200e3, 600e3]), np.array([1.0, 0.1]))
    assert 10 * np.log10(at) == pytest.approx([13.0, 13.0 + 40 * np.log10(2) - 10.0])
    assert radar.detection_probability(at[:1])[0] == pytest.approx(0.52, abs=0.005)


def test_sigmas_shrink_with_snr_down_to_the_floor(radar):
    sigma = plot_sigmas(radar, np.array([10**1.3, 4 * 10**1.3, 1e9]))
    assert sigma[0] == pytest.approx([60.0, 2e-3, 2e-3])
    assert sigma[1] == pytest.approx([30.0, 1e-3, 1e-3])
    assert sigma[2] == pytest.approx([6.0, 2e-4, 2e-4])


def test_cross_section_depends_on_the_aspect(radar):
    shape = CrossSection(nose_m2=0.1, side_m2=1.0)
    assert shape.at(np.array([1.0, -1.0, 0.0])) == pytest.approx([0.1, 0.1, 1.0])
    away = radar.axes[2] * 100e3
    along, across = np.concatenate([away, radar.axes[2]]), np.concatenate([away, radar.axes[0]])
    states = np.array([along, across])
    states[:, :3] += radar.position_ecef_m
    assert radar.aspect_cos(states) == pytest.approx([1.0, 0.0], abs=1e-12)


TABLE = {  # id: range km, sector, elevations, sigma range m, sigma angle mrad, scan s (domain table)
    "fps5": (1200, 120, (1.5, 85), 60, 2, 5),
    "fps7": (600, 360, (1, 70), 80, 3, 10),
    "jmsdf-aegis": (900, 360, (0.5, 85), 30, 1.2, 3),
    "asev": (1300, 360, (0.5, 85), 20, 0.8, 2),
    "tpy2-shariki": (1500, 120, (3, 85), 15, 0.35, 1),
    "tpy2-kyogamisaki": (1500, 120, (3, 85), 15, 0.35, 1),
    "tpy2-seongju": (700, 120, (5, 85), 15, 0.35, 1),
    "us-aegis": (900, 360, (0.5, 85), 30, 1.2, 3),
    "greenpine-b": (700, 120, (1.5, 70), 50, 2, 3),
    "greenpine-c": (800, 120, (1.5, 70), 50, 2, 3),
    "rokn-aegis": (900, 360, (0.5, 85), 30, 1.2, 3),
}
SHIPS = {"jmsdf-aegis-1", "jmsdf-aegis-2", "asev-1", "us-aegis-1", "rokn-aegis-1", "rokn-aegis-2"}
RADARS = {name: entry for name, entry in catalogue().items() if isinstance(entry[2], RadarType)}


def test_every_sensor_of_the_table_is_there():
    names = {name.partition("/")[2] for name in catalogue()}
    expected = SHIPS | {
        "fps5-shimokoshiki", "fps5-sado", "fps5-ominato", "fps5-yozadake", "fps7-wakkanai", "fps7-mishima",
        "fps7-miyako", "tpy2-shariki", "tpy2-kyogamisaki", "tpy2-seongju", "greenpine-b-1", "greenpine-b-2",
        "greenpine-c", "opir-east", "opir-west",
    }  # fmt: skip
    assert names == expected and len(catalogue()) == 21


@pytest.mark.parametrize("name", sorted(RADARS))
def test_a_radar_has_the_numbers_of_the_table(name):
    _, station, kind = RADARS[name]
    short = name.partition("/")[2]
    (row,) = [row for key, row in TABLE.items() if short.startswith(key)]
    elevations = (kind.elevation_min_deg, kind.elevation_max_deg)
    accuracy = (kind.sigma_range_m, kind.sigma_angle_mrad)
    assert (kind.range_13db_km, kind.sector_deg, elevations, *accuracy, kind.scan_s) == row
    assert 0.3 <= kind.bias_angle_mrad <= 1.0 and 20.0 <= kind.bias_range_m <= 50.0
    assert kind.false_alarm == 1e-6 and 0.3 <= kind.clutter_per_scan <= 2.0
    assert (station.lat_deg is None) == (short in SHIPS)
    # The cell follows from the accuracy at 13 dB, to two figures.
    assert kind.resolution_m == pytest.approx(np.sqrt(2 * 20) * kind.sigma_range_m, rel=0.03)
    assert kind.beam_width_mrad == pytest.approx(1.6 * np.sqrt(2 * 20) * kind.sigma_angle_mrad, rel=0.03)


def test_a_threat_file_with_an_unknown_key_is_refused_in_one_line(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('title = "x"\nkind = "recorded"\nspeed = 3\n[rcs]\n')
    with pytest.raises(SettingsError, match="speed"):
        load_threat(str(path))


def test_a_powered_class_needs_stages(tmp_path):
    path = tmp_path / "own.toml"
    side = "{ nose_m2 = 1.0, side_m2 = 1.0 }"
    path.write_text(f'title = "x"\nkind = "ballistic"\nrcs = {{ boost = {side}, after = {side} }}\n')
    with pytest.raises(SettingsError, match="stages: a ballistic class needs at least one"):
        load_threat(str(path))


def test_draws_are_keyed_by_name_and_row():
    few, many = uniforms(3, 4, 1, "a"), uniforms(10, 4, 1, "a")
    assert np.array_equal(few, many[:3])
    assert not np.array_equal(few, uniforms(3, 4, 2, "a"))
    assert many.min() > 0.0 and many.max() < 1.0
    assert abs(normals(5000, 4, 7, "n").std() - 1.0) < 0.02


def test_specifications_are_frozen():
    with pytest.raises(AttributeError):
        catalogue()["JPN/asev-1"][2].scan_s = 1.0  # type: ignore[misc]
