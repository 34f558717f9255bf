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
