"""Motion of eight objects in ECEF: free fall, with drag, or level flight; one RK4 step and its transition.

Lane arrays: component-major, eight lanes innermost. State (6): position m, velocity m/s relative to the
rotating Earth. Which motion it is says `kind`, the same for all lanes; `constant` (1) is what it needs:

- FREE: gravity with J2 in the rotating frame; no constant
- DRAG: the same with drag; 1/β in m²/kg
- LEVEL: an aircraft; the rate of its turn about the vertical, rad/s, positive to the left

Two limits keep the tracks finite that no missile has made: drag slows by no more than the rate 1/h over
a step of h seconds (more would make it unstable), and within 5,000 km of the Earth's centre gravity falls
to 0.
"""

from libc.math cimport sqrt

from ext.elementary cimport c_exp
from ext.lanes cimport LANES, ROW

cdef extern from "earth.h" nogil:
    const double EARTH_GM, EARTH_A, EARTH_F, EARTH_E2, EARTH_J2, EARTH_OMEGA

cdef enum:
    INNERMOST_M = 5000000
    LEVEL_M = 8000  # where level flight tends to
    LEVEL_S = 500  # and how soon

cdef enum:
    FREE
    DRAG
    LEVEL


cdef inline double height(double r, double s) noexcept nogil:
    """Height (m) over the ellipsoid at distance r from the centre, s = z/r: to 0.3 m near the ground.

    The ellipsoid's radius is expanded to the second order of the flattening; the height is taken along
    the radius, which differs from the normal's by less than 1e-5 of it.
    """
    cdef double s2 = s * s
    return r - EARTH_A * (1.0 - EARTH_F * s2 - 1.5 * EARTH_F * EARTH_F * s2 * (1.0 - s2))


cdef inline double log_density(double height_m, double *slope) noexcept nogil:
    """Natural logarithm of the air's density (kg/m³), and its derivative per metre in `slope`.

    A polynomial of degree 8 fitted here to the US Standard Atmosphere 1976, within 3.1 % of its density from
    -0.5 to 150 km; above, the exponential that touches it there; below -2 km constant.
    """
    cdef double h = height_m * 1e-5
    cdef double bounded = h if h > -0.02 else -0.02
    cdef double u = bounded if bounded < 1.5 else 1.5
    cdef double value = 0.2329879964623152 + u * (-9.548367767734414 + u * (-13.057418361630011 + u * (
        -88.94378865088329 + u * (458.9640020395871 + u * (-803.9824735729071 + u * (
            665.8654869184628 + u * (-264.53687965896125 + u * 40.6027658943663)))))))
    cdef double rate = -9.548367767734414 + u * (2.0 * -13.057418361630011 + u * (
        3.0 * -88.94378865088329 + u * (4.0 * 458.9640020395871 + u * (5.0 * -803.9824735729071 + u * (
            6.0 * 665.8654869184628 + u * (7.0 * -264.53687965896125 + u * (8.0 * 40.6027658943663)))))))
    slope[0] = rate * 1e-5 if h > -0.02 else 0.0
    return value + rate * (bounded - u)


cdef inline double squared_radius(const double *x) noexcept nogil:
    """Square of the distance from the Earth's centre of the position in one lane, INNERMOST_M at least."""
    cdef double r2 = x[0] * x[0] + x[8] * x[8] + x[16] * x[16]
    cdef double least = <double>INNERMOST_M * INNERMOST_M
    return r2 if r2 > least else least


cdef inline void drag_rate(
    const double *x, const double *h, const double *inverse_beta, double *rate
) noexcept nogil:
    """Rate ½ρ/β |v| (1), 1/s, at which drag slows the states x (6), 1/h at most."""
    cdef Py_ssize_t l
    cdef double r, slope
    for l in range(LANES):
        r = sqrt(squared_radius(x + l))
        r = 0.5 * inverse_beta[l] * c_exp(log_density(height(r, x[16 + l] / r), &slope)) * sqrt(
            x[24 + l] * x[24 + l] + x[32 + l] * x[32 + l] + x[40 + l] * x[40 + l])
        rate[l] = r if r * h[l] < 1.0 else 1.0 / h[l]


