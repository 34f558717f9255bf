"""Checks at the Python doors: the kernels behind them trust their pointers. One line of ValueError each."""

cimport numpy as cnp


cdef inline cnp.ndarray table(object value, int kind, Py_ssize_t rows, Py_ssize_t columns, str name):
    """`value` as a C-contiguous array of type `kind` with shape (rows, columns); rows or columns -1: any.

    `columns` 0 asks for one dimension.
    """
    cdef cnp.ndarray array
    if not isinstance(value, cnp.ndarray):
        raise ValueError(f"{name}: a numpy array is needed, not {type(value).__name__}")
    array = value
    if cnp.PyArray_TYPE(array) != kind or not cnp.PyArray_ISCARRAY_RO(array):
        raise ValueError(f"{name}: {array.dtype}, contiguous {cnp.PyArray_DescrFromType(kind)} is needed")
    if cnp.PyArray_NDIM(array) != (1 if columns == 0 else 2):
        raise ValueError(f"{name}: {cnp.PyArray_NDIM(array)} dimensions")
    if (rows >= 0 and cnp.PyArray_DIM(array, 0) != rows) or (
        columns > 0 and cnp.PyArray_DIM(array, 1) != columns
    ):
        raise ValueError(f"{name}: shape {(<object>array).shape}, {(rows, columns)} is needed (-1: any)")
    return array


cdef inline int finite(const double *values, Py_ssize_t n, str name) except -1:
    """Refuses infinities and NaN."""
    cdef Py_ssize_t i
    for i in range(n):
        if not (-1.7976931348623157e308 <= values[i] <= 1.7976931348623157e308):
            raise ValueError(f"{name}: {values[i]!r} is not finite")
    return 0


cdef inline int numbers(object value, Py_ssize_t n, double *out, str name) except -1:
    """Any flat sequence of n finite numbers, copied to `out`."""
    cdef Py_ssize_t i
    if len(value) != n:
        raise ValueError(f"{name}: {len(value)} numbers, {n} are needed")
    for i in range(n):
        out[i] = value[i]
    return finite(out, n, name)
