"""Exact assignment: the shortest augmenting path algorithm of Jonker and Volgenant as in Crouse (2016).

D. F. Crouse, On implementing 2D rectangular assignment algorithms, IEEE Trans. AES 52 (2016) 1679-1696.
"""

import numpy as np

cimport numpy as cnp
from libc.math cimport INFINITY
from libc.stdint cimport int32_t

from ext.door cimport table

cnp.import_array()


def assign(cost, double unassigned_cost):
    """Which column each row takes, for the least total cost: int32 (n), -1 where a row takes none.

    cost (n, m), inf: forbidden; NaN and -inf are refused. A row without a column costs `unassigned_cost`.
    Among equal totals the choice is fixed by the order of rows and columns alone.
    """
    cdef cnp.ndarray costs = table(cost, cnp.NPY_DOUBLE, -1, -1, "cost")
    cdef Py_ssize_t n = cnp.PyArray_DIM(costs, 0), m = cnp.PyArray_DIM(costs, 1), i
    cdef const double *c = <const double *>cnp.PyArray_DATA(costs)
    cdef cnp.ndarray reals = np.zeros(n + 3 * (n + m)), whole = np.empty(2 * n + 3 * (n + m), np.int32)
    cdef cnp.ndarray out = np.empty(n, np.int32)
    cdef Assignment a
    if not -1e300 < unassigned_cost < 1e300:
        raise ValueError(f"unassigned_cost: {unassigned_cost!r} is not finite")
    for i in range(n * m):
        if not c[i] > -INFINITY:
            raise ValueError(f"cost: {c[i]!r} is not a number")
    a.rows, a.columns, a.cost, a.unassigned = n, m, c, unassigned_cost
    a.u = <double *>cnp.PyArray_DATA(reals)
    a.v = a.u + n
    a.shortest = a.v + n + m
    a.column_of = <int32_t *>cnp.PyArray_DATA(whole)
    a.visited = a.column_of + n
    a.row_of = a.visited + n
    a.path = a.row_of + n + m
    a.closed = a.path + n + m
    with nogil:
        for i in range(n):
            a.column_of[i] = -1
        for i in range(n + m):
            a.row_of[i] = -1
        for i in range(n):
            augment(&a, i)
    for i in range(n):
        (<int32_t *>cnp.PyArray_DATA(out))[i] = a.column_of[i] if a.column_of[i] < m else -1
    return out


cdef struct Assignment:  # rows and columns + rows: column m + i stands for "row i takes none"
    Py_ssize_t rows
    Py_ssize_t columns
    const double *cost
    double unassigned
    double *u
    double *v
    double *shortest
    int32_t *column_of
    int32_t *visited
    int32_t *row_of
    int32_t *path
    int32_t *closed


cdef void augment(Assignment *a, Py_ssize_t start) noexcept nogil:
    """Assigns row `start` along the cheapest augmenting path; there always is one, its own column."""
    cdef Py_ssize_t m = a.columns, i = start, j, sink = -1, best, count = 0, last
    cdef double reduced, least = 0.0
    for j in range(m + a.rows):
        a.shortest[j] = INFINITY
        a.closed[j] = 0
    while sink < 0:
        a.visited[count] = i
        count += 1
        best = -1
        for j in range(m):
            if not a.closed[j]:
                reduced = least + a.cost[i * m + j] - a.u[i] - a.v[j]
                if reduced < a.shortest[j]:
                    a.shortest[j], a.path[j] = reduced, i
                if a.shortest[j] < INFINITY and (best < 0 or a.shortest[j] < a.shortest[best]):
                    best = j
        reduced = least + a.unassigned - a.u[i] - a.v[m + i]
        if not a.closed[m + i] and reduced < a.shortest[m + i]:
            a.shortest[m + i], a.path[m + i] = reduced, i
        for j in range(count):
            last = m + a.visited[j]
            if not a.closed[last] and (best < 0 or a.shortest[last] < a.shortest[best]):
                best = last
        least = a.shortest[best]
        a.closed[best] = 1
        if a.row_of[best] < 0:
            sink = best
        else:
            i = a.row_of[best]
    a.u[start] += least
    for j in range(1, count):
        a.u[a.visited[j]] += least - a.shortest[a.column_of[a.visited[j]]]
    for j in range(m + a.rows):
        if a.closed[j]:
            a.v[j] -= least - a.shortest[j]
    while True:
        i = a.path[sink]
        a.row_of[sink] = i
        last = a.column_of[i]
        a.column_of[i] = sink
        if i == start:
            return
        sink = last
