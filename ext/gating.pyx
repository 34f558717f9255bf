"""The coarse gate: all tracks of a bank, extrapolated linearly, against positions or a sector.

Rules of this module:

- `summary` (blocks, 8, 8) is the bank's: combined state, traces of position and velocity covariance.
- `centres` (blocks, 4, 8) are extrapolated positions and the radius that the track's own doubt gives;
  a slot without a track stands far outside of everything.
- Called by the bank, which checks the arguments.
"""

import numpy as np

cimport numpy as cnp
from libc.math cimport sqrt
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy

from ext.elementary cimport c_atan2, wrap
from ext.grid cimport Grid, Pairs, append, collect, index
from ext.lanes cimport lane_kernel, level

cnp.import_array()

cdef extern from *:
    """
    #include "lanes.h"
    LANE_VARIANTS(gating_near)
    """
    lane_kernel gating_near_variant(int level)

cdef struct Near:  # one position against all tracks
    int blocks
    const double *centres
    double x
    double y
    double z
    double margin
    uint64_t *hits  # one byte for each lane


cdef void lanes_near "gating_near"(void *work) noexcept nogil:
    cdef Near *w = <Near *>work
    cdef double x = w.x, y = w.y, z = w.z, margin = w.margin
    cdef const double *c
    cdef double excess[8]
    cdef double r
    cdef uint64_t hits
    cdef int b, l
    for b in range(w.blocks):
        c = w.centres + b * 32
        for l in range(8):
            r = c[24 + l] + margin
            excess[l] = (c[l] - x) * (c[l] - x) + (c[8 + l] - y) * (c[8 + l] - y) \
                + (c[16 + l] - z) * (c[16 + l] - z) - r * r
        hits = 0
        for l in range(8):
            hits |= <uint64_t>(excess[l] <= 0.0) << l
        w.hits[b] = hits


cdef lane_kernel run_near = gating_near_variant(level())

cdef double A_MAX_MPS2 = 100.0  # the hardest unmodelled acceleration that the gate allows for
cdef double SIGMAS = 6.0
cdef double NOWHERE_M = 1e100
cdef Py_ssize_t FEW = 2048  # positions by blocks of tracks: up to here an index costs more than it saves


cdef void extrapolate(
    int blocks, const double *summary, const int64_t *times, const uint8_t *alive, int64_t t_ns,
    double *centres
) noexcept nogil:
    """Fills `centres` with every track's linearly extrapolated position and its radius at t_ns."""
    cdef const double *s
    cdef double *c
    cdef double dt, age
    cdef int b, i, l
    for b in range(blocks):
        s = summary + b * 64
        c = centres + b * 32
        for l in range(8):
            dt = <double>(t_ns - times[b * 8 + l]) / 1e9
            age = dt if dt > 0.0 else -dt
            for i in range(3):
                c[i * 8 + l] = s[i * 8 + l] + s[24 + i * 8 + l] * dt if alive[b * 8 + l] else NOWHERE_M
            c[24 + l] = SIGMAS * (sqrt(s[48 + l]) + sqrt(s[56 + l]) * age) + 0.5 * A_MAX_MPS2 * dt * dt


cdef object near(
    int blocks, const double *centres, Py_ssize_t count, const double *positions, const double *sigma
):
    """Rows and slots (int32) of the pairs within reach of each other, ordered by row, then slot."""
    cdef Pairs pairs
    cdef int failed
    pairs.rows, pairs.slots, pairs.count, pairs.room = NULL, NULL, 0, 0
    try:
        if count * blocks <= FEW or count < 8:
            failed = by_force(blocks, centres, count, positions, sigma, &pairs)
        else:
            failed = by_index(blocks, centres, count, positions, sigma, &pairs)
        if failed:
            raise MemoryError
        return listed(pairs.rows, pairs.count), listed(pairs.slots, pairs.count)
    finally:
        free(pairs.rows)
        free(pairs.slots)


