"""The memory of a track bank: tracks in blocks of eight, their consider blocks, the sensors' sites.

Rules of this module:

- `state` (blocks, rows, 8) holds x (K, 6), P (K, 6, 6) and mu (K) of every track, then the extra components
  e (m), Pxe (6, m), Pee (m, m) of each mode; `consider` (blocks, max_sensors, consider_rows, 8) its C (K, 6, 3)
  and Ce (m, 3) of each mode for each sensor, valid where the track's bit of the sensor is set; `summary` (blocks, 8, 8) its combined state and the traces of its position and velocity covariance.
- `written` marks the blocks whose state or consider blocks are not those of `_kept`, the newest copies: whoever
  writes to a block marks it (`scatter`, `begin`; `scatter_consider` always follows a `scatter`).
- `work` holds the eight tracks that are being worked on; gather fills it, scatter puts it back.
- `ext.bank.TrackBank` is the filter over this memory.
"""

import numpy as np

cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from ext.door cimport finite, numbers, table
from ext.gating cimport Sector, extrapolate, inside, near
from ext.measurement cimport LARGEST, locate

cnp.import_array()


cdef bint is_block(const int32_t *slots) noexcept nogil:
    """Whether eight slots are one whole block, in order."""
    cdef int l
    for l in range(8):
        if slots[l] != slots[0] + l:
            return False
    return slots[0] % 8 == 0


cdef object read_only(object view):
    view.flags.writeable = False
    return view


