"""Registration: every sensor's range, azimuth, elevation and clock bias, estimated from what flies freely.

Rules of this module:

- Biases are constant and drawn from N(0, σ²), σ the bias sigmas that the site message states; those of the
  clock come from `RegistrationRules`. A *reference* sensor has none: the others are then relative to it.
- Only objects in free fall above the air are used, from `settle_s` after their burn. Each has an *arc*: a
  filter of its own that knows gravity and follows the raw plots as if there were no biases, begun without
  knowledge. What its innovations say of the biases adds up over plots and objects (ext/registration.pyx):
  a plot counts once, and the tracks, which have used the same plots, are not asked.
- What common objects and gravity do not tell apart stays as uncertain as the site said: the prior is not
  forgotten. Of two radars that see one object, the difference of their biases is known soon, what they
  have in common late or never.
- A bias is *observable* once its sigma has shrunk to `observable` of the prior's. The tracker takes it off
  the plots then, and considers what is left of it (Schmidt); before, it considers all of it. It is stated
  anew each time its sigma has shrunk to `restate` of the one in use: it does not follow every wobble.
- Biases of sensors are correlated, the tracker's consider terms are not. What is left of a bias is therefore
  stated wider: d_i = P_ii Σ_j |ρ_ij|. The diagonal matrix of these is no smaller than P in any direction
  (Gershgorin), so that leaving out correlations never flatters.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ext.geodesy import geodetic
from ext.motion import step
from ext.registration import absorb, dominating, posterior, predict
from fusion.core.ordering import PlotsEntry
from sharing.messages import NATIONS, Bias, Floats, S, Site

Slots = npt.NDArray[np.int32]

BIASES = 4
"""Of each sensor: range m, azimuth rad, elevation rad, clock s."""
MEANS = ("bias_range_m", "bias_azimuth_rad", "bias_elevation_rad", "bias_clock_s")
SIGMAS = ("bias_sigma_range_m", "bias_sigma_azimuth_rad", "bias_sigma_elevation_rad", "bias_sigma_clock_s")
LONGEST_STEP_S = 5.0
NO_DRAG = np.zeros(1)
PI = 3.141592653589793


@dataclass(frozen=True, slots=True)
class RegistrationRules:
    """When and how biases are estimated. NOTIONAL, see docs/decisions/sensor-bias.md."""

    reference: tuple[str, ...] = ()
    """Sensors (``NATION/sensor``) that are taken to have no bias."""
    clock_sigma_s: float = 1e-4
    """Prior sigma of every sensor's clock, which sites do not state: that of all sensors of the tables."""
    q: float = 4e-7
    """Spectral density of what J2 leaves out of gravity, m²/s³: J3 and J4, some 4e-5 m/s², for 5 minutes."""
    coast_probability: float = 0.9
    settle_s: float = 10.0
    """Staging and the last of the thrust are over by then."""
    lowest_m: float = 110_000.0
    """Above it the air counts for nothing."""
    position_sigma_m: float = 20_000.0
    velocity_sigma_mps: float = 1_000.0
    """Of a new arc: far wider than the track that it begins at, which has used the same plots."""
    gate_sigmas: float = 5.0
    refusals: int = 5
    """An arc that the gate has kept this many plots from in a row is on something else: it ends."""
    longest_gap_s: float = 60.0
    """So does one without a plot for this long."""
    observable: float = 0.5
    restate: float = 0.8

    @classmethod
    def of(cls, text: str) -> "RegistrationRules | None":
        """The rules that a configuration names: ``off`` (None), ``relative``, or the reference sensors.

        These are ``NATION/sensor``, with commas between them. ValueError for another text.
        """
        if text == "off":
            return None
        names = () if text == "relative" else tuple(name.strip() for name in text.split(","))
        for name in names:
            nation, _, sensor = name.partition("/")
            if nation not in NATIONS or not sensor:
                raise ValueError(f"registration = {text!r}: off, relative, or NATION/sensor[,NATION/sensor]")
        return cls(reference=names)


@dataclass(frozen=True, slots=True)
class Arc:
    """One object in free fall by filter: what it is without biases, and how they have moved it.

    The arrays are never written to: checkpoints share them.
    """

    t_ns: int
    x: Floats
    p: Floats
    v: Floats
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one sensor's biases: estimates and sigmas (4), and whether each is in use (3)."""

    sensor: int
    mean: Floats
    sigma: Floats
    prior_sigma: Floats
    plots: int
    applied: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Stated:
    """The biases of a sensor that the tracker goes by: taken off the plots, and what is left (3 each)."""

    mean: Floats
    sigma: Floats
    applied: npt.NDArray[np.bool_]


