"""The track bank once more, over filterpy: slow and explicit, the oracle of `ext.bank.TrackBank`.

Chosen by whoever passes `FilterpyBank.of` to the core (``--backend reference``); never a silent fallback.
It shares no code with `ext`: motion, measurement and their derivatives stand here in vector form, the filter
steps are filterpy's (==2.0.0). The two agree to rounding, not to the byte.

- A mode is an extended Kalman filter over the state (6: ECEF position m, velocity m/s) and its m extra
  components (thrust, ln β), augmented with the biases (range m, azimuth rad, elevation rad) of the sensors
  that the track has met. After every scalar update the bias estimate and its covariance are reset to the
  prior, their cross-covariance with the state is kept: that is the Schmidt consider filter.
- Modes of unequal dimension are mixed here, each padded to the other's with the prior: filterpy's
  `IMMEstimator` wants equal ones (tests/conformance holds the compiled bank against it). Mode weights are
  updated in logarithms, because filterpy's likelihoods clamp at 2.2e-308.
- Interface, units, orders and meanings are those of `ext.bank.TrackBank`; see there.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from fusion.reference.mode import Mode
from fusion.reference.motion import Motion, height_m
from fusion.reference.place import Place, wrap

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

A_MAX_MPS2 = 100.0
THIN_AIR_M = 110_000.0
"""Above this height a bank's `thin_rates` hold."""


@dataclass
class Track:
    """One track: its modes side by side, their probabilities, the sensors whose biases they hold."""

    t_ns: int
    modes: list[Mode]
    mu: Floats
    sensors: list[int] = field(default_factory=list)

    def rows(self, mode: Mode, sensor: int, jacobian: Floats) -> Floats:
        """Measurement matrix (3, n) of a mode's augmented state."""
        h = np.zeros((3, len(mode.x)))
        h[:, :3] = jacobian
        start = mode.own + 3 * self.sensors.index(sensor)
        h[:, start : start + 3] = np.eye(3)
        return h

    def mix(self, chance: Floats) -> None:
        """Every mode's start: the others padded to it, moment-matched; mode probabilities, predicted."""
        weights = chance * self.mu[:, None]
        self.mu = weights.sum(0)
        weights = weights / self.mu
        starts = []
        for j, mode in enumerate(self.modes):
            sources = [other.padded(mode) for other in self.modes]
            x = sum(w * s for w, (s, _) in zip(weights[:, j], sources, strict=True))
            spread = [c + np.outer(s - x, s - x) for s, c in sources]
            p = sum(w * c for w, c in zip(weights[:, j], spread, strict=True))
            starts.append((np.asarray(x), np.asarray(p)))
        for mode, (x, p) in zip(self.modes, starts, strict=True):
            mode.x, mode.P = x, p

    def mean(self, weights: Floats) -> tuple[Floats, Floats]:
        """State (6) and covariance (6, 6) of the mixture of the modes."""
        x = sum(w * m.x[:6] for w, m in zip(weights, self.modes, strict=True))
        p = sum(
            w * (m.P[:6, :6] + np.outer(m.x[:6] - x, m.x[:6] - x))
            for w, m in zip(weights, self.modes, strict=True)
        )
        return np.asarray(x), np.asarray(p)


def blended(tracks: list[Track], beta: Sequence[float]) -> Track:
    """One track with the moments of several versions of it, whose probabilities are `beta`."""
    blend = copy.deepcopy(tracks[0])
    mass = np.array([b * track.mu for b, track in zip(beta, tracks, strict=True)])
    for k, mode in enumerate(blend.modes):
        weights, versions = mass[:, k] / mass[:, k].sum(), [track.modes[k] for track in tracks]
        mode.x = sum(w * v.x for w, v in zip(weights, versions, strict=True))
        mode.P = sum(
            w * (v.P + np.outer(v.x - mode.x, v.x - mode.x)) for w, v in zip(weights, versions, strict=True)
        )
    blend.mu = np.maximum(mass.sum(0), 1e-12)
    blend.mu /= blend.mu.sum()
    return blend


