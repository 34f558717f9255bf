"""Kalman filter steps for eight tracks: covariance prediction, innovation statistics, sequential update.

Lane arrays: component-major, eight lanes innermost. P (6, 6) is stored whole; both triangles are always
equal. C (6, 3) is the cross-covariance E[e bᵀ] of the state's error e = x - x̂ with the sensor's constant
bias b (range, azimuth, elevation), whose prior variance B is never reduced: a Schmidt consider filter
(Schmidt 1966; Jazwinski 1970, section 8.4). H (3, 3) are the measurement rows by position only.
"""

from ext.elementary cimport c_log
from ext.extra cimport Extra, update_extra
from ext.lanes cimport LANES, store_symmetric
from ext.measurement cimport LARGEST


cdef inline void propagate_covariance(
    double *p, const double *phi, const double *q, const double *h, const double *active
) noexcept nogil:
    """P (6, 6) <- Φ P Φᵀ + Q where `active` is positive; Q = q (1) [h³/3, h²/2; h²/2, h] on each axis."""
    cdef double t[288]
    cdef double value[8]
    cdef double old
    cdef Py_ssize_t i, j, l
    for i in range(6):
        for j in range(6):
            for l in range(LANES):
                t[i * 48 + j * 8 + l] = (
                    phi[i * 48 + l] * p[j * 8 + l] + phi[i * 48 + 8 + l] * p[48 + j * 8 + l]
                    + phi[i * 48 + 16 + l] * p[96 + j * 8 + l] + phi[i * 48 + 24 + l] * p[144 + j * 8 + l]
                    + phi[i * 48 + 32 + l] * p[192 + j * 8 + l] + phi[i * 48 + 40 + l] * p[240 + j * 8 + l])
    for i in range(6):
        for j in range(i, 6):
            for l in range(LANES):
                value[l] = (
                    t[i * 48 + l] * phi[j * 48 + l] + t[i * 48 + 8 + l] * phi[j * 48 + 8 + l]
                    + t[i * 48 + 16 + l] * phi[j * 48 + 16 + l] + t[i * 48 + 24 + l] * phi[j * 48 + 24 + l]
                    + t[i * 48 + 32 + l] * phi[j * 48 + 32 + l] + t[i * 48 + 40 + l] * phi[j * 48 + 40 + l])
                old = p[i * 48 + j * 8 + l]
                value[l] = value[l] if active[l] > 0.0 else old
            store_symmetric(p, i, j, value)
    for i in range(3):
        for l in range(LANES):
            p[i * 56 + l] += q[l] * h[l] * h[l] * h[l] * (1.0 / 3.0)
            p[i * 56 + 24 + l] += 0.5 * q[l] * h[l] * h[l]
            p[i * 56 + 144 + l] += 0.5 * q[l] * h[l] * h[l]
            p[i * 56 + 168 + l] += q[l] * h[l]


cdef inline void compose(double *total, const double *phi, const double *active) noexcept nogil:
    """Transition matrix total (6, 6) <- phi total, where `active` is positive."""
    cdef double product[288]
    cdef Py_ssize_t i, j, k, l
    for i in range(6):
        for j in range(6):
            for l in range(LANES):
                product[i * 48 + j * 8 + l] = 0.0
            for k in range(6):
                for l in range(LANES):
                    product[i * 48 + j * 8 + l] += phi[i * 48 + k * 8 + l] * total[k * 48 + j * 8 + l]
    for i in range(36):
        for l in range(LANES):
            total[i * 8 + l] = product[i * 8 + l] if active[l] > 0.0 else total[i * 8 + l]


cdef inline void propagate_consider(double *c, const double *phi) noexcept nogil:
    """C (6, 3) <- Φ C: a constant bias stays, the state moves."""
    cdef double old[144]
    cdef Py_ssize_t i, j, l
    for i in range(144):
        old[i] = c[i]
    for i in range(6):
        for j in range(3):
            for l in range(LANES):
                c[i * 24 + j * 8 + l] = (
                    phi[i * 48 + l] * old[j * 8 + l] + phi[i * 48 + 8 + l] * old[24 + j * 8 + l]
                    + phi[i * 48 + 16 + l] * old[48 + j * 8 + l] + phi[i * 48 + 24 + l] * old[72 + j * 8 + l]
                    + phi[i * 48 + 32 + l] * old[96 + j * 8 + l]
                    + phi[i * 48 + 40 + l] * old[120 + j * 8 + l])


cdef inline void innovation_covariance(
    const double *p, const double *c, const double *rows, const double *bias, const double *sigma, double *s
) noexcept nogil:
    """S (3, 3) = H P Hᵀ + H C + (H C)ᵀ + B + R; bias (3) variances without lanes, sigma (3) of the plots."""
    cdef Py_ssize_t a, b, l
    for a in range(3):
        for b in range(a, 3):
            for l in range(LANES):
                s[a * 24 + b * 8 + l] = (
                    rows[a * 24 + l] * (
                        p[l] * rows[b * 24 + l] + p[8 + l] * rows[b * 24 + 8 + l]
                        + p[16 + l] * rows[b * 24 + 16 + l] + c[b * 8 + l])
                    + rows[a * 24 + 8 + l] * (
                        p[48 + l] * rows[b * 24 + l] + p[56 + l] * rows[b * 24 + 8 + l]
                        + p[64 + l] * rows[b * 24 + 16 + l] + c[24 + b * 8 + l])
                    + rows[a * 24 + 16 + l] * (
                        p[96 + l] * rows[b * 24 + l] + p[104 + l] * rows[b * 24 + 8 + l]
                        + p[112 + l] * rows[b * 24 + 16 + l] + c[48 + b * 8 + l])
                    + rows[b * 24 + l] * c[a * 8 + l] + rows[b * 24 + 8 + l] * c[24 + a * 8 + l]
                    + rows[b * 24 + 16 + l] * c[48 + a * 8 + l])
        for l in range(LANES):
            s[a * 32 + l] += bias[a] + sigma[a * 8 + l] * sigma[a * 8 + l]


