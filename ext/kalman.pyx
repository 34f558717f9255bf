"""One extended Kalman filter step for a contiguous batch: the bank's own lane functions alone.

For benchmarks and conformance tests: no modes, no drag, no sensor biases.
"""

cimport numpy as cnp

from ext.door cimport finite, numbers, table
from ext.lanes cimport lane_kernel, level
from ext.measurement cimport innovate, measure
from ext.motion cimport FREE, rk4, transition

cnp.import_array()

cdef extern from *:
    """
    #include "lanes.h"
    LANE_VARIANTS(kalman_step)
    """
    lane_kernel kalman_step_variant(int level)

cdef struct Batch:
    int blocks
    double *x  # (blocks, 6, 8)
    double *p  # (blocks, 36, 8)
    const double *z  # (blocks, 3, 8)
    double sigma[3]
    double site[3]
    double enu[9]
    double dt
    double q


cdef void lanes_kalman_step "kalman_step"(void *work) noexcept nogil:
    """Predict and update of every block."""
    cdef Batch *w = <Batch *>work
    cdef double site[24]
    cdef double sigma[24]
    cdef double h[8]
    cdef double active[8]
    cdef int b, i, l
    for l in range(8):
        h[l] = w.dt
        active[l] = 1.0
        for i in range(3):
            site[i * 8 + l] = w.site[i]
            sigma[i * 8 + l] = w.sigma[i]
    for b in range(w.blocks):
        step_block(w.x + b * 48, w.p + b * 288, w.z + b * 24, h, active, site, w.enu, sigma, w.q)


cdef inline void step_block(
    double *state, double *covariance, const double *plots, const double *h, const double *active,
    const double *site, const double *enu, const double *sigma, double q
) noexcept nogil:
    """Predict and update of eight tracks."""
    cdef double x[48]
    cdef double p[288]
    cdef double z[24]
    cdef double middle[48]
    cdef double moved[48]
    cdef double phi[288]
    cdef double predicted[24]
    cdef double rows[72]
    cdef double nu[24]
    cdef double gains[144]
    cdef double noise[8]
    cdef int i
    for i in range(8):
        noise[i] = q
    for i in range(48):
        x[i] = state[i]
    for i in range(288):
        p[i] = covariance[i]
    for i in range(24):
        z[i] = plots[i]
    rk4(x, h, h, FREE, NULL, middle, moved)
    transition(middle, h, h, FREE, phi)
    propagate_covariance(p, phi, noise, h, active)
    measure(moved, site, enu, predicted, rows)
    innovate(z, predicted, nu)
    update_sequential(moved, p, NULL, rows, nu, NULL, sigma, False, gains, 0, NULL)
    for i in range(48):
        state[i] = moved[i]
    for i in range(288):
        covariance[i] = p[i]


cdef lane_kernel run_step = kalman_step_variant(level())


def ekf_step(x, p, z, sigma, site, enu, double dt, double q):
    """Predicts a batch of tracks by dt (at most 5 s) and updates each with its plot, all in place.

    x (blocks * 6, 8) states, p (blocks * 36, 8) covariances, z (blocks * 3, 8) plots (range m, azimuth rad,
    elevation rad): components of eight tracks side by side. sigma (3), site (3, ECEF m), enu (9) of the one
    sensor; q the spectral density of the acceleration noise, m²/s³.
    """
    cdef cnp.ndarray states = table(x, cnp.NPY_DOUBLE, -1, 8, "x")
    cdef Py_ssize_t blocks = cnp.PyArray_DIM(states, 0) // 6
    cdef cnp.ndarray covariances = table(p, cnp.NPY_DOUBLE, 36 * blocks, 8, "p")
    cdef cnp.ndarray plots = table(z, cnp.NPY_DOUBLE, 3 * blocks, 8, "z")
    cdef Batch work
    if cnp.PyArray_DIM(states, 0) != 6 * blocks or not 0.0 < dt <= 5.0 or not q >= 0.0:
        raise ValueError("ekf_step: x needs 6 rows for each block, dt 0 to 5 s, q no negative")
    numbers(sigma, 3, work.sigma, "sigma")
    numbers(site, 3, work.site, "site")
    numbers(enu, 9, work.enu, "enu")
    finite(<const double *>cnp.PyArray_DATA(plots), 24 * blocks, "z")
    work.blocks, work.dt, work.q = blocks, dt, q
    work.x = <double *>cnp.PyArray_DATA(states)
    work.p = <double *>cnp.PyArray_DATA(covariances)
    work.z = <const double *>cnp.PyArray_DATA(plots)
    run_step(&work)