class Registration:
    """The biases of all sensors of one tracker, by the tracker's sensor numbers."""

    def __init__(self, rules: RegistrationRules) -> None:
        self.rules = rules
        self.prior_sigma = np.empty(0)
        self.plots: tuple[int, ...] = ()
        self.stated: tuple[Stated, ...] = ()
        self._information = np.empty((0, 0))
        self._vector = np.empty(0)
        self._mean = np.empty(0)
        self._covariance = np.empty((0, 0))
        self._solved = self._information
        self._arcs: dict[int, Arc] = {}
        self._since: dict[int, int] = {}
        """Slots in free fall above the air, and since when."""

    def checkpoint(self) -> Any:
        """All of the state; nothing in it is written to afterwards."""
        state = {k: v for k, v in vars(self).items() if k != "rules"}
        return state | {"_arcs": dict(self._arcs), "_since": dict(self._since)}

    def restore(self, saved: Any) -> None:
        """Become what `checkpoint` saved."""
        vars(self).update(saved)
        self._arcs, self._since = dict(self._arcs), dict(self._since)

    # -- what comes in --------------------------------------------------------------------------------------

    def place(self, sensor: int, site: Site) -> None:
        """Take a sensor's site; the first one states its bias sigmas."""
        if sensor < len(self.plots):
            return
        angles = site.bias_sigma_azimuth_rad, site.bias_sigma_elevation_rad
        prior = np.array([site.bias_sigma_range_m, *angles, self.rules.clock_sigma_s])
        if f"{site.originator}/{site.sensor}" in self.rules.reference:
            prior = np.zeros(BIASES)
        self.prior_sigma = np.concatenate((self.prior_sigma, prior))
        self.plots = (*self.plots, 0)
        self.stated = (*self.stated, Stated(np.zeros(3), prior[:3].copy(), np.zeros(3, np.bool_)))
        n = len(self.prior_sigma)
        self._information, self._covariance = (_grown(a, n, n) for a in (self._information, self._covariance))
        self._vector, self._mean = (np.concatenate((a, np.zeros(BIASES))) for a in (self._vector, self._mean))
        for i in range(n - BIASES, n):
            self._covariance[i, i] = self.prior_sigma[i] * self.prior_sigma[i]

    def follow(self, t_ns: int, slots: Slots, states: Floats, coasting: Floats) -> None:
        """Once a second: slots (k), states (k, 6) of the live tracks, and the probabilities (k) of coast."""
        rules = self.rules
        _, _, height_m = geodetic(np.ascontiguousarray(states[:, :3]))
        falls = np.flatnonzero((coasting >= rules.coast_probability) & (height_m >= rules.lowest_m))
        falling = {int(slots[row]): states[row] for row in falls.tolist()}
        self._since = {slot: self._since.get(slot, t_ns) for slot in falling}
        kept = {s: a for s, a in self._arcs.items() if s in falling and not self._over(a, t_ns)}
        for slot, state in falling.items():
            if slot not in kept and self._since[slot] <= t_ns - round(rules.settle_s * S):
                kept[slot] = self._begun(t_ns, state)
        self._arcs = kept

    def _over(self, arc: Arc, t_ns: int) -> bool:
        return arc.refused >= self.rules.refusals or arc.t_ns < t_ns - round(self.rules.longest_gap_s * S)

    def _begun(self, t_ns: int, state: Floats) -> Arc:
        """An arc that knows next to nothing."""
        p = np.zeros((6, 6))
        for i in range(6):
            sigma = self.rules.position_sigma_m if i < 3 else self.rules.velocity_sigma_mps
            p[i, i] = sigma * sigma
        return Arc(t_ns, state.copy(), p, np.zeros((6, len(self.prior_sigma))))

    def drop(self, slot: int) -> None:
        """The track in `slot` has ended."""
        self._arcs.pop(slot, None)
        self._since.pop(slot, None)

    def corrected(self, entry: PlotsEntry, sensor: int) -> PlotsEntry:
        """The plots without the biases that are known well enough."""
        stated = self.stated[sensor]
        if not np.count_nonzero(stated.applied):
            return entry
        z = entry.z - stated.mean
        for row in np.flatnonzero(np.abs(z[:, 1]) > PI).tolist():
            z[row, 1] -= 2.0 * PI if z[row, 1] > 0.0 else -2.0 * PI
        return replace(entry, z=z)

    def take(self, entry: PlotsEntry, sensor: int, site: Site, rows: Slots, slots: Slots) -> None:
        """Take in the raw plots in `rows` of the tracks in `slots`, where these have arcs."""
        for row, slot in zip(rows.tolist(), slots.tolist(), strict=True):
            arc = self._arcs.get(slot)
            if arc is not None and arc.t_ns <= entry.key[0]:
                plot = entry.z[row], entry.sigma[row]
                self._arcs[slot] = self._absorbed(arc, entry.key[0], sensor, site, *plot)

    def _absorbed(self, arc: Arc, t_ns: int, sensor: int, site: Site, z: Floats, sigma: Floats) -> Arc:
        """The arc after a plot (3); what it says of the biases is added to the rest."""
        x, p, v = arc.x.copy(), arc.p.copy(), _grown(arc.v, 6, len(self.prior_sigma))
        x = self._moved(x, p, v, (t_ns - arc.t_ns) / S)
        moved_s = (t_ns - site.t_valid_ns) / S
        position, velocity = site.position_ecef_m, site.velocity_ecef_mps
        stands = [r + moved_s * w for r, w in zip(position, velocity, strict=True)]
        information, vector = self._information.copy(), self._vector.copy()
        taken = absorb(
            x, p, v, information, vector, z, sigma, stands, site.enu_ecef, sensor,
            self._mean, self._covariance, self.rules.gate_sigmas,
        )  # fmt: skip
        if not taken:
            return replace(arc, refused=arc.refused + 1)
        self._information, self._vector = information, vector
        self.plots = (*self.plots[:sensor], self.plots[sensor] + 1, *self.plots[sensor + 1 :])
        return Arc(t_ns, x, p, v)

    def _moved(self, x: Floats, p: Floats, v: Floats, seconds: float) -> Floats:
        """The state after a time, in equal steps; p and v are moved in place."""
        steps = int(np.ceil(seconds / LONGEST_STEP_S))
        for _ in range(steps):
            moved, phi = step(x.reshape(1, 6), NO_DRAG, seconds / steps)
            predict(p, v, phi[0], self.rules.q, seconds / steps)
            x = moved[0]
        return x

    # -- what comes out -------------------------------------------------------------------------------------

    def solve(self) -> bool:
        """Bring means and covariance up to date with all plots taken in; whether there were any."""
        if self._solved is self._information:
            return False
        seen = np.flatnonzero(np.diagonal(self._information) > 0.0)
        mean, covariance = np.zeros(len(self._vector)), np.zeros_like(self._information)
        for i in range(len(mean)):
            covariance[i, i] = self.prior_sigma[i] * self.prior_sigma[i]
        if len(seen):
            grid = np.ix_(seen, seen)
            known = self._information[grid].copy(), self._vector[seen], self.prior_sigma[seen]
            mean[seen], covariance[grid] = posterior(*known)
        self._mean, self._covariance, self._solved = mean, covariance, self._information
        return True

    def restate(self) -> Iterator[tuple[int, Floats]]:
        """State what has become observable, or much surer: sensor, and the sigmas (3) of what is left."""
        wider = dominating(self._covariance)
        for sensor, old in enumerate(self.stated):
            rows = slice(BIASES * sensor, BIASES * sensor + 3)
            prior = self.prior_sigma[rows]
            least = np.where(old.applied, self.rules.restate * old.sigma, self.rules.observable * prior)
            better = (prior > 0.0) & (wider[rows] <= least)
            if not np.count_nonzero(better):
                continue
            new = Stated(
                np.where(better, self._mean[rows], old.mean),
                np.where(better, wider[rows], old.sigma),
                old.applied | better,
            )
            self.stated = (*self.stated[:sensor], new, *self.stated[sensor + 1 :])
            yield sensor, new.sigma

    def biases(self) -> Iterator[Known]:
        """What is known of every sensor that has been used."""
        sigma = np.sqrt(np.diagonal(self._covariance))
        for sensor, plots in enumerate(self.plots):
            rows = slice(BIASES * sensor, BIASES * (sensor + 1))
            if plots:
                applied = self.stated[sensor].applied
                yield Known(sensor, self._mean[rows], sigma[rows], self.prior_sigma[rows], plots, applied)

    def messages(self, nation: str, t_ns: int, first: int, name_of: Callable[[int], str]) -> Iterator[Bias]:
        """The same as messages of `nation`, numbered from `first`; names by the tracker's sensor numbers."""
        for sequence, known in enumerate(self.biases(), first):
            mean, sigma = known.mean.tolist(), known.sigma.tolist()
            yield Bias(
                originator=nation,
                sequence=sequence,
                t_sent_ns=t_ns,
                t_available_ns=t_ns,
                t_valid_ns=t_ns,
                subject=name_of(known.sensor),
                plots=known.plots,
                applied=int(known.applied[0]) + 2 * int(known.applied[1]) + 4 * int(known.applied[2]),
                **dict(zip(MEANS, mean, strict=True)),
                **dict(zip(SIGMAS, sigma, strict=True)),
            )

    def joint(self) -> tuple[Floats, Floats]:
        """Means (n) and covariance (n, n) of the biases of all sensors, four each."""
        return self._mean, self._covariance


def _grown(table: Floats, rows: int, columns: int) -> Floats:
    """A copy of a table with zeros added to the right and below."""
    larger = np.zeros((rows, columns))
    larger[: table.shape[0], : table.shape[1]] = table
    return larger