cdef object listed(const int32_t *values, Py_ssize_t count):
    cdef cnp.ndarray out = np.empty(count, np.int32)
    if count:
        memcpy(cnp.PyArray_DATA(out), values, count * sizeof(int32_t))
    return out


cdef int by_force(
    int blocks, const double *centres, Py_ssize_t count, const double *positions, const double *sigma,
    Pairs *pairs
) except -1:
    """Every position against every track, eight tracks at once."""
    cdef cnp.ndarray hits = np.empty(blocks, np.uint64)
    cdef Py_ssize_t i, b
    cdef int l
    cdef Near work
    work.blocks, work.centres, work.hits = blocks, centres, <uint64_t *>cnp.PyArray_DATA(hits)
    for i in range(count):
        work.x, work.y, work.z = positions[3 * i], positions[3 * i + 1], positions[3 * i + 2]
        work.margin = SIGMAS * sigma[i]
        run_near(&work)
        for b in range(blocks):
            if work.hits[b]:
                for l in range(8):
                    if work.hits[b] >> l & 1 and append(pairs, i, b * 8 + l):
                        return 1
    return 0


cdef int by_index(
    int blocks, const double *centres, Py_ssize_t count, const double *positions, const double *sigma,
    Pairs *pairs
) except -1:
    """The same pairs, through cells of space."""
    cdef Grid grid
    cdef cnp.ndarray links = np.empty(blocks * 16, np.int32), keys = np.empty(blocks * 8, np.int64)
    cdef cnp.ndarray buckets
    cdef double margin = 0.0
    cdef Py_ssize_t i
    grid.bits = 4
    while 1 << grid.bits < blocks * 16:
        grid.bits += 1
    buckets = np.empty(1 << grid.bits, np.int32)
    grid.centres = centres
    grid.following = <int32_t *>cnp.PyArray_DATA(links)
    grid.chained = grid.following + blocks * 8
    grid.key = <int64_t *>cnp.PyArray_DATA(keys)
    grid.bucket = <int32_t *>cnp.PyArray_DATA(buckets)
    for i in range(count):
        margin += SIGMAS * sigma[i] / count
    index(&grid, blocks * 8, margin)
    for i in range(count):
        if collect(&grid, i, positions + 3 * i, SIGMAS * sigma[i], pairs):
            return 1
    return 0


cdef object inside(int blocks, const double *centres, const Sector *sector):
    """Slots (int32) of the tracks in the sector, and their ranges (m)."""
    cdef cnp.ndarray slots = np.empty(blocks * 8, np.int32), ranges = np.empty(blocks * 8)
    cdef const double *c
    cdef const double *enu = &sector.enu[0]
    cdef double dx, dy, dz, e, n, u, r, azimuth, elevation
    cdef int b, l, m = 0
    for b in range(blocks):
        for l in range(8):
            c = centres + b * 32 + l
            if c[0] == NOWHERE_M:
                continue
            dx, dy, dz = c[0] - sector.site[0], c[8] - sector.site[1], c[16] - sector.site[2]
            r = sqrt(dx * dx + dy * dy + dz * dz)
            if r > sector.range_max:
                continue
            e = enu[0] * dx + enu[1] * dy + enu[2] * dz
            n = enu[3] * dx + enu[4] * dy + enu[5] * dz
            u = enu[6] * dx + enu[7] * dy + enu[8] * dz
            elevation = c_atan2(u, sqrt(e * e + n * n))
            azimuth = wrap(c_atan2(e, n) - sector.azimuth_center)
            if (
                -sector.half_width <= azimuth <= sector.half_width
                and sector.elevation_min <= elevation <= sector.elevation_max
            ):
                (<int32_t *>cnp.PyArray_DATA(slots))[m] = b * 8 + l
                (<double *>cnp.PyArray_DATA(ranges))[m] = r
                m += 1
    return slots[:m].copy(), ranges[:m].copy()
