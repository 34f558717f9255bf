"""Plots of real or simulated sensors, gathered from a feed, and the objects they are of. No matplotlib.

A plot is of the object that lies nearest to it, in σ (noise and bias) of all that it measures, if that is
within 5σ in each; otherwise of none. Plots with range, azimuth and elevation have a place; 2-D plots and
lines of sight have none.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from fusion.figures.projection import Array
from fusion.truths import GATE_SIGMAS, states_at
from sharing.messages import Detections, Ints, Los, Message, Polar, S, Site, Truth

NOBODY = -1
FASTEST_MPS = 9000.0
MOST_OBJECTS = 1000
"""With more objects than this, plots are not told apart."""


@dataclass(frozen=True)
class Observed:
    """All plots of one sensor, in order of coming: time, number of the object (or NOBODY), place or NaN."""

    nation: str
    sensor: str
    t_s: Array
    object_number: Ints
    position_ecef_m: Array

    @property
    def name(self) -> str:
        """``NATION/id``."""
        return f"{self.nation}/{self.sensor}"


@dataclass
class _Columns:
    """Plots of one sensor: times, measurements (NaN: not measured), σ, the sites' frames."""

    t_ns: list[Ints] = field(default_factory=list)
    measured: list[Array] = field(default_factory=list)
    sigma: list[Array] = field(default_factory=list)
    origin: list[Array] = field(default_factory=list)
    axes: list[Array] = field(default_factory=list)


class Observer:
    """Takes the messages of a feed in order; `observed` then gives every sensor's plots."""

    def __init__(self, truth: Sequence[Truth]) -> None:
        self._truth = truth if len(truth) <= MOST_OBJECTS else ()
        self._sites: dict[tuple[str, str], Site] = {}
        self._columns: dict[tuple[str, str], _Columns] = defaultdict(_Columns)

    def take(self, message: Message) -> None:
        """The next message; those that are neither a site nor plots are passed over."""
        key = (message.originator, message.sensor)
        if isinstance(message, Site):
            self._sites[key] = message
            self._columns[key]  # a sensor that sees nothing is there all the same
        elif isinstance(message, Detections | Los | Polar) and len(message.t_valid_ns):
            site = self._sites.get(key)
            if site is not None:
                self._add(self._columns[key], message, site)

    @staticmethod
    def _add(columns: _Columns, message: Detections | Los | Polar, site: Site) -> None:
        t_ns = message.t_valid_ns
        n = len(t_ns)
        none, wide = np.full(n, np.nan), np.full(n, np.inf)
        ranged, raised = not isinstance(message, Los), not isinstance(message, Polar)
        measured = (
            message.range_m if ranged else none,  # type: ignore[union-attr]
            message.azimuth_rad,
            message.elevation_rad if raised else none,  # type: ignore[union-attr]
        )
        sigma = (
            np.hypot(message.sigma_range_m, site.bias_sigma_range_m) if ranged else wide,  # type: ignore[union-attr]
            np.hypot(message.sigma_azimuth_rad, site.bias_sigma_azimuth_rad),
            np.hypot(message.sigma_elevation_rad, site.bias_sigma_elevation_rad) if raised else wide,  # type: ignore[union-attr]
        )
        moved_s = ((t_ns - site.t_valid_ns) / S)[:, None]
        columns.t_ns.append(t_ns)
        columns.measured.append(np.stack(measured, axis=1))
        columns.sigma.append(np.stack(sigma, axis=1))
        columns.origin.append(np.array(site.position_ecef_m) + moved_s * np.array(site.velocity_ecef_mps))
        columns.axes.append(np.tile(np.reshape(site.enu_ecef, (1, 3, 3)), (n, 1, 1)))

    def observed(self) -> list[Observed]:
        """Every sensor's plots, by nation and sensor."""
        return [self._of(key, self._columns[key]) for key in sorted(self._columns)]

    def _of(self, key: tuple[str, str], columns: _Columns) -> Observed:
        if not columns.t_ns:
            return Observed(*key, np.empty(0), np.empty(0, np.int64), np.empty((0, 3)))
        t_ns = np.concatenate(columns.t_ns)
        measured, sigma = np.concatenate(columns.measured), np.concatenate(columns.sigma)
        origin, axes = np.concatenate(columns.origin), np.concatenate(columns.axes)
        number = np.full(len(t_ns), NOBODY)
        nearest = np.full(len(t_ns), np.inf)
        for j, truth in enumerate(self._truth):
            rows = _candidates(truth, t_ns, measured[:, 0], sigma[:, 0], origin)
            if not len(rows):
                continue
            place = states_at(truth, t_ns[rows])[:, :3]
            miss = np.abs(_misses(measured[rows], sigma[rows], _seen_from(origin[rows], axes[rows], place)))
            total = (miss**2).sum(axis=1)
            closer = (miss.max(axis=1) < GATE_SIGMAS) & (total < nearest[rows])
            number[rows[closer]], nearest[rows[closer]] = j, total[closer]
        return Observed(*key, t_ns / S, number, _places(measured, origin, axes))


def _candidates(truth: Truth, t_ns: Ints, range_m: Array, sigma_m: Array, origin: Array) -> Ints:
    """Rows of the plots whose range may be that of an object, by its nearest sample: quick and generous."""
    alive = np.flatnonzero((t_ns >= truth.t_valid_ns[0]) & (t_ns <= truth.t_valid_ns[-1]))
    if len(truth.t_valid_ns) < 2 or not len(alive):
        return alive
    step_ns = int(np.diff(truth.t_valid_ns).max())
    sample = np.searchsorted(truth.t_valid_ns, t_ns[alive] - step_ns // 2).clip(0, len(truth.t_valid_ns) - 1)
    place = truth.state_ecef.reshape(-1, 6)[sample, :3]
    difference = np.abs(np.linalg.norm(place - origin[alive], axis=1) - range_m[alive])
    allowed = GATE_SIGMAS * sigma_m[alive] + FASTEST_MPS * step_ns / S
    return alive[~(difference > allowed)]  # without a range the difference is NaN, and stays in


def _seen_from(origin: Array, axes: Array, place: Array) -> Array:
    """Range m, azimuth and elevation rad (n, 3) of places (n, 3) from sensors (n, 3) with axes (n, 3, 3)."""
    east, north, up = np.einsum("nij,nj->in", axes, place - origin)
    level = np.hypot(east, north)
    return np.stack([np.hypot(level, up), np.arctan2(east, north), np.arctan2(up, level)], axis=1)


def _misses(measured: Array, sigma: Array, true: Array) -> Array:
    """Differences (n, 3) in σ; what is not measured does not differ."""
    difference = measured - true
    difference[:, 1] = np.remainder(difference[:, 1] + np.pi, 2 * np.pi) - np.pi
    return np.nan_to_num(difference, nan=0.0) / sigma


def _places(measured: Array, origin: Array, axes: Array) -> Array:
    """ECEF positions (n, 3) of plots, NaN where one of the three is not measured."""
    distance, azimuth, elevation = measured.T
    level = np.cos(elevation)
    unit = np.stack([level * np.sin(azimuth), level * np.cos(azimuth), np.sin(elevation)], axis=1)
    return origin + np.einsum("nji,nj->ni", axes, unit) * distance[:, None]


def observe(messages: Iterable[Message], truth: Sequence[Truth]) -> list[Observed]:
    """Every sensor's plots in a feed, by nation and sensor."""
    observer = Observer(truth)
    for message in messages:
        observer.take(message)
    return observer.observed()
