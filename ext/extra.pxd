"""What a mode may estimate beside position and velocity: thrust, or the ballistic coefficient.

Lane arrays: component-major, eight lanes innermost. A mode's state is x (6) and m extra components e:

- m = 0: none
- m = 1: the natural logarithm of the ballistic coefficient over its nominal value, a random walk
- m = 3: thrust and lift, an acceleration vector (ECEF, m/s²) that grows as mass burns, its rate a random walk's

Their covariance stands in parts: P (6, 6), Pxe (6, m), Pee (m, m). Measurements do not see e, and e moves on
its own, e' = g e; so the transition is [[Φ, W], [0, g]] and all products keep that shape. W is kept as (m = 1)
the vector (6), or (m = 3) its two factors: W = [w₀ I; w₁ I]. The functions are inlined with a literal m.

A mode of fewer components enters one with more as if e had its prior, zero with a variance, uncorrelated with
anything: at a change of mode nothing is known of e, and a mode's own e is neither drawn to zero nor made
too sure by modes that have none (Granström, Willett and Bar-Shalom 2015, section III).
"""

from ext.elementary cimport c_exp
from ext.lanes cimport LANES, store_symmetric
from ext.motion cimport drag_rate

cdef enum:
    NO_THRUST = 5  # m/s², within what a burn has ended
    BURNT_OUT = 2  # seconds in which a mode without thrust loses half of its probability
    KNOWN = 12  # times its prior variance: the trace of a thrust's covariance up to which it grows

cdef struct Extra:  # of one mode, in the update
    double *e  # (m)
    double *pxe  # (6, m)
    double *pee  # (m, m)
    double *ce  # (m, 3)
    double gains[72]  # (3, m), left for the cross-covariances with the other sensors' biases


cdef inline double bounded(double e) noexcept nogil:
    """A logarithm that leaves the ballistic coefficient within a factor of 20."""
    e = e if e < 3.0 else 3.0
    return e if e > -3.0 else -3.0


cdef inline void thrust_of(
    const double *e, const double *pee, const double *h, double growth, double known, double *push, double *w,
    double *grown
) noexcept nogil:
    """What thrust e (3), m/s², does in a step of h (1) seconds while it grows by `growth` per second.

    It does not grow any more once its covariance pee (3, 3) has a larger trace than `known`: nobody has seen it
    for long, and without end it would outgrow all numbers.

    push (3, 3): at the step's start, middle and end; w (2) by how much position and velocity move with it in the
    Runge-Kutta step; grown (1), its factor at the end.
    """
    cdef double half[8]
    cdef double u
    cdef Py_ssize_t i, l
    for l in range(LANES):
        u = 0.5 * growth * h[l] if pee[l] + pee[32 + l] + pee[64 + l] <= known else 0.0
        half[l] = 1.0 + u + 0.5 * u * u
        grown[l] = half[l] * half[l]
        w[l] = h[l] * h[l] * (1.0 / 6.0) * (1.0 + 2.0 * half[l])
        w[8 + l] = h[l] * (1.0 / 6.0) * (1.0 + 4.0 * half[l] + grown[l])
    for i in range(3):
        for l in range(LANES):
            push[i * 8 + l] = e[i * 8 + l]
            push[24 + i * 8 + l] = half[l] * e[i * 8 + l]
            push[48 + i * 8 + l] = grown[l] * e[i * 8 + l]


cdef inline void burnt_out(const double *e, const double *dt, double *mu) noexcept nogil:
    """Takes probability mu (1) from a mode whose thrust e (3), then Pxe and Pee, is gone: it is no burn any more.

    A thrust of zero flies like free fall, and the likelihoods alone tell the two apart only slowly. With the
    mean square s of the thrust the factor is 1 / (1 + dt a⁴ / (s² + a⁴) / BURNT_OUT), a = NO_THRUST.
    """
    cdef double a4 = <double>NO_THRUST * NO_THRUST * NO_THRUST * NO_THRUST
    cdef double s
    cdef Py_ssize_t l
    for l in range(LANES):
        s = (e[l] * e[l] + e[8 + l] * e[8 + l] + e[16 + l] * e[16 + l]
             + e[168 + l] + e[200 + l] + e[232 + l])
        mu[l] /= 1.0 + dt[l] * a4 / ((s * s + a4) * BURNT_OUT)


cdef inline void drag_of(
    const double *middle, const double *h, const double *inverse_beta, const double *e, double *w,
    double *grown
) noexcept nogil:
    """w (6): by how much a step of h (1) seconds moves with ln β, from its middle; grown (1) is 1.

    Drag falls as β grows: da/de = ½ρ/β |v| v. Nothing where e (1) is out of its bounds.
    """
    cdef double rate[8]
    cdef Py_ssize_t i, l
    drag_rate(middle, h, inverse_beta, rate)
    for l in range(LANES):
        rate[l] = rate[l] if e[l] < 3.0 and e[l] > -3.0 else 0.0
        grown[l] = 1.0
    for i in range(3):
        for l in range(LANES):
            w[24 + i * 8 + l] = rate[l] * h[l] * middle[24 + i * 8 + l]
            w[i * 8 + l] = 0.5 * h[l] * w[24 + i * 8 + l]