cdef class Store:
    """Tracks in fixed slots and the sensors that see them; made and used by `ext.bank.TrackBank` only."""

    cdef int allocate(self, int blocks) except -1:
        """Memory for so many blocks of tracks; the sizes are set already."""
        cdef int k = self.n_modes, i, m
        self.rows, self.work.consider_rows = 43 * k, 18 * k
        for i in range(k):
            m = self.extra[i]
            self.extra_at[i], self.bias_at[i] = self.rows - 43 * k, self.work.consider_rows
            self.rows += m * (7 + m)
            self.work.consider_rows += 3 * m
        self._state = np.zeros((blocks, self.rows, 8))
        self._consider = np.zeros((blocks, self.max_sensors, self.work.consider_rows, 8))
        self._summary = np.zeros((blocks, 8, 8))
        self._masks = np.zeros(blocks * 8, np.uint64)
        self._times = np.zeros(blocks * 8, np.int64)
        self._alive = np.zeros(blocks * 8, np.uint8)
        self._written = np.zeros(blocks, np.uint8)
        self._kept = [None] * blocks
        self._sites = np.zeros((self.max_sensors, 18))
        self._site_times = np.zeros(self.max_sensors, np.int64)
        self._scratch = np.zeros(8 * (self.rows + 8 + self.work.consider_rows * (self.max_sensors + 1)))
        self.state = <double *>cnp.PyArray_DATA(self._state)
        self.consider = <double *>cnp.PyArray_DATA(self._consider)
        self.summary = <double *>cnp.PyArray_DATA(self._summary)
        self.masks = <uint64_t *>cnp.PyArray_DATA(self._masks)
        self.time_of = <int64_t *>cnp.PyArray_DATA(self._times)
        self.living_ = <uint8_t *>cnp.PyArray_DATA(self._alive)
        self.written = <uint8_t *>cnp.PyArray_DATA(self._written)
        self.sites = <double *>cnp.PyArray_DATA(self._sites)
        self.site_times = <int64_t *>cnp.PyArray_DATA(self._site_times)
        self.work.modes = k
        self.work.x = <double *>cnp.PyArray_DATA(self._scratch)
        self.work.p = self.work.x + 48 * k
        self.work.mu = self.work.p + 288 * k
        self.work.e = self.work.mu + 8 * k
        self.work.summary = self.work.x + 8 * self.rows
        self.work.c = self.work.summary + 64
        self.work.q = self.q
        self.work.kind = self.kind
        self.work.constant = self.constant
        self.work.extra, self.work.extra_at, self.work.bias_at = self.extra, self.extra_at, self.bias_at
        self.work.prior, self.work.wander, self.work.growth = self.prior, self.wander, self.growth
        self.work.rates = self.rates
        self.work.thin_rates = self.thin_rates
        return 0

    # -- slots in and out of the work -----------------------------------------------------------------------

    cdef const int32_t *living(self, object slots, Py_ssize_t n) except NULL:
        """The slot numbers, each checked to be alive; n -1: any length."""
        cdef cnp.ndarray array = table(slots, cnp.NPY_INT32, n, 0, "slots")
        cdef const int32_t *numbers_ = <const int32_t *>cnp.PyArray_DATA(array)
        cdef Py_ssize_t i
        for i in range(cnp.PyArray_DIM(array, 0)):
            if not (0 <= numbers_[i] < self.capacity) or not self.living_[numbers_[i]]:
                raise ValueError(f"slots: {numbers_[i]} is not a living track")
        return numbers_

    cdef void gather(self, const int32_t *slots, int n) noexcept nogil:
        """States and modes of n slots into the lanes; the lanes left over repeat the first."""
        cdef int size = self.rows
        cdef const double *source
        cdef int i, l, slot
        if n == 8 and is_block(slots):
            memcpy(self.work.x, self.state + <int64_t>(slots[0] // 8) * size * 8, size * 8 * sizeof(double))
            return
        for l in range(8):
            slot = slots[l if l < n else 0]
            source = self.state + <int64_t>(slot // 8) * size * 8 + slot % 8
            for i in range(size):
                self.work.x[i * 8 + l] = source[i * 8]

    cdef void scatter(self, const int32_t *slots, int n) noexcept nogil:
        """States, modes and summaries of the lanes back to their n slots."""
        cdef int size = self.rows
        cdef double *target
        cdef int i, l
        for l in range(n):
            self.written[slots[l] // 8] = 1
        if n == 8 and is_block(slots):
            memcpy(self.state + <int64_t>(slots[0] // 8) * size * 8, self.work.x, size * 8 * sizeof(double))
            memcpy(self.summary + <int64_t>(slots[0] // 8) * 64, self.work.summary, 64 * sizeof(double))
            return
        for l in range(n):
            target = self.state + <int64_t>(slots[l] // 8) * size * 8 + slots[l] % 8
            for i in range(size):
                target[i * 8] = self.work.x[i * 8 + l]
            target = self.summary + <int64_t>(slots[l] // 8) * 64 + slots[l] % 8
            for i in range(8):
                target[i * 8] = self.work.summary[i * 8 + l]

    cdef void gather_consider(self, const int32_t *slots, int n, uint64_t sensors) noexcept nogil:
        """The consider blocks of the sensors in the bit set, in their order; zero where a track has none."""
        cdef int size = self.work.consider_rows
        cdef const double *source
        cdef double *target
        cdef int i, l, slot, sensor
        self.work.considered = 0
        for sensor in range(self.n_sensors):
            if not sensors >> sensor & 1:
                continue
            self.sensor_of[self.work.considered] = sensor
            target = self.work.c + self.work.considered * size * 8
            self.work.considered += 1
            for l in range(8):
                slot = slots[l if l < n else 0]
                source = self.consider_of(slot, sensor)
                if self.masks[slot] >> sensor & 1:
                    for i in range(size):
                        target[i * 8 + l] = source[i * 8]
                else:
                    for i in range(size):
                        target[i * 8 + l] = 0.0

    cdef void scatter_consider(self, const int32_t *slots, int n) noexcept nogil:
        """The consider blocks back to those tracks that have them."""
        cdef int size = self.work.consider_rows
        cdef const double *source
        cdef double *target
        cdef int i, l, t
        for t in range(self.work.considered):
            source = self.work.c + t * size * 8
            for l in range(n):
                if self.masks[slots[l]] >> self.sensor_of[t] & 1:
                    target = self.consider_of(slots[l], self.sensor_of[t])
                    for i in range(size):
                        target[i * 8] = source[i * 8 + l]

    cdef double *consider_of(self, int slot, int sensor) noexcept nogil:
        """First lane entry of a track's consider block."""
        cdef int64_t block = <int64_t>(slot // 8) * self.max_sensors + sensor
        return self.consider + block * 8 * self.work.consider_rows + slot % 8

    cdef uint64_t union_of(self, const int32_t *slots, int n) noexcept nogil:
        """Sensors for which any of the slots has a consider block."""
        cdef uint64_t sensors = 0
        cdef int l
        for l in range(n):
            sensors |= self.masks[slots[l]]
        return sensors

    cdef int aim(self, int sensor) except -1:
        """Points the work at a sensor."""
        if not 0 <= sensor < self.n_sensors:
            raise ValueError(f"sensor: {sensor} has no site")
        self.work.enu = self.sites + sensor * 18 + 6
        self.work.bias = self.sites + sensor * 18 + 15
        return 0

    cdef void site_at(self, int sensor, int64_t t_ns, double *position, int stride) noexcept nogil:
        """The sensor's ECEF position at t_ns."""
        cdef const double *site = self.sites + sensor * 18
        cdef double dt = <double>(t_ns - self.site_times[sensor]) / 1e9
        cdef int i
        for i in range(3):
            position[i * stride] = site[i] + site[3 + i] * dt

    cdef void load_plots(
        self, const int32_t *slots, const int32_t *rows, int n, const double *z, const double *sigma,
        int sensor, bint ahead, int64_t t_ns,
    ) noexcept nogil:
        """Plots and the sensor's position, at t_ns if `ahead`, else at each track's time, into the lanes."""
        cdef int i, l, lane
        for l in range(8):
            lane = l if l < n else 0
            for i in range(3):
                self.work.z[i * 8 + l] = z[rows[lane] * 3 + i]
                self.work.sigma[i * 8 + l] = sigma[rows[lane] * 3 + i]
            self.site_at(sensor, t_ns if ahead else self.time_of[slots[lane]], self.work.site + l, 8)

    cdef const int32_t *picked(self, object rows, Py_ssize_t n, cnp.ndarray z, object sigma) except NULL:
        """The row numbers, checked, and the rows' numbers too."""
        cdef cnp.ndarray array = table(rows, cnp.NPY_INT32, n, 0, "rows")
        cdef cnp.ndarray sigmas = table(sigma, cnp.NPY_DOUBLE, cnp.PyArray_DIM(z, 0), 3, "sigma")
        cdef const int32_t *numbers_ = <const int32_t *>cnp.PyArray_DATA(array)
        cdef const double *s = <const double *>cnp.PyArray_DATA(sigmas)
        cdef Py_ssize_t i, k = cnp.PyArray_DIM(z, 0)
        for i in range(n):
            if not 0 <= numbers_[i] < k:
                raise ValueError(f"rows: {numbers_[i]} is not one of {k}")
        finite(<const double *>cnp.PyArray_DATA(z), 3 * k, "z")
        for i in range(k):
            if not (s[3 * i] > 0.0 and s[3 * i + 1] > 0.0 and s[3 * i + 2] > 0.0):
                raise ValueError("sigma: must be positive")
            if s[3 * i + 1] > LARGEST or (s[3 * i] > LARGEST and s[3 * i + 2] > LARGEST):
                raise ValueError("sigma: azimuth and one of range and elevation must be finite")
        return numbers_

    cdef int see(self, object sight) except -1:
        """Takes in how likely each mode is seen; None: alike."""
        cdef int k
        numbers((1.0,) * self.n_modes if sight is None else sight, self.n_modes, self.work.sight, "sight")
        for k in range(self.n_modes):
            if not 1e-6 <= self.work.sight[k] <= 1.0:
                raise ValueError(f"sight: {self.work.sight[k]!r} is not one of 1e-6 to 1")
        return 0

    # -- tracks and sensors ---------------------------------------------------------------------------------

    def set_site(self, int sensor, int64_t t_ns, position, velocity, enu, bias_sigma):
        """Where a sensor is from now on: it moves linearly from `position` (3, ECEF m) at t_ns.

        `velocity` (3, m/s), `enu` (9: unit vectors east, north, up as rows), `bias_sigma` (3: range m,
        azimuth rad, elevation rad) of its constant errors; 0: none. A sensor's bias sigma stays what it was
        first said to be: changing it would contradict the tracks that have used it.
        """
        cdef double site[18]
        cdef int i
        if not 0 <= sensor < self.max_sensors or sensor > self.n_sensors:
            most = min(self.max_sensors - 1, self.n_sensors)
            raise ValueError(f"sensor: {sensor}, at most {most} is possible")
        numbers(position, 3, site, "position")
        numbers(velocity, 3, site + 3, "velocity")
        numbers(enu, 9, site + 6, "enu")
        numbers(bias_sigma, 3, site + 15, "bias_sigma")
        for i in range(15, 18):
            site[i] *= site[i]
            if sensor < self.n_sensors:
                site[i] = self.sites[sensor * 18 + i]
        memcpy(self.sites + sensor * 18, site, sizeof(site))
        self.site_times[sensor] = t_ns
        self.n_sensors = max(self.n_sensors, sensor + 1)

    def restate_bias(self, int sensor, bias_sigma):
        """A sensor's biases have become better known: `bias_sigma` (3) is what is left of them from now on.

        Its plots have to come with the estimated biases taken off. What is left is the error of an estimate,
        which does not depend on the estimate: of a bias b with the old variance B, E[b b'ᵀ] = B', the new one.
        Hence C = E[e bᵀ] becomes E[e b'ᵀ] = C B⁻¹ B' in all tracks that have used the sensor; their errors e
        stay what they are.
        """
        cdef double sigma[3]
        cdef double share[3]
        cdef double *variance
        cdef double *c
        cdef int i, slot, size = self.work.consider_rows
        self.aim(sensor)
        numbers(bias_sigma, 3, sigma, "bias_sigma")
        variance = self.sites + sensor * 18 + 15
        for i in range(3):
            if not (0.0 <= sigma[i] and sigma[i] * sigma[i] <= variance[i] * (1.0 + 1e-12)):
                raise ValueError(f"bias_sigma: {sigma[i]!r} is negative, or more than before")
            share[i] = sigma[i] * sigma[i] / variance[i] if variance[i] > 0.0 else 1.0
            variance[i] = sigma[i] * sigma[i]
        for slot in range(self.used):
            if self.living_[slot] and self.masks[slot] >> sensor & 1:
                self.written[slot // 8] = 1
                c = self.consider_of(slot, sensor)
                for i in range(size):
                    c[i * 8] *= share[i % 3]

    cdef int begin(self, int slot, int64_t t_ns, const double *x, const double *p) except -1:
        """Fills a free slot."""
        cdef int modes = self.n_modes
        cdef double *target
        cdef double *summary
        cdef int i, k, m
        cdef bint at_diagonal
        if not 0 <= slot < self.capacity or self.living_[slot]:
            raise ValueError(f"slot: {slot} is not a free one of {self.capacity}")
        target = self.state + <int64_t>(slot // 8) * 8 * self.rows + slot % 8
        summary = self.summary + <int64_t>(slot // 8) * 64 + slot % 8
        for k in range(modes):
            for i in range(6):
                target[(k * 6 + i) * 8] = x[i]
            for i in range(36):
                target[(6 * modes + k * 36 + i) * 8] = p[i]
            target[(42 * modes + k) * 8] = self.probabilities[k]
            m = self.extra[k]
            for i in range(m * (7 + m)):  # e and Pxe, then Pee
                at_diagonal = i >= 7 * m and (i - 7 * m) % (m + 1) == 0
                target[(43 * modes + self.extra_at[k] + i) * 8] = self.prior[k] if at_diagonal else 0.0
        for i in range(6):
            summary[i * 8] = x[i]
        summary[48] = p[0] + p[7] + p[14]
        summary[56] = p[21] + p[28] + p[35]
        self.masks[slot], self.time_of[slot], self.living_[slot], self.written[slot // 8] = 0, t_ns, 1, 1
        self.used = max(self.used, slot + 1)
        return 0

    def drop(self, int slot):
        """Ends a track; its slot is free."""
        if not 0 <= slot < self.capacity or not self.living_[slot]:
            raise ValueError(f"slot: {slot} is not a living track")
        self.living_[slot] = 0

    @property
    def alive(self):
        """uint8 (capacity), read-only view: 1 where a slot holds a track."""
        return read_only(self._alive[:self.capacity])

    @property
    def times(self):
        """int64 (capacity), read-only view: scenario ns that each track stands at."""
        return read_only(self._times[:self.capacity])

    # -- where to look --------------------------------------------------------------------------------------

    def reach(self, int64_t t_ns, positions, sigma_position_m):
        """Coarse gate: which living tracks may have caused plots at t_ns, by linear extrapolation.

        positions (k, 3) ECEF m, sigma_position_m (k). A pair is kept when |r + v dt - position| is within
        6 (√tr P_pos + √tr P_vel |dt| + sigma) + ½ a dt², a = 100 m/s². Returns rows, slots (int32 (p) each),
        ordered by row, then slot.
        """
        cdef cnp.ndarray where = table(positions, cnp.NPY_DOUBLE, -1, 3, "positions")
        cdef Py_ssize_t k = cnp.PyArray_DIM(where, 0)
        cdef cnp.ndarray sigma = table(sigma_position_m, cnp.NPY_DOUBLE, k, 0, "sigma_position_m")
        cdef int blocks = (self.used + 7) // 8
        cdef cnp.ndarray centres = np.empty((blocks, 4, 8))
        finite(<const double *>cnp.PyArray_DATA(where), 3 * k, "positions")
        extrapolate(
            blocks, self.summary, self.time_of, self.living_, t_ns, <double *>cnp.PyArray_DATA(centres))
        return near(blocks, <const double *>cnp.PyArray_DATA(centres), k,
                    <const double *>cnp.PyArray_DATA(where), <const double *>cnp.PyArray_DATA(sigma))

    def covered(
        self, int sensor, int64_t t_ns, double azimuth_center, double azimuth_width,
        double elevation_min, double elevation_max, double range_max,
    ):
        """Which living tracks, extrapolated linearly to t_ns, lie in a sector of the sensor (angles rad).

        Returns slots (int32 (m)) in order and their range_m (m).
        """
        cdef Sector sector
        cdef int blocks = (self.used + 7) // 8
        cdef cnp.ndarray centres = np.empty((blocks, 4, 8))
        self.aim(sensor)
        self.site_at(sensor, t_ns, sector.site, 1)
        memcpy(sector.enu, self.work.enu, sizeof(sector.enu))
        sector.azimuth_center, sector.half_width = azimuth_center, 0.5 * azimuth_width
        sector.elevation_min, sector.elevation_max, sector.range_max = elevation_min, elevation_max, range_max
        extrapolate(
            blocks, self.summary, self.time_of, self.living_, t_ns, <double *>cnp.PyArray_DATA(centres))
        return inside(blocks, <const double *>cnp.PyArray_DATA(centres), &sector)

    def positions(self, z, int sensor, int64_t t_ns):
        """ECEF positions (k, 3), m, of a sensor's plots (k, 3: range m, azimuth, elevation rad) at t_ns."""
        cdef cnp.ndarray plots = table(z, cnp.NPY_DOUBLE, -1, 3, "z")
        cdef Py_ssize_t k = cnp.PyArray_DIM(plots, 0), i
        cdef cnp.ndarray out = np.empty((k, 3))
        cdef double site[3]
        cdef double jacobian[9]
        self.aim(sensor)
        finite(<const double *>cnp.PyArray_DATA(plots), 3 * k, "z")
        self.site_at(sensor, t_ns, site, 1)
        for i in range(k):
            locate(<const double *>cnp.PyArray_DATA(plots) + 3 * i, site, self.work.enu,
                   <double *>cnp.PyArray_DATA(out) + 3 * i, jacobian)
        return out

    # -- checkpoints ----------------------------------------------------------------------------------------

    def checkpoint(self):
        """All of the bank's state, for `restore`: opaque, never changed afterwards, safe to pickle.

        Blocks that nothing was written to since the last checkpoint are shared with it, not copied.
        """
        cdef int blocks = (self.used + 7) // 8, slots = blocks * 8, sensors = self.n_sensors, b
        for b in range(blocks):
            if self.written[b] or self._kept[b] is None:
                self._kept[b] = (self._state[b].copy(), self._consider[b, :sensors].copy())
                self.written[b] = 0
        return (
            self.used, sensors, self._kept[:blocks], self._summary[:blocks].copy(), self._masks[:slots].copy(),
            self._times[:slots].copy(), self._alive[:slots].copy(), self._sites[:sensors].copy(),
            self._site_times[:sensors].copy(),
        )

    def restore(self, saved):
        """Back to a checkpoint of this bank, or of one made with the same arguments."""
        used, sensors, kept, summary, masks, times, alive, sites, site_times = saved
        cdef int blocks = (used + 7) // 8, slots = blocks * 8, b
        fits = used <= self.capacity and sensors <= self.max_sensors
        if not fits or (kept and kept[0][0].shape != (self.rows, 8)):
            raise ValueError("checkpoint: of a bank with other arguments")
        self.used, self.n_sensors = used, sensors
        for b in range(blocks):
            if self.written[b] or self._kept[b] is not kept[b]:
                state, consider = kept[b]
                self._state[b] = state
                self._consider[b, :len(consider)] = consider
                self._kept[b] = kept[b]
                self.written[b] = 0
        self._summary[:blocks] = summary
        self._masks[:slots] = masks
        self._times[:slots] = times
        self._alive[:slots] = alive
        self._alive[slots:] = 0
        self._sites[:sensors] = sites
        self._site_times[:sensors] = site_times
