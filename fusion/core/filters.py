"""The filter of every track: which motion models it mixes, and the interface the engine drives it through.

Two implementations exist: `ext.bank.TrackBank` (compiled, the default) and `fusion.reference.FilterpyBank`
(filterpy, slow, chosen by the caller who passes it as `filters` to the core; never a silent fallback).

Models (an interacting-multiple-model bank, Blom and Bar-Shalom 1988, over states of unequal dimensions, see
ext/extra.pxd; all hold position and velocity in ECEF):

- *powered*: boost, estimates thrust as a vector that grows as mass burns; nine components
- *coast*: gravity with J2, the Earth's rotation and nominal drag; almost no noise but the drag's own
- *reentry*: the same, estimates the logarithm of the ballistic coefficient; seven components
- *manoeuvre*: staging, pull-up, glide, what the others do not explain: large white acceleration noise
- *level*: an aircraft that keeps its speed and, on the whole, its height round the curved Earth
- *left*, *right*: the same in a turn of 1.5° a second

Which of them a tracker mixes says its set, one of `MODEL_SETS`: ``missiles``, ``air`` or ``mixed``.
All numbers are NOTIONAL: domain.md section 6 gives the ranges they were taken from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ext.bank import TrackBank
from fusion.core.heights import Heights
from sharing.messages import Floats, Site

Slots = npt.NDArray[np.int32]

POWERED, COAST, REENTRY, LEVEL, LEFT, RIGHT, MANOEUVRE = range(7)
"""Places in `sharing.messages.MODES`."""

TURN_RADPS = 0.026179938779914945
"""Half the standard rate of turn, 1.5° a second: a bank of 25°, customary for airliners, makes 1.1 at 230 m/s
and 2.2 at 120 m/s; the noise of the turning models covers the rest."""


MISSILE_HEIGHTS = Heights(40_000.0, 60_000.0, 60_000.0, 60_000.0)
"""2-D plots: most of a flight that a surveillance radar sees, within two sigma from the ground to 160 km.
Lines of sight: a burn, from the clouds to its end."""


@dataclass(frozen=True, slots=True)
class Models:
    """Parameters of the bank, one value a model; which models they are says `modes`.

    modes
        Of each model, its place in `sharing.messages.MODES`.
    q
        Spectral density of the white acceleration noise per axis, m²/s³ (σ_a² · 1 s).
    beta
        Ballistic coefficient for drag, kg/m²; 0 is no drag.
    turn
        Aircraft: rate of turn, rad/s, positive to the left; None is free flight.
    rates
        Transition rates from model (row) to model (column), 1/s; the diagonal is ignored.
    start
        Probabilities of a new track's models.
    estimates
        What else a model estimates: ``thrust``, ``beta`` or None (`ext.bank.TrackBank`).
    prior_sigma
        Its standard deviation in a model that has just begun: m/s² per axis, or of ln β.
    wander
        Spectral density of its random walk: m²/s⁵ per axis, or 1/s.
    growth
        Of thrust, 1/s: the mass flow over the mass.
    """

    q: tuple[float, ...] = (1.0, 4e-6, 25.0, 2500.0)
    beta: tuple[float, ...] = (0.0, 5000.0, 5000.0, 0.0)
    rates: tuple[tuple[float, ...], ...] = (
        (0.0, 1 / 60, 1 / 400, 1 / 200),
        (1 / 5000, 0.0, 1 / 2000, 1 / 5000),
        (1 / 1000, 1 / 100, 0.0, 1 / 100),
        (1 / 20, 1 / 40, 1 / 100, 0.0),
    )
    thin_rates: tuple[tuple[float, ...], ...] = (
        (0.0, 1 / 20, 0.0, 1 / 200),
        (1e-7, 0.0, 0.0, 1e-7),
        (0.0, 1.0, 0.0, 0.0),
        (1 / 10, 1 / 10, 0.0, 0.0),
    )
    """The same above 110 km, where nothing manoeuvres without an engine.

    A constant bias makes innovations that are not independent, so that their likelihoods, multiplied up,
    overstate the case for leaving coast: these rates ask for more than a run of biased plots.
    """
    start: tuple[float, ...] = (0.5, 0.3, 0.1, 0.1)
    longest_mix_s: float = 10.0
    """An unseen track is not made to manoeuvre by the passing of time alone."""
    negligible: float = 0.01
    """Models less probable than this are left out of the combined estimate."""
    drag_noise_s: float = 5.0
    """Spectral density of unknown drag by its squared deceleration: 0.7² (its spread) over 10 s."""
    velocity_sigma_mps: float = 2500.0
    """Standard deviation of a new track's velocity, per axis, about rest on the rotating Earth."""
    climb_sigma_mps: float = 2500.0
    """The same of its vertical component."""
    sight: tuple[float, ...] = (1.0, 0.02, 0.02, 1.0)
    """Lines of sight are infrared, which sees motors burn: how likely it sees an object otherwise. Without
    this, plots of 2 km do not tell a burn from free fall, and the mixture lags behind."""
    modes: tuple[int, ...] = (POWERED, COAST, REENTRY, MANOEUVRE)
    turn: tuple[float | None, ...] = (None, None, None, None)
    heights: Heights = MISSILE_HEIGHTS
    estimates: tuple[str | None, ...] = ("thrust", None, "beta", None)
    prior_sigma: tuple[float, ...] = (30.0, 0.0, 0.7, 0.0)
    wander: tuple[float, ...] = (9.0, 0.0, 0.01, 0.0)
    growth: tuple[float, ...] = (1 / 60, 0.0, 0.0, 0.0)


