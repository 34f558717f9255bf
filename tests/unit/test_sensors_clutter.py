"""False plots lie where their kind lies: sea, land, anywhere, the watched region."""

import dataclasses

import msgspec
import numpy as np
import pytest
from scipy import stats

from sensors import geodesy, infrared, radar, scans
from sensors.clutter import LAND_RANGE_MAX_M, RANGE_MIN_M, false_plots, horizon_m, land_places, land_sectors
from sensors.infrared import Clouds
from sensors.looks import joined
from sensors.stations import RadarType, catalogue
from sharing.messages import S

RADARS = sorted(name for name, (_, _, kind) in catalogue().items() if isinstance(kind, RadarType))


def only(name, part, seed=1, seconds=20_000):
    """A radar and its false plots, all of one part."""
    shares = {"sea_share": 0.0, "land_share": 0.0} | ({part: 1.0} if part else {})
    nation, station, kind = catalogue()[name]
    entry = nation, msgspec.structs.replace(station, **shares), kind
    sensor = radar.place(name, entry, station.lat_deg or 38.0, station.lon_deg or 135.0)
    plan = scans.schedule(sensor, seed, 0, seconds * S)
    return sensor, joined(list(false_plots(sensor, seed, plan)))


@pytest.mark.parametrize("name", [n for n in RADARS if catalogue()[n][1].sea_share])
def test_sea_plots_are_at_sea_low_and_more_of_them_far_out(name):
    sensor, found = only(name, "sea_share")
    far, azimuth, elevation = found.measurement.T
    turned = np.degrees(azimuth) % 360.0
    at_sea = np.zeros(len(far), dtype=bool)
    for begin, end in sensor.station.sea_deg:
        width = 360.0 if end - begin == 360.0 else (end - begin) % 360.0
        at_sea |= (turned - begin) % 360.0 <= width + 1e-9
    assert at_sea.all() and sensor.visible(far, azimuth, np.full(len(far), 0.1)).all()
    assert ((elevation >= sensor.mask_rad) & (elevation <= sensor.mask_rad + sensor.cell[2])).all()
    end = max(horizon_m(sensor), 2 * RANGE_MIN_M)
    share = (far**2 - RANGE_MIN_M**2) / (end**2 - RANGE_MIN_M**2)
    assert stats.kstest(share, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("name", [n for n in RADARS if catalogue()[n][1].land_share])
def test_land_plots_come_from_the_same_places_in_every_run(name):
    sensor, first = only(name, "land_share")
    _, second = only(name, "land_share", seed=2)
    places = land_places(sensor)
    assert (places[:, 0] <= LAND_RANGE_MAX_M).all()
    for found in (first, second):
        off = found.measurement[:, None] - places[None]
        off[:, :, 1] = geodesy.wrap(off[:, :, 1])
        assert (np.abs(off) <= 0.5 * sensor.cell + 1e-9).all(axis=2).any(axis=1).all()
    turned = np.degrees(places[:, 1])
    on_land = [((turned - b) % 360.0 <= w + 1e-9) for b, w in land_sectors(sensor)]
    assert np.any(on_land, axis=0).all()


def test_land_is_what_the_sector_holds_beside_the_sea():
    for name in RADARS:
        _, station, kind = catalogue()[name]
        sensor = radar.place(name, catalogue()[name], 38.0, 135.0)
        sea = sum(360.0 if e - b == 360.0 else (e - b) % 360.0 for b, e in station.sea_deg)
        assert sum(w for _, w in land_sectors(sensor)) == pytest.approx(kind.sector_deg - sea)


def test_the_rest_stands_anywhere_in_azimuth_and_range_and_mostly_low():
    sensor, found = only("JPN/fps7-wakkanai", "")
    far, azimuth, elevation = found.measurement.T
    assert stats.kstest(azimuth / (2 * np.pi) + 0.5, "uniform").pvalue > 1e-3
    assert stats.kstest((far - RANGE_MIN_M) / (sensor.range_max_m - RANGE_MIN_M), "uniform").pvalue > 1e-3
    top = np.radians(sensor.type.elevation_max_deg)
    assert np.median(elevation) < 0.25 * top and elevation.min() >= sensor.mask_rad


def test_the_power_of_false_plots_is_that_of_noise_above_the_threshold():
    sensor, found = only("JPN/fps7-wakkanai", "")
    assert stats.kstest(found.snr - sensor.threshold, "expon").pvalue > 1e-3


def test_infrared_false_plots_point_into_the_watched_region():
    entry = catalogue()["USA/opir-west"]
    sensor = infrared.place("USA/opir-west", entry, Clouds())
    found = joined(list(false_plots(sensor, 1, scans.schedule(sensor, 1, 0, 20_000 * S))))
    middle, width, low, high = sensor.sector
    assert len(found.scan) == pytest.approx(2000 * 0.2, rel=0.2)
    assert (np.abs(geodesy.wrap(found.measurement[:, 1] - middle)) <= width / 2).all()
    assert ((found.measurement[:, 2] >= low) & (found.measurement[:, 2] <= high)).all()
    tail = stats.norm.sf(found.snr) / 1e-6
    assert (found.snr >= sensor.threshold).all() and stats.kstest(tail, "uniform").pvalue > 1e-3


def test_leaving_out_one_part_changes_no_other():
    nation, station, kind = catalogue()["JPN/fps5-sado"]
    sensor = radar.place("JPN/fps5-sado", (nation, station, kind), 38.1, 138.4)
    plan = scans.schedule(sensor, 1, 0, 5000 * S)
    every = joined(list(false_plots(sensor, 1, plan)))
    dry = msgspec.structs.replace(station, sea_share=0.0)
    kept = joined(list(false_plots(dataclasses.replace(sensor, station=dry), 1, plan)))
    land = [p for p in false_plots(sensor, 1, plan) if (p.measurement[:, 0] < LAND_RANGE_MAX_M + 500.0).all()]
    ours = set(map(tuple, kept.measurement.tolist()))
    assert land and set(map(tuple, joined(land[-1:]).measurement.tolist())) <= ours
    assert set(map(tuple, every.measurement.tolist())) != ours
