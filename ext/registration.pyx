"""What one object's plots say of the biases of the sensors that made them: a filter in two stages.

Rules of this module:

- The first stage follows the object as if no sensor had a bias: state x (6), covariance P (6, 6). Beside them
  stands V (6, n), how the biases b (n) have moved it: the true state is x + V b + e, with e ~ N(0, P) and
  independent of b. The second stage collects the likelihood of b, which is Gaussian: information Λ (n, n) and
  vector y (n). Innovations of the first stage are white given b, so that every plot counts once, and the
  information of several objects adds up. Equal to one filter over x and b of all objects, without its size.
- Four biases a sensor: range m, azimuth rad, elevation rad, clock s (a stamp is later than the truth by it).
- Plain loops in a fixed order, no lanes: a plot in free flight is rare beside those that the bank takes.

B. Friedland: Treatment of bias in recursive filtering, IEEE Trans. Automatic Control 14(4), 1969; M. Ignagni:
Separate-bias Kalman estimator with bias state noise, 35(3), 1990 (its proof with prior knowledge of the bias).
"""

import numpy as np

cimport numpy as cnp
from libc.math cimport sqrt

from ext.door cimport finite, numbers, table
from ext.measurement cimport LARGEST, innovate, measure

cnp.import_array()

cdef enum:
    BIASES = 4  # of a sensor: range, azimuth, elevation, clock


cdef double *whole(object value, Py_ssize_t rows, Py_ssize_t columns, str name) except NULL:
    """The numbers of a table that is written to in place, all finite."""
    cdef cnp.ndarray array = table(value, cnp.NPY_DOUBLE, rows, columns, name)
    if not cnp.PyArray_ISCARRAY(array):
        raise ValueError(f"{name}: is read-only")
    finite(<const double *>cnp.PyArray_DATA(array), rows * (columns if columns else 1), name)
    return <double *>cnp.PyArray_DATA(array)


def predict(p, v, phi, double q, double h):
    """P <- Φ P Φᵀ + Q and V <- Φ V, in place: p (6, 6), v (6, n), phi (6, 6) over h s.

    Q is that of white acceleration noise of the density q m²/s³ on each axis: q [h³/3, h²/2; h²/2, h].
    """
    cdef Py_ssize_t n = v.shape[1], i, j, k
    cdef double *covariance = whole(p, 6, 6, "p")
    cdef double *moved_by = whole(v, 6, n, "v")
    cdef const double *f = whole(phi, 6, 6, "phi")
    cdef double half[36]
    cdef double column[6]
    if not (q >= 0.0 and h >= 0.0):
        raise ValueError(f"predict: q {q!r}, h {h!r}: not negative")
    for i in range(6):
        for j in range(6):
            half[i * 6 + j] = 0.0
            for k in range(6):
                half[i * 6 + j] += f[i * 6 + k] * covariance[k * 6 + j]
    for i in range(6):
        for j in range(i, 6):
            covariance[i * 6 + j] = 0.0
            for k in range(6):
                covariance[i * 6 + j] += half[i * 6 + k] * f[j * 6 + k]
            covariance[j * 6 + i] = covariance[i * 6 + j]
    for i in range(3):
        covariance[i * 7] += q * h * h * h / 3.0
        covariance[i * 7 + 3] += 0.5 * q * h * h
        covariance[(i + 3) * 6 + i] += 0.5 * q * h * h
        covariance[(i + 3) * 7] += q * h
    for j in range(n):
        for i in range(6):
            column[i] = 0.0
            for k in range(6):
                column[i] += f[i * 6 + k] * moved_by[k * n + j]
        for i in range(6):
            moved_by[i * n + j] = column[i]


cdef void observe(
    const double *x, const double *site, const double *enu, const double *z, double *nu, double *rows
) noexcept nogil:
    """Innovation nu (3) of one plot z (3) at x (6), and its derivative rows (3, 3) by position."""
    cdef double state[48]
    cdef double stands[24]
    cdef double plot[24]
    cdef double h[24]
    cdef double jacobian[72]
    cdef double off[24]
    cdef Py_ssize_t i, l
    for l in range(8):
        for i in range(6):
            state[i * 8 + l] = x[i]
        for i in range(3):
            stands[i * 8 + l] = site[i]
            plot[i * 8 + l] = z[i]
    measure(state, stands, enu, h, jacobian)
    innovate(plot, h, off)
    for i in range(3):
        nu[i] = off[i * 8]
    for i in range(9):
        rows[i] = jacobian[i * 8]


