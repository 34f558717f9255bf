"""The steps of the track bank for eight tracks at once: predict, score, update, combine.

Every step works on a `Work`: gathered tracks, modes side by side, eight lanes innermost. Each lane's result
depends on that lane only, never on the tracks that happen to share the work.
"""

from libc.math cimport sqrt

from ext.imm cimport combine, dominant, floor_probabilities, log_sum, mix_states, mix_vectors, mixing_weights
from ext.kalman cimport (
    compose, gauss, innovation_covariance, propagate_consider, propagate_covariance, update_consider,
    update_sequential,
)
from ext.lanes cimport LANES
from ext.measurement cimport linearise, measured
from ext.motion cimport DRAG, drag_rate, height, rk4, transition

cdef enum:
    LONGEST_STEP_S = 5  # of one Runge-Kutta step; a longer prediction takes equal steps
    THIN_AIR_M = 110000  # nothing flies by its fins above this height: `thin_rates` hold

cdef struct Work:
    int modes  # K
    int considered  # gathered consider blocks
    int own  # which of them is the measuring sensor's, in score and update
    double *x  # (K, 6)
    double *p  # (K, 6, 6)
    double *mu  # (K)
    double *c  # (considered, K, 6, 3)
    double *summary  # (8): combined state (6), traces of its position and velocity covariance
    const double *q  # (K) m²/s³
    const int *kind  # (K) of motion, see ext/motion.pxd
    const double *constant  # (K) of the motion
    const double *rates  # (K, K) 1/s
    const double *thin_rates  # (K, K) 1/s, above THIN_AIR_M
    double longest_mix_s  # modes change by no more than the chance over this time in one prediction
    double drag_noise_s  # spectral density of unknown drag: this time by the squared deceleration
    bint mixing  # whether modes may change in a prediction
    double sight[4]  # (K) how likely such a plot is at all, in each mode
    double negligible  # modes below this probability are left out of the combined estimate
    const double *enu  # (3, 3)
    const double *bias  # (3) variances
    double dt[8]
    double z[24]
    double sigma[24]
    double site[24]
    double d2[8]
    double log_likelihood[8]
    double mean[48]
    double cov[288]


cdef inline void take(double *to, const double *source, int size) noexcept nogil:
    """Copies `size` numbers."""
    cdef Py_ssize_t i
    for i in range(size):
        to[i] = source[i]


cdef inline void predict(Work *w) noexcept nogil:
    """Mixes the modes, where `mixing` says so, and predicts each by dt, with the consider blocks."""
    cdef double weights[128]
    cdef double mu[32]
    cdef double steps[8]
    cdef double most = 1.0
    cdef double mixed_s[8]
    cdef double thin[8]
    cdef double radius
    cdef Py_ssize_t k, l, t
    if w.modes > 1 and w.mixing:
        take(mu, w.mu, w.modes * 8)
        for l in range(LANES):
            mixed_s[l] = w.dt[l] if w.dt[l] < w.longest_mix_s else w.longest_mix_s
        for l in range(LANES):
            radius = sqrt(w.x[l] * w.x[l] + w.x[8 + l] * w.x[8 + l] + w.x[16 + l] * w.x[16 + l])
            thin[l] = 1.0 if height(radius, w.x[16 + l] / radius) > THIN_AIR_M else 0.0
        mixing_weights(w.modes, w.rates, w.thin_rates, thin, mixed_s, mu, weights)
        take(w.mu, mu, w.modes * 8)
        mix_states(w.modes, weights, w.x, w.p)
        for t in range(w.considered):
            mix_vectors(w.modes, 18, weights, w.c + t * w.modes * 144)
    for l in range(LANES):
        steps[l] = 1.0
        while steps[l] * LONGEST_STEP_S < w.dt[l]:
            steps[l] += 1.0
        most = steps[l] if steps[l] > most else most
    for k in range(w.modes):
        predict_mode(w, k, steps, <int>most)
    summarise(w)


cdef inline void predict_mode(Work *w, int mode, const double *steps, int most) noexcept nogil:
    """Predicts one mode by dt in each lane's own number of equal steps."""
    cdef double x[48]
    cdef double p[288]
    cdef double phi[288]
    cdef double total[288]
    cdef double middle[48]
    cdef double moved[48]
    cdef double c[144]
    cdef double h[8]
    cdef double active[8]
    cdef double constant[8]
    cdef double noise[8]
    cdef int kind = w.kind[mode]
    cdef Py_ssize_t i, l, s
    take(x, w.x + mode * 48, 48)
    take(p, w.p + mode * 288, 288)
    for s in range(most):
        for l in range(LANES):
            constant[l] = w.constant[mode]
            active[l] = 1.0 if s < steps[l] else 0.0
            h[l] = w.dt[l] / steps[l] if s < steps[l] else 0.0
        rk4(x, h, constant, kind, middle, moved)
        transition(middle, h, constant, kind, phi)
        for l in range(LANES):
            noise[l] = 0.0
        if kind == DRAG:
            drag_rate(middle, h, constant, noise)
        for l in range(LANES):
            noise[l] = w.q[mode] + w.drag_noise_s * noise[l] * noise[l] * (
                middle[24 + l] * middle[24 + l] + middle[32 + l] * middle[32 + l]
                + middle[40 + l] * middle[40 + l])
        propagate_covariance(p, phi, noise, h, active)
        for i in range(6):
            for l in range(LANES):
                x[i * 8 + l] = moved[i * 8 + l] if active[l] > 0.0 else x[i * 8 + l]
        if s == 0:
            take(total, phi, 288)
        else:
            compose(total, phi, active)
    take(w.x + mode * 48, x, 48)
    take(w.p + mode * 288, p, 288)
    for s in range(w.considered):
        take(c, w.c + (s * w.modes + mode) * 144, 144)
        propagate_consider(c, total)
        take(w.c + (s * w.modes + mode) * 144, c, 144)


