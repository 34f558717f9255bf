"""What a radar measures: range, azimuth (clockwise from north) and elevation in its east-north-up frame.

Lane arrays: component-major, eight lanes innermost. `site` (3) is the sensor's ECEF position in each lane's
instant; `enu` (3, 3) the unit vectors east, north, up as rows, the same for all lanes.
"""

from libc.math cimport sqrt

from ext.elementary cimport c_atan2, c_sincos, wrap
from ext.lanes cimport LANES


cdef inline void measure(
    const double *x, const double *site, const double *enu, double *h, double *jacobian
) noexcept nogil:
    """Range, azimuth, elevation h (3) of positions x (3), and the derivative (3, 3) by ECEF position.

    Directly overhead the azimuth has none: the horizontal distance counts as 1 m at least.
    """
    cdef double e, n, u, dx, dy, dz, g2, g, r, r2, a, b, c
    cdef Py_ssize_t i, l
    for l in range(LANES):
        dx = x[l] - site[l]
        dy = x[8 + l] - site[8 + l]
        dz = x[16 + l] - site[16 + l]
        e = enu[0] * dx + enu[1] * dy + enu[2] * dz
        n = enu[3] * dx + enu[4] * dy + enu[5] * dz
        u = enu[6] * dx + enu[7] * dy + enu[8] * dz
        g2 = e * e + n * n
        g2 = g2 if g2 > 1.0 else 1.0
        r2 = g2 + u * u
        g = sqrt(g2)
        r = sqrt(r2)
        h[l] = r
        h[8 + l] = c_atan2(e, n)
        h[16 + l] = c_atan2(u, g)
        jacobian[l] = dx / r
        jacobian[8 + l] = dy / r
        jacobian[16 + l] = dz / r
        a = n / g2
        b = e / g2
        jacobian[24 + l] = a * enu[0] - b * enu[3]
        jacobian[32 + l] = a * enu[1] - b * enu[4]
        jacobian[40 + l] = a * enu[2] - b * enu[5]
        a = -e * u / (r2 * g)
        b = -n * u / (r2 * g)
        c = g / r2
        jacobian[48 + l] = a * enu[0] + b * enu[3] + c * enu[6]
        jacobian[56 + l] = a * enu[1] + b * enu[4] + c * enu[7]
        jacobian[64 + l] = a * enu[2] + b * enu[5] + c * enu[8]


cdef inline void innovate(const double *z, const double *h, double *nu) noexcept nogil:
    """Innovation nu (3) = z - h, the azimuth wrapped."""
    cdef Py_ssize_t l
    for l in range(LANES):
        nu[l] = z[l] - h[l]
        nu[8 + l] = wrap(z[8 + l] - h[8 + l])
        nu[16 + l] = z[16 + l] - h[16 + l]


cdef inline void locate(
    const double *z, const double *site, const double *enu, double *position, double *jacobian
) noexcept nogil:
    """ECEF position (3) of one plot z (3), its derivative (3, 3) by range, azimuth, elevation: no lanes."""
    cdef double sa, ca, se, ce
    cdef double column[9]
    cdef Py_ssize_t i, j
    c_sincos(z[1], &sa, &ca)
    c_sincos(z[2], &se, &ce)
    column[:] = [ce * sa, z[0] * ce * ca, -z[0] * se * sa,
                 ce * ca, -z[0] * ce * sa, -z[0] * se * ca,
                 se, 0.0, z[0] * ce]
    for i in range(3):
        position[i] = site[i] + z[0] * (enu[i] * column[0] + enu[3 + i] * column[3] + enu[6 + i] * column[6])
        for j in range(3):
            jacobian[i * 3 + j] = enu[i] * column[j] + enu[3 + i] * column[3 + j] + enu[6 + i] * column[6 + j]
