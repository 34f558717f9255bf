"""Updates of a track with several plots, each with its share: joint probabilistic data association, for a bank.

Formula: hypothesis j, with probability β_j, says that the track's plot is plot j; hypothesis 0 that none is. In
each, every mode k is updated as if it were so (ext/steps.pxd), and the modes' probabilities too: μ_kj. The track
becomes, mode by mode, the mixture over the hypotheses with weights β_j μ_kj (Bar-Shalom and Li 1995, section 4.4,
for an IMM): mean Σ w x, covariance Σ w (P + (x - x̄)(x - x̄)ᵀ), and μ_k = Σ_j β_j μ_kj. A bias has mean zero in
all of them, so that its cross-covariance with the state is Σ w C.

Rules of this module:

- Every pair takes a lane; pairs come in the order of slots, and a track's are added up in their order, about
  the prediction, so that nothing is lost by cancellation that the filter could see.
- `judge` says what a pair was judged by, in the track's likeliest mode; it changes nothing.
- A track is written back when its last pair has been added; nothing else reads its memory in between.
"""

import numpy as np

cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t, uint64_t

from ext.door cimport numbers, table
from ext.kalman cimport innovation_covariance
from ext.lanes cimport LANES, lane_kernel, level
from ext.measurement cimport LARGEST, linearise
from ext.steps cimport Work, predict, update

cnp.import_array()

cdef extern from *:
    """
    #include "lanes.h"
    LANE_VARIANTS(blend_predict)
    LANE_VARIANTS(blend_update)
    LANE_VARIANTS(blend_judge)
    """
    lane_kernel blend_predict_variant(int level)
    lane_kernel blend_update_variant(int level)
    lane_kernel blend_judge_variant(int level)


cdef struct Judged:
    Work *work
    double nu[24]
    double s[72]


cdef void lanes_predict "blend_predict"(void *work) noexcept nogil:
    predict(<Work *>work)


cdef void lanes_update "blend_update"(void *work) noexcept nogil:
    update(<Work *>work)


cdef void lanes_judge "blend_judge"(void *judged) noexcept nogil:
    cdef Judged *j = <Judged *>judged
    cdef Work *w = j.work
    cdef double nu[24]
    cdef double rows[72]
    cdef double s[72]
    cdef double most[8]
    cdef Py_ssize_t i, k, l
    for l in range(LANES):
        most[l] = -1.0
    for k in range(w.modes):
        linearise(w.x + k * 48, w.p + k * 288, w.z, w.sigma, w.site, w.enu, nu, rows)
        innovation_covariance(w.p + k * 288, w.c + w.own * w.consider_rows * 8 + k * 144, rows, w.bias, w.sigma, s)
        for i in range(72):
            j.s[i] = s[i] if w.mu[k * 8 + i % 8] > most[i % 8] else j.s[i]
        for i in range(24):
            j.nu[i] = nu[i] if w.mu[k * 8 + i % 8] > most[i % 8] else j.nu[i]
        for l in range(LANES):
            most[l] = w.mu[k * 8 + l] if w.mu[k * 8 + l] > most[l] else most[l]


cdef lane_kernel run_predict = blend_predict_variant(level())
cdef lane_kernel run_update = blend_update_variant(level())
cdef lane_kernel run_judge = blend_judge_variant(level())