cdef inline void gauss(const double *s, const double *nu, double *d2, double *log_density) noexcept nogil:
    """Mahalanobis distance squared νᵀ S⁻¹ ν and log N(ν; 0, S), by LDLᵀ of the upper triangle of S (3, 3).

    An infinite S₀₀ or S₂₂, a component that is not measured, adds nothing to either: its pivot counts as
    1/2π, so that its share of the density is 1.
    """
    cdef double l10, l20, l21, d0, d1, d2_, a, b, c
    cdef Py_ssize_t l
    for l in range(LANES):
        d0 = s[l]
        l10 = s[8 + l] / d0
        l20 = s[16 + l] / d0
        d1 = s[32 + l] - l10 * s[8 + l]
        l21 = (s[40 + l] - l20 * s[8 + l]) / d1
        d2_ = s[64 + l] - l20 * s[16 + l] - l21 * l21 * d1
        a = nu[l]
        b = nu[8 + l] - l10 * a
        c = nu[16 + l] - l20 * a - l21 * b
        d2[l] = a * a / d0 + b * b / d1 + c * c / d2_
        d0 = d0 if d0 <= LARGEST else 0.15915494309189535
        d2_ = d2_ if d2_ <= LARGEST else 0.15915494309189535
        log_density[l] = -0.5 * (d2[l] + c_log(d0 * d1 * d2_) + 5.513631199228036)  # 3 log 2π


cdef inline void update_sequential(
    double *x, double *p, double *c, const double *rows, const double *nu,
    const double *bias, const double *sigma, bint biased, double *gains, const int m, Extra *extra,
) noexcept nogil:
    """Range, then azimuth, then elevation, all linearised at the prior x: updates x (6), P (6, 6), C (6, 3).

    Each scalar's innovation is ν_k - H_k (x - x⁻), its variance s = H P Hᵀ + 2 H C_k + B_k + R_k, its gain
    (P Hᵀ + C_k)/s. The gains (3, 6) are left for the cross-covariances with the other sensors' biases.
    Without `biased`, B and C count as zero and are not read. The m extra components of the state are corrected
    too; without any `extra` is not read.
    """
    cdef double moved[48]
    cdef double d[48]
    cdef double s[8]
    cdef double residual[8]
    cdef double value[8]
    cdef Py_ssize_t i, j, k, l
    for i in range(48):
        moved[i] = 0.0
    for k in range(3):
        for i in range(6):
            for l in range(LANES):
                d[i * 8 + l] = (
                    p[i * 48 + l] * rows[k * 24 + l] + p[i * 48 + 8 + l] * rows[k * 24 + 8 + l]
                    + p[i * 48 + 16 + l] * rows[k * 24 + 16 + l])
        for l in range(LANES):
            s[l] = (
                rows[k * 24 + l] * d[l] + rows[k * 24 + 8 + l] * d[8 + l] + rows[k * 24 + 16 + l] * d[16 + l]
                + sigma[k * 8 + l] * sigma[k * 8 + l])
        if biased:
            for l in range(LANES):
                s[l] += bias[k] + 2.0 * (
                    rows[k * 24 + l] * c[k * 8 + l] + rows[k * 24 + 8 + l] * c[24 + k * 8 + l]
                    + rows[k * 24 + 16 + l] * c[48 + k * 8 + l])
            for i in range(6):
                for l in range(LANES):
                    d[i * 8 + l] += c[i * 24 + k * 8 + l]
        for l in range(LANES):
            residual[l] = nu[k * 8 + l] - (
                rows[k * 24 + l] * moved[l] + rows[k * 24 + 8 + l] * moved[8 + l]
                + rows[k * 24 + 16 + l] * moved[16 + l])
        for i in range(6):
            for l in range(LANES):
                gains[k * 48 + i * 8 + l] = d[i * 8 + l] / s[l]
                moved[i * 8 + l] += gains[k * 48 + i * 8 + l] * residual[l]
        for i in range(6):
            for j in range(i, 6):
                for l in range(LANES):
                    value[l] = p[i * 48 + j * 8 + l] - gains[k * 48 + i * 8 + l] * d[j * 8 + l]
                store_symmetric(p, i, j, value)
        if m:
            update_extra(m, extra, rows + k * 24, s, residual, gains + k * 48, c, k, biased, bias)
        if biased:
            update_consider(c, rows, gains, k, bias[k])
    for i in range(6):
        for l in range(LANES):
            x[i * 8 + l] += moved[i * 8 + l]


cdef inline void update_consider(
    double *c, const double *rows, const double *gains, int k, double own
) noexcept nogil:
    """C (6, 3) -= K_k (H_k C + own e_kᵀ): `own` is B_k for the measuring sensor's own bias, else 0."""
    cdef double r[24]
    cdef Py_ssize_t i, j, l
    for j in range(3):
        for l in range(LANES):
            r[j * 8 + l] = (
                rows[k * 24 + l] * c[j * 8 + l] + rows[k * 24 + 8 + l] * c[24 + j * 8 + l]
                + rows[k * 24 + 16 + l] * c[48 + j * 8 + l])
    for l in range(LANES):
        r[k * 8 + l] += own
    for i in range(6):
        for j in range(3):
            for l in range(LANES):
                c[i * 24 + j * 8 + l] -= gains[k * 48 + i * 8 + l] * r[j * 8 + l]
