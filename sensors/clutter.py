"""False plots: what passes the threshold without being a listed object. Every share is NOTIONAL.

A radar's false plots are Poisson in number, with the type's mean per scan, in three parts:

- the sea, in the station's sea azimuths: inside the lowest beam, out to the horizon, uniform over the sea's
  surface and therefore more of it far out than near;
- the land, in the rest of the sector: fixed places of the station, the same in every run, each flickering
  rarely (a moving-target filter removes the echo itself and leaves its fluctuation);
- the rest (noise, interference, birds, weather): anywhere in azimuth and range, mostly low.

An infrared sensor's false plots (glint, fires, lit cloud edges) are uniform over the watched region.
All draws are keyed by (seed, sensor, part, number within the scan) and by the scan; places of land clutter by
the sensor alone.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from sensors import geodesy
from sensors.draws import uniforms, uniforms_at
from sensors.geodesy import wrap
from sensors.infrared import Infrared
from sensors.looks import Plots, Schedule, Sensor, beam_times
from sensors.radar import Radar
from sensors.stations import width_deg
from sharing.messages import Ints

Array = npt.NDArray[np.float64]
Sectors = list[tuple[float, float]]
"""Beginnings and widths in degrees of azimuth."""

RANGE_MIN_M = 5_000.0
LAND_PLACES = 40
LAND_RANGE_MAX_M = 60_000.0


def false_plots(sensor: Sensor, seed: int, plan: Schedule) -> Iterator[Plots]:
    """All false plots of a sensor in one run, in parts of any order."""
    mean = sensor.type.clutter_per_scan
    if isinstance(sensor, Infrared):
        yield from _part(sensor, seed, plan, "clutter", mean, _glint(sensor))
        return
    sea, land = sensor.station.sea_share, sensor.station.land_share
    yield from _part(sensor, seed, plan, "clutter", mean * (1.0 - sea - land), _anywhere(sensor))
    if sea:
        yield from _part(sensor, seed, plan, "sea", mean * sea, _sea(sensor))
    if land:
        yield from _part(sensor, seed, plan, "land", mean * land, _land(sensor))


Law = Callable[[Array], Array]
"""Uniform draws (n, 4), the first three free, to places (n, 3): range m, azimuth rad, elevation rad."""


def _part(sensor: Sensor, seed: int, plan: Schedule, part: str, mean: float, law: Law) -> Iterator[Plots]:
    name = (seed, sensor.nation, sensor.id, part)
    counts = poisson(mean, uniforms_at(plan.number, 4, *name, "count")[:, 0])
    for place in range(int(counts.max(initial=0))):
        has = counts > place
        u = uniforms_at(plan.number[has], 4, *name, place)
        measurement = law(u)
        t_ns = beam_times(sensor, plan, measurement[:, 1], plan.start_ns[has])
        if isinstance(sensor, Infrared):
            # A Gaussian's tail above the threshold.
            received = -np.asarray(ndtri(sensor.type.false_alarm * u[:, 3]))
        else:
            received = sensor.threshold - np.log(u[:, 3])
        sigma = sensor.sigmas_of(measurement, received)
        yield Plots(plan.number[has], t_ns, measurement, sigma, received)


def _anywhere(radar: Radar) -> Law:
    def law(u: Array) -> Array:
        low, high = radar.mask_rad, np.radians(radar.type.elevation_max_deg)
        azimuth = wrap(np.radians(radar.station.boresight_deg + (u[:, 0] - 0.5) * radar.type.sector_deg))
        far = RANGE_MIN_M + u[:, 2] * (radar.range_max_m - RANGE_MIN_M)
        return np.stack([far, azimuth, low + (high - low) * u[:, 1] ** 3], axis=1)

    return law


def horizon_m(radar: Radar) -> float:
    """Where the sea's surface ends: 4/3-Earth rule, good enough below 1.5 km of height."""
    return math.sqrt(2.0 * 4.0 / 3.0 * 6_371_000.0 * radar.station.alt_m)