NOTHING = (0.0, 0.0, 0.0)
MISSILES = Models()

AIR = Models(
    modes=(LEVEL, LEFT, RIGHT),
    q=(1.0, 4.0, 4.0),  # (1 m/s²)², (2 m/s²)²: changes of speed and climb; another rate or radius of turn
    beta=(0.0, 0.0, 0.0),
    turn=(0.0, TURN_RADPS, -TURN_RADPS),
    rates=((0.0, 1 / 300, 1 / 300), (1 / 40, 0.0, 1 / 400), (1 / 40, 1 / 400, 0.0)),
    thin_rates=((0.0, 1 / 300, 1 / 300), (1 / 40, 0.0, 1 / 400), (1 / 40, 1 / 400, 0.0)),
    start=(0.8, 0.1, 0.1),
    sight=(1.0, 1.0, 1.0),
    velocity_sigma_mps=250.0,  # an airliner's cruise, on whichever axis it flies
    climb_sigma_mps=10.0,  # 2,000 feet a minute
    heights=Heights(8_000.0, 5_000.0, 60_000.0, 60_000.0),  # one sigma: 3 to 13 km, departure to cruise
    estimates=(None, None, None),
    prior_sigma=NOTHING,
    wander=NOTHING,
    growth=NOTHING,
)

MIXED = Models(
    modes=(*MISSILES.modes, LEVEL),
    q=(*MISSILES.q, AIR.q[0]),
    beta=(*MISSILES.beta, 0.0),
    turn=(*MISSILES.turn, 0.0),
    rates=(
        (0.0, 1 / 60, 1 / 400, 1 / 200, 1 / 4000),
        (1 / 5000, 0.0, 1 / 2000, 1 / 5000, 1 / 50_000),
        (1 / 1000, 1 / 100, 0.0, 1 / 100, 1 / 1000),
        (1 / 20, 1 / 40, 1 / 100, 0.0, 1 / 400),
        (1 / 2000, 1 / 50_000, 1 / 5000, 1 / 600, 0.0),
    ),
    thin_rates=(
        (0.0, 1 / 20, 0.0, 1 / 200, 0.0),
        (1e-7, 0.0, 0.0, 1e-7, 0.0),
        (0.0, 1.0, 0.0, 0.0, 0.0),
        (1 / 10, 1 / 10, 0.0, 0.0, 0.0),
        (0.0, 1.0, 0.0, 0.0, 0.0),
    ),
    start=(0.4, 0.25, 0.1, 0.1, 0.15),
    sight=(*MISSILES.sight, 0.02),
    heights=Heights(15_000.0, 15_000.0, 60_000.0, 60_000.0),  # aircraft first, missiles within a few sigma
    estimates=(*MISSILES.estimates, None),
    prior_sigma=(*MISSILES.prior_sigma, 0.0),
    wander=(*MISSILES.wander, 0.0),
    growth=(*MISSILES.growth, 0.0),
)

