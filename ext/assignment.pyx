"""Exact assignment over pairs: the shortest augmenting path algorithm of Jonker and Volgenant as in Crouse (2016).

D. F. Crouse, On implementing 2D rectangular assignment algorithms, IEEE Trans. AES 52 (2016) 1679-1696.

Only pairs that exist are looked at, so that a path never leaves the connected cluster it began in and a scan
costs what its clusters cost, each alone. `clusters` names them.
"""

import numpy as np

cimport numpy as cnp
from libc.math cimport INFINITY
from libc.stdint cimport int32_t

from ext.door cimport table

cnp.import_array()


def assign(rows, columns, cost, double unassigned_cost):
    """Which pairs to take, for the least total cost: bool (p). A row and a column are taken once at most.

    rows, columns (p) int32, not negative, ordered by row, then column; cost (p) finite. A row that takes no pair
    costs `unassigned_cost`. Among equal totals the choice is fixed by the order of rows and columns alone.
    ValueError for pairs out of order, numbers that are not finite.
    """
    cdef cnp.ndarray row = table(rows, cnp.NPY_INT32, -1, 0, "rows")
    cdef Py_ssize_t p = cnp.PyArray_DIM(row, 0), n, m, i
    cdef cnp.ndarray column = table(columns, cnp.NPY_INT32, p, 0, "columns")
    cdef cnp.ndarray costs = table(cost, cnp.NPY_DOUBLE, p, 0, "cost")
    cdef const int32_t *r = <const int32_t *>cnp.PyArray_DATA(row)
    cdef const int32_t *c = <const int32_t *>cnp.PyArray_DATA(column)
    cdef cnp.ndarray reals, whole, out = np.zeros(p, np.bool_)
    cdef Assignment a
    a.column, a.cost, a.unassigned = c, <const double *>cnp.PyArray_DATA(costs), unassigned_cost
    if not -1e300 < unassigned_cost < 1e300:
        raise ValueError(f"unassigned_cost: {unassigned_cost!r} is not finite")
    for i in range(p):
        if not -1e300 < a.cost[i] < 1e300:
            raise ValueError(f"cost: {a.cost[i]!r} is not finite")
    m = widest(r, c, p)
    n = r[p - 1] + 1 if p else 0
    reals, whole = np.zeros(n + 2 * (n + m)), np.empty(5 * n + 1 + 4 * (n + m), np.int32)
    a.columns = m
    a.u = <double *>cnp.PyArray_DATA(reals)
    a.v = a.u + n
    a.shortest = a.v + n + m
    a.begin = <int32_t *>cnp.PyArray_DATA(whole)
    a.taken = a.begin + n + 1
    a.visited = a.taken + n
    a.row_of = a.visited + n
    a.path = a.row_of + n + m
    a.closed = a.path + n + m
    a.touched = a.closed + n + m
    with nogil:
        solve(&a, r, p, n)
    for i in range(n):
        if a.taken[i] >= 0:
            (<cnp.npy_bool *>cnp.PyArray_DATA(out))[a.taken[i]] = 1
    return out


def clusters(rows, columns):
    """Of every pair the number of its connected cluster, int32 (p), from 0 in the order of their first pairs.

    rows, columns (p) int32, ordered by row, then column. Two pairs are connected that share a row or a column.
    """
    cdef cnp.ndarray row = table(rows, cnp.NPY_INT32, -1, 0, "rows")
    cdef Py_ssize_t p = cnp.PyArray_DIM(row, 0), n, i
    cdef cnp.ndarray column = table(columns, cnp.NPY_INT32, p, 0, "columns")
    cdef const int32_t *r = <const int32_t *>cnp.PyArray_DATA(row)
    cdef const int32_t *c = <const int32_t *>cnp.PyArray_DATA(column)
    cdef cnp.ndarray out = np.empty(p, np.int32), parents, names
    cdef int32_t *parent
    cdef int32_t *name
    cdef int32_t *cluster = <int32_t *>cnp.PyArray_DATA(out)
    cdef Py_ssize_t m = widest(r, c, p)
    cdef int32_t known = 0, root
    n = r[p - 1] + 1 if p else 0
    parents, names = np.arange(n + m, dtype=np.int32), np.full(n + m, -1, np.int32)
    parent, name = <int32_t *>cnp.PyArray_DATA(parents), <int32_t *>cnp.PyArray_DATA(names)
    for i in range(p):
        parent[root_of(parent, r[i])] = root_of(parent, <int32_t>(n + c[i]))
    for i in range(p):
        root = root_of(parent, r[i])
        if name[root] < 0:
            name[root] = known
            known += 1
        cluster[i] = name[root]
    return out


cdef Py_ssize_t widest(const int32_t *rows, const int32_t *columns, Py_ssize_t p) except -1:
    """How many columns there are; ValueError for pairs that are not ordered by row, then column."""
    cdef Py_ssize_t i, most = 0
    for i in range(p):
        if rows[i] < 0 or columns[i] < 0 or (
            i and (rows[i] < rows[i - 1] or (rows[i] == rows[i - 1] and columns[i] <= columns[i - 1]))
        ):
            raise ValueError(f"pairs: ({rows[i]}, {columns[i]}) is out of order")
        most = columns[i] + 1 if columns[i] >= most else most
    return most


