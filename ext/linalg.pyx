"""Small dense linear algebra with its own loops, in fixed order: for matrices that lead to a picture."""

import numpy as np

cimport numpy as cnp
from libc.math cimport sqrt

from ext.door cimport finite, table

cnp.import_array()


def cholesky(a):
    """Lower triangle L (n, n) with L Lᵀ = a, of a symmetric positive definite matrix a (n, n).

    Reads the lower triangle of a; ValueError when a is not positive definite (Golub and Van Loan, 4.2.1).
    """
    cdef cnp.ndarray matrix = table(a, cnp.NPY_DOUBLE, -1, -1, "a")
    cdef Py_ssize_t n = cnp.PyArray_DIM(matrix, 0), i, j, k
    cdef cnp.ndarray lower = np.zeros((n, n))
    cdef const double *m = <const double *>cnp.PyArray_DATA(matrix)
    cdef double *out = <double *>cnp.PyArray_DATA(lower)
    cdef double value
    if cnp.PyArray_DIM(matrix, 1) != n:
        raise ValueError(f"a: shape {a.shape} is not square")
    finite(m, n * n, "a")
    for j in range(n):
        for i in range(j, n):
            value = m[i * n + j]
            for k in range(j):
                value -= out[i * n + k] * out[j * n + k]
            if i > j:
                out[i * n + j] = value / out[j * n + j]
            elif value > 0.0:
                out[i * n + i] = sqrt(value)
            else:
                raise ValueError(f"a: not positive definite, pivot {i} is {value!r}")
    return lower