cdef inline void acceleration(
    const double *x, const double *h, const double *constant, int kind, double *a
) noexcept nogil:
    """Acceleration a (3) of the states x (6), in the rotating frame, during a step of h (1) seconds."""
    cdef double rate[8]
    cdef Py_ssize_t l
    cdef double r2, u, k, s2, d
    if kind == LEVEL:
        level_acceleration(x, constant, a)
        return
    for l in range(LANES):
        r2 = squared_radius(x + l)
        u = EARTH_GM / (r2 * sqrt(r2))
        k = 1.5 * EARTH_J2 * EARTH_A * EARTH_A / r2
        s2 = x[16 + l] * x[16 + l] / r2
        d = EARTH_OMEGA * EARTH_OMEGA - u * (1.0 + k * (1.0 - 5.0 * s2))
        a[l] = d * x[l] + 2.0 * EARTH_OMEGA * x[32 + l]
        a[8 + l] = d * x[8 + l] - 2.0 * EARTH_OMEGA * x[24 + l]
        a[16 + l] = -u * (1.0 + k * (3.0 - 5.0 * s2)) * x[16 + l]
    if kind == DRAG:
        drag_rate(x, h, constant, rate)
        for l in range(LANES):
            a[l] -= rate[l] * x[24 + l]
            a[8 + l] -= rate[l] * x[32 + l]
            a[16 + l] -= rate[l] * x[40 + l]


cdef inline void level_acceleration(const double *x, const double *turn, double *a) noexcept nogil:
    """Acceleration a (3) of aircraft x (6) that turn at the rates `turn` (1), rad/s.

    With u = r/|r| the vertical, a = (u × v) × v / |r| + turn u × v - u (2 u·v / T + (height - LEVEL_M) / T²).
    The first term takes the velocity round the Earth as it is: speed and climb stay. The last is critically
    damped, T = LEVEL_S: slow enough to leave climbs and cruising heights alone, but white noise of the
    density q moves the height by no more than √(q T³/4) in the end, and the climb by √(q T/4): a radar
    that measures no elevation would otherwise let both drift away.
    """
    cdef Py_ssize_t l
    cdef double r, ux, uy, uz, climb, v2, along, up
    for l in range(LANES):
        r = sqrt(squared_radius(x + l))
        ux = x[l] / r
        uy = x[8 + l] / r
        uz = x[16 + l] / r
        climb = ux * x[24 + l] + uy * x[32 + l] + uz * x[40 + l]
        v2 = x[24 + l] * x[24 + l] + x[32 + l] * x[32 + l] + x[40 + l] * x[40 + l]
        along = climb / r
        up = v2 / r + restoring(height(r, uz), climb)
        a[l] = along * x[24 + l] - up * ux + turn[l] * (uy * x[40 + l] - uz * x[32 + l])
        a[8 + l] = along * x[32 + l] - up * uy + turn[l] * (uz * x[24 + l] - ux * x[40 + l])
        a[16 + l] = along * x[40 + l] - up * uz + turn[l] * (ux * x[32 + l] - uy * x[24 + l])


cdef inline double restoring(double height_m, double climb) noexcept nogil:
    """Deceleration of the climb (m/s) of an aircraft at a height, m/s²."""
    return 2.0 * climb / LEVEL_S + (height_m - LEVEL_M) / (<double>LEVEL_S * LEVEL_S)


cdef inline void push_by(const double *push, double *a) noexcept nogil:
    """a (3) += push (3)."""
    cdef Py_ssize_t i
    for i in range(24):
        a[i] += push[i]


cdef inline void rk4(
    const double *x, const double *h, const double *constant, int kind, const double *push, double *middle,
    double *out
) noexcept nogil:
    """One classical Runge-Kutta step of h (1) seconds: x (6) -> out (6); `middle` (6) is its third stage.

    push (3, 3): what else accelerates, at the start, the middle and the end of the step; NULL: nothing does.
    """
    cdef double a1[24]
    cdef double a2[24]
    cdef double a3[24]
    cdef double a4[24]
    cdef double second[48]
    cdef double last[48]
    cdef Py_ssize_t i, l
    acceleration(x, h, constant, kind, a1)
    if push != NULL:
        push_by(push, a1)
    for i in range(3):
        for l in range(LANES):
            second[i * 8 + l] = x[i * 8 + l] + 0.5 * h[l] * x[24 + i * 8 + l]
            second[24 + i * 8 + l] = x[24 + i * 8 + l] + 0.5 * h[l] * a1[i * 8 + l]
    acceleration(second, h, constant, kind, a2)
    if push != NULL:
        push_by(push + 24, a2)
    for i in range(3):
        for l in range(LANES):
            middle[i * 8 + l] = x[i * 8 + l] + 0.5 * h[l] * second[24 + i * 8 + l]
            middle[24 + i * 8 + l] = x[24 + i * 8 + l] + 0.5 * h[l] * a2[i * 8 + l]
    acceleration(middle, h, constant, kind, a3)
    if push != NULL:
        push_by(push + 24, a3)
    for i in range(3):
        for l in range(LANES):
            last[i * 8 + l] = x[i * 8 + l] + h[l] * middle[24 + i * 8 + l]
            last[24 + i * 8 + l] = x[24 + i * 8 + l] + h[l] * a3[i * 8 + l]
    acceleration(last, h, constant, kind, a4)
    if push != NULL:
        push_by(push + 48, a4)
    for i in range(3):
        for l in range(LANES):
            out[i * 8 + l] = x[i * 8 + l] + h[l] * (1.0 / 6.0) * (
                x[24 + i * 8 + l] + 2.0 * (second[24 + i * 8 + l] + middle[24 + i * 8 + l])
                + last[24 + i * 8 + l])
            out[24 + i * 8 + l] = x[24 + i * 8 + l] + h[l] * (1.0 / 6.0) * (
                a1[i * 8 + l] + 2.0 * (a2[i * 8 + l] + a3[i * 8 + l]) + a4[i * 8 + l])


