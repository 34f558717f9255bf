"""Flight without air above a spherical Earth that rotates: Kepler's laws, for first guesses and bounds.

Positions and velocities are ECEF; the inertial axes are those of the ECEF frame at the moment asked about.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sensors import geodesy
from sensors.geodesy import GM, ROTATION_RADPS

Array = npt.NDArray[np.float64]

_TURN = np.array([0.0, 0.0, ROTATION_RADPS])


@dataclass(frozen=True)
class Arc:
    """Ballistic arcs of states (n,): NaN where the arc does not come down, or never was above ground."""

    apogee_m: Array
    """Height above the sphere."""
    time_s: Array
    """From the state to the impact."""
    impact_ecef_m: Array
    """Where it meets the ground (n, 3), in the ECEF frame of the time of impact."""


def ballistic(states: Array, radius_m: float) -> Arc:
    """Where ECEF states (n, 6) rise to and come down on a sphere (Bate, Mueller & White, ch. 6)."""
    position = states[:, :3]
    velocity = states[:, 3:] + np.cross(_TURN, position)
    r = np.linalg.norm(position, axis=1)
    momentum = np.cross(position, velocity)
    h = np.linalg.norm(momentum, axis=1)
    radial = np.einsum("ij,ij->i", position, velocity) / r
    with np.errstate(invalid="ignore", divide="ignore"):
        axis = 1.0 / (2.0 / r - np.einsum("ij,ij->i", velocity, velocity) / GM)
        parameter = h * h / GM
        e = np.sqrt(1.0 - parameter / axis)
        start = np.arctan2(radial * h / GM, parameter / r - 1.0)
        end = 2.0 * np.pi - np.arccos((parameter / radius_m - 1.0) / e)
        mean = math.sqrt(GM) / axis**1.5
        time = (_mean_anomaly(end, e) - _mean_anomaly(start, e)) / mean
        swept = end - start
        east = np.cross(momentum, position) / (h * r)[:, None]
        where = np.cos(swept)[:, None] * position / r[:, None] + np.sin(swept)[:, None] * east
        apogee = axis * (1.0 + e) - radius_m
        fair = (r > radius_m - 100.0) & (radial > 0.0) & (axis > 0.0)
    turned = turn_about_axis(where * radius_m, -ROTATION_RADPS * time)
    return Arc(
        np.where(fair, apogee, np.nan), np.where(fair, time, np.nan), np.where(fair[:, None], turned, np.nan)
    )


def _mean_anomaly(true: Array, e: Array) -> Array:
    """Mean anomaly in [0, 2π) of true anomalies in (-π, 2π)."""
    eccentric = 2.0 * np.arctan(np.sqrt((1.0 - e) / (1.0 + e)) * np.tan(true / 2.0))
    eccentric = np.where(true > np.pi, eccentric + 2.0 * np.pi, eccentric)
    return eccentric - e * np.sin(eccentric)


def turn_about_axis(vectors: Array, angle_rad: npt.ArrayLike) -> Array:
    """Vectors (..., 3) turned about the Earth's axis, eastwards for positive angles."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    x, y, z = np.moveaxis(np.asarray(vectors), -1, 0)
    return np.stack([c * x - s * y, s * x + c * y, z], axis=-1)


def minimum_energy_apogee_m(range_m: float) -> float:
    """Apogee of the slowest vacuum shot to a range on a sphere that does not turn.

    With the range angle φ = range / R the shot leaves at γ = (π - φ) / 4 with the speed² of
    Q = 2 sin(φ/2) / (1 + sin(φ/2)) times GM / R (Wheelon, Free Flight of a Ballistic Missile, ARS Journal
    29, 1959; Bate, Mueller & White, section 6.2).
    """
    radius = geodesy.MEAN_RADIUS_M
    half = math.sin(min(range_m / radius, math.pi) / 2.0)
    gamma = (math.pi - min(range_m / radius, math.pi)) / 4.0
    q = 2.0 * half / (1.0 + half)
    e = math.sqrt(1.0 - q * (2.0 - q) * math.cos(gamma) ** 2)
    return radius * ((1.0 + e) / (2.0 - q) - 1.0)


def impulsive_shot(launch_ecef_m: Array, aim_ecef_m: Array, apogee_m: float) -> tuple[Array, float]:
    """Velocity in ECEF m/s and time of flight of the vacuum shot between two points that rises to an apogee.

    The points turn with the Earth; the time of flight, which says how far the aim moves on, is found by
    iteration. The apogee counts from the sphere through the launch point.
    """
    r = float(np.linalg.norm(launch_ecef_m))
    start = launch_ecef_m / r
    top = r + apogee_m
    time = 2.0 * math.sqrt(2.0 * apogee_m / 9.8)
    for _ in range(40):
        moved = turn_about_axis(aim_ecef_m, ROTATION_RADPS * time)
        moved = moved / np.linalg.norm(moved)
        angle = math.atan2(float(np.linalg.norm(np.cross(start, moved))), float(start @ moved))
        half = math.cos(angle / 2.0)
        # A conic through r at true anomaly π - angle/2 with its far end at `top`.
        e = (top - r) / (top - r * half)
        axis = top / (1.0 + e)
        true = math.pi - angle / 2.0
        rise = math.pi - float(_mean_anomaly(np.array(true), np.array(e)))
        time, before = 2.0 * rise * axis**1.5 / math.sqrt(GM), time
        if abs(time - before) < 1e-3:
            break
    tangential = math.sqrt(GM * axis * (1.0 - e * e)) / r
    radial = e * math.sin(true) * math.sqrt(GM / (axis * (1.0 - e * e)))
    across = moved - float(start @ moved) * start
    velocity = radial * start + tangential * across / max(float(np.linalg.norm(across)), 1e-12)
    return velocity - np.cross(_TURN, launch_ecef_m), time
