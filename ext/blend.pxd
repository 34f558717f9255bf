"""Updates of a track with several plots, each with its share; see ext/blend.pyx."""

cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t, uint64_t

from ext.imm cimport MODES
from ext.store cimport Store

cdef struct Moments:  # of one mode, over the plots of one track
    double mass  # Σ w
    double origin[9]  # the prediction
    double mean[9]  # Σ w (x - origin)
    double square[81]  # Σ w (P + (x - origin)(x - origin)ᵀ)


cdef class Blend(Store):
    cdef Moments moments[MODES]
    cdef cnp.ndarray _crossed  # (max_sensors, consider_rows): Σ w C

    cdef int not_before(self, const int32_t *slots, Py_ssize_t n, int64_t t_ns) except -1
    cdef void predict_batch(self, const int32_t *slots, int n, int64_t t_ns, uint64_t sensors) noexcept nogil
    cdef const double *shares_of(self, const int32_t *tracks, object shares, Py_ssize_t p) except NULL
    cdef int at(self, int k, int i) noexcept nogil
    cdef int at_pair(self, int k, int i, int j) noexcept nogil
    cdef void open(self, int slot, double left, uint64_t sensors) noexcept nogil
    cdef void add(self, int l, double share) noexcept nogil
    cdef void close(self, int slot, uint64_t sensors) noexcept nogil
    cdef void add_state(self, const double *lane, int k, double weight) noexcept nogil
    cdef void add_consider(self, const double *lane, int sensor, int k, double weight) noexcept nogil
    cdef void close_consider(self, double *lane, int sensor, int k) noexcept nogil
    cdef void summarise(self, int slot) noexcept nogil
