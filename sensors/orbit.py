"""A launch into a circular orbit: the programme that ends there, and the flight up to it."""

import functools
import math

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from sensors import geodesy
from sensors.flight import LONGEST_S, Flight, Integration, TrajectoryError, lift_off
from sensors.forces import Forces, Programme
from sensors.geodesy import GM, RADIUS_M, ROTATION_RADPS
from sensors.threats import Threat

Array = npt.NDArray[np.float64]

_GOOD_M = 200.0
"""Largest miss accepted: of the radius, and of rates times their scale."""
_RATE_S, _SPEED_S = 200.0, 1000.0
"""A metre per second of radial speed, or of orbital speed, moves an orbit by about this many metres."""
_STARTS = ((35.0, 2e-3), (55.0, 4e-3), (20.0, 1e-3), (70.0, 9e-3))
"""Elevation after the tilt in degrees and bend in 1/s that the search begins with."""


def _elements(run: Integration, radius_m: float, inclination_rad: float) -> Array:
    """By how much an end of thrust misses a circular orbit, in metres (4,)."""
    position = run.state[:3]
    velocity = run.state[3:] + np.cross([0.0, 0.0, ROTATION_RADPS], position)
    r = float(np.linalg.norm(position))
    momentum = np.cross(position, velocity)
    inclination = math.acos(momentum[2] / float(np.linalg.norm(momentum)))
    rate = float(position @ velocity) / r
    speed = float(np.linalg.norm(velocity))
    return np.array(
        [
            r - radius_m,
            rate * _RATE_S,
            (speed - math.sqrt(GM / radius_m)) * _SPEED_S,
            (inclination - inclination_rad) * radius_m,
        ]
    )


def heading_rad(lat_deg: float, inclination_deg: float, toward: str) -> float:
    """Inertial azimuth at which an orbit of an inclination crosses a latitude, towards north or south.

    Raises TrajectoryError for an inclination that the latitude does not allow.
    """
    ratio = math.cos(math.radians(inclination_deg)) / math.cos(math.radians(lat_deg))
    if abs(ratio) > 1.0:
        raise TrajectoryError(
            f"no orbit of {inclination_deg:g} degrees inclination begins at latitude {lat_deg:g}: "
            f"at least {abs(lat_deg):g} are needed"
        )
    north = math.asin(ratio)
    return north if toward == "north" else math.pi - north


def ideal_speed_mps(threat: Threat) -> float:
    """Speed that all stages together give in vacuum and without weight (Tsiolkovsky 1903)."""
    mass, speed = threat.payload_kg, 0.0
    for stage in reversed(threat.stages):
        full = mass + stage.dry_kg + stage.propellant_kg
        speed += stage.isp_vacuum_s * 9.80665 * math.log(full / (full - stage.propellant_kg))
        mass = full
    return speed


@functools.lru_cache(maxsize=64)
def into_orbit(
    threat: Threat, launch: tuple[float, float], altitude_m: float, inclination_deg: float, toward: str
) -> Flight:
    """Powered flight into a circular orbit, without a pause between the stages.

    Azimuth, tilt, bend and cut-off (four unknowns) meet radius, radial speed, speed and inclination; the
    altitude counts from the equatorial radius. The flight has states up to cut-off only and no impact.
    Raises TrajectoryError when the class does not get there.
    """
    radius = RADIUS_M + altitude_m
    heading = heading_rad(launch[0], inclination_deg, toward)
    longest = sum(stage.burn_s for stage in threat.stages)
    speed = math.sqrt(GM / radius)
    turning = ROTATION_RADPS * RADIUS_M * math.cos(math.radians(launch[0]))
    if ideal_speed_mps(threat) + turning < speed:
        raise TrajectoryError(
            f"{threat.title}: no orbit of {altitude_m / 1e3:g} km: all its propellant gives "
            f"{ideal_speed_mps(threat):.0f} m/s without air and weight, the orbit needs {speed:.0f}"
        )
    azimuth = math.atan2(speed * math.sin(heading) - turning, speed * math.cos(heading))
    best = math.inf

    def flown(x: Array, tolerance: float, dense: bool) -> Integration:
        programme = _programme(x)
        return lift_off(Forces(threat, launch, programme), programme.burn_s, tolerance, dense)

    def miss(x: Array) -> Array:
        return _elements(flown(x, 1e-8, False), radius, math.radians(inclination_deg))

    before_last = longest - threat.stages[-1].burn_s
    for degrees, bend in _STARTS:
        start = [azimuth, math.radians(degrees), bend, longest - 0.1 * (longest - before_last)]
        low = [azimuth - 0.5, math.radians(1.0), -0.002, before_last + 1.0]
        high = [azimuth + 0.5, math.radians(88.0), 0.05, longest]
        scale, step = [0.05, 0.1, 1e-3, 20.0], [1e-5, 1e-4, 1e-3, 1e-5]
        found = least_squares(
            miss, start, bounds=(low, high), x_scale=scale, diff_step=step, xtol=1e-12, max_nfev=40
        )
        off = float(np.abs(found.fun).max())
        if off < _GOOD_M:
            run = flown(found.x, 1e-10, True)
            lat, lon, height = map(float, geodesy.geodetic(run.state[:3]))
            never = (LONGEST_S, LONGEST_S)
            return Flight(
                _programme(found.x), tuple(run.legs), run.now_s, run.now_s, height, never, LONGEST_S,
                math.inf, lat, lon,
            )  # fmt: skip
        best = min(best, off)
    raise TrajectoryError(
        f"{threat.title}: no orbit of {altitude_m / 1e3:g} km and {inclination_deg:g} degrees "
        f"(best attempt misses by {best / 1e3:.1f} km)"
    )


def _programme(x: Array) -> Programme:
    azimuth, tilt, bend, burn = map(float, x)
    return Programme(azimuth, tilt, burn, bend_per_s=bend)