cdef int32_t root_of(int32_t *parent, int32_t node) noexcept nogil:
    """Union-find with halving of paths (R. E. Tarjan and J. van Leeuwen, 1984)."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


cdef struct Assignment:  # columns and one more for each row: column `columns` + i stands for "row i takes none"
    Py_ssize_t columns
    const int32_t *column  # (pairs)
    const double *cost  # (pairs)
    double unassigned
    double *u
    double *v
    double *shortest
    int32_t *begin  # (rows + 1) of each row's pairs
    int32_t *taken  # (rows) pair, or -1
    int32_t *visited
    int32_t *row_of
    int32_t *path  # to a column: the pair, or -1 - row for a row's own column
    int32_t *closed
    int32_t *touched  # columns with a path, in no matter which order


cdef void solve(Assignment *a, const int32_t *rows, Py_ssize_t p, Py_ssize_t n) noexcept nogil:
    """Assigns one row after the other."""
    cdef Py_ssize_t i, j = 0
    for i in range(n):
        while j < p and rows[j] < i:
            j += 1
        a.begin[i] = j
        a.taken[i] = -1
    a.begin[n] = p
    for i in range(n + a.columns):
        a.row_of[i], a.closed[i], a.shortest[i] = -1, 0, INFINITY
    for i in range(n):
        if a.begin[i] < a.begin[i + 1]:
            augment(a, rows, i)


cdef void augment(Assignment *a, const int32_t *rows, Py_ssize_t start) noexcept nogil:
    """Assigns row `start` along the cheapest augmenting path; there always is one, its own column."""
    cdef Py_ssize_t m = a.columns, i = start, j, sink = -1, best, own, count = 0, reached = 0
    cdef double least = 0.0
    while sink < 0:
        a.visited[count] = i
        count += 1
        reached = relax(a, i, least, reached)
        best = -1
        for j in range(reached):
            best = nearer(a, a.touched[j], best)
        for j in range(count):  # own columns come last, in the order of the visits
            own = m + a.visited[j]
            if not a.closed[own] and (best < 0 or a.shortest[own] < a.shortest[best]):
                best = own
        least = a.shortest[best]
        a.closed[best] = 1
        if a.row_of[best] < 0:
            sink = best
        else:
            i = a.row_of[best]
    raise_prices(a, start, least, count, reached)
    flip(a, rows, start, sink)


cdef inline Py_ssize_t relax(Assignment *a, Py_ssize_t i, double least, Py_ssize_t reached) noexcept nogil:
    """Shorter ways through row i; gives how many columns have been touched."""
    cdef Py_ssize_t m = a.columns, k, j
    cdef double reduced
    for k in range(a.begin[i], a.begin[i + 1]):
        j = a.column[k]
        if not a.closed[j]:
            reduced = least + a.cost[k] - a.u[i] - a.v[j]
            if a.shortest[j] == INFINITY:
                a.touched[reached] = j
                reached += 1
            if reduced < a.shortest[j]:
                a.shortest[j], a.path[j] = reduced, k
    a.shortest[m + i], a.path[m + i] = least + a.unassigned - a.u[i] - a.v[m + i], -1 - i
    return reached


cdef inline Py_ssize_t nearer(const Assignment *a, Py_ssize_t j, Py_ssize_t best) noexcept nogil:
    """Whichever of two columns has the shorter way, the lower one of two alike."""
    if a.closed[j]:
        return best
    if best < 0 or a.shortest[j] < a.shortest[best]:
        return j
    return j if a.shortest[j] == a.shortest[best] and j < best else best


cdef inline void raise_prices(
    Assignment *a, Py_ssize_t start, double least, Py_ssize_t count, Py_ssize_t reached
) noexcept nogil:
    """The dual variables after a path of length `least`; and the columns that were looked at, as before."""
    cdef Py_ssize_t m = a.columns, j, at
    a.u[start] += least
    for j in range(1, count):
        a.u[a.visited[j]] += least - a.shortest[a.column[a.taken[a.visited[j]]]]
    for j in range(reached + count):
        at = a.touched[j] if j < reached else m + a.visited[j - reached]
        if a.closed[at]:
            a.v[at] -= least - a.shortest[at]
        a.closed[at], a.shortest[at] = 0, INFINITY


cdef inline void flip(Assignment *a, const int32_t *rows, Py_ssize_t start, Py_ssize_t sink) noexcept nogil:
    """Hands the columns along the path on, from its end to row `start`."""
    cdef Py_ssize_t i, last
    cdef int32_t pair
    while True:
        pair = a.path[sink]
        i = rows[pair] if pair >= 0 else -1 - pair
        last = a.column[a.taken[i]] if a.taken[i] >= 0 else -1
        a.row_of[sink], a.taken[i] = i, pair if pair >= 0 else -1
        if i == start:
            return
        sink = last
