"""Updates of a track with a plot that is older than its state, in one step: out-of-sequence measurements.

Formula: what is known without the plot is the track's state now, x, P, and its state at some time before the
plot, taken from a second bank, the *past*. Predicted to the plot's time τ and on to now, mode by mode, that
past gives x₀, P₀ and A = cov(x₀, h(x_τ)); hence, of linear motion, h(x_τ) = h₀ + M (x - x₀) + ε with
M = Aᵀ P₀⁻¹ and cov ε = H P_τ Hᵀ - M A. So the late plot is one of the present state, of matrix M and noise
R + cov ε, and the update with it is an ordinary one, Schmidt's biases included.

It is exact for linear motion when nothing but the present was measured since the past state (one lag:
Bar-Shalom 2002, algorithm A). With more in between, that is taken as one equivalent measurement of the present
state (Bar-Shalom, Chen and Mallick 2004, algorithm Al1). For the IMM (Bar-Shalom and Chen 2005) every mode takes the
step by itself, as if it had held since τ, and the modes' probabilities change by the plot's likelihoods.

Rules of this module:

- A is carried through the prediction as a consider block, as if the plot were a sensor's bias.
- No lanes here but in what it calls: late plots are few, and each is worked on by plain loops in fixed order.
- The past is scratch memory: only its states are read, none is written.
"""

import numpy as np

cimport numpy as cnp
from libc.math cimport sqrt
from libc.stdint cimport int32_t, int64_t, uint64_t

from ext.blend cimport Blend
from ext.door cimport table
from ext.imm cimport MODES, floor_probabilities, log_sum
from ext.kalman cimport gauss
from ext.lanes cimport LANES, lane_kernel, level
from ext.measurement cimport linearise, measured
from ext.steps cimport Work, predict, summarise, take

cnp.import_array()

cdef extern from *:
    """
    #include "lanes.h"
    LANE_VARIANTS(late_predict)
    """
    lane_kernel late_predict_variant(int level)

cdef double SINGULAR = 1e-14  # a pivot this small beside its variance: a direction without doubt


cdef void lanes_predict "late_predict"(void *work) noexcept nogil:
    predict(<Work *>work)


cdef lane_kernel run_predict = late_predict_variant(level())


cdef void solve(const double *s, const double *b, double *w) noexcept nogil:
    """w (3) with S w = b, by LDLᵀ of S (3, 3); where S₀₀ or S₂₂ is infinite, w is 0."""
    cdef double l10 = s[1] / s[0], l20 = s[2] / s[0]
    cdef double d1 = s[4] - l10 * s[1]
    cdef double l21 = (s[5] - l20 * s[1]) / d1
    cdef double d2 = s[8] - l20 * s[2] - l21 * l21 * d1
    cdef double y1 = b[1] - l10 * b[0]
    w[2] = (b[2] - l20 * b[0] - l21 * y1) / d2
    w[1] = y1 / d1 - l21 * w[2]
    w[0] = b[0] / s[0] - l10 * w[1] - l20 * w[2]


