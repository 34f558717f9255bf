"""The coarse gate: all tracks of a bank, extrapolated linearly, against positions or a sector."""

from libc.stdint cimport int64_t, uint8_t

cdef struct Sector:
    double site[3]
    double enu[9]
    double azimuth_center
    double half_width
    double elevation_min
    double elevation_max
    double range_max

cdef void extrapolate(
    int blocks, const double *summary, const int64_t *times, const uint8_t *alive, int64_t t_ns,
    double *centres
) noexcept nogil
cdef object near(
    int blocks, const double *centres, Py_ssize_t count, const double *positions, const double *sigma
)
cdef object inside(int blocks, const double *centres, const Sector *sector)
