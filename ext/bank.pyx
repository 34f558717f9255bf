"""All tracks of a node in one structure of arrays: a bank of interacting multiple models with sensor biases.

Rules of this module:

- A track is a slot, 0 to capacity - 1. Slots stand in blocks of eight, component-major, lane innermost.
- K modes, each a state (6: ECEF position m, velocity m/s) with its covariance, differ in process noise, drag
  and turn, and in what else they estimate (ext/extra.pxd): thrust, or the ballistic coefficient. A plot is range m, azimuth rad, elevation rad; range or elevation may be missing: its sigma is
  infinite, its z finite and not read. Every sensor's constant bias (range m, azimuth rad, elevation rad) is a Schmidt consider term.
- Calls gather the slots they name from the store, eight at a time, work on them in lanes (ext/steps.pxd),
  and put them back; a track's numbers never depend on which others were named with it.
- Arguments are checked at the door (ValueError); the steps trust them.
- Not for several threads at once.
"""

import numpy as np

cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from ext.door cimport finite, numbers, table
from ext.imm cimport MODES
from ext.lanes cimport lane_kernel, level
from ext.late cimport Late
from ext.measurement cimport locate
from ext.motion cimport DRAG, FREE, LEVEL
from ext.steps cimport Work, mixture, score, update

cnp.import_array()

cdef extern from *:
    """
    #include "lanes.h"
    LANE_VARIANTS(bank_score)
    LANE_VARIANTS(bank_update)
    LANE_VARIANTS(bank_mixture)
    """
    lane_kernel bank_score_variant(int level)
    lane_kernel bank_update_variant(int level)
    lane_kernel bank_mixture_variant(int level)


cdef void lanes_score "bank_score"(void *work) noexcept nogil:
    score(<Work *>work)


cdef void lanes_update "bank_update"(void *work) noexcept nogil:
    update(<Work *>work)


cdef void lanes_mixture "bank_mixture"(void *work) noexcept nogil:
    mixture(<Work *>work)


cdef lane_kernel run_score = bank_score_variant(level())
cdef lane_kernel run_update = bank_update_variant(level())
cdef lane_kernel run_mixture = bank_mixture_variant(level())


cdef void unlane(double *to, const double *lane, int size) noexcept nogil:
    """The numbers of one lane, side by side."""
    cdef int i
    for i in range(size):
        to[i] = lane[i * 8]


cdef void position_covariance(
    const double *jacobian, const double *noise, const double *bias, double *p
) noexcept nogil:
    """The upper left (3, 3) of P (6, 6) = J (R + B) Jᵀ; noise (3) sigmas, bias (3) variances."""
    cdef double variance
    cdef int i, j, k
    for i in range(3):
        for j in range(i, 3):
            p[i * 6 + j] = 0.0
            for k in range(3):
                variance = noise[k] * noise[k] + bias[k]
                p[i * 6 + j] += jacobian[i * 3 + k] * jacobian[j * 3 + k] * variance
            p[j * 6 + i] = p[i * 6 + j]


cdef void velocity_covariance(const double *x, double across, double climb, double *p) noexcept nogil:
    """The rest of P (6, 6): sigma `climb` along the vertical at x (3), `across` on the other axes."""
    cdef double r2 = x[0] * x[0] + x[1] * x[1] + x[2] * x[2], more = climb * climb - across * across
    cdef int i, j
    for i in range(6):
        for j in range(3, 6):
            p[i * 6 + j] = more * x[i - 3] * x[j - 3] / r2 if i >= 3 else 0.0
            p[j * 6 + i] = p[i * 6 + j]
    for i in range(3, 6):
        p[i * 7] += across * across


