"""The steps of the track bank for eight tracks at once: predict, score, update, combine.

Every step works on a `Work`: gathered tracks, modes side by side, eight lanes innermost. Each lane's result
depends on that lane only, never on the tracks that happen to share the work.
"""

from libc.math cimport sqrt

from ext.extra cimport (
    KNOWN, Extra, burnt_out, compose_extra, drag_of, inverse_betas, mix_extra, propagate_extra, propagate_extra_consider,
    thrust_of, update_extra_consider, wander,
)
from ext.imm cimport (
    MODES, combine, dominant, floor_probabilities, log_sum, mix_states, mix_vectors, mixing_weights,
)
from ext.kalman cimport (
    compose, gauss, innovation_covariance, propagate_consider, propagate_covariance, update_consider,
    update_sequential,
)
from ext.lanes cimport LANES
from ext.measurement cimport linearise, measured
from ext.motion cimport DRAG, FREE, drag_rate, height, rk4, transition

cdef enum:
    LONGEST_STEP_S = 5  # of one Runge-Kutta step; a longer prediction takes equal steps
    THIN_AIR_M = 110000  # nothing flies by its fins above this height: `thin_rates` hold

cdef struct Work:
    int modes  # K
    int considered  # gathered consider blocks
    int consider_rows  # of a consider block: 18 K, and 3 for each extra component
    int own  # which of them is the measuring sensor's, in score and update
    double *x  # (K, 6)
    double *p  # (K, 6, 6)
    double *mu  # (K)
    double *e  # of each mode, from extra_at[k]: e (m), Pxe (6, m), Pee (m, m), see ext/extra.pxd
    double *c  # (considered, consider_rows): (K, 6, 3), then Ce (m, 3) of each mode, from bias_at[k]
    double *summary  # (8): combined state (6), traces of its position and velocity covariance
    const double *q  # (K) m²/s³
    const int *kind  # (K) of motion, see ext/motion.pxd
    const double *constant  # (K) of the motion
    const int *extra  # (K) number m of extra components
    const int *extra_at  # (K) their place in `e`
    const int *bias_at  # (K) their place in a consider block
    const double *prior  # (K) variance of e in a mode that has just begun
    const double *wander  # (K) spectral density of its random walk
    const double *growth  # (K) of thrust, 1/s
    const double *rates  # (K, K) 1/s
    const double *thin_rates  # (K, K) 1/s, above THIN_AIR_M
    double longest_mix_s  # modes change by no more than the chance over this time in one prediction
    double drag_noise_s  # spectral density of unknown drag: this time by the squared deceleration
    bint mixing  # whether modes may change in a prediction
    double sight[MODES]  # (K) how likely such a plot is at all, in each mode
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
    cdef double weights[MODES * MODES * 8]
    cdef double mu[MODES * 8]
    cdef double before[MODES * 48]
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
        for k in range(w.modes):
            if w.extra[k] == 3:
                burnt_out(w.e + w.extra_at[k] * 8, mixed_s, mu + k * 8)
        floor_probabilities(w.modes, mu, mu)
        mixing_weights(w.modes, w.rates, w.thin_rates, thin, mixed_s, mu, weights)
        take(w.mu, mu, w.modes * 8)
        take(before, w.x, w.modes * 48)
        mix_states(w.modes, weights, w.x, w.p)
        for t in range(w.considered):
            mix_vectors(w.modes, 18, weights, w.c + t * w.consider_rows * 8)
        for k in range(w.modes):
            if w.extra[k]:
                mix_mode(w, k, weights + k * (w.modes + 1) * 8, before + k * 48)
    for l in range(LANES):
        steps[l] = 1.0
        while steps[l] * LONGEST_STEP_S < w.dt[l]:
            steps[l] += 1.0
        most = steps[l] if steps[l] > most else most
    for k in range(w.modes):
        if w.extra[k] == 3:
            predict_mode(w, k, FREE, 3, steps, <int>most)
        elif w.extra[k] == 1:
            predict_mode(w, k, DRAG, 1, steps, <int>most)
        else:
            predict_mode(w, k, w.kind[k], 0, steps, <int>most)
    summarise(w)