MODEL_SETS = {"missiles": MISSILES, "air": AIR, "mixed": MIXED}
"""The sets of models by the names that scenarios and configurations use."""


def alone(mode: int) -> tuple[float, float, float | None]:
    """Noise q, ballistic coefficient and turn of one of `sharing.messages.MODES`, the same in every set.

    By position and velocity alone. Of a burn a picture does not say the thrust: it goes on as a manoeuvre.
    """
    mode = MANOEUVRE if mode == POWERED else mode
    models = next(m for m in MODEL_SETS.values() if mode in m.modes)
    k = models.modes.index(mode)
    return models.q[k], models.beta[k], models.turn[k]


class FilterBank(Protocol):
    """What the tracker asks of a bank of filters.

    Tracks are slots; plots are rows of range m, azimuth rad, elevation rad, with their sigmas. A range or an
    elevation that was not measured has an infinite sigma.
    """

    @property
    def times(self) -> npt.NDArray[np.int64]:
        """Time of every slot's state, ns."""

    def set_site(
        self, sensor: int, t_ns: int, position: Floats, velocity: Floats, enu: Floats, bias_sigma: Floats
    ) -> None:
        """Place a sensor from `t_ns` on; `enu` holds east, north, up as rows, flat."""

    def restate_bias(self, sensor: int, bias_sigma: Floats) -> None:
        """Of a sensor's biases `bias_sigma` (3) is left: its plots come without the rest from now on."""

    def positions(self, z: Floats, sensor: int, t_ns: int) -> Floats:
        """Plots (k, 3) as ECEF positions (k, 3), m."""

    def start(
        self,
        slot: int,
        t_ns: int,
        z: Floats,
        sigma: Floats,
        sensor: int,
        velocity_sigma_mps: float,
        climb_sigma_mps: float,
        assumed: int,
    ) -> None:
        """Begin a track at one plot, at rest within these sigmas (each horizontal axis; the vertical one).

        The plot's component `assumed` (-1: none) was filled in, not measured.
        """

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
        """Squared Mahalanobis distance and log-likelihood of every pair at `t_ns`.

        A density of what was measured: per m rad², per m rad or per rad².

        Changes nothing: a plot that is not assigned leaves no trace in the tracks near it.
        """

    def update(
        self,
        slots: Slots,
        rows: Slots,
        z: Floats,
        sigma: Floats,
        sensor: int,
        sight: tuple[float, ...] | None,
    ) -> Floats:
        """Update distinct slots with their rows; gives the NIS divided by its degrees of freedom.

        `sight`: how likely the sensor sees an object at all, by model; None: whatever it does.
        """

    def update_shared(
        self,
        slots: Slots,
        rows: Slots,
        shares: Floats,
        z: Floats,
        sigma: Floats,
        sensor: int,
        sight: tuple[float, ...] | None,
    ) -> Floats:
        """As `update`, each track with several rows in proportion to their shares; pairs ordered by slot.

        What is missing to 1 in a track's shares is the probability that it was not seen. One NIS a track.
        """

    def judge(
        self, slots: Slots, rows: Slots, z: Floats, sigma: Floats, sensor: int, t_ns: int
    ) -> tuple[Floats, Floats]:
        """Innovation (p, 3) and covariance (p, 6, upper triangle) of every pair, in the likeliest mode."""

    def estimate_at(self, slots: Slots, t_ns: int) -> tuple[Floats, Floats, Floats]:
        """States (n, 6), covariances (n, 6, 6) and model probabilities (n, K) at `t_ns`; changes nothing."""

    def modes_at(self, slots: Slots, t_ns: int) -> tuple[Floats, Floats, Floats]:
        """Every model's state (n, K, 9), covariance (n, K, 9, 9) and probability (n, K) at `t_ns`.

        From component 6 on: thrust (3, m/s²) or ln β over its nominal value; zero beyond a model's own.
        Changes nothing.
        """

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
    return TrackBank(*arguments(capacity, max_sensors, models))


def arguments(capacity: int, max_sensors: int, models: Models) -> tuple[Any, ...]:
    """What `ext.bank.TrackBank` is made with."""
    return (
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
        models.turn,
        models.estimates,
        models.prior_sigma,
        models.wander,
        models.growth,
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