cdef class TrackBank(Late):
    """Tracks in fixed slots; see the module's rules.

    Parameters
    ----------
    capacity
        Number of slots.
    max_sensors
        Sensors are numbered from 0; at most 64.
    q
        Spectral density of the white acceleration noise of each mode, m²/s³ per axis; 1 to 4 modes.
    beta
        Ballistic coefficient of each mode, kg/m²; 0: no drag.
    turn
        Aircraft among the modes: the rate of their turn about the vertical, rad/s, positive to the left, 0 for
        level flight ahead; None for a mode that falls freely. None of them when not given.
    rates
        (K, K): chance per second of a change from mode i to mode j; the diagonal is not read. Over dt,
        p_ij = r_ij dt / (1 + Σ_j r_ij dt).
    thin_rates
        The same above 110 km (by the first mode's state), where nothing manoeuvres without an engine; `rates`
        when not given.
    start_probabilities
        Mode probabilities of a new track; all alike when not given.
    longest_mix_s
        Modes change by no more than the chance over this time in one prediction: an unseen track is not made
        to manoeuvre by the passing of time alone.
    negligible
        Modes less probable than this, at most 0.2, are left out of the combined estimate, not of the filter.
    drag_noise_s
        The ballistic coefficient is not known: modes with drag get white acceleration noise of the spectral
        density drag_noise_s a², where a is the drag's deceleration; not those that estimate it.
    estimates
        What else each mode estimates: None, ``"thrust"``, an acceleration vector of a mode without drag or turn,
        or ``"beta"``, the logarithm of the ballistic coefficient over `beta`; None of them when not given.
    prior_sigma, wander, growth
        Of each mode's estimates (0 where it has none): standard deviation at the start, m/s² or 1; spectral
        density of the random walk, m²/s⁵ or 1/s; growth of the thrust, 1/s.
    """

    cdef object _arguments

    def __init__(
        self, int capacity, int max_sensors, q, beta, rates, start_probabilities=None,
        double longest_mix_s=1e9, double negligible=0.0, double drag_noise_s=0.0, thin_rates=None, turn=None,
        estimates=None, prior_sigma=None, wander=None, growth=None,
    ):
        cdef int k
        modes = len(q)
        if not 1 <= modes <= MODES:
            raise ValueError(f"q: {modes} modes, 1 to {MODES} are possible")
        if not (1 <= capacity <= 1_000_000 and 1 <= max_sensors <= 64):
            raise ValueError(f"capacity {capacity}, max_sensors {max_sensors}: at most 1000000 and 64")
        self.capacity, self.n_modes, self.max_sensors = capacity, modes, max_sensors
        start = [1.0 / modes] * modes if start_probabilities is None else start_probabilities
        numbers(q, modes, self.q, "q")
        numbers(beta, modes, self.constant, "beta")
        numbers(np.asarray(rates, float).ravel(), modes * modes, self.rates, "rates")
        thin_rates = np.array(rates if thin_rates is None else thin_rates, float)
        numbers(thin_rates.ravel(), modes * modes, self.thin_rates, "thin_rates")
        numbers(start, modes, self.probabilities, "start_probabilities")
        if min(*q, *beta, np.min(rates), np.min(thin_rates)) < 0:
            raise ValueError("q, beta, rates: must not be negative")
        if min(start) < 1e-12 or abs(sum(start) - 1.0) > 1e-9:
            raise ValueError("start_probabilities: must be positive and sum to 1")
        if not (longest_mix_s > 0.0 and 0.0 <= negligible <= 0.2 and drag_noise_s >= 0.0):
            raise ValueError("longest_mix_s: positive, negligible: 0 to 0.2, drag_noise_s: not negative")
        turn = (None,) * modes if turn is None else tuple(turn)
        if len(turn) != modes:
            raise ValueError(f"turn: {len(turn)} modes, {modes} are needed")
        for k in range(modes):
            self.kind[k] = DRAG if self.constant[k] > 0.0 else FREE
            self.constant[k] = 1.0 / self.constant[k] if self.constant[k] > 0.0 else 0.0
            if turn[k] is not None:
                if self.kind[k] == DRAG or not -1.0 < turn[k] < 1.0:
                    raise ValueError(f"turn: {turn[k]!r} of a mode with beta {beta[k]!r}: below 1 rad/s, no drag")
                self.kind[k], self.constant[k] = LEVEL, turn[k]
        self._estimate(estimates, prior_sigma, wander, growth)
        self._arguments = (capacity, max_sensors, tuple(q), tuple(beta), np.array(rates, float), tuple(start))
        self._arguments += (longest_mix_s, negligible, drag_noise_s, thin_rates, turn)
        self._arguments += estimates, prior_sigma, wander, growth
        self.work.drag_noise_s, self.work.mixing = drag_noise_s, True
        self.work.longest_mix_s, self.work.negligible = longest_mix_s, negligible
        self.allocate((capacity + 7) // 8)

    def _estimate(self, estimates, prior_sigma, wander, growth):
        """Takes in what each mode estimates beside position and velocity."""
        nothing = (0.0,) * self.n_modes
        named = (None,) * self.n_modes if estimates is None else tuple(estimates)
        numbers(nothing if prior_sigma is None else prior_sigma, self.n_modes, self.prior, "prior_sigma")
        numbers(nothing if wander is None else wander, self.n_modes, self.wander, "wander")
        numbers(nothing if growth is None else growth, self.n_modes, self.growth, "growth")
        if len(named) != self.n_modes:
            raise ValueError(f"estimates: {len(named)} modes, {self.n_modes} are needed")
        for k, name in enumerate(named):
            if name is not None and self.kind[k] != {"thrust": FREE, "beta": DRAG}.get(name, -1):
                raise ValueError(f"estimates: {name!r} of mode {k}: thrust without drag and turn, beta with drag")
            if name is not None and not (self.prior[k] > 0.0 and self.wander[k] >= 0.0):
                raise ValueError("prior_sigma, wander: must be positive, not negative")
            if not 0.0 <= self.growth[k] <= 0.2:
                raise ValueError(f"growth: {self.growth[k]!r} is not one of 0 to 0.2")
            self.extra[k] = 0 if name is None else 3 if name == "thrust" else 1
            self.prior[k] *= self.prior[k]

    # -- tracks ---------------------------------------------------------------------------------------------

    def start(
        self, int slot, int64_t t_ns, z, sigma, int sensor, double velocity_sigma_mps, climb_sigma_mps=None,
        int assumed=-1,
    ):
        """Begins a track from a sensor's plot at t_ns: z, sigma (3: range m, azimuth rad, elevation rad), finite.

        Position from the plot, P = J (R + B) Jᵀ, C = -J B (the error is x - x̂); velocity zero relative to
        the rotating Earth, with `velocity_sigma_mps` on each axis, `climb_sigma_mps` on the vertical one where
        given; every mode alike. The component `assumed` (0 range, 2 elevation) was not measured: somebody
        has filled it in, with a sigma, and the sensor's bias is not in it.
        """
        cdef double plot[3]
        cdef double noise[3]
        cdef double bias[3]
        cdef double site[3]
        cdef double x[6]
        cdef double p[36]
        cdef double jacobian[9]
        cdef double climb = velocity_sigma_mps if climb_sigma_mps is None else climb_sigma_mps
        cdef double *c
        cdef int i, j, k
        self.aim(sensor)
        numbers(z, 3, plot, "z")
        numbers(sigma, 3, noise, "sigma")
        if not (noise[0] > 0 and noise[1] > 0 and noise[2] > 0):
            raise ValueError("sigma: must be positive")
        if not (0.0 < velocity_sigma_mps < 1e9 and 0.0 < climb < 1e9):
            raise ValueError("velocity_sigma_mps, climb_sigma_mps: must be positive")
        for i in range(3):
            bias[i] = self.work.bias[i] if i != assumed else 0.0
        self.site_at(sensor, t_ns, site, 1)
        locate(plot, site, self.work.enu, x, jacobian)
        position_covariance(jacobian, noise, bias, p)
        velocity_covariance(x, velocity_sigma_mps, climb, p)
        x[3], x[4], x[5] = 0.0, 0.0, 0.0
        self.begin(slot, t_ns, x, p)
        if bias[0] + bias[1] + bias[2] > 0.0:
            self.masks[slot] = <uint64_t>1 << sensor
            c = self.consider_of(slot, sensor)
            for k in range(self.n_modes):
                for i in range(6):
                    for j in range(3):
                        c[(k * 18 + i * 3 + j) * 8] = -jacobian[i * 3 + j] * bias[j] if i < 3 else 0.0
            for i in range(self.n_modes * 18, self.work.consider_rows):
                c[i * 8] = 0.0

    def start_state(self, int slot, int64_t t_ns, x, p):
        """Begins a track at t_ns from state x (6), covariance p (6, 6): every mode alike, no bias terms."""
        cdef double state[6]
        cdef double covariance[36]
        numbers(x, 6, state, "x")
        numbers(np.asarray(p, float).ravel(), 36, covariance, "p")
        self.begin(slot, t_ns, state, covariance)

    # -- the filter -----------------------------------------------------------------------------------------

    def predict(self, slots, int64_t t_ns):
        """Predicts the tracks (int32 (n)) to t_ns, in place; a track that is already there is not touched.

        One mixing over the whole time, then Runge-Kutta steps of at most 5 s. ValueError for a track that
        is beyond t_ns.
        """
        cdef const int32_t *named = self.living(slots, -1)
        cdef int n = len(slots)
        cdef int32_t batch[8]
        cdef int count = 0, i
        self.not_before(named, n, t_ns)
        for i in range(n):
            if self.time_of[named[i]] < t_ns:
                batch[count] = named[i]
                count += 1
            if count == 8 or (count and i == n - 1):
                self.predict_batch(batch, count, t_ns, self.union_of(batch, count))
                self.scatter(batch, count)
                self.scatter_consider(batch, count)
                while count:
                    count -= 1
                    self.time_of[batch[count]] = t_ns

    def carry(self, slots, int64_t t_ns):
        """As `predict`, without a change of modes: for tracks that nobody sees, to keep later steps short."""
        self.work.mixing = False
        try:
            self.predict(slots, t_ns)
        finally:
            self.work.mixing = True

    def gate(self, slots, rows, z, sigma, int sensor, t_ns=None):
        """Distance of pairs (slots[i], rows[i]), each int32 (p), at the tracks' time, or predicted to t_ns.

        Nothing in the bank changes: a plot that is not assigned leaves no trace in the tracks near it.
        z, sigma (k, 3): range m, azimuth rad, elevation rad. Returns d2 (p), the smallest Mahalanobis
        distance squared over the modes likelier than 1e-3, and the log-likelihood (p) of the plot,
        log Σ_m μ_m N(ν_m; 0, S_m): the density of its measured components.
        """
        cdef cnp.ndarray plots = table(z, cnp.NPY_DOUBLE, -1, 3, "z")
        cdef const int32_t *tracks = self.living(slots, -1)
        cdef Py_ssize_t p = len(slots), i
        cdef const int32_t *picked = self.picked(rows, p, plots, sigma)
        cdef const double *zs = <const double *>cnp.PyArray_DATA(plots)
        cdef const double *sigmas = <const double *>cnp.PyArray_DATA(sigma)
        cdef cnp.ndarray d2 = np.empty(p), log_likelihood = np.empty(p)
        cdef int n
        cdef int64_t then = 0 if t_ns is None else t_ns
        self.aim(sensor)
        if t_ns is not None:
            self.not_before(tracks, p, then)
        for i in range(0, p, 8):
            n = min(8, p - i)
            if t_ns is None:
                self.gather(tracks + i, n)
                self.gather_consider(tracks + i, n, <uint64_t>1 << sensor)
            else:
                self.predict_batch(tracks + i, n, then, <uint64_t>1 << sensor)
            self.load_plots(tracks + i, picked + i, n, zs, sigmas, sensor, t_ns is not None, then)
            self.work.own = 0
            run_score(&self.work)
            memcpy(<double *>cnp.PyArray_DATA(d2) + i, self.work.d2, n * sizeof(double))
            memcpy(
                <double *>cnp.PyArray_DATA(log_likelihood) + i, self.work.log_likelihood, n * sizeof(double))
        return d2, log_likelihood

    def update(self, slots, rows, z, sigma, int sensor, sight=None):
        """Updates distinct tracks slots[i], at their time, each with plot rows[i] (both int32 (p)) of (k, 3).

        Range, azimuth, elevation one after the other, linearised once, at the prior or, where that is vague,
        at the plot (ext/measurement.pxd); then the mode probabilities by the joint likelihoods, none left
        below 1e-12. `sight` (K), where given, multiplies the likelihoods: how likely a track in that mode is seen
        by such a sensor at all. Returns nis (p): the normalised innovation squared weighted by the new mode
        probabilities, divided by the number of measured components.
        """
        cdef cnp.ndarray plots = table(z, cnp.NPY_DOUBLE, -1, 3, "z")
        cdef const int32_t *tracks = self.living(slots, -1)
        cdef Py_ssize_t p = len(slots), i
        cdef const int32_t *picked = self.picked(rows, p, plots, sigma)
        cdef const double *zs = <const double *>cnp.PyArray_DATA(plots)
        cdef const double *sigmas = <const double *>cnp.PyArray_DATA(sigma)
        cdef cnp.ndarray nis = np.empty(p)
        cdef uint64_t own = <uint64_t>1 << sensor
        cdef int n, l
        self.aim(sensor)
        if len(set(slots.tolist())) != p:
            raise ValueError("slots: a track is named twice")
        self.see(sight)
        for i in range(0, p, 8):
            n = min(8, p - i)
            self.gather(tracks + i, n)
            self.gather_consider(tracks + i, n, self.union_of(tracks + i, n) | own)
            self.load_plots(tracks + i, picked + i, n, zs, sigmas, sensor, False, 0)
            self.work.own = 0
            while self.sensor_of[self.work.own] != sensor:
                self.work.own += 1
            run_update(&self.work)
            if self.work.bias[0] + self.work.bias[1] + self.work.bias[2] > 0.0:
                for l in range(n):
                    self.masks[tracks[i + l]] |= own
            self.scatter(tracks + i, n)
            self.scatter_consider(tracks + i, n)
            memcpy(<double *>cnp.PyArray_DATA(nis) + i, self.work.d2, n * sizeof(double))
        return nis


    def estimate(self, slots):
        """The tracks (int32 (n)) as they stand: x (n, 6), covariance (n, 6, 6), mode probabilities (n, K).

        State and covariance of the mixture of the modes, moment-matched.
        """
        return self.mixtures(slots, 0, False)

    def estimate_at(self, slots, int64_t t_ns):
        """As `estimate`, predicted to t_ns (not before the tracks' times), leaving the bank as it is."""
        return self.mixtures(slots, t_ns, True)

    cdef object mixtures(self, object slots, int64_t t_ns, bint ahead):
        cdef const int32_t *named = self.living(slots, -1)
        cdef Py_ssize_t n = len(slots), i
        cdef cnp.ndarray x = np.empty((n, 6)), p = np.empty((n, 6, 6)), mu = np.empty((n, self.n_modes))
        cdef int count, l
        if ahead:
            self.not_before(named, n, t_ns)
        for i in range(0, n, 8):
            count = min(8, n - i)
            if ahead:
                self.predict_batch(named + i, count, t_ns, 0)
            else:
                self.gather(named + i, count)
            run_mixture(&self.work)
            for l in range(count):
                unlane(<double *>cnp.PyArray_DATA(x) + (i + l) * 6, self.work.mean + l, 6)
                unlane(<double *>cnp.PyArray_DATA(p) + (i + l) * 36, self.work.cov + l, 36)
                unlane(
                    <double *>cnp.PyArray_DATA(mu) + (i + l) * self.n_modes, self.work.mu + l, self.n_modes)
        return x, p, mu

    def mode_estimate(self, slots, int mode):
        """State x (n, 6) and covariance (n, 6, 6) of one mode of the tracks (int32 (n))."""
        cdef const int32_t *named = self.living(slots, -1)
        cdef Py_ssize_t n = len(slots), i
        cdef cnp.ndarray x = np.empty((n, 6)), p = np.empty((n, 6, 6))
        cdef const double *source
        if not 0 <= mode < self.n_modes:
            raise ValueError(f"mode: {mode} is not one of {self.n_modes}")
        for i in range(n):
            source = self.state + <int64_t>(named[i] // 8) * 8 * self.rows + named[i] % 8
            unlane(<double *>cnp.PyArray_DATA(x) + i * 6, source + mode * 48, 6)
            unlane(<double *>cnp.PyArray_DATA(p) + i * 36, source + (6 * self.n_modes + 36 * mode) * 8, 36)
        return x, p

    def modes_at(self, slots, int64_t t_ns):
        """Every mode of the tracks (int32 (n)) predicted to t_ns (not before their times), changing nothing.

        Returns x (n, K, 9), p (n, K, 9, 9) and mode probabilities (n, K). Components 6 on are the mode's extra
        ones: thrust (ECEF, m/s²) or ln β over its nominal value; beyond a mode's own all is zero.
        """
        cdef const int32_t *named = self.living(slots, -1)
        cdef Py_ssize_t n = len(slots), i
        cdef cnp.ndarray x = np.zeros((n, self.n_modes, 9)), p = np.zeros((n, self.n_modes, 9, 9))
        cdef cnp.ndarray mu = np.empty((n, self.n_modes))
        cdef int count, k, l
        self.not_before(named, n, t_ns)
        for i in range(0, n, 8):
            count = min(8, n - i)
            self.predict_batch(named + i, count, t_ns, 0)
            for l in range(count):
                unlane(
                    <double *>cnp.PyArray_DATA(mu) + (i + l) * self.n_modes, self.work.mu + l, self.n_modes)
                for k in range(self.n_modes):
                    self.unlane_mode(k, l, <double *>cnp.PyArray_DATA(x) + ((i + l) * self.n_modes + k) * 9,
                                     <double *>cnp.PyArray_DATA(p) + ((i + l) * self.n_modes + k) * 81)
        return x, p, mu

    cdef void unlane_mode(self, int mode, int l, double *x, double *p) noexcept nogil:
        """One lane's state (9) and covariance (9, 9) of a mode, extra components included."""
        cdef const double *core = self.work.p + mode * 288 + l
        cdef const double *extra = self.work.e + self.extra_at[mode] * 8 + l
        cdef int m = self.extra[mode], i, j
        unlane(x, self.work.x + mode * 48 + l, 6)
        unlane(x + 6, extra, m)
        for i in range(6):
            unlane(p + i * 9, core + i * 48, 6)
            unlane(p + i * 9 + 6, extra + (m + i * m) * 8, m)
            for j in range(m):
                p[(6 + j) * 9 + i] = p[i * 9 + 6 + j]
        for i in range(m):
            unlane(p + (6 + i) * 9 + 6, extra + (7 * m + i * m) * 8, m)

    def sigma_position(self, slots):
        """Root of the trace of each track's position covariance, m (n); slots int32 (n)."""
        cdef const int32_t *named = self.living(slots, -1)
        return np.sqrt(self._summary[slots // 8, 6, slots % 8])

    def copy(self):
        """Another bank with the same contents."""
        twin = TrackBank(*self._arguments)
        twin.restore(self.checkpoint())
        return twin