cdef inline void mix_mode(Work *w, int mode, const double *stays, const double *before) noexcept nogil:
    """The extra components of one mode at its mixed start."""
    cdef int m = w.extra[mode]
    cdef double *e = w.e + w.extra_at[mode] * 8
    cdef double *ce
    cdef Py_ssize_t i, l, t
    if m == 3:
        mix_extra(3, w.prior[mode], stays, before, w.x + mode * 48, e, e + 24, e + 168)
    else:
        mix_extra(1, w.prior[mode], stays, before, w.x + mode * 48, e, e + 8, e + 56)
    for t in range(w.considered):
        ce = w.c + (t * w.consider_rows + w.bias_at[mode]) * 8
        for i in range(m * 3):
            for l in range(LANES):
                ce[i * 8 + l] *= stays[l]


cdef inline void predict_mode(
    Work *w, int mode, const int kind, const int m, const double *steps, int most
) noexcept nogil:
    """Predicts one mode, of m extra components, by dt in each lane's own number of equal steps."""
    cdef double x[48]
    cdef double p[288]
    cdef double e[24]
    cdef double pxe[144]
    cdef double pee[72]
    cdef double phi[288]
    cdef double by_extra[48]
    cdef double grown[8]
    cdef double total[288]
    cdef double total_extra[144]
    cdef double factor[8]
    cdef double push[72]
    cdef double middle[48]
    cdef double moved[48]
    cdef double h[8]
    cdef double active[8]
    cdef double constant[8]
    cdef double noise[8]
    cdef double *extra = w.e + w.extra_at[mode] * 8
    cdef Py_ssize_t i, l, s
    take(x, w.x + mode * 48, 48)
    take(p, w.p + mode * 288, 288)
    take(e, extra, m * 8)
    take(pxe, extra + m * 8, m * 48)
    take(pee, extra + m * 56, m * m * 8)
    for i in range(m * 48):
        total_extra[i] = 0.0
    for l in range(LANES):
        factor[l] = 1.0
    for s in range(most):
        for l in range(LANES):
            constant[l] = w.constant[mode]
            active[l] = 1.0 if s < steps[l] else 0.0
            h[l] = w.dt[l] / steps[l] if s < steps[l] else 0.0
        if m == 1:
            inverse_betas(e, w.constant[mode], constant)
        if m == 3:
            thrust_of(e, pee, h, w.growth[mode], KNOWN * w.prior[mode], push, by_extra, grown)
            rk4(x, h, constant, kind, push, middle, moved)
        else:
            rk4(x, h, constant, kind, NULL, middle, moved)
        transition(middle, h, constant, kind, phi)
        noise_of(w, mode, kind, m, middle, h, constant, noise)
        propagate_covariance(p, phi, noise, h, active)
        if m == 1:
            drag_of(middle, h, constant, e, by_extra, grown)
        if m:
            propagate_extra(m, phi, by_extra, grown, p, pxe, pee)
            wander(m, w.wander[mode], h, p, pxe, pee)
            compose_extra(m, phi, by_extra, grown, total_extra, factor)
            for i in range(m):
                for l in range(LANES):
                    e[i * 8 + l] *= grown[l]
        for i in range(6):
            for l in range(LANES):
                x[i * 8 + l] = moved[i * 8 + l] if active[l] > 0.0 else x[i * 8 + l]
        if s == 0:
            take(total, phi, 288)
        else:
            compose(total, phi, active)
    take(w.x + mode * 48, x, 48)
    take(w.p + mode * 288, p, 288)
    take(extra, e, m * 8)
    take(extra + m * 8, pxe, m * 48)
    take(extra + m * 56, pee, m * m * 8)
    consider_predicted(w, mode, m, total, total_extra, factor)


cdef inline void noise_of(
    Work *w, int mode, const int kind, const int m, const double *middle, const double *h,
    const double *constant, double *noise
) noexcept nogil:
    """Spectral density (1) of the acceleration noise; of unknown drag too, where it is not estimated."""
    cdef Py_ssize_t l
    for l in range(LANES):
        noise[l] = 0.0
    if kind == DRAG and m == 0:
        drag_rate(middle, h, constant, noise)
    for l in range(LANES):
        noise[l] = w.q[mode] + w.drag_noise_s * noise[l] * noise[l] * (
            middle[24 + l] * middle[24 + l] + middle[32 + l] * middle[32 + l]
            + middle[40 + l] * middle[40 + l])


