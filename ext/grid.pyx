"""The spatial index of the coarse gate: tracks by the cell of space that they stand in.

Rules of this module:

- A track reaches as far as its doubt does: a young one over a hundred kilometres, an old one over a few metres.
  One size of cells fits neither, so tracks are sorted by reach into levels, each sixteen times wider than
  the one before, and every level has its own uniform grid, hashed (M. Teschner et al., Optimized spatial
  hashing for collision detection of deformable objects, 2003).
- A cell is twice as wide as the level's reach and a customary plot's margin: such a plot looks into eight
  cells. One that is vaguer by far looks at every track of the level instead.
- The index only proposes: a pair counts when the same test as without an index holds, in the same arithmetic,
  so that the pairs are the same. Bounds of cells have a margin for rounding.
- No order of the hash is visible: each row's slots are sorted.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport realloc

cdef double FIRST_REACH_M = 64.0
cdef double FARTHEST_M = 1e9  # beyond it nobody looks for cells
cdef double NOWHERE_M = 1e100
cdef int64_t LAST_CELL = 524287  # of an axis, from -LAST_CELL on; what is farther out shares the outermost
cdef int MOST_CELLS = 27


cdef inline int level_of(double reach) noexcept nogil:
    cdef double edge = FIRST_REACH_M
    cdef int level = 0
    while reach > edge and level < LEVELS - 1:
        edge *= 16.0
        level += 1
    return level


cdef inline int64_t cell_of(double at, double cell) noexcept nogil:
    """Number of the cell along one axis, 0 to 2 LAST_CELL; never decreases with `at`."""
    cdef double number = at / cell
    if number <= <double>-LAST_CELL:
        return 0
    if number >= <double>LAST_CELL:
        return 2 * LAST_CELL
    return <int64_t>(number + <double>LAST_CELL)


cdef inline int64_t key_of(int level, int64_t x, int64_t y, int64_t z) noexcept nogil:
    return ((<int64_t>level << 20 | x) << 20 | y) << 20 | z


cdef inline uint64_t bucket_of(int64_t key, int bits) noexcept nogil:
    """Fibonacci hashing: the highest bits of the product by 2⁶⁴ / φ."""
    return <uint64_t>key * <uint64_t>0x9E3779B97F4A7C15 >> (64 - bits)


cdef int index(Grid *grid, int slots, double margin) noexcept nogil:
    """Sorts the tracks in; the arrays and `bits` are set already. `margin`: of a customary plot, m."""
    cdef const double *c
    cdef uint64_t bucket
    cdef int level, slot
    for level in range(LEVELS):
        grid.reach[level], grid.count[level], grid.first[level] = -1.0, 0, -1
    for bucket in range(<uint64_t>1 << grid.bits):
        grid.bucket[bucket] = -1
    for slot in range(slots - 1, -1, -1):
        c = grid.centres + slot // 8 * 32 + slot % 8
        grid.key[slot] = -1
        if c[0] == NOWHERE_M:
            continue
        level = level_of(c[24])
        grid.key[slot] = level
        grid.reach[level] = c[24] if c[24] > grid.reach[level] else grid.reach[level]
        grid.count[level] += 1
        grid.following[slot], grid.first[level] = grid.first[level], slot
    for level in range(LEVELS):
        grid.cell[level] = 2.0 * (grid.reach[level] + margin)
    for slot in range(slots - 1, -1, -1):
        if grid.key[slot] < 0:
            continue
        c = grid.centres + slot // 8 * 32 + slot % 8
        level = <int>grid.key[slot]
        grid.key[slot] = key_of(
            level, cell_of(c[0], grid.cell[level]), cell_of(c[8], grid.cell[level]),
            cell_of(c[16], grid.cell[level]))
        bucket = bucket_of(grid.key[slot], grid.bits)
        grid.chained[slot], grid.bucket[bucket] = grid.bucket[bucket], slot
    return 0


cdef int collect(const Grid *grid, int32_t row, const double *at, double margin, Pairs *pairs) noexcept nogil:
    """Appends the pairs of one plot, by slot; 0, or -1 without memory."""
    cdef Py_ssize_t begin = pairs.count
    cdef int level, slot
    for level in range(LEVELS):
        if not grid.count[level]:
            continue
        if in_cells(grid, level, row, at, margin, pairs):
            return -1
    sort(pairs.slots + begin, pairs.count - begin)
    return 0


cdef int in_cells(
    const Grid *grid, int level, int32_t row, const double *at, double margin, Pairs *pairs
) noexcept nogil:
    """The pairs of one plot with tracks of one level."""
    cdef double far = (grid.reach[level] + margin) * 1.000000001 + 1e-6
    cdef int64_t low[3]
    cdef int64_t high[3]
    cdef int64_t x, y, z, key, cells = 1
    cdef int axis, slot
    if not (far < FARTHEST_M and grid.cell[level] < FARTHEST_M):
        return in_level(grid, level, row, at, margin, pairs)
    for axis in range(3):
        low[axis] = cell_of(at[axis] - far, grid.cell[level])
        high[axis] = cell_of(at[axis] + far, grid.cell[level])
        cells *= high[axis] - low[axis] + 1
        if cells > MOST_CELLS or cells > grid.count[level]:
            return in_level(grid, level, row, at, margin, pairs)
    for x in range(low[0], high[0] + 1):
        for y in range(low[1], high[1] + 1):
            for z in range(low[2], high[2] + 1):
                key = key_of(level, x, y, z)
                slot = grid.bucket[bucket_of(key, grid.bits)]
                while slot >= 0:
                    if grid.key[slot] == key and within(grid, slot, at, margin):
                        if append(pairs, row, slot):
                            return -1
                    slot = grid.chained[slot]
    return 0


cdef int in_level(
    const Grid *grid, int level, int32_t row, const double *at, double margin, Pairs *pairs
) noexcept nogil:
    """The same, looking at every track of the level."""
    cdef int slot = grid.first[level]
    while slot >= 0:
        if within(grid, slot, at, margin) and append(pairs, row, slot):
            return -1
        slot = grid.following[slot]
    return 0


cdef inline bint within(const Grid *grid, int slot, const double *at, double margin) noexcept nogil:
    """The test of `ext.gating.lanes_near`, operation by operation."""
    cdef const double *c = grid.centres + slot // 8 * 32 + slot % 8
    cdef double r = c[24] + margin
    return (c[0] - at[0]) * (c[0] - at[0]) + (c[8] - at[1]) * (c[8] - at[1]) \
        + (c[16] - at[2]) * (c[16] - at[2]) - r * r <= 0.0


cdef int append(Pairs *pairs, int32_t row, int32_t slot) noexcept nogil:
    """One more pair; 0, or -1 without memory."""
    cdef Py_ssize_t room
    cdef void *grown
    if pairs.count == pairs.room:
        room = 2 * pairs.room + 64
        grown = realloc(pairs.rows, room * sizeof(int32_t))
        if grown == NULL:
            return -1
        pairs.rows = <int32_t *>grown
        grown = realloc(pairs.slots, room * sizeof(int32_t))
        if grown == NULL:
            return -1
        pairs.slots, pairs.room = <int32_t *>grown, room
    pairs.rows[pairs.count], pairs.slots[pairs.count] = row, slot
    pairs.count += 1
    return 0


cdef void sort(int32_t *values, Py_ssize_t n) noexcept nogil:
    """Shell's sort: a plot has few tracks near it, seldom many."""
    cdef Py_ssize_t gap = 1, i, j
    cdef int32_t value
    while gap < n // 3:
        gap = 3 * gap + 1
    while gap:
        for i in range(gap, n):
            value, j = values[i], i
            while j >= gap and values[j - gap] > value:
                values[j] = values[j - gap]
                j -= gap
            values[j] = value
        gap //= 3
