"""Doors to the elementary functions, for arrays of any shape; the functions themselves are in the pxd."""

import numpy as np

cimport numpy as cnp


cnp.import_array()


cdef _array(object values):
    return np.ascontiguousarray(values, dtype=np.float64)


def exp(x):
    """e to the x, elementwise; x (any shape) finite, beyond [-708, 709] it counts as the end it passes."""
    cdef cnp.ndarray inputs = _array(x), out = np.empty_like(inputs)
    cdef const double *a = <const double *>cnp.PyArray_DATA(inputs)
    cdef double *b = <double *>cnp.PyArray_DATA(out)
    cdef Py_ssize_t i
    for i in range(inputs.size):
        b[i] = c_exp(a[i])
    return out


def log(x):
    """Natural logarithm, elementwise; x (any shape) must be positive, finite and normal."""
    cdef cnp.ndarray inputs = _array(x), out = np.empty_like(inputs)
    cdef const double *a = <const double *>cnp.PyArray_DATA(inputs)
    cdef double *b = <double *>cnp.PyArray_DATA(out)
    cdef Py_ssize_t i
    for i in range(inputs.size):
        if not (2.2250738585072014e-308 <= a[i] <= 1.7976931348623157e308):
            raise ValueError(f"log: {a[i]!r} is not a positive normal number")
        b[i] = c_log(a[i])
    return out


def sincos(x):
    """Sine and cosine, elementwise; x (any shape) in radians, smaller than 2**19 in magnitude."""
    cdef cnp.ndarray inputs = _array(x), sine = np.empty_like(inputs), cosine = np.empty_like(inputs)
    cdef const double *a = <const double *>cnp.PyArray_DATA(inputs)
    cdef double *s = <double *>cnp.PyArray_DATA(sine)
    cdef double *c = <double *>cnp.PyArray_DATA(cosine)
    cdef Py_ssize_t i
    for i in range(inputs.size):
        if not (-524288.0 < a[i] < 524288.0):
            raise ValueError(f"sincos: {a[i]!r} is beyond 2**19")
        c_sincos(a[i], s + i, c + i)
    return sine, cosine


def sin(x):
    """Sine, elementwise; as `sincos`."""
    return sincos(x)[0]


def cos(x):
    """Cosine, elementwise; as `sincos`."""
    return sincos(x)[1]


def atan2(y, x):
    """Angle of (x, y) in [-π, π], elementwise; y and x of one shape; 0 at the origin."""
    cdef cnp.ndarray ys = _array(y), xs = _array(x), out = np.empty_like(ys)
    if ys.size != xs.size:
        raise ValueError(f"atan2: {ys.size} and {xs.size} values")
    cdef const double *a = <const double *>cnp.PyArray_DATA(ys)
    cdef const double *b = <const double *>cnp.PyArray_DATA(xs)
    cdef double *c = <double *>cnp.PyArray_DATA(out)
    cdef Py_ssize_t i
    for i in range(ys.size):
        c[i] = c_atan2(a[i], b[i])
    return out