cdef class Late(Blend):
    """What `ext.bank.TrackBank` inherits to take plots late."""

    def update_late(self, Late past, slots, rows, z, sigma, int sensor, int64_t t_ns, sight=None):
        """Updates distinct tracks, at their times, each with a plot of t_ns, which is not after them.

        slots, rows, z, sigma, sensor, sight and the NIS returned: as in `ext.bank.TrackBank.update`. `past`, another
        bank of the same arguments, holds the same tracks in the same slots as they stood at t_ns or before.
        """
        cdef cnp.ndarray plots = table(z, cnp.NPY_DOUBLE, -1, 3, "z")
        cdef const int32_t *tracks = self.living(slots, -1)
        cdef Py_ssize_t p = len(slots), i
        cdef const int32_t *picked = self.picked(rows, p, plots, sigma)
        cdef cnp.ndarray nis = np.empty(p)
        cdef double *out = <double *>cnp.PyArray_DATA(nis)
        cdef Expected expected[MODES]
        cdef uint64_t own = <uint64_t>1 << sensor
        cdef int k, l, n
        self.aim(sensor)
        past.aim(sensor)
        past.living(slots, -1)
        past.not_before(tracks, p, t_ns)
        self.see(sight)
        if past.rows != self.rows or past.n_modes != self.n_modes:
            raise ValueError("past: of a bank with other arguments")
        if len(set(slots.tolist())) != p:
            raise ValueError("slots: a track is named twice")
        if any(self._times[slots] < t_ns):
            raise ValueError(f"t_ns: {t_ns} is after a track: it is not late")
        for i in range(0, p, 8):
            n = min(8, p - i)
            past.predict_batch(tracks + i, n, t_ns, 0)
            past.load_plots(tracks + i, picked + i, n, <const double *>cnp.PyArray_DATA(plots),
                            <const double *>cnp.PyArray_DATA(sigma), sensor, True, t_ns)
            past.work.considered = 1
            for k in range(self.n_modes):
                self.look_back(past, k, &expected[k])
            for l in range(8):
                past.work.dt[l] = <double>(self.time_of[tracks[i + l if l < n else i]] - t_ns) / 1e9
            past.work.mixing = False
            run_predict(&past.work)
            past.work.mixing = True
            self.gather(tracks + i, n)
            self.gather_consider(tracks + i, n, self.union_of(tracks + i, n) | own)
            take(self.work.sigma, past.work.sigma, 24)
            self.work.own = 0
            while self.sensor_of[self.work.own] != sensor:
                self.work.own += 1
            self.step(past, expected)
            if self.work.bias[0] + self.work.bias[1] + self.work.bias[2] > 0.0:
                for l in range(n):
                    self.masks[tracks[i + l]] |= own
            self.scatter(tracks + i, n)
            self.scatter_consider(tracks + i, n)
            for l in range(n):
                out[i + l] = self.work.d2[l]
        return nis

    cdef void look_back(self, Late past, int k, Expected *expected) noexcept nogil:
        """What mode k expects of the plots at their time, in the past's work; P Hᵀ into its consider block."""
        cdef Work *w = &past.work
        cdef double rows[72]
        cdef const double *lane
        cdef double *block
        cdef int a, b, i, j, l
        linearise(w.x + k * 48, w.p + k * 288, w.z, w.sigma, w.site, w.enu, expected.nu, rows)
        for l in range(LANES):
            lane, block = w.x + l, w.c + l
            for i in range(6 + self.extra[k]):
                for a in range(3):
                    block[self.consider_at(k, i, a) * 8] = (
                        lane[self.at_pair(k, i, 0) * 8] * rows[a * 24 + l]
                        + lane[self.at_pair(k, i, 1) * 8] * rows[a * 24 + 8 + l]
                        + lane[self.at_pair(k, i, 2) * 8] * rows[a * 24 + 16 + l])
            for a in range(3):
                for b in range(3):
                    expected.spread[a * 24 + b * 8 + l] = 0.0
                    for j in range(3):
                        expected.spread[a * 24 + b * 8 + l] += (
                            rows[a * 24 + j * 8 + l] * block[self.consider_at(k, j, b) * 8])

    cdef void step(self, Late past, const Expected *expected) noexcept nogil:
        """Corrects every mode of the eight tracks in the work, then the modes' probabilities."""
        cdef Work *w = &self.work
        cdef double mu[MODES * 8]
        cdef double weights[MODES * 8]
        cdef double log_densities[MODES * 8]
        cdef double d2[MODES * 8]
        cdef double total[8]
        cdef double share[8]
        cdef double nu[24]
        cdef double s[72]
        cdef int k, l
        for k in range(w.modes):
            for l in range(LANES):
                self.correct(past, k, l, &expected[k], nu, s)
                mu[k * 8 + l] = w.mu[k * 8 + l] * w.sight[k]
            gauss(s, nu, d2 + k * 8, log_densities + k * 8)
        log_sum(w.modes, mu, log_densities, weights, total)
        measured(w.sigma, share)
        for l in range(LANES):
            total[l] = 0.0
            for k in range(w.modes):
                total[l] += weights[k * 8 + l] * d2[k * 8 + l] * share[l]
        floor_probabilities(w.modes, weights, mu)
        take(w.mu, mu, w.modes * 8)
        take(w.d2, total, 8)
        summarise(w)

    cdef void correct(
        self, Late past, int k, int l, const Expected *expected, double *nu, double *s
    ) noexcept nogil:
        """Corrects mode k of lane l; leaves its innovation and its covariance in the lane of nu (3), s (3, 3)."""
        cdef const double *now = self.work.x + l
        cdef const double *before = past.work.x + l
        cdef const double *crossed = past.work.c + l
        cdef const double *own = self.work.c + self.work.own * self.work.consider_rows * 8 + l
        cdef int n = 6 + self.extra[k], a, b, i, j
        cdef double m[27]  # M transposed (n, 3)
        cdef double shared[27]  # P Mᵀ + C (n, 3)
        cdef double spread[9]  # S
        cdef double innovation[3]
        self.regress(past, k, l, m)
        for i in range(n):
            for a in range(3):
                shared[i * 3 + a] = own[self.consider_at(k, i, a) * 8]
                for j in range(n):
                    shared[i * 3 + a] += now[self.at_pair(k, i, j) * 8] * m[j * 3 + a]
        for a in range(3):
            innovation[a] = expected.nu[a * 8 + l]
            for i in range(n):
                innovation[a] -= m[i * 3 + a] * (now[self.at(k, i) * 8] - before[self.at(k, i) * 8])
            nu[a * 8 + l] = innovation[a]
        for a in range(3):
            for b in range(a, 3):
                spread[a * 3 + b] = expected.spread[a * 24 + b * 8 + l]
                for i in range(n):  # - M A + M (P Mᵀ + C) + Cᵀ Mᵀ
                    spread[a * 3 + b] += (
                        m[i * 3 + a] * (shared[i * 3 + b] - crossed[self.consider_at(k, i, b) * 8])
                        + m[i * 3 + b] * own[self.consider_at(k, i, a) * 8])
                if a == b:
                    spread[a * 4] += self.work.bias[a] + self.work.sigma[a * 8 + l] * self.work.sigma[a * 8 + l]
                spread[b * 3 + a] = spread[a * 3 + b]
        for i in range(9):
            s[i * 8 + l] = spread[i]
        self.apply(k, l, m, shared, spread, innovation)

    cdef void regress(self, Late past, int k, int l, double *m) noexcept nogil:
        """Mᵀ = P₀⁻¹ A (n, 3) of mode k in lane l, by the Cholesky factor of P₀."""
        cdef const double *lane = past.work.x + l
        cdef const double *crossed = past.work.c + l
        cdef int n = 6 + self.extra[k], a, i, j, q
        cdef double low[81]
        cdef double value
        for j in range(n):
            for i in range(j, n):
                value = lane[self.at_pair(k, i, j) * 8]
                for q in range(j):
                    value -= low[i * 9 + q] * low[j * 9 + q]
                if i > j:
                    low[i * 9 + j] = value / low[j * 10]
                elif value > SINGULAR * lane[self.at_pair(k, i, i) * 8]:
                    low[i * 10] = sqrt(value)
                else:
                    low[i * 10] = 1e150  # its share of the inverse is none
        for a in range(3):
            for i in range(n):
                value = crossed[self.consider_at(k, i, a) * 8]
                for j in range(i):
                    value -= low[i * 9 + j] * m[j * 3 + a]
                m[i * 3 + a] = value / low[i * 10]
            for i in range(n - 1, -1, -1):
                value = m[i * 3 + a]
                for j in range(i + 1, n):
                    value -= low[j * 9 + i] * m[j * 3 + a]
                m[i * 3 + a] = value / low[i * 10]

    cdef void apply(
        self, int k, int l, const double *m, const double *shared, const double *s, const double *nu
    ) noexcept nogil:
        """Gain W = (P Mᵀ + C) S⁻¹: x + W ν, P - W S Wᵀ, and C - W (M C + B) of every sensor's bias."""
        cdef double *now = self.work.x + l
        cdef double *block
        cdef int n = 6 + self.extra[k], a, b, i, j, t
        cdef double gain[27]
        cdef double value
        cdef double mc[9]
        for i in range(n):
            solve(s, shared + i * 3, gain + i * 3)
        for i in range(n):
            for a in range(3):
                now[self.at(k, i) * 8] += gain[i * 3 + a] * nu[a]
            for j in range(i, n):
                value = now[self.at_pair(k, i, j) * 8]
                for a in range(3):
                    value -= gain[i * 3 + a] * shared[j * 3 + a]
                now[self.at_pair(k, i, j) * 8] = now[self.at_pair(k, j, i) * 8] = value
        for t in range(self.work.considered):
            block = self.work.c + t * self.work.consider_rows * 8 + l
            for a in range(3):
                for b in range(3):
                    mc[a * 3 + b] = self.work.bias[a] if t == self.work.own and a == b else 0.0
                    for i in range(n):
                        mc[a * 3 + b] += m[i * 3 + a] * block[self.consider_at(k, i, b) * 8]
            for i in range(n):
                for a in range(3):
                    for b in range(3):
                        block[self.consider_at(k, i, b) * 8] -= gain[i * 3 + a] * mc[a * 3 + b]

    cdef int consider_at(self, int k, int i, int a) noexcept nogil:
        """Row of a consider block that holds the covariance of component i of mode k with component a."""
        return k * 18 + i * 3 + a if i < 6 else self.bias_at[k] + (i - 6) * 3 + a
