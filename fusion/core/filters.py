"""The filter of every track: which motion models it mixes, and the interface the engine drives it through.

Two implementations exist: `ext.bank.TrackBank` (compiled, the default) and `fusion.reference.FilterpyBank`
(filterpy, slow, chosen by the caller who passes it as `filters` to the core; never a silent fallback).

Models (an interacting-multiple-model bank over equal six-dimensional ECEF states, Blom and Bar-Shalom 1988):

- *powered*: boost, and every other manoeuvre: large white acceleration noise
- *coast*: gravity with J2, the Earth's rotation and nominal drag; almost no noise but the drag's own
- *reentry*: the same with moderate noise

All numbers are NOTIONAL: domain.md section 6 gives the ranges they were taken from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ext.bank import TrackBank
from sharing.messages import Floats, Site

Slots = npt.NDArray[np.int32]

POWERED, COAST, REENTRY = range(3)


@dataclass(frozen=True, slots=True)
class Models:
    """Parameters of the bank, one value a model in the order of `sharing.messages.MODES`.

    q
        Spectral density of the white acceleration noise per axis, m²/s³ (σ_a² · 1 s).
    beta
        Ballistic coefficient for drag, kg/m²; 0 is no drag.
    rates
        Transition rates from model (row) to model (column), 1/s; the diagonal is ignored.
    start
        Probabilities of a new track's models.
    """

    q: tuple[float, ...] = (2500.0, 4e-6, 225.0)
    beta: tuple[float, ...] = (0.0, 5000.0, 5000.0)
    rates: tuple[tuple[float, ...], ...] = (
        (0.0, 1 / 40, 1 / 400),
        (1 / 5000, 0.0, 1 / 5000),
        (1 / 100, 1 / 100, 0.0),
    )
    thin_rates: tuple[tuple[float, ...], ...] = ((0.0, 1 / 10, 0.0), (1e-7, 0.0, 0.0), (0.0, 1.0, 0.0))
    """The same above 110 km, where nothing manoeuvres without an engine.

    A constant bias makes innovations that are not independent, so that their likelihoods, multiplied up,
    overstate the case for leaving coast: these rates ask for more than a run of biased plots.
    """
    start: tuple[float, ...] = (0.6, 0.3, 0.1)
    longest_mix_s: float = 10.0
    """An unseen track is not made to manoeuvre by the passing of time alone."""
    negligible: float = 0.01
    """Models less probable than this are left out of the combined estimate."""
    drag_noise_s: float = 5.0
    """Spectral density of unknown drag by its squared deceleration: 0.7² (its spread) over 10 s."""
    velocity_sigma_mps: float = 2500.0
    """Standard deviation of a new track's velocity, per axis, about rest on the rotating Earth."""


class FilterBank(Protocol):
    """What the tracker asks of a bank of filters.

    Tracks are slots; plots are rows of range m, azimuth rad, elevation rad, with their sigmas.
    """

    @property
    def times(self) -> npt.NDArray[np.int64]:
        """Time of every slot's state, ns."""

    def set_site(
        self, sensor: int, t_ns: int, position: Floats, velocity: Floats, enu: Floats, bias_sigma: Floats
    ) -> None:
        """Place a sensor from `t_ns` on; `enu` holds east, north, up as rows, flat."""

    def positions(self, z: Floats, sensor: int, t_ns: int) -> Floats:
        """Plots (k, 3) as ECEF positions (k, 3), m."""

    def start(
        self, slot: int, t_ns: int, z: Floats, sigma: Floats, sensor: int, velocity_sigma_mps: float
    ) -> None:
        """Begin a track at one plot, at rest within `velocity_sigma_mps`."""

    def drop(self, slot: int) -> None:
        """End a track."""

    def reach(self, t_ns: int, positions: Floats, sigma_position_m: Floats) -> tuple[Slots, Slots]:
        """Pairs (rows, slots) near enough to be worth gating, ordered by row, then slot."""

    def predict(self, slots: Slots, t_ns: int) -> None:
        """Move the slots' states to `t_ns`."""

    def carry(self, slots: Slots, t_ns: int) -> None:
        """As `predict`, without a change of models: for tracks that nobody sees."""

    def gate(
        self, slots: Slots, rows: Slots, z: Floats, sigma: Floats, sensor: int, t_ns: int
    ) -> tuple[Floats, Floats]:
        """Squared Mahalanobis distance and log-likelihood (per m rad²) of every pair at `t_ns`.

        Changes nothing: a plot that is not assigned leaves no trace in the tracks near it.
        """

    def update(self, slots: Slots, rows: Slots, z: Floats, sigma: Floats, sensor: int) -> Floats:
        """Update distinct slots with their rows; gives the NIS divided by its degrees of freedom."""

    def estimate_at(self, slots: Slots, t_ns: int) -> tuple[Floats, Floats, Floats]:
        """States (n, 6), covariances (n, 6, 6) and model probabilities (n, K) at `t_ns`; changes nothing."""

    def covered(
        self,
        sensor: int,
        t_ns: int,
        azimuth_center_rad: float,
        azimuth_width_rad: float,
        elevation_min_rad: float,
        elevation_max_rad: float,
        range_max_m: float,
    ) -> tuple[Slots, Floats]:
        """Slots inside a sensor's sector, and their ranges in m."""

    def checkpoint(self) -> Any:
        """A compact copy of everything, for `restore`."""

    def restore(self, saved: Any) -> None:
        """Become what `checkpoint` saved."""


FilterFactory = Callable[[int, int, Models], FilterBank]


def compiled(capacity: int, max_sensors: int, models: Models) -> FilterBank:
    """The Cython bank for `capacity` tracks and `max_sensors` sensors."""
    return TrackBank(
        capacity,
        max_sensors,
        models.q,
        models.beta,
        np.array(models.rates),
        models.start,
        models.longest_mix_s,
        models.negligible,
        models.drag_noise_s,
        np.array(models.thin_rates),
    )


def place(bank: FilterBank, sensor: int, site: Site) -> None:
    """Tell the bank where sensor number `sensor` stands and how biased it may be."""
    bias = (site.bias_sigma_range_m, site.bias_sigma_azimuth_rad, site.bias_sigma_elevation_rad)
    bank.set_site(
        sensor,
        site.t_valid_ns,
        np.array(site.position_ecef_m),
        np.array(site.velocity_ecef_mps),
        np.array(site.enu_ecef),
        np.array(bias),
    )
