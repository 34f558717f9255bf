"""What a sensor measures: range, azimuth (clockwise from north) and elevation in its east-north-up frame.

Lane arrays: component-major, eight lanes innermost. `site` (3) is the sensor's ECEF position in each lane's
instant; `enu` (3, 3) the unit vectors east, north, up as rows, the same for all lanes.

A component that the sensor does not measure has an infinite sigma and a finite z that nobody reads: elevation
(a 2-D radar) or range (a line of sight). IEEE 754 then does what is right, a gain of 0, in all but the
densities (`ext.kalman.gauss`).
"""

from libc.math cimport sqrt

from ext.elementary cimport c_atan2, c_sincos, wrap
from ext.lanes cimport LANES

cdef extern from *:
    """
    #define MEASUREMENT_VAGUE 0.01
    #define MEASUREMENT_LARGEST 1.7976931348623157e308
    """
    const double VAGUE "MEASUREMENT_VAGUE"  # of the range: there an arc leaves its tangent by 0.005 % of it
    const double LARGEST "MEASUREMENT_LARGEST"  # of the finite numbers


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


cdef inline void measured(const double *sigma, double *share) noexcept nogil:
    """share (1): one over the number of components that are measured, of which azimuth is always one."""
    cdef Py_ssize_t l
    for l in range(LANES):
        share[l] = 1.0 / 3.0 if sigma[l] + sigma[16 + l] <= LARGEST else 0.5


cdef inline void linearise(
    const double *x, const double *p, const double *z, const double *sigma, const double *site,
    const double *enu, double *nu, double *rows
) noexcept nogil:
    """Innovation nu (3) of plots z (3) for states x (6) with covariance p (6, 6), and rows H (3, 3).

    Linearised at the state. Where its position is vaguer than VAGUE of the range, the lines that a measurement
    is constant on bend too much over that length, and it is linearised at the plot: the measured components
    of the plot, the others of the state. The innovation is that of the linear model at the state: z - h(pivot)
    - H (x - pivot).
    """
    cdef double h[24]
    cdef double pivot[24]
    cdef double vague[8]
    cdef double lanes = 0.0
    cdef Py_ssize_t i, l
    measure(x, site, enu, h, rows)
    innovate(z, h, nu)
    for l in range(LANES):
        vague[l] = 1.0 if p[l] + p[56 + l] + p[112 + l] > VAGUE * VAGUE * h[l] * h[l] else 0.0
        lanes += vague[l]
    if lanes == 0.0:
        return
    for i in range(3):
        for l in range(LANES):
            h[i * 8 + l] = z[i * 8 + l] if sigma[i * 8 + l] <= LARGEST else h[i * 8 + l]
    place(h, site, enu, pivot)
    relinearise(x, z, site, enu, pivot, vague, nu, rows)


cdef inline void relinearise(
    const double *x, const double *z, const double *site, const double *enu, const double *pivot,
    const double *vague, double *nu, double *rows
) noexcept nogil:
    """Where `vague` is positive: rows H (3, 3) at the pivots (3), and the innovation nu (3) by them."""
    cdef double h[24]
    cdef double there[72]
    cdef double innovation[24]
    cdef Py_ssize_t i, l
    measure(pivot, site, enu, h, there)
    innovate(z, h, innovation)
    for i in range(3):
        for l in range(LANES):
            innovation[i * 8 + l] -= (
                there[i * 24 + l] * (x[l] - pivot[l]) + there[i * 24 + 8 + l] * (x[8 + l] - pivot[8 + l])
                + there[i * 24 + 16 + l] * (x[16 + l] - pivot[16 + l]))
            nu[i * 8 + l] = innovation[i * 8 + l] if vague[l] > 0.0 else nu[i * 8 + l]
    for i in range(9):
        for l in range(LANES):
            rows[i * 8 + l] = there[i * 8 + l] if vague[l] > 0.0 else rows[i * 8 + l]


cdef inline void place(
    const double *z, const double *site, const double *enu, double *position
) noexcept nogil:
    """ECEF positions (3) of plots z (3)."""
    cdef double sa, ca, se, ce, e, n, u
    cdef Py_ssize_t l
    for l in range(LANES):
        c_sincos(z[8 + l], &sa, &ca)
        c_sincos(z[16 + l], &se, &ce)
        e = z[l] * ce * sa
        n = z[l] * ce * ca
        u = z[l] * se
        position[l] = site[l] + (enu[0] * e + enu[3] * n + enu[6] * u)
        position[8 + l] = site[8 + l] + (enu[1] * e + enu[4] * n + enu[7] * u)
        position[16 + l] = site[16 + l] + (enu[2] * e + enu[5] * n + enu[8] * u)


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