cdef inline void gradient(
    const double *x, const double *h, const double *constant, int kind, double *g, double *w
) noexcept nogil:
    """Derivatives of the acceleration at x (6): g (3, 3) by position, w (3, 3) by velocity."""
    cdef Py_ssize_t i, l
    cdef double r2, u, k, s2, f, p, q
    if kind == LEVEL:
        level_gradient(x, constant, g, w)
        return
    for l in range(LANES):
        r2 = squared_radius(x + l)
        u = EARTH_GM / (r2 * sqrt(r2))
        k = 1.5 * EARTH_J2 * EARTH_A * EARTH_A / r2
        s2 = x[16 + l] * x[16 + l] / r2
        f = EARTH_OMEGA * EARTH_OMEGA - u * (1.0 + k * (1.0 - 5.0 * s2))
        p = u * (3.0 + 5.0 * k - 35.0 * k * s2) / r2
        q = u * (3.0 + 15.0 * k - 35.0 * k * s2) / r2
        g[l] = f + p * x[l] * x[l]
        g[8 + l] = p * x[l] * x[8 + l]
        g[16 + l] = q * x[l] * x[16 + l]
        g[24 + l] = p * x[l] * x[8 + l]
        g[32 + l] = f + p * x[8 + l] * x[8 + l]
        g[40 + l] = q * x[8 + l] * x[16 + l]
        g[48 + l] = q * x[l] * x[16 + l]
        g[56 + l] = q * x[8 + l] * x[16 + l]
        g[64 + l] = u * (s2 * (3.0 + 25.0 * k - 35.0 * k * s2) - 1.0 - k * (3.0 - 5.0 * s2))
    for i in range(72):
        w[i] = 0.0
    for l in range(LANES):
        w[8 + l] = 2.0 * EARTH_OMEGA
        w[24 + l] = -2.0 * EARTH_OMEGA
    if kind == DRAG:
        drag_gradient(x, h, constant, g, w)


cdef inline void drag_gradient(
    const double *x, const double *h, const double *inverse_beta, double *g, double *w
) noexcept nogil:
    """Adds the derivatives of the drag -½ρ/β |v| v to g (3, 3) and w (3, 3)."""
    cdef double n[24]
    cdef double d[8]  # ½ρ/β; 0 where the rate is at its limit
    cdef double speed[8]
    cdef double rate[8]
    cdef double r, s, slope, radial, axial, v2
    cdef Py_ssize_t i, j, l
    for l in range(LANES):
        r = sqrt(squared_radius(x + l))
        s = x[16 + l] / r
        d[l] = 0.5 * inverse_beta[l] * c_exp(log_density(height(r, s), &slope))
        v2 = x[24 + l] * x[24 + l] + x[32 + l] * x[32 + l] + x[40 + l] * x[40 + l]
        speed[l] = sqrt(v2 if v2 > 1e-12 else 1e-12)
        rate[l] = d[l] * speed[l] if d[l] * speed[l] * h[l] < 1.0 else 1.0 / h[l]
        d[l] = d[l] if d[l] * speed[l] * h[l] < 1.0 else 0.0
        axial = EARTH_A * EARTH_F * s * (2.0 + 3.0 * EARTH_F * (1.0 - 2.0 * s * s)) / r  # d(height)/ds / r
        radial = (1.0 - axial * s) / r
        n[l] = slope * radial * x[l]
        n[8 + l] = slope * radial * x[8 + l]
        n[16 + l] = slope * (radial * x[16 + l] + axial)
    for i in range(3):
        for j in range(3):
            for l in range(LANES):
                g[(i * 3 + j) * 8 + l] -= d[l] * speed[l] * x[24 + i * 8 + l] * n[j * 8 + l]
                w[(i * 3 + j) * 8 + l] -= d[l] * x[24 + i * 8 + l] * x[24 + j * 8 + l] / speed[l]
        for l in range(LANES):
            w[i * 32 + l] -= rate[l]