class FilterpyBank:
    """The interface of `ext.bank.TrackBank`, parameters included."""

    def __init__(
        self,
        capacity: int,
        max_sensors: int,
        q: Sequence[float],
        beta: Sequence[float],
        rates: npt.ArrayLike,
        start_probabilities: Sequence[float] | None = None,
        longest_mix_s: float = 1e9,
        negligible: float = 0.0,
        drag_noise_s: float = 0.0,
        thin_rates: npt.ArrayLike | None = None,
        turn: Sequence[float | None] | None = None,
        estimates: Sequence[str | None] | None = None,
        prior_sigma: Sequence[float] | None = None,
        wander: Sequence[float] | None = None,
        growth: Sequence[float] | None = None,
    ) -> None:
        self.capacity, self.n_modes, self.max_sensors = capacity, len(q), max_sensors
        inverse_beta = [1.0 / b if b > 0 else 0.0 for b in beta]
        nothing = [0.0] * len(q)
        self.motions = [
            Motion(q_, drag, drag_noise_s, *rest)
            for q_, drag, *rest in zip(
                q, inverse_beta, turn or [None] * len(q), estimates or [None] * len(q),
                prior_sigma or nothing, wander or nothing, growth or nothing, strict=True,
            )
        ]  # fmt: skip
        off_diagonal = 1 - np.eye(len(q))
        self.rates = np.array(rates, float).reshape(len(q), len(q)) * off_diagonal
        thin = rates if thin_rates is None else thin_rates
        self.thin_rates = np.array(thin, float).reshape(len(q), len(q)) * off_diagonal
        self.probabilities = np.array(start_probabilities or [1 / len(q)] * len(q))
        self.longest_mix_s, self.negligible = longest_mix_s, negligible
        self.tracks: dict[int, Track] = {}
        self.places: dict[int, Place] = {}
        self.times = np.zeros(capacity, np.int64)
        self.alive = np.zeros(capacity, np.uint8)

    @classmethod
    def of(cls, capacity: int, max_sensors: int, models: Any) -> FilterpyBank:
        """The bank for the core's motion models (`fusion.core.filters.Models`)."""
        return cls(
            capacity, max_sensors, models.q, models.beta, models.rates, models.start,
            models.longest_mix_s, models.negligible, models.drag_noise_s, models.thin_rates, models.turn,
            models.estimates, models.prior_sigma, models.wander, models.growth,
        )  # fmt: skip

    def set_site(
        self, sensor: int, t_ns: int, position: Floats, velocity: Floats, enu: Floats, bias_sigma: Floats
    ) -> None:
        """Places a sensor; its bias sigma stays what it was first said to be."""
        bias = self.places[sensor].bias if sensor in self.places else np.array(bias_sigma, float) ** 2
        enu = np.reshape(np.array(enu, float), (3, 3))
        self.places[sensor] = Place(t_ns, np.array(position, float), np.array(velocity, float), enu, bias)

    def restate_bias(self, sensor: int, bias_sigma: Floats) -> None:
        """Of a sensor's biases `bias_sigma` is left; tracks keep their errors, less of it due to them."""
        old, new = self.places[sensor].bias, np.array(bias_sigma, float) ** 2
        share = np.divide(new, old, out=np.ones(3), where=old > 0)
        for track in (t for t in self.tracks.values() if sensor in t.sensors):
            for mode in track.modes:
                first = mode.own + 3 * track.sensors.index(sensor)
                mode.P[: mode.own, first : first + 3] *= share
                mode.P[first : first + 3, : mode.own] = mode.P[: mode.own, first : first + 3].T
                mode.P[first : first + 3, first : first + 3] = np.diag(new)
        self.places[sensor] = replace(self.places[sensor], bias=new)

    def start(
        self,
        slot: int,
        t_ns: int,
        z: Floats,
        sigma: Floats,
        sensor: int,
        velocity_sigma_mps: float,
        climb_sigma_mps: float | None = None,
        assumed: int = -1,
    ) -> None:
        """Begins a track from one plot, whose component `assumed` is nobody's measurement."""
        place = self.places[sensor]
        position, jacobian = place.locate(np.asarray(z, float), t_ns)
        bias = np.where(np.arange(3) == assumed, 0.0, place.bias)
        climb = velocity_sigma_mps if climb_sigma_mps is None else climb_sigma_mps
        up = position / np.linalg.norm(position)
        p = np.zeros((9, 9))
        p[:3, :3] = jacobian @ np.diag(np.asarray(sigma) ** 2 + bias) @ jacobian.T
        p[3:6, 3:6] = velocity_sigma_mps**2 * (np.eye(3) - np.outer(up, up)) + climb**2 * np.outer(up, up)
        p[6:, 6:] = np.diag(place.bias)
        p[:3, 6:] = -jacobian @ np.diag(bias)
        p[6:, :3] = p[:3, 6:].T
        self._begin(slot, t_ns, np.concatenate([position, np.zeros(6)]), p, [sensor])

    def start_state(self, slot: int, t_ns: int, x: Floats, p: Floats) -> None:
        """Begins a track from a state (6) and its covariance (6, 6)."""
        self._begin(slot, t_ns, np.array(x, float), np.array(p, float), [])

    def _begin(self, slot: int, t_ns: int, x: Floats, p: Floats, sensors: list[int]) -> None:
        if slot in self.tracks:
            raise ValueError(f"slot: {slot} is not a free one of {self.capacity}")
        modes = []
        for motion in self.motions:
            prior = np.full(motion.extra, motion.prior_sigma**2)
            whole = np.zeros((len(x) + motion.extra,) * 2)
            there = np.r_[:6, 6 + motion.extra : len(whole)]
            whole[np.ix_(there, there)] = p
            whole[6 : 6 + motion.extra, 6 : 6 + motion.extra] = np.diag(prior)
            modes.append(Mode(np.insert(x, 6, np.zeros(motion.extra)), whole, motion))
        self.tracks[slot] = Track(t_ns, modes, self.probabilities.copy(), sensors)
        self.times[slot], self.alive[slot] = t_ns, 1

    def drop(self, slot: int) -> None:
        """Ends a track."""
        del self.tracks[slot]
        self.alive[slot] = 0

    def _predict(self, track: Track, t_ns: int, mixing: bool = True) -> None:
        """Moves one track to t_ns; not at all when it is there."""
        if t_ns < track.t_ns:
            raise ValueError(f"t_ns: {t_ns} is before the track at {track.t_ns}")
        if t_ns == track.t_ns:
            return
        dt = (t_ns - track.t_ns) / 1e9
        for mode in track.modes:
            mode.dt = dt
        if mixing and self.n_modes > 1:
            mixed_s = min(dt, self.longest_mix_s)
            rates = self.thin_rates if height_m(track.modes[0].x[:3]) > THIN_AIR_M else self.rates
            kept = track.mu * [mode.credible(mixed_s) for mode in track.modes]
            track.mu = np.maximum(kept, 1e-12) / np.maximum(kept, 1e-12).sum()
            leaving = rates.sum(1, keepdims=True) * mixed_s
            track.mix((rates * mixed_s + np.eye(self.n_modes)) / (1 + leaving))
        for mode in track.modes:
            mode.predict()
        track.t_ns = t_ns

    def predict(self, slots: Ints, t_ns: int) -> None:
        """Moves the tracks to t_ns."""
        for slot in slots:
            self._predict(self.tracks[int(slot)], t_ns)
            self.times[slot] = t_ns

    def carry(self, slots: Ints, t_ns: int) -> None:
        """As `predict`, without a change of modes."""
        for slot in slots:
            self._predict(self.tracks[int(slot)], t_ns, mixing=False)
            self.times[slot] = t_ns

    def _score(
        self, track: Track, mode: Mode, z: Floats, sigma: Floats, sensor: int
    ) -> tuple[Floats, Floats, float, float]:
        """Innovation (3), rows (3, n), Mahalanobis distance squared and log-density of a plot in one mode.

        The last two are of its measured components.
        """
        sigma_m = float(np.sqrt(np.trace(mode.P[:3, :3])))
        nu, jacobian = self.places[sensor].linearise(mode.x[:3], sigma_m, z, sigma, track.t_ns)
        rows, seen = track.rows(mode, sensor, jacobian), np.isfinite(sigma)
        s = rows[seen] @ mode.P @ rows[seen].T + np.diag(sigma[seen] ** 2)
        d2 = float(nu[seen] @ np.linalg.solve(s, nu[seen]))
        return nu, rows, d2, float(-0.5 * (d2 + np.linalg.slogdet(2 * np.pi * s)[1]))

    def _meet(self, track: Track, sensor: int) -> None:
        """Sees to it that the track holds the sensor's biases."""
        if sensor not in track.sensors:
            track.sensors.append(sensor)
            track.modes = [mode.extended(self.places[sensor].bias) for mode in track.modes]

    def gate(
        self, slots: Ints, rows: Ints, z: Floats, sigma: Floats, sensor: int, t_ns: int | None = None
    ) -> tuple[Floats, Floats]:
        """Distance and log-likelihood of pairs, at the tracks' time or predicted to t_ns; changes nothing."""
        d2, log_likelihood = np.empty(len(slots)), np.empty(len(slots))
        for i, (slot, row) in enumerate(zip(slots, rows, strict=True)):
            track = copy.deepcopy(self.tracks[int(slot)])
            self._predict(track, track.t_ns if t_ns is None else t_ns)
            self._meet(track, sensor)
            scores = [self._score(track, mode, z[row], sigma[row], sensor)[2:] for mode in track.modes]
            d2[i] = min(d for (d, _), mu in zip(scores, track.mu, strict=True) if mu > 1e-3)
            log_likelihood[i] = logsumexp([s[1] for s in scores], b=track.mu)
        return d2, log_likelihood

    def update(
        self,
        slots: Ints,
        rows: Ints,
        z: Floats,
        sigma: Floats,
        sensor: int,
        sight: Sequence[float] | None = None,
    ) -> Floats:
        """Updates the tracks at their time, each with its plot; gives the NIS by measured component."""
        nis = np.empty(len(slots))
        for i, (slot, row) in enumerate(zip(slots, rows, strict=True)):
            nis[i] = self._correct(self.tracks[int(slot)], z[row], sigma[row], sensor, sight)
        return nis

    def _correct(
        self, track: Track, z: Floats, sigma: Floats, sensor: int, sight: Sequence[float] | None
    ) -> float:
        """Updates one track with one plot; gives its NIS."""
        self._meet(track, sensor)
        bias = np.concatenate([self.places[s].bias for s in track.sensors])
        scores = [self._score(track, mode, z, sigma, sensor) for mode in track.modes]
        for mode, (nu, h, _, _) in zip(track.modes, scores, strict=True):
            mode.correct(nu, h, sigma**2, bias)
        seen = np.ones(self.n_modes) if sight is None else np.array(sight)
        weights = np.log(track.mu * seen) + [s[3] for s in scores]
        weights = np.exp(weights - logsumexp(weights))
        track.mu = np.maximum(weights, 1e-12)
        track.mu /= track.mu.sum()
        return float(weights @ [s[2] for s in scores] / np.count_nonzero(np.isfinite(sigma)))

    def update_shared(
        self,
        slots: Ints,
        rows: Ints,
        shares: Floats,
        z: Floats,
        sigma: Floats,
        sensor: int,
        sight: Sequence[float] | None = None,
    ) -> Floats:
        """Updates the tracks with the mixture of what each of their plots would make of them."""
        nis = []
        for slot in dict.fromkeys(slots.tolist()):
            self._meet(self.tracks[slot], sensor)
            pairs = np.flatnonzero(slots == slot)
            seen = [copy.deepcopy(self.tracks[slot]) for _ in pairs]
            given = [(z[rows[i]], sigma[rows[i]], sensor, sight) for i in pairs]
            each = [self._correct(track, *plot) for track, plot in zip(seen, given, strict=True)]
            beta = [1.0 - shares[pairs].sum(), *shares[pairs]]
            self.tracks[slot] = blended([self.tracks[slot], *seen], beta)
            nis.append(shares[pairs] @ each / shares[pairs].sum())
        return np.array(nis)

    def judge(
        self, slots: Ints, rows: Ints, z: Floats, sigma: Floats, sensor: int, t_ns: int
    ) -> tuple[Floats, Floats]:
        """Innovation (p, 3) and covariance (p, 6, upper triangle) of pairs in the likeliest mode, at t_ns."""
        nus, spreads = np.zeros((len(slots), 3)), np.zeros((len(slots), 3, 3))
        for i, (slot, row) in enumerate(zip(slots, rows, strict=True)):
            track = copy.deepcopy(self.tracks[int(slot)])
            self._predict(track, t_ns)
            self._meet(track, sensor)
            mode, seen = track.modes[int(np.argmax(track.mu))], np.isfinite(sigma[row])
            nu, h, _, _ = self._score(track, mode, z[row], sigma[row], sensor)
            nus[i, seen] = nu[seen]
            noise = np.diag(sigma[row][seen] ** 2)
            spreads[i][np.ix_(seen, seen)] = h[seen] @ mode.P @ h[seen].T + noise
        return nus, spreads[:, *np.triu_indices(3)]

    def estimate(self, slots: Ints) -> tuple[Floats, Floats, Floats]:
        """State (n, 6), covariance (n, 6, 6), mode probabilities (n, K)."""
        return self._estimates([self.tracks[int(slot)] for slot in slots])

    def estimate_at(self, slots: Ints, t_ns: int) -> tuple[Floats, Floats, Floats]:
        """As `estimate`, predicted to t_ns; changes nothing."""
        tracks = [copy.deepcopy(self.tracks[int(slot)]) for slot in slots]
        for track in tracks:
            self._predict(track, t_ns)
        return self._estimates(tracks)

    def _estimates(self, tracks: list[Track]) -> tuple[Floats, Floats, Floats]:
        x, p = np.empty((len(tracks), 6)), np.empty((len(tracks), 6, 6))
        mu = np.array([track.mu for track in tracks]).reshape(len(tracks), self.n_modes)
        for i, track in enumerate(tracks):
            weights = np.where(track.mu >= self.negligible, track.mu, 0.0)
            x[i], p[i] = track.mean(weights / weights.sum())
        return x, p, mu

    def modes_at(self, slots: Ints, t_ns: int) -> tuple[Floats, Floats, Floats]:
        """Every mode's state (n, K, 9), covariance (n, K, 9, 9) and probability (n, K); changes nothing."""
        x, p = np.zeros((len(slots), self.n_modes, 9)), np.zeros((len(slots), self.n_modes, 9, 9))
        mu = np.zeros((len(slots), self.n_modes))
        for i, slot in enumerate(slots):
            track = copy.deepcopy(self.tracks[int(slot)])
            self._predict(track, t_ns)
            mu[i] = track.mu
            for k, mode in enumerate(track.modes):
                x[i, k, : mode.own] = mode.x[: mode.own]
                p[i, k, : mode.own, : mode.own] = mode.P[: mode.own, : mode.own]
        return x, p, mu

    def mode_estimate(self, slots: Ints, mode: int) -> tuple[Floats, Floats]:
        """State (n, 6) and covariance (n, 6, 6) of one mode."""
        filters = [self.tracks[int(slot)].modes[mode] for slot in slots]
        return (
            np.array([f.x[:6] for f in filters]).reshape(-1, 6),
            np.array([f.P[:6, :6] for f in filters]).reshape(-1, 6, 6),
        )

    def sigma_position(self, slots: Ints) -> Floats:
        """Root of the trace of the position covariance, m."""
        means = [self.tracks[int(slot)].mean(self.tracks[int(slot)].mu) for slot in slots]
        return np.sqrt([np.trace(p[:3, :3]) for _, p in means])

    def _extrapolated(self, t_ns: int) -> tuple[Ints, Floats, Floats]:
        """Slots in order, linearly extrapolated positions (n, 3) and radii of doubt (n) of all tracks."""
        slots = sorted(self.tracks)
        where, radius = np.empty((len(slots), 3)), np.empty(len(slots))
        for i, slot in enumerate(slots):
            track = self.tracks[slot]
            x, p = track.mean(track.mu)
            dt = (t_ns - track.t_ns) / 1e9
            where[i] = x[:3] + x[3:] * dt
            doubt = np.sqrt(np.trace(p[:3, :3])) + np.sqrt(np.trace(p[3:, 3:])) * abs(dt)
            radius[i] = 6 * doubt + 0.5 * A_MAX_MPS2 * dt**2
        return np.array(slots, np.int32), where, radius

    def reach(self, t_ns: int, positions: Floats, sigma_position_m: Floats) -> tuple[Ints, Ints]:
        """Pairs (rows, slots) within coarse reach of each other."""
        slots, where, radius = self._extrapolated(t_ns)
        distance = np.linalg.norm(where[None] - positions[:, None], axis=2)
        rows, columns = np.nonzero(distance <= radius[None] + 6 * sigma_position_m[:, None])
        return rows.astype(np.int32), slots[columns]

    def covered(
        self, sensor: int, t_ns: int, azimuth_center: float, azimuth_width: float,
        elevation_min: float, elevation_max: float, range_max: float,
    ) -> tuple[Ints, Floats]:  # fmt: skip
        """Slots in a sector of the sensor, and their ranges (m)."""
        slots, where, _ = self._extrapolated(t_ns)
        seen = np.array([self.places[sensor].measure(r, t_ns)[0] for r in where]).reshape(-1, 3)
        turned = np.array([wrap(azimuth - azimuth_center) for azimuth in seen[:, 1]])
        inside = (np.abs(turned) <= azimuth_width / 2) & (seen[:, 0] <= range_max)
        inside &= (elevation_min <= seen[:, 2]) & (seen[:, 2] <= elevation_max)
        return slots[inside], seen[inside, 0]

    def positions(self, z: Floats, sensor: int, t_ns: int) -> Floats:
        """ECEF positions (k, 3) of plots (k, 3)."""
        return np.array([self.places[sensor].locate(plot, t_ns)[0] for plot in z]).reshape(-1, 3)

    def checkpoint(self) -> Any:
        """A copy of everything, for `restore`."""
        return copy.deepcopy((self.tracks, self.places, self.times, self.alive))

    def restore(self, saved: Any) -> None:
        """Back to a checkpoint."""
        self.tracks, self.places, self.times, self.alive = copy.deepcopy(saved)

    def copy(self) -> FilterpyBank:
        """Another bank with the same contents."""
        return copy.deepcopy(self)