cdef inline void inverse_betas(const double *e, double nominal, double *inverse_beta) noexcept nogil:
    """1/β (1), m²/kg, where ln β is e (1) above its nominal value."""
    cdef Py_ssize_t l
    for l in range(LANES):
        inverse_beta[l] = nominal * c_exp(-bounded(e[l]))


cdef inline void propagate_extra(
    const int m, const double *phi, const double *w, const double *grown, double *p, double *pxe, double *pee
) noexcept nogil:
    """The rest of [[Φ, W], [0, g]] P [[Φ, W], [0, g]]ᵀ, where P (6, 6) is already Φ P Φᵀ.

    With y = Φ Pxe and u = y + ½ W Pee: P += u Wᵀ + W uᵀ, Pxe <- g (y + W Pee), Pee <- g² Pee.
    """
    cdef double y[144]
    cdef double u[144]
    cdef double value[8]
    cdef double by
    cdef Py_ssize_t c, i, j, l
    for i in range(6):
        for c in range(m):
            for l in range(LANES):
                y[(i * m + c) * 8 + l] = (
                    phi[i * 48 + l] * pxe[c * 8 + l] + phi[i * 48 + 8 + l] * pxe[(m + c) * 8 + l]
                    + phi[i * 48 + 16 + l] * pxe[(2 * m + c) * 8 + l]
                    + phi[i * 48 + 24 + l] * pxe[(3 * m + c) * 8 + l]
                    + phi[i * 48 + 32 + l] * pxe[(4 * m + c) * 8 + l]
                    + phi[i * 48 + 40 + l] * pxe[(5 * m + c) * 8 + l])
    for i in range(6):
        for c in range(m):
            for l in range(LANES):
                by = w[i // 3 * 8 + l] * pee[(i % 3 * m + c) * 8 + l] if m == 3 else w[i * 8 + l] * pee[l]
                u[(i * m + c) * 8 + l] = y[(i * m + c) * 8 + l] + 0.5 * by
                pxe[(i * m + c) * 8 + l] = grown[l] * (y[(i * m + c) * 8 + l] + by)
    for i in range(6):
        for j in range(i, 6):
            for l in range(LANES):
                value[l] = p[i * 48 + j * 8 + l]
                if m == 3:
                    value[l] += (
                        u[(i * 3 + j % 3) * 8 + l] * w[j // 3 * 8 + l]
                        + w[i // 3 * 8 + l] * u[(j * 3 + i % 3) * 8 + l])
                else:
                    value[l] += u[i * 8 + l] * w[j * 8 + l] + w[i * 8 + l] * u[j * 8 + l]
            store_symmetric(p, i, j, value)
    for c in range(m * m):
        for l in range(LANES):
            pee[c * 8 + l] *= grown[l] * grown[l]


cdef inline void wander(
    const int m, double density, const double *h, double *p, double *pxe, double *pee
) noexcept nogil:
    """Adds what a random walk of e of the spectral density `density` does in h (1) seconds.

    m = 3: integrated twice more into velocity and position; m = 1: to e alone, the rest is of higher order.
    """
    cdef double q
    cdef Py_ssize_t i, l
    for i in range(m):
        for l in range(LANES):
            q = density * h[l]
            pee[i * (m + 1) * 8 + l] += q
            if m == 3:
                pxe[(9 + i * 4) * 8 + l] += q * h[l] * 0.5
                pxe[i * 32 + l] += q * h[l] * h[l] * (1.0 / 6.0)
                p[168 + i * 56 + l] += q * h[l] * h[l] * (1.0 / 3.0)
                p[24 + i * 56 + l] += q * h[l] * h[l] * h[l] * 0.125
                p[144 + i * 56 + l] += q * h[l] * h[l] * h[l] * 0.125
                p[i * 56 + l] += q * h[l] * h[l] * h[l] * h[l] * 0.05


cdef inline void compose_extra(
    const int m, const double *phi, const double *w, const double *grown, double *total, double *factor
) noexcept nogil:
    """Sensitivity total (6, m) of the state to e at the start <- Φ total + W factor; factor (1) *= g."""
    cdef double old[144]
    cdef Py_ssize_t c, i, j, l
    for i in range(6 * m * 8):
        old[i] = total[i]
    for i in range(6):
        for c in range(m):
            for l in range(LANES):
                if m == 3:
                    total[(i * m + c) * 8 + l] = w[i // 3 * 8 + l] * factor[l] if i % 3 == c else 0.0
                else:
                    total[i * 8 + l] = w[i * 8 + l] * factor[l]
            for j in range(6):
                for l in range(LANES):
                    total[(i * m + c) * 8 + l] += phi[(i * 6 + j) * 8 + l] * old[(j * m + c) * 8 + l]
    for l in range(LANES):
        factor[l] *= grown[l]


cdef inline void propagate_extra_consider(
    const int m, const double *total, const double *factor, double *c, double *ce
) noexcept nogil:
    """Cross-covariances with a sensor's bias: C (6, 3) += total Ce, Ce (m, 3) <- factor Ce."""
    cdef Py_ssize_t b, i, j, l
    for i in range(6):
        for b in range(3):
            for j in range(m):
                for l in range(LANES):
                    c[(i * 3 + b) * 8 + l] += total[(i * m + j) * 8 + l] * ce[(j * 3 + b) * 8 + l]
    for i in range(m * 3):
        for l in range(LANES):
            ce[i * 8 + l] *= factor[l]


cdef inline void mix_extra(
    const int m, double prior, const double *stays, const double *before, const double *mixed, double *e,
    double *pxe, double *pee
) noexcept nogil:
    """e, Pxe and Pee of a mode at its mixed start: its own by the weight `stays` (1), else the prior.

    before, mixed (6): the mode's state before and after mixing. With ē = s e:
    Pee <- s Pee + s (1 - s) e eᵀ + (1 - s) prior I, Pxe <- s (Pxe + (x - x̄) eᵀ).
    """
    cdef double s
    cdef Py_ssize_t c, d, i, l
    for i in range(6):
        for c in range(m):
            for l in range(LANES):
                pxe[(i * m + c) * 8 + l] = stays[l] * (
                    pxe[(i * m + c) * 8 + l] + (before[i * 8 + l] - mixed[i * 8 + l]) * e[c * 8 + l])
    for c in range(m):
        for d in range(m):
            for l in range(LANES):
                s = stays[l]
                pee[(c * m + d) * 8 + l] = (
                    s * pee[(c * m + d) * 8 + l] + s * (1.0 - s) * (e[c * 8 + l] * e[d * 8 + l])
                    + ((1.0 - s) * prior if c == d else 0.0))
    for c in range(m):
        for l in range(LANES):
            e[c * 8 + l] *= stays[l]


cdef inline void update_extra(
    const int m, Extra *w, const double *row, const double *s, const double *residual, const double *gain,
    const double *c, int k, bint biased, const double *bias,
) noexcept nogil:
    """One scalar measurement k of ext.kalman.update_sequential: corrects e, Pxe, Pee and Ce.

    row (3), s (1), residual (1), gain (6) are that measurement's, C (6, 3) from before it. With the covariance
    d = Pxeᵀ Hᵀ + Ce_k of e and the innovation the gain is d/s, and Pxe -= K dᵀ, Pee -= d dᵀ/s.
    """
    cdef double d[24]
    cdef Py_ssize_t a, b, i, l
    for a in range(m):
        for l in range(LANES):
            d[a * 8 + l] = (
                row[l] * w.pxe[a * 8 + l] + row[8 + l] * w.pxe[(m + a) * 8 + l]
                + row[16 + l] * w.pxe[(2 * m + a) * 8 + l])
        if biased:
            for l in range(LANES):
                d[a * 8 + l] += w.ce[(a * 3 + k) * 8 + l]
        for l in range(LANES):
            w.gains[(k * m + a) * 8 + l] = d[a * 8 + l] / s[l]
            w.e[a * 8 + l] += w.gains[(k * m + a) * 8 + l] * residual[l]
    for i in range(6):
        for a in range(m):
            for l in range(LANES):
                w.pxe[(i * m + a) * 8 + l] -= gain[i * 8 + l] * d[a * 8 + l]
    for a in range(m):
        for b in range(m):
            for l in range(LANES):
                w.pee[(a * m + b) * 8 + l] -= d[a * 8 + l] * d[b * 8 + l] / s[l]
    if biased:
        update_extra_consider(m, w.gains + k * m * 8, row, c, k, bias[k], w.ce)


cdef inline void update_extra_consider(
    const int m, const double *gain, const double *row, const double *c, int k, double own, double *ce
) noexcept nogil:
    """Ce (m, 3) -= gain (H C + own e_kᵀ), C (6, 3) from before the update, as ext.kalman.update_consider."""
    cdef double r[24]
    cdef Py_ssize_t a, b, l
    for b in range(3):
        for l in range(LANES):
            r[b * 8 + l] = (
                row[l] * c[b * 8 + l] + row[8 + l] * c[24 + b * 8 + l] + row[16 + l] * c[48 + b * 8 + l])
    for l in range(LANES):
        r[k * 8 + l] += own
    for a in range(m):
        for b in range(3):
            for l in range(LANES):
                ce[(a * 3 + b) * 8 + l] -= gain[a * 8 + l] * r[b * 8 + l]