cdef double along(const double *row, const double *position) noexcept nogil:
    """Scalar product of two (3)."""
    return row[0] * position[0] + row[1] * position[1] + row[2] * position[2]


cdef void sensitivity(
    const double *row, const double *x, const double *v, Py_ssize_t n, Py_ssize_t own, Py_ssize_t k, double *s
) noexcept nogil:
    """s (n) = H V + D: how all biases move the innovation of component k; `own` is the sensor's first bias."""
    cdef Py_ssize_t j
    for j in range(n):
        s[j] = row[0] * v[j] + row[1] * v[n + j] + row[2] * v[2 * n + j]
    s[own + k] += 1.0
    s[own + BIASES - 1] -= along(row, x + 3)


def absorb(
    x, p, v, information, vector, z, sigma, site, enu, int sensor, mean, covariance, double gate_sigmas
):
    """Takes one plot in, in place, unless it lies outside the gate; gives whether it did.

    x (6), p (6, 6), v (6, n) of the object at the plot's time; information (n, n), vector (n) of the biases;
    z, sigma (3: range m, azimuth rad, elevation rad; an infinite sigma: not measured) of a plot of the sensor
    number `sensor`, whose biases are 4 sensor to 4 sensor + 3, at site (3, ECEF m) with axes enu (9). The gate:
    each component of the innovation lies within `gate_sigmas` of what mean (n), covariance (n, n) of the
    biases expect.

    Range, azimuth, elevation one after the other, linearised once at x. With s = H V + D and r the innovation:
    Λ += sᵀ s / S, y += sᵀ r / S, S = H P Hᵀ + R; then x += K r, V -= K s, K = P Hᵀ / S (Friedland 1969).
    """
    cdef Py_ssize_t n = v.shape[1], own = BIASES * sensor, i, j, k
    cdef double *state = whole(x, 6, 0, "x")
    cdef double *error = whole(p, 6, 6, "p")
    cdef double *moved_by = whole(v, 6, n, "v")
    cdef double *known = whole(information, n, n, "information")
    cdef double *pull = whole(vector, n, 0, "vector")
    cdef const double *bias = whole(mean, n, 0, "mean")
    cdef const double *spread = whole(covariance, n, n, "covariance")
    cdef cnp.ndarray scratch = np.empty(n)
    cdef double *s = <double *>cnp.PyArray_DATA(scratch)
    cdef double plot[3]
    cdef double noise[3]
    cdef double stands[3]
    cdef double axes[9]
    cdef double nu[3]
    cdef double rows[9]
    cdef double moved[6]
    cdef double gain[6]
    cdef double m[6]
    cdef double variance, r
    if not (0 <= own <= n - BIASES and gate_sigmas > 0.0):
        raise ValueError(f"absorb: sensor {sensor} of {n // BIASES}, gate_sigmas {gate_sigmas!r}")
    numbers(z, 3, plot, "z")
    numbers(site, 3, stands, "site")
    numbers(enu, 9, axes, "enu")
    for k in range(3):
        noise[k] = sigma[k]
        if not noise[k] > 0.0:
            raise ValueError("sigma: must be positive")
    observe(state, stands, axes, plot, nu, rows)
    for k in range(3):
        if noise[k] <= LARGEST and outside(
            k, nu[k], rows + 3 * k, noise[k], state, error, moved_by, n, own, s, bias, spread, gate_sigmas
        ):
            return False
    for i in range(6):
        moved[i] = 0.0
    for k in range(3):
        if noise[k] > LARGEST:
            continue
        for i in range(6):
            m[i] = along(rows + 3 * k, error + 6 * i)
        variance = along(rows + 3 * k, m) + noise[k] * noise[k]
        sensitivity(rows + 3 * k, state, moved_by, n, own, k, s)
        r = nu[k] - along(rows + 3 * k, moved)
        for i in range(n):
            if s[i] != 0.0:
                for j in range(n):
                    known[i * n + j] += s[i] * s[j] / variance
                pull[i] += s[i] * r / variance
        for i in range(6):
            gain[i] = m[i] / variance
            moved[i] += gain[i] * r
            for j in range(n):
                moved_by[i * n + j] -= gain[i] * s[j]
        for i in range(6):
            for j in range(i, 6):
                error[i * 6 + j] -= gain[i] * m[j]
                error[j * 6 + i] = error[i * 6 + j]
    for i in range(6):
        state[i] += moved[i]
    return True


