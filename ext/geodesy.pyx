"""ECEF and geodetic coordinates (WGS-84), with the project's own elementary functions."""

import numpy as np

cimport numpy as cnp
from libc.math cimport sqrt

from ext.door cimport finite, table
from ext.elementary cimport c_atan2, c_sincos

cnp.import_array()

cdef extern from "earth.h" nogil:
    const double EARTH_A, EARTH_F, EARTH_E2


cdef void to_geodetic(const double *r, double *lat, double *lon, double *alt) noexcept nogil:
    """Bowring (1976) with the reduced latitude, iterated three times: to 1 mm below 10,000 km."""
    cdef double b = EARTH_A * (1.0 - EARTH_F)
    cdef double p = sqrt(r[0] * r[0] + r[1] * r[1])
    cdef double up = r[2], across = p * (1.0 - EARTH_F)  # of the reduced latitude
    cdef double norm, s, c
    cdef int i
    for i in range(3):
        norm = sqrt(up * up + across * across)
        norm = norm if norm > 0.0 else 1.0
        s, c = up / norm, across / norm
        up = r[2] + EARTH_E2 / (1.0 - EARTH_E2) * b * s * s * s
        across = p - EARTH_E2 * EARTH_A * c * c * c
        lat[0] = c_atan2(up, across)
        norm = sqrt(up * up + across * across)
        s, c = up / norm, across / norm
        up, across = up * (1.0 - EARTH_F), across
    alt[0] = p * c + r[2] * s - EARTH_A * sqrt(1.0 - EARTH_E2 * s * s)
    lon[0] = c_atan2(r[1], r[0])


def geodetic(ecef):
    """Latitude (rad), longitude (rad), ellipsoidal height (m), each (n), of positions (n, 3) in ECEF m."""
    cdef cnp.ndarray positions = table(ecef, cnp.NPY_DOUBLE, -1, 3, "ecef")
    cdef Py_ssize_t n = cnp.PyArray_DIM(positions, 0), i
    cdef cnp.ndarray lat = np.empty(n), lon = np.empty(n), alt = np.empty(n)
    cdef const double *r = <const double *>cnp.PyArray_DATA(positions)
    finite(r, 3 * n, "ecef")
    for i in range(n):
        to_geodetic(
            r + 3 * i, <double *>cnp.PyArray_DATA(lat) + i, <double *>cnp.PyArray_DATA(lon) + i,
            <double *>cnp.PyArray_DATA(alt) + i)
    return lat, lon, alt


def ecef(lat_rad, lon_rad, alt_m):
    """Positions (n, 3) in ECEF, m, of latitudes, longitudes (rad), ellipsoidal heights (m), each (n)."""
    cdef cnp.ndarray lat = table(lat_rad, cnp.NPY_DOUBLE, -1, 0, "lat_rad")
    cdef Py_ssize_t n = cnp.PyArray_DIM(lat, 0), i
    cdef cnp.ndarray lon = table(lon_rad, cnp.NPY_DOUBLE, n, 0, "lon_rad")
    cdef cnp.ndarray alt = table(alt_m, cnp.NPY_DOUBLE, n, 0, "alt_m")
    cdef cnp.ndarray out = np.empty((n, 3))
    cdef const double *height = <const double *>cnp.PyArray_DATA(alt)
    cdef double *r = <double *>cnp.PyArray_DATA(out)
    cdef double sp, cp, sl, cl, normal
    for i in range(n):
        c_sincos((<const double *>cnp.PyArray_DATA(lat))[i], &sp, &cp)
        c_sincos((<const double *>cnp.PyArray_DATA(lon))[i], &sl, &cl)
        normal = EARTH_A / sqrt(1.0 - EARTH_E2 * sp * sp)
        r[3 * i] = (normal + height[i]) * cp * cl
        r[3 * i + 1] = (normal + height[i]) * cp * sl
        r[3 * i + 2] = (normal * (1.0 - EARTH_E2) + height[i]) * sp
    return out