cdef inline void summarise(Work *w) noexcept nogil:
    """Combined state, and the traces of its position and velocity covariance, for the coarse gate."""
    cdef double out[64]
    cdef double d
    cdef Py_ssize_t i, k, l
    for i in range(6):
        for l in range(LANES):
            out[i * 8 + l] = w.x[i * 8 + l]
        for k in range(1, w.modes):
            for l in range(LANES):
                out[i * 8 + l] += w.mu[k * 8 + l] * (w.x[k * 48 + i * 8 + l] - w.x[i * 8 + l])
    for l in range(LANES):
        out[48 + l] = 0.0
        out[56 + l] = 0.0
    for k in range(w.modes):
        for i in range(6):
            for l in range(LANES):
                d = w.x[k * 48 + i * 8 + l] - out[i * 8 + l]
                out[48 + i // 3 * 8 + l] += w.mu[k * 8 + l] * (w.p[k * 288 + i * 56 + l] + d * d)
    take(w.summary, out, 64)


cdef inline void score(Work *w) noexcept nogil:
    """d2: least squared Mahalanobis distance of modes likelier than 1e-3; log_likelihood: the mixture's."""
    cdef double nu[24]
    cdef double rows[72]
    cdef double s[72]
    cdef double h[24]
    cdef double c[144]
    cdef double x[48]
    cdef double p[288]
    cdef double mu[32]
    cdef double site[24]
    cdef double z[24]
    cdef double sigma[24]
    cdef double d2[8]
    cdef double best[8]
    cdef double log_densities[32]
    cdef double weights[32]
    cdef Py_ssize_t k, l
    take(mu, w.mu, w.modes * 8)
    take(site, w.site, 24)
    take(z, w.z, 24)
    take(sigma, w.sigma, 24)
    for l in range(LANES):
        best[l] = 1e300
    for k in range(w.modes):
        take(x, w.x + k * 48, 48)
        take(p, w.p + k * 288, 288)
        take(c, w.c + (w.own * w.modes + k) * 144, 144)
        linearise(x, p, z, sigma, site, w.enu, nu, rows)
        innovation_covariance(p, c, rows, w.bias, sigma, s)
        gauss(s, nu, d2, log_densities + k * 8)
        for l in range(LANES):
            best[l] = d2[l] if mu[k * 8 + l] > 1e-3 and d2[l] < best[l] else best[l]
    log_sum(w.modes, mu, log_densities, weights, h)
    take(w.d2, best, 8)
    take(w.log_likelihood, h, 8)


cdef inline void update(Work *w) noexcept nogil:
    """Updates every mode with the plot, then their probabilities.

    d2: normalised innovation squared by the number of components that the plot has.
    """
    cdef double mu[32]
    cdef double weights[32]
    cdef double log_densities[32]
    cdef double d2[32]
    cdef double total[8]
    cdef double share[8]
    cdef Py_ssize_t k, l
    for k in range(w.modes):
        for l in range(LANES):
            mu[k * 8 + l] = w.mu[k * 8 + l] * w.sight[k]
    for k in range(w.modes):
        update_mode(w, k, d2 + k * 8, log_densities + k * 8)
    log_sum(w.modes, mu, log_densities, weights, total)
    measured(w.sigma, share)
    for l in range(LANES):
        total[l] = 0.0
    for k in range(w.modes):
        for l in range(LANES):
            total[l] += weights[k * 8 + l] * d2[k * 8 + l] * share[l]
    floor_probabilities(w.modes, weights, mu)
    take(w.mu, mu, w.modes * 8)
    take(w.d2, total, 8)
    summarise(w)


cdef inline void update_mode(Work *w, int mode, double *d2, double *log_density) noexcept nogil:
    """Updates one mode's state, covariance and all gathered consider blocks."""
    cdef double nu[24]
    cdef double rows[72]
    cdef double s[72]
    cdef double x[48]
    cdef double p[288]
    cdef double c[144]
    cdef double gains[144]
    cdef double site[24]
    cdef double z[24]
    cdef double sigma[24]
    cdef double *block
    cdef Py_ssize_t k, t
    take(site, w.site, 24)
    take(z, w.z, 24)
    take(sigma, w.sigma, 24)
    take(x, w.x + mode * 48, 48)
    take(p, w.p + mode * 288, 288)
    block = w.c + (w.own * w.modes + mode) * 144
    take(c, block, 144)
    linearise(x, p, z, sigma, site, w.enu, nu, rows)
    innovation_covariance(p, c, rows, w.bias, sigma, s)
    gauss(s, nu, d2, log_density)
    update_sequential(x, p, c, rows, nu, w.bias, sigma, True, gains)
    take(w.x + mode * 48, x, 48)
    take(w.p + mode * 288, p, 288)
    take(block, c, 144)
    for t in range(w.considered):
        if t != w.own:
            block = w.c + (t * w.modes + mode) * 144
            take(c, block, 144)
            for k in range(3):
                update_consider(c, rows, gains, k, 0.0)
            take(block, c, 144)


cdef inline void mixture(Work *w) noexcept nogil:
    """Mean and covariance of the mixture of the modes, in `mean` and `cov`."""
    cdef double mean[48]
    cdef double cov[288]
    cdef double weights[32]
    dominant(w.modes, w.negligible, w.mu, weights)
    combine(w.modes, weights, w.x, w.p, mean, cov)
    take(w.mean, mean, 48)
    take(w.cov, cov, 288)