cdef bint outside(
    Py_ssize_t k, double nu, const double *row, double noise, const double *x, const double *p, const double *v,
    Py_ssize_t n, Py_ssize_t own, double *s, const double *bias, const double *spread, double gate_sigmas
) noexcept nogil:
    """Whether one component's innovation is improbable: ν - s b̂ against H P Hᵀ + R + s P_b sᵀ."""
    cdef double variance = noise * noise, part
    cdef Py_ssize_t i, j
    sensitivity(row, x, v, n, own, k, s)
    for i in range(3):
        variance += row[i] * along(row, p + 6 * i)
    for i in range(n):
        if s[i] != 0.0:
            part = 0.0
            for j in range(n):
                part += spread[i * n + j] * s[j]
            variance += s[i] * part
            nu -= s[i] * bias[i]
    return nu * nu > gate_sigmas * gate_sigmas * variance


def posterior(information, vector, prior_sigma):
    """Mean (n) and covariance (n, n) of biases drawn from N(0, diag(prior_sigma²)), after Λ (n, n) and y (n).

    With σ the prior's sigmas and M = I + σ Λ σ: covariance σ M⁻¹ σ, mean covariance y; a sigma of 0 is a bias
    that is known to be 0. M⁻¹ by Cholesky factors (Golub and Van Loan, sections 4.2 and 3.1).
    """
    cdef Py_ssize_t n = len(vector), i, j, k
    cdef const double *known = whole(information, n, n, "information")
    cdef const double *pull = whole(vector, n, 0, "vector")
    cdef const double *sigma = whole(prior_sigma, n, 0, "prior_sigma")
    cdef cnp.ndarray covariance = np.zeros((n, n)), mean = np.zeros(n), factor = np.zeros((n, n))
    cdef double *out = <double *>cnp.PyArray_DATA(covariance)
    cdef double *found = <double *>cnp.PyArray_DATA(mean)
    cdef double *l = <double *>cnp.PyArray_DATA(factor)
    for i in range(n):
        for j in range(i + 1):
            l[i * n + j] = sigma[i] * known[i * n + j] * sigma[j] + (1.0 if i == j else 0.0)
    if not invert(l, n):
        raise ValueError("information: not positive semidefinite")
    for i in range(n):
        for j in range(i, n):
            for k in range(j, n):
                out[i * n + j] += l[k * n + i] * l[k * n + j]
            out[i * n + j] *= sigma[i] * sigma[j]
            out[j * n + i] = out[i * n + j]
    for i in range(n):
        for j in range(n):
            found[i] += out[i * n + j] * pull[j]
    return mean, covariance


def dominating(covariance):
    """Sigmas (n) whose squares are the diagonal of a matrix no smaller than `covariance` (n, n) in any direction.

    d_i = σ_i Σ_j |P_ij| / σ_j: with the correlations |ρ_ij| on both sides, what is left is diagonally dominant,
    hence not negative (Gershgorin). A variance of 0 stays 0.
    """
    cdef Py_ssize_t n = covariance.shape[0], i, j
    cdef const double *p = whole(covariance, n, n, "covariance")
    cdef cnp.ndarray sigmas = np.zeros(n)
    cdef double *out = <double *>cnp.PyArray_DATA(sigmas)
    cdef double value
    for i in range(n):
        for j in range(n):
            if p[j * n + j] > 0.0:
                value = p[i * n + j] / sqrt(p[j * n + j])
                out[i] += value if value > 0.0 else -value
        out[i] = sqrt(out[i] * sqrt(p[i * n + i]))
    return sigmas


cdef bint invert(double *l, Py_ssize_t n) noexcept nogil:
    """The lower triangle of M (n, n) <- L⁻¹, with L Lᵀ = M; False when M is not positive definite."""
    cdef double value
    cdef Py_ssize_t i, j, k
    for j in range(n):
        for i in range(j, n):
            value = l[i * n + j]
            for k in range(j):
                value -= l[i * n + k] * l[j * n + k]
            if i == j and not value > 0.0:
                return False
            l[i * n + j] = sqrt(value) if i == j else value / l[j * n + j]
    for j in range(n):
        l[j * n + j] = 1.0 / l[j * n + j]
        for i in range(j + 1, n):
            value = 0.0
            for k in range(j, i):
                value -= l[i * n + k] * l[k * n + j]
            l[i * n + j] = value / l[i * n + i]
    return True
