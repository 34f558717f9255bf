"""Eight tracks side by side: how many lanes, and which instruction set works on them."""

from libc.stdint cimport uint64_t

cdef enum:
    LANES = 8
    ROW = 48  # a vector of six components, eight lanes each

cdef extern from "lanes.h" nogil:
    ctypedef void (*lane_kernel)(void *work) noexcept nogil
    uint64_t bits_of(double value)
    double double_of(uint64_t bits)

cdef int level() except -1


cdef inline void store_symmetric(double *p, int i, int j, const double *value) noexcept nogil:
    """P_ij and P_ji of (6, 6) <- value (1): two loops, for the compiler to see that they do not overlap."""
    cdef Py_ssize_t l
    for l in range(LANES):
        p[i * 48 + j * 8 + l] = value[l]
    for l in range(LANES):
        p[j * 48 + i * 8 + l] = value[l]
