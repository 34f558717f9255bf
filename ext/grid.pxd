"""The spatial index of the coarse gate: tracks by the cell of space that they stand in."""

from libc.stdint cimport int32_t, int64_t

cdef enum:
    LEVELS = 12  # of reach; see ext/grid.pyx

cdef struct Grid:
    const double *centres
    double reach[LEVELS]  # the largest of its tracks', m; negative: no tracks
    double cell[LEVELS]  # edge of its cells, m
    int32_t count[LEVELS]
    int32_t first[LEVELS]  # of its tracks, in order of slots
    int32_t *following  # (slots): the next track of the same level
    int32_t *bucket  # (buckets): first track
    int32_t *chained  # (slots): the next track of the same bucket, in order of slots
    int64_t *key  # (slots): level and cell
    int bits  # of a bucket's number

cdef struct Pairs:
    int32_t *rows
    int32_t *slots
    Py_ssize_t count
    Py_ssize_t room

cdef int index(Grid *grid, int slots, double margin) noexcept nogil
cdef int collect(const Grid *grid, int32_t row, const double *at, double margin, Pairs *pairs) noexcept nogil
cdef int append(Pairs *pairs, int32_t row, int32_t slot) noexcept nogil
