"""Interacting multiple models (Blom and Bar-Shalom 1988) for eight tracks: mixing, mode weights, combination.

Lane arrays: component-major, eight lanes innermost. Modes stand side by side: x (K, 6), P (K, 6, 6),
C (K, 6, 3), mode probabilities mu (K). The chance of a change of mode over dt is
p_ij = r_ij dt / (1 + Σ_j r_ij dt), p_ii = 1 / (1 + Σ_j r_ij dt), for rates r_ij per second, i to j.
"""

from ext.elementary cimport c_exp, c_log
from ext.lanes cimport LANES, store_symmetric

cdef enum:
    MODES = 5  # at most


cdef inline void mixing_weights(
    int modes, const double *rates, const double *thin_rates, const double *thin, const double *dt,
    double *mu, double *w
) noexcept nogil:
    """Weights w (K, K), w_ij that of mode i in the start of mode j; mu (K) becomes the predicted probability.

    `thin_rates` instead of `rates` hold where `thin` (1) is positive.
    """
    cdef double predicted[MODES * 8]
    cdef double air_total, thin_total, rate, total
    cdef Py_ssize_t i, j, k, l
    for j in range(modes):
        for l in range(LANES):
            predicted[j * 8 + l] = 0.0
        for i in range(modes):
            air_total = 0.0
            thin_total = 0.0
            for k in range(modes):
                air_total += rates[i * modes + k] if k != i else 0.0
                thin_total += thin_rates[i * modes + k] if k != i else 0.0
            for l in range(LANES):
                rate = thin_rates[i * modes + j] if thin[l] > 0.0 else rates[i * modes + j]
                total = thin_total if thin[l] > 0.0 else air_total
                rate = 1.0 if i == j else rate * dt[l]
                w[(i * modes + j) * 8 + l] = rate / (1.0 + total * dt[l]) * mu[i * 8 + l]
                predicted[j * 8 + l] += w[(i * modes + j) * 8 + l]
    for j in range(modes):
        for i in range(modes):
            for l in range(LANES):
                w[(i * modes + j) * 8 + l] /= predicted[j * 8 + l]
    for j in range(modes):
        for l in range(LANES):
            mu[j * 8 + l] = predicted[j * 8 + l]


cdef inline void mix_vectors(int modes, int size, const double *w, double *v) noexcept nogil:
    """v (K, size) <- the starts v_j + Σ_i w_ij (v_i - v_j) of each mode: states and consider blocks."""
    cdef double old[MODES * 8]
    cdef double value[8]
    cdef Py_ssize_t a, i, j, l
    for a in range(size):
        for i in range(modes):
            for l in range(LANES):
                old[i * 8 + l] = v[(i * size + a) * 8 + l]
        for j in range(modes):
            for l in range(LANES):
                value[l] = old[j * 8 + l]
            for i in range(modes):
                for l in range(LANES):
                    value[l] += w[(i * modes + j) * 8 + l] * (old[i * 8 + l] - old[j * 8 + l])
            for l in range(LANES):
                v[(j * size + a) * 8 + l] = value[l]


cdef inline void spread(
    const double *weight, const double *p, const double *x, const double *mean, double *out
) noexcept nogil:
    """out (6, 6) += weight (P + (x - mean)(x - mean)ᵀ)."""
    cdef double d[48]
    cdef double value[8]
    cdef Py_ssize_t a, b, l
    for a in range(6):
        for l in range(LANES):
            d[a * 8 + l] = x[a * 8 + l] - mean[a * 8 + l]
    for a in range(6):
        for b in range(a, 6):
            for l in range(LANES):
                value[l] = out[a * 48 + b * 8 + l] + weight[l] * (
                    p[a * 48 + b * 8 + l] + d[a * 8 + l] * d[b * 8 + l])
            store_symmetric(out, a, b, value)


cdef inline void mix_states(int modes, const double *w, double *x, double *p) noexcept nogil:
    """x (K, 6) and P (K, 6, 6) <- the start of each mode, moment-matched."""
    cdef double old_x[MODES * 48]
    cdef double old_p[MODES * 288]
    cdef Py_ssize_t i, j
    for i in range(modes * 48):
        old_x[i] = x[i]
    for i in range(modes * 288):
        old_p[i] = p[i]
        p[i] = 0.0
    mix_vectors(modes, 6, w, x)
    for j in range(modes):
        for i in range(modes):
            spread(w + (i * modes + j) * 8, old_p + i * 288, old_x + i * 48, x + j * 48, p + j * 288)


cdef inline void combine(
    int modes, const double *mu, const double *x, const double *p, double *mean, double *cov
) noexcept nogil:
    """Mean (6) and covariance (6, 6) of the mixture of the modes."""
    cdef Py_ssize_t a, k, l
    for a in range(6):
        for l in range(LANES):
            mean[a * 8 + l] = x[a * 8 + l]
        for k in range(1, modes):
            for l in range(LANES):
                mean[a * 8 + l] += mu[k * 8 + l] * (x[k * 48 + a * 8 + l] - x[a * 8 + l])
    for a in range(288):
        cov[a] = 0.0
    for k in range(modes):
        spread(mu + k * 8, p + k * 288, x + k * 48, mean, cov)


cdef inline void dominant(int modes, double negligible, const double *mu, double *weights) noexcept nogil:
    """weights (K) <- mu without the modes below `negligible`, summing to 1."""
    cdef double total[8]
    cdef Py_ssize_t k, l
    for l in range(LANES):
        total[l] = 0.0
    for k in range(modes):
        for l in range(LANES):
            weights[k * 8 + l] = mu[k * 8 + l] if mu[k * 8 + l] >= negligible else 0.0
            total[l] += weights[k * 8 + l]
    for k in range(modes):
        for l in range(LANES):
            weights[k * 8 + l] /= total[l]


cdef inline void log_sum(
    int modes, const double *mu, const double *log_density, double *weights, double *total
) noexcept nogil:
    """total (1) = log Σ mu_k exp(log_density_k), and the share of each mode in it, weights (K)."""
    cdef double top[8]
    cdef double sum_[8]
    cdef double value
    cdef Py_ssize_t k, l
    for k in range(modes):
        for l in range(LANES):
            value = c_log(mu[k * 8 + l]) + log_density[k * 8 + l]
            weights[k * 8 + l] = value
            top[l] = value if k == 0 or value > top[l] else top[l]
    for l in range(LANES):
        sum_[l] = 0.0
    for k in range(modes):
        for l in range(LANES):
            weights[k * 8 + l] = c_exp(weights[k * 8 + l] - top[l])
            sum_[l] += weights[k * 8 + l]
    for l in range(LANES):
        total[l] = top[l] + c_log(sum_[l])
    for k in range(modes):
        for l in range(LANES):
            weights[k * 8 + l] /= sum_[l]


cdef inline void floor_probabilities(int modes, const double *weights, double *mu) noexcept nogil:
    """mu (K) <- the weights, none below 1e-12, summing to 1."""
    cdef double total[8]
    cdef Py_ssize_t k, l
    for l in range(LANES):
        total[l] = 0.0
    for k in range(modes):
        for l in range(LANES):
            mu[k * 8 + l] = weights[k * 8 + l] if weights[k * 8 + l] > 1e-12 else 1e-12
            total[l] += mu[k * 8 + l]
    for k in range(modes):
        for l in range(LANES):
            mu[k * 8 + l] /= total[l]