cdef inline void level_gradient(const double *x, const double *turn, double *g, double *w) noexcept nogil:
    """Derivatives of `level_acceleration`: g (3, 3) by position, w (3, 3) by velocity."""
    cdef double u[24]
    cdef double v[24]
    cdef double by_r[24]  # of the vertical part
    cdef double r, climb, v2, axial, radial, up, turned, one
    cdef Py_ssize_t i, j, l
    for l in range(LANES):
        r = sqrt(squared_radius(x + l))
        for i in range(3):
            u[i * 8 + l] = x[i * 8 + l] / r
            v[i * 8 + l] = x[24 + i * 8 + l]
        climb = u[l] * v[l] + u[8 + l] * v[8 + l] + u[16 + l] * v[16 + l]
        v2 = v[l] * v[l] + v[8 + l] * v[8 + l] + v[16 + l] * v[16 + l]
        up = v2 / r + restoring(height(r, u[16 + l]), climb)
        turned = turn[l]
        axial = EARTH_A * EARTH_F * u[16 + l] * (2.0 + 3.0 * EARTH_F * (1.0 - 2.0 * u[16 + l] * u[16 + l])) / r
        radial = 1.0 - axial * u[16 + l]
        for i in range(3):
            by_r[i * 8 + l] = -v2 * u[i * 8 + l] / (r * r) + 2.0 / LEVEL_S * (
                v[i * 8 + l] - climb * u[i * 8 + l]) / r + radial * u[i * 8 + l] / (<double>LEVEL_S * LEVEL_S)
        by_r[16 + l] += axial / (<double>LEVEL_S * LEVEL_S)
        for i in range(3):
            for j in range(3):
                one = 1.0 if i == j else 0.0
                g[(i * 3 + j) * 8 + l] = (
                    v[i * 8 + l] * (v[j * 8 + l] - 2.0 * climb * u[j * 8 + l]) / (r * r)
                    - up * (one - u[i * 8 + l] * u[j * 8 + l]) / r - u[i * 8 + l] * by_r[j * 8 + l])
                w[(i * 3 + j) * 8 + l] = (
                    (climb * one + v[i * 8 + l] * u[j * 8 + l] - 2.0 * u[i * 8 + l] * v[j * 8 + l]) / r
                    - 2.0 / LEVEL_S * u[i * 8 + l] * u[j * 8 + l])
        turn_gradient(u + l, v + l, turned, r, g + l, w + l)


cdef inline void turn_gradient(
    const double *u, const double *v, double turn, double r, double *g, double *w
) noexcept nogil:
    """Adds the derivatives of turn u × v in one lane: by position -turn ([v]× + (u × v) uᵀ) / r, by velocity
    turn [u]×."""
    cdef double c[3]
    cdef Py_ssize_t i, j
    c[0] = u[8] * v[16] - u[16] * v[8]
    c[1] = u[16] * v[0] - u[0] * v[16]
    c[2] = u[0] * v[8] - u[8] * v[0]
    for i in range(3):
        for j in range(3):
            g[(i * 3 + j) * 8] -= turn * c[i] * u[j * 8] / r
    g[8] += turn * v[16] / r
    g[16] -= turn * v[8] / r
    g[24] -= turn * v[16] / r
    g[40] += turn * v[0] / r
    g[48] += turn * v[8] / r
    g[56] -= turn * v[0] / r
    w[8] -= turn * u[16]
    w[16] += turn * u[8]
    w[24] += turn * u[16]
    w[40] -= turn * u[0]
    w[48] -= turn * u[8]
    w[56] += turn * u[0]


cdef inline void transition(
    const double *middle, const double *h, const double *constant, int kind, double *phi
) noexcept nogil:
    """Transition matrix phi (6, 6) over h (1) seconds: I + A h + A² h²/2, A taken at the step's middle."""
    cdef double g[72]
    cdef double w[72]
    cdef double one
    cdef int i, j, l, ij
    gradient(middle, h, constant, kind, g, w)
    for i in range(3):
        for j in range(3):
            ij = (i * 3 + j) * 8
            one = 1.0 if i == j else 0.0
            for l in range(LANES):
                phi[i * 48 + j * 8 + l] = one + 0.5 * h[l] * h[l] * g[ij + l]
                phi[i * 48 + 24 + j * 8 + l] = h[l] * one + 0.5 * h[l] * h[l] * w[ij + l]
                phi[144 + i * 48 + j * 8 + l] = h[l] * g[ij + l] + 0.5 * h[l] * h[l] * (
                    w[i * 24 + l] * g[j * 8 + l] + w[i * 24 + 8 + l] * g[24 + j * 8 + l]
                    + w[i * 24 + 16 + l] * g[48 + j * 8 + l])
                phi[168 + i * 48 + j * 8 + l] = one + h[l] * w[ij + l] + 0.5 * h[l] * h[l] * (
                    g[ij + l] + w[i * 24 + l] * w[j * 8 + l] + w[i * 24 + 8 + l] * w[24 + j * 8 + l]
                    + w[i * 24 + 16 + l] * w[48 + j * 8 + l])
