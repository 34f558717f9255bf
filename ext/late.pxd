"""Updates of tracks with plots older than they are; see ext/late.pyx."""

from ext.blend cimport Blend

cdef struct Expected:  # of a plot by one mode of eight tracks, at the plot's time
    double nu[24]  # innovation
    double spread[72]  # H P Hᵀ


cdef class Late(Blend):
    cdef void look_back(self, Late past, int k, Expected *expected) noexcept nogil
    cdef void step(self, Late past, const Expected *expected) noexcept nogil
    cdef void correct(
        self, Late past, int k, int l, const Expected *expected, double *nu, double *s
    ) noexcept nogil
    cdef void regress(self, Late past, int k, int l, double *m) noexcept nogil
    cdef void apply(
        self, int k, int l, const double *m, const double *shared, const double *s, const double *nu
    ) noexcept nogil
    cdef int consider_at(self, int k, int i, int a) noexcept nogil