def _sea(radar: Radar) -> Law:
    sectors = sea_sectors(radar)
    end = max(horizon_m(radar), 2.0 * RANGE_MIN_M)

    def law(u: Array) -> Array:
        azimuth = _along(sectors, u[:, 0])
        far = np.sqrt(RANGE_MIN_M**2 + u[:, 2] * (end**2 - RANGE_MIN_M**2))
        return np.stack([far, azimuth, radar.mask_rad + u[:, 1] * radar.cell[2]], axis=1)

    return law


def _land(radar: Radar) -> Law:
    places = land_places(radar)

    def law(u: Array) -> Array:
        chosen = places[np.minimum((u[:, 0] * LAND_PLACES).astype(np.int64), LAND_PLACES - 1)]
        cell = np.array([radar.cell[0], 0.5 * radar.cell[1], 0.5 * radar.cell[2]])
        within = np.mod(u[:, :1] * LAND_PLACES, 1.0)
        measurement = chosen + (np.concatenate([u[:, 2:3], u[:, 1:2], within], axis=1) - 0.5) * cell
        measurement[:, 1] = wrap(measurement[:, 1])
        return measurement

    return law


def land_places(radar: Radar) -> Array:
    """The places (`LAND_PLACES`, 3) that flicker: hills in the lowest beam, at land azimuths."""
    u = uniforms(LAND_PLACES, 4, radar.nation, radar.id, "land places")
    far = RANGE_MIN_M + u[:, 2] * (LAND_RANGE_MAX_M - RANGE_MIN_M)
    azimuth = _along(land_sectors(radar), u[:, 0])
    return np.stack([far, azimuth, radar.mask_rad + u[:, 1] * radar.cell[2]], axis=1)


def sea_sectors(radar: Radar) -> Sectors:
    """The station's sea azimuths."""
    return [(begin, width_deg(begin, end)) for begin, end in radar.station.sea_deg]


def land_sectors(radar: Radar) -> Sectors:
    """What the sector holds beside the sea."""
    left = radar.station.boresight_deg - radar.type.sector_deg / 2
    if not radar.station.sea_deg:
        return [(left, radar.type.sector_deg)]
    if radar.type.sector_deg == 360.0:
        left = radar.station.sea_deg[0][0]  # so that no sea lies across the beginning
    found = []
    reached = 0.0
    for begin, width in sorted(((begin - left) % 360.0, width) for begin, width in sea_sectors(radar)):
        if begin > reached:
            found.append((left + reached, begin - reached))
        reached = max(reached, begin + width)
    if reached < radar.type.sector_deg:
        found.append((left + reached, radar.type.sector_deg - reached))
    return found


def _along(sectors: Sectors, u: Array) -> Array:
    """Azimuths rad (n,) uniform over sectors, for uniform draws (n,)."""
    begins, widths = np.array(sectors).T
    ends = np.cumsum(widths)
    turned = u * ends[-1]
    i = np.minimum(np.searchsorted(ends, turned, side="right"), len(ends) - 1)
    return wrap(np.radians(begins[i] + turned - (ends - widths)[i]))


def _glint(sensor: Infrared) -> Law:
    south, north, west, east = sensor.type.region_deg
    bottom, top = math.sin(math.radians(south)), math.sin(math.radians(north))

    def law(u: Array) -> Array:
        lat = np.degrees(np.arcsin(bottom + u[:, 0] * (top - bottom)))
        places = geodesy.ecef(lat, west + u[:, 1] * (east - west), np.zeros(len(u)))
        return np.stack(sensor.measure(places), axis=1)

    return law


def poisson(mean: float, u: Array) -> Ints:
    """Poisson numbers by inversion of uniform draws (n,)."""
    counts = np.zeros(len(u), dtype=np.int64)
    term = total = np.exp(-mean)
    number = 0
    while number < 10 * mean + 50:
        counts += u > total
        number += 1
        term *= mean / number
        total += term
    return counts