cdef class Blend(Store):
    """What `ext.bank.TrackBank` inherits to share plots among tracks."""

    cdef int not_before(self, const int32_t *slots, Py_ssize_t n, int64_t t_ns) except -1:
        """ValueError for a track that is beyond t_ns."""
        cdef Py_ssize_t i
        for i in range(n):
            if self.time_of[slots[i]] > t_ns:
                raise ValueError(f"t_ns: {t_ns} is before track {slots[i]} at {self.time_of[slots[i]]}")
        return 0

    cdef void predict_batch(self, const int32_t *slots, int n, int64_t t_ns, uint64_t sensors) noexcept nogil:
        """Gathers up to eight tracks, with consider blocks of `sensors`, and predicts them in the work."""
        cdef int l
        self.gather(slots, n)
        self.gather_consider(slots, n, sensors)
        for l in range(8):
            self.work.dt[l] = <double>(t_ns - self.time_of[slots[l if l < n else 0]]) / 1e9
        run_predict(&self.work)

    def update_shared(self, slots, rows, shares, z, sigma, int sensor, sight=None):
        """Updates tracks, at their time, each with several plots of (k, 3) in proportion to their shares.

        slots, rows (p) int32 and shares (p) name the pairs, ordered by slot; a track's shares sum to 1 at most,
        and what is missing is the probability that it was not seen. z, sigma, sensor, sight: as in `update`.
        Returns for each track, in order, the normalised innovation squared of its pairs, by component, weighted
        by their shares.
        """
        cdef cnp.ndarray plots = table(z, cnp.NPY_DOUBLE, -1, 3, "z")
        cdef const int32_t *tracks = self.living(slots, -1)
        cdef Py_ssize_t p = len(slots), i, n, count = 0, last = 0
        cdef const int32_t *picked = self.picked(rows, p, plots, sigma)
        cdef const double *share = self.shares_of(tracks, shares, p)
        cdef cnp.ndarray nis = np.empty(p)
        cdef double *out = <double *>cnp.PyArray_DATA(nis)
        cdef uint64_t own = <uint64_t>1 << sensor, sensors = 0
        cdef double total = 0.0
        cdef int l
        self.aim(sensor)
        self.see(sight)
        if self._crossed is None:
            self._crossed = np.empty((self.max_sensors, self.work.consider_rows))
        for i in range(0, p, 8):
            n = min(8, p - i)
            self.gather(tracks + i, n)
            self.gather_consider(tracks + i, n, self.union_of(tracks + i, n) | own)
            self.load_plots(tracks + i, picked + i, n, <const double *>cnp.PyArray_DATA(plots),
                            <const double *>cnp.PyArray_DATA(sigma), sensor, False, 0)
            self.work.own = 0
            while self.sensor_of[self.work.own] != sensor:
                self.work.own += 1
            run_update(&self.work)
            for l in range(n):
                if i + l == last:  # the first pair of a track
                    total = 0.0
                    while last < p and tracks[last] == tracks[i + l]:
                        total += share[last]
                        last += 1
                    sensors = self.masks[tracks[i + l]]
                    if self.work.bias[0] + self.work.bias[1] + self.work.bias[2] > 0.0:
                        sensors |= own
                    self.open(tracks[i + l], max(1.0 - total, 0.0), sensors)
                    out[count] = 0.0
                    count += 1
                self.add(l, share[i + l])
                out[count - 1] += share[i + l] / total * self.work.d2[l]
                if i + l + 1 == last:
                    self.close(tracks[i + l], sensors)
        return nis[:count].copy()

    def judge(self, slots, rows, z, sigma, int sensor, int64_t t_ns):
        """What the pairs (slots[i], rows[i]), each int32 (p), are judged by at t_ns, in the likeliest mode.

        Returns innovations (p, 3: range m, azimuth rad, elevation rad) and their covariances (p, 6: upper
        triangle, row by row); 0 where the plot did not measure. Slots are not beyond t_ns; nothing changes.
        """
        cdef cnp.ndarray plots = table(z, cnp.NPY_DOUBLE, -1, 3, "z")
        cdef const int32_t *tracks = self.living(slots, -1)
        cdef Py_ssize_t p = len(slots), i, n
        cdef const int32_t *picked = self.picked(rows, p, plots, sigma)
        cdef cnp.ndarray nu = np.empty((p, 3)), s = np.empty((p, 6))
        cdef double *out = <double *>cnp.PyArray_DATA(nu)
        cdef double *spread = <double *>cnp.PyArray_DATA(s)
        cdef Judged judged
        cdef int a, b, l, at
        self.aim(sensor)
        self.not_before(tracks, p, t_ns)
        judged.work = &self.work
        for i in range(0, p, 8):
            n = min(8, p - i)
            self.predict_batch(tracks + i, n, t_ns, <uint64_t>1 << sensor)
            self.load_plots(tracks + i, picked + i, n, <const double *>cnp.PyArray_DATA(plots),
                            <const double *>cnp.PyArray_DATA(sigma), sensor, True, t_ns)
            self.work.own = 0
            run_judge(&judged)
            for l in range(n):
                at = 0
                for a in range(3):
                    seen = self.work.sigma[a * 8 + l] <= LARGEST
                    out[(i + l) * 3 + a] = judged.nu[a * 8 + l] if seen else 0.0
                    for b in range(a, 3):
                        both = seen and self.work.sigma[b * 8 + l] <= LARGEST
                        spread[(i + l) * 6 + at] = judged.s[a * 24 + b * 8 + l] if both else 0.0
                        at += 1
        return nu, s

    cdef const double *shares_of(self, const int32_t *tracks, object shares, Py_ssize_t p) except NULL:
        """The shares, checked."""
        cdef cnp.ndarray array = table(shares, cnp.NPY_DOUBLE, p, 0, "shares")
        cdef const double *share = <const double *>cnp.PyArray_DATA(array)
        cdef double total = 0.0
        cdef Py_ssize_t i
        for i in range(p):
            if i and tracks[i] < tracks[i - 1]:
                raise ValueError(f"slots: {tracks[i]} after {tracks[i - 1]}")
            total = share[i] + (total if i and tracks[i] == tracks[i - 1] else 0.0)
            if not (share[i] > 0.0 and total <= 1.0 + 1e-6):
                raise ValueError(f"shares: of track {tracks[i]}, must be positive and sum to 1 at most")
        return share

    cdef int at(self, int k, int i) noexcept nogil:
        """Row of a block of states that holds component i of mode k."""
        return k * 6 + i if i < 6 else 43 * self.n_modes + self.extra_at[k] + i - 6

    cdef int at_pair(self, int k, int i, int j) noexcept nogil:
        """Row that holds the covariance of components i and j of mode k."""
        cdef int m = self.extra[k], extra = 43 * self.n_modes + self.extra_at[k] + m
        if i < 6 and j < 6:
            return 6 * self.n_modes + 36 * k + i * 6 + j
        if i >= 6 and j >= 6:
            return extra + 6 * m + (i - 6) * m + j - 6
        return extra + i * m + j - 6 if i < 6 else extra + j * m + i - 6

    cdef void open(self, int slot, double left, uint64_t sensors) noexcept nogil:
        """Begins a track's sums with the hypothesis that it was not seen, of probability `left`."""
        cdef const double *lane = self.state + <long>(slot // 8) * 8 * self.rows + slot % 8
        cdef double *crossed = <double *>cnp.PyArray_DATA(self._crossed)
        cdef int i, k, sensor
        for i in range(self.n_sensors * self.work.consider_rows):
            crossed[i] = 0.0
        for k in range(self.n_modes):
            self.moments[k].mass = 0.0
            for i in range(6 + self.extra[k]):
                self.moments[k].origin[i], self.moments[k].mean[i] = lane[self.at(k, i) * 8], 0.0
            for i in range(81):
                self.moments[k].square[i] = 0.0
            self.add_state(lane, k, left * lane[(42 * self.n_modes + k) * 8])
        for sensor in range(self.n_sensors):
            if self.masks[slot] >> sensor & 1:
                for k in range(self.n_modes):
                    self.add_consider(
                        self.consider_of(slot, sensor), sensor, k, left * lane[(42 * self.n_modes + k) * 8])

    cdef void add(self, int l, double share) noexcept nogil:
        """Adds one lane of the work: the track, had it been seen by this plot."""
        cdef double weight
        cdef int k, t
        for k in range(self.n_modes):
            weight = share * self.work.mu[k * 8 + l]
            self.add_state(self.work.x + l, k, weight)
            for t in range(self.work.considered):
                self.add_consider(
                    self.work.c + t * self.work.consider_rows * 8 + l, self.sensor_of[t], k, weight)

    cdef void add_state(self, const double *lane, int k, double weight) noexcept nogil:
        """Adds one mode's state and covariance, extra components included."""
        cdef Moments *sums = &self.moments[k]
        cdef double d[9]
        cdef int i, j, n = 6 + self.extra[k]
        sums.mass += weight
        for i in range(n):
            d[i] = lane[self.at(k, i) * 8] - sums.origin[i]
            sums.mean[i] += weight * d[i]
        for i in range(n):
            for j in range(n):
                sums.square[i * 9 + j] += weight * (lane[self.at_pair(k, i, j) * 8] + d[i] * d[j])

    cdef void add_consider(self, const double *lane, int sensor, int k, double weight) noexcept nogil:
        """Adds one mode's cross-covariance with one sensor's bias."""
        cdef double *sums = <double *>cnp.PyArray_DATA(self._crossed) + sensor * self.work.consider_rows
        cdef int i
        for i in range(k * 18, k * 18 + 18):
            sums[i] += weight * lane[i * 8]
        for i in range(self.bias_at[k], self.bias_at[k] + 3 * self.extra[k]):
            sums[i] += weight * lane[i * 8]

    cdef void close(self, int slot, uint64_t sensors) noexcept nogil:
        """Writes the mixture to the track's memory."""
        cdef double *lane = self.state + <long>(slot // 8) * 8 * self.rows + slot % 8
        cdef Moments *sums
        cdef double total = 0.0
        cdef double d[9]
        cdef int i, j, k, sensor
        for k in range(self.n_modes):
            total += max(self.moments[k].mass, 1e-12)
        for k in range(self.n_modes):
            sums = &self.moments[k]
            for i in range(6 + self.extra[k]):
                d[i] = sums.mean[i] / sums.mass
                lane[self.at(k, i) * 8] = sums.origin[i] + d[i]
            for i in range(6 + self.extra[k]):
                for j in range(6 + self.extra[k]):
                    lane[self.at_pair(k, i, j) * 8] = sums.square[i * 9 + j] / sums.mass - d[i] * d[j]
            lane[(42 * self.n_modes + k) * 8] = max(sums.mass, 1e-12) / total
        for sensor in range(self.n_sensors):
            if sensors >> sensor & 1:
                for k in range(self.n_modes):
                    self.close_consider(self.consider_of(slot, sensor), sensor, k)
        self.masks[slot], self.written[slot // 8] = sensors, 1
        self.summarise(slot)

    cdef void close_consider(self, double *lane, int sensor, int k) noexcept nogil:
        """Writes one mode's cross-covariance with one sensor's bias."""
        cdef const double *sums = <const double *>cnp.PyArray_DATA(self._crossed)
        cdef int i
        sums += sensor * self.work.consider_rows
        for i in range(k * 18, k * 18 + 18):
            lane[i * 8] = sums[i] / self.moments[k].mass
        for i in range(self.bias_at[k], self.bias_at[k] + 3 * self.extra[k]):
            lane[i * 8] = sums[i] / self.moments[k].mass

    cdef void summarise(self, int slot) noexcept nogil:
        """The track's part of `summary`; as `ext.steps.summarise`."""
        cdef const double *lane = self.state + <long>(slot // 8) * 8 * self.rows + slot % 8
        cdef const double *mu = lane + 42 * self.n_modes * 8
        cdef double *out = self.summary + <long>(slot // 8) * 64 + slot % 8
        cdef double d
        cdef int i, k
        for i in range(6):
            out[i * 8] = lane[i * 8]
            for k in range(1, self.n_modes):
                out[i * 8] += mu[k * 8] * (lane[(k * 6 + i) * 8] - lane[i * 8])
        out[48] = out[56] = 0.0
        for k in range(self.n_modes):
            for i in range(6):
                d = lane[(k * 6 + i) * 8] - out[i * 8]
                out[48 + i // 3 * 8] += mu[k * 8] * (lane[(6 * self.n_modes + 36 * k + 7 * i) * 8] + d * d)
