"""The memory of a track bank; the layout stands in ext/store.pyx."""

cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

from ext.imm cimport MODES
from ext.steps cimport Work


cdef class Store:
    cdef readonly int capacity, n_modes, n_sensors, used
    cdef int max_sensors
    cdef cnp.ndarray _state, _consider, _summary, _masks, _times, _alive, _sites, _site_times, _scratch
    cdef double *state
    cdef double *consider
    cdef double *summary
    cdef double *sites  # (max_sensors, 18): position, velocity, enu, bias variances
    cdef int64_t *site_times
    cdef int64_t *time_of
    cdef uint64_t *masks  # of the sensors whose consider block is not zero
    cdef uint8_t *living_
    cdef uint8_t *written  # (blocks): differs from the copy in _kept
    cdef cnp.ndarray _written
    cdef list _kept  # (blocks): copies of state and consider blocks, shared by checkpoints
    cdef int rows  # of a block of states: 43 K, and m + 6 m + m² for the extra components of each mode
    cdef double q[MODES]
    cdef int kind[MODES]
    cdef double constant[MODES]
    cdef int extra[MODES]
    cdef int extra_at[MODES]
    cdef int bias_at[MODES]
    cdef double prior[MODES]
    cdef double wander[MODES]
    cdef double growth[MODES]
    cdef double rates[MODES * MODES]
    cdef double thin_rates[MODES * MODES]
    cdef double probabilities[MODES]
    cdef Work work
    cdef int sensor_of[64]  # of each gathered consider block

    cdef int allocate(self, int blocks) except -1
    cdef const int32_t *living(self, object slots, Py_ssize_t n) except NULL
    cdef void gather(self, const int32_t *slots, int n) noexcept nogil
    cdef void scatter(self, const int32_t *slots, int n) noexcept nogil
    cdef void gather_consider(self, const int32_t *slots, int n, uint64_t sensors) noexcept nogil
    cdef void scatter_consider(self, const int32_t *slots, int n) noexcept nogil
    cdef double *consider_of(self, int slot, int sensor) noexcept nogil
    cdef uint64_t union_of(self, const int32_t *slots, int n) noexcept nogil
    cdef int aim(self, int sensor) except -1
    cdef void site_at(self, int sensor, int64_t t_ns, double *position, int stride) noexcept nogil
    cdef int begin(self, int slot, int64_t t_ns, const double *x, const double *p) except -1
    cdef void load_plots(
        self, const int32_t *slots, const int32_t *rows, int n, const double *z, const double *sigma,
        int sensor, bint ahead, int64_t t_ns
    ) noexcept nogil
    cdef const int32_t *picked(self, object rows, Py_ssize_t n, cnp.ndarray z, object sigma) except NULL
    cdef int see(self, object sight) except -1
