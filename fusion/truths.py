"""Where the objects of the truth are, at any time, and whether a sensor's plots are of one of them.

Between its samples an object moves along the cubic through the positions and velocities at both ends.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sharing.messages import Detections, Floats, Ints, Los, Measurement, Polar, S, Site, Truth

GATE_SIGMAS = 5.0
"""A plot is one of an object when it lies within this many σ (noise and bias) of it in all it measures."""


class Sky:
    """States of several objects by time."""

    def __init__(self, objects: Sequence[Truth]) -> None:
        self._objects = tuple(objects)
        self._first_ns = np.array([o.t_valid_ns[0] for o in objects], np.int64)
        self._last_ns = np.array([o.t_valid_ns[-1] for o in objects], np.int64)

    def at(self, t_ns: int) -> tuple[Ints, Floats]:
        """Numbers and states (n, 6: ECEF m, m/s) of the objects that exist at a time."""
        there = np.flatnonzero((self._first_ns <= t_ns) & (t_ns <= self._last_ns))
        states = np.empty((len(there), 6))
        for row, j in enumerate(there.tolist()):
            states[row] = _state_at(self._objects[j], t_ns)
        return there, states


def _state_at(target: Truth, t_ns: int) -> Floats:
    """The state (6) at one time within the object's life."""
    i = int(np.searchsorted(target.t_valid_ns, t_ns, side="right")) - 1
    if target.t_valid_ns[i] == t_ns:
        return target.state_ecef[6 * i : 6 * i + 6]
    return states_at(target, np.array([t_ns]))[0]


def states_at(target: Truth, t_ns: Ints) -> Floats:
    """States (n, 6: ECEF m, m/s) at times (n,) within the object's life."""
    samples = target.state_ecef.reshape(-1, 6)
    if len(samples) == 1:
        return np.repeat(samples, len(t_ns), axis=0)
    i = np.clip(np.searchsorted(target.t_valid_ns, t_ns, side="right") - 1, 0, len(samples) - 2)
    step = ((target.t_valid_ns[i + 1] - target.t_valid_ns[i]) / S)[:, None]
    u = ((t_ns - target.t_valid_ns[i]) / S)[:, None] / step
    (p, v), (q, w) = np.split(samples[i], 2, axis=1), np.split(samples[i + 1], 2, axis=1)
    position = (
        (1 + 2 * u) * (1 - u) ** 2 * p
        + u**2 * (3 - 2 * u) * q
        + step * u * (1 - u) * ((1 - u) * v - u * w)
    )  # fmt: skip
    velocity = 6 * u * (1 - u) * (q - p) / step + (1 - u) * (1 - 3 * u) * v + u * (3 * u - 2) * w
    return np.concatenate([position, velocity], axis=1)


def is_of(plots: Measurement, site: Site, target: Truth) -> bool:
    """Whether any plot lies within the gate of the object at its own time."""
    t_ns = plots.t_valid_ns
    inside_life = (t_ns >= target.t_valid_ns[0]) & (t_ns <= target.t_valid_ns[-1])
    if not inside_life.any():
        return False
    misses = _misses(plots, site, states_at(target, t_ns)[:, :3])
    return bool((inside_life & (misses < GATE_SIGMAS)).any())


def _misses(plots: Measurement, site: Site, position_ecef_m: Floats) -> Floats:
    """The largest miss (n,) of each plot from a position (n, 3), in σ of what it measures."""
    moved_s = (plots.t_valid_ns - site.t_valid_ns)[:, None] / S
    stands = np.array(site.position_ecef_m) + moved_s * np.array(site.velocity_ecef_mps)
    east, north, up = np.array(site.enu_ecef).reshape(3, 3) @ (position_ecef_m - stands).T
    distance = np.sqrt(east**2 + north**2 + up**2)
    offset = np.remainder(plots.azimuth_rad - np.arctan2(east, north) + np.pi, 2 * np.pi) - np.pi
    misses: list[npt.NDArray[np.float64]] = [
        offset / np.hypot(plots.sigma_azimuth_rad, site.bias_sigma_azimuth_rad)
    ]
    if isinstance(plots, Detections | Polar):
        error_m = plots.range_m - distance
        misses.append(error_m / np.hypot(plots.sigma_range_m, site.bias_sigma_range_m))
    if isinstance(plots, Detections | Los):
        error = plots.elevation_rad - np.arcsin(up / distance)
        misses.append(error / np.hypot(plots.sigma_elevation_rad, site.bias_sigma_elevation_rad))
    return np.abs(misses).max(axis=0)