cdef inline void consider_predicted(
    Work *w, int mode, const int m, const double *total, const double *total_extra, const double *factor
) noexcept nogil:
    """Moves one mode's part of all gathered consider blocks by the whole prediction's transition."""
    cdef double c[144]
    cdef double ce[72]
    cdef double *block
    cdef Py_ssize_t t
    for t in range(w.considered):
        block = w.c + t * w.consider_rows * 8
        take(c, block + mode * 144, 144)
        propagate_consider(c, total)
        if m:
            take(ce, block + w.bias_at[mode] * 8, m * 24)
            propagate_extra_consider(m, total_extra, factor, c, ce)
            take(block + w.bias_at[mode] * 8, ce, m * 24)
        take(block + mode * 144, c, 144)


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
    cdef double mu[MODES * 8]
    cdef double site[24]
    cdef double z[24]
    cdef double sigma[24]
    cdef double d2[8]
    cdef double best[8]
    cdef double log_densities[MODES * 8]
    cdef double weights[MODES * 8]
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
        take(c, w.c + w.own * w.consider_rows * 8 + k * 144, 144)
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
    cdef double mu[MODES * 8]
    cdef double weights[MODES * 8]
    cdef double log_densities[MODES * 8]
    cdef double d2[MODES * 8]
    cdef double total[8]
    cdef double share[8]
    cdef Py_ssize_t k, l
    for k in range(w.modes):
        for l in range(LANES):
            mu[k * 8 + l] = w.mu[k * 8 + l] * w.sight[k]
    for k in range(w.modes):
        if w.extra[k] == 3:
            update_mode(w, k, 3, d2 + k * 8, log_densities + k * 8)
        elif w.extra[k] == 1:
            update_mode(w, k, 1, d2 + k * 8, log_densities + k * 8)
        else:
            update_mode(w, k, 0, d2 + k * 8, log_densities + k * 8)
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


cdef inline void update_mode(Work *w, int mode, const int m, double *d2, double *log_density) noexcept nogil:
    """Updates one mode's state, of m extra components, covariance and all gathered consider blocks."""
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
    cdef double more[192]  # e (3), Pxe (6, 3) at most
    cdef double pee[72]
    cdef double ce[72]
    cdef Extra extra
    cdef double *kept = w.e + w.extra_at[mode] * 8
    cdef double *block = w.c + w.own * w.consider_rows * 8
    cdef Py_ssize_t k, t
    take(site, w.site, 24)
    take(z, w.z, 24)
    take(sigma, w.sigma, 24)
    take(x, w.x + mode * 48, 48)
    take(p, w.p + mode * 288, 288)
    take(c, block + mode * 144, 144)
    take(more, kept, m * 56)
    take(pee, kept + m * 56, m * m * 8)
    take(ce, block + w.bias_at[mode] * 8, m * 24)
    extra.e, extra.pxe, extra.pee, extra.ce = more, more + m * 8, pee, ce
    linearise(x, p, z, sigma, site, w.enu, nu, rows)
    innovation_covariance(p, c, rows, w.bias, sigma, s)
    gauss(s, nu, d2, log_density)
    update_sequential(x, p, c, rows, nu, w.bias, sigma, True, gains, m, &extra)
    take(w.x + mode * 48, x, 48)
    take(w.p + mode * 288, p, 288)
    take(block + mode * 144, c, 144)
    take(kept, more, m * 56)
    take(kept + m * 56, pee, m * m * 8)
    take(block + w.bias_at[mode] * 8, ce, m * 24)
    for t in range(w.considered):
        if t == w.own:
            continue
        block = w.c + t * w.consider_rows * 8
        take(c, block + mode * 144, 144)
        take(ce, block + w.bias_at[mode] * 8, m * 24)
        for k in range(3):
            if m:
                update_extra_consider(m, extra.gains + k * m * 8, rows + k * 24, c, k, 0.0, ce)
            update_consider(c, rows, gains, k, 0.0)
        take(block + mode * 144, c, 144)
        take(block + w.bias_at[mode] * 8, ce, m * 24)


cdef inline void mixture(Work *w) noexcept nogil:
    """Mean and covariance of the mixture of the modes, in `mean` and `cov`."""
    cdef double mean[48]
    cdef double cov[288]
    cdef double weights[MODES * 8]
    dominant(w.modes, w.negligible, w.mu, weights)
    combine(w.modes, weights, w.x, w.p, mean, cov)
    take(w.mean, mean, 48)
    take(w.cov, cov, 288)
