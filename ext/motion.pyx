"""Doors to the motion model: acceleration and transition for tests, and the free fall to the ground.

The equations are in ext/motion.pxd: WGS-84 gravity with J2, the rotating frame, drag in a fitted US-1976 air.
"""

import numpy as np

cimport numpy as cnp
from libc.math cimport sqrt
from libc.stdint cimport uint8_t

from ext.door cimport finite, table
from ext.lanes cimport lane_kernel, level

cnp.import_array()

cdef extern from *:
    """
    #include "lanes.h"
    LANE_VARIANTS(motion_step)
    """
    lane_kernel motion_step_variant(int level)

cdef enum:
    REFINEMENTS = 5  # regula falsi on the last step: below 1 mm

cdef double AIR_ENDS_M = 150000.0  # above it, a step is taken without drag

cdef struct Fall:  # eight objects, one step
    double start[48]
    double x[48]  # after it
    double phi[288]  # its transition matrix, when asked for
    double h[8]
    double constant[8]  # of the motion
    int kind  # of it
    bint matrix


cdef void lanes_step "motion_step"(void *work) noexcept nogil:
    """One Runge-Kutta step from start to x."""
    cdef Fall *w = <Fall *>work
    cdef double x[48]
    cdef double out[48]
    cdef double middle[48]
    cdef double phi[288]
    cdef double h[8]
    cdef double constant[8]
    cdef int kind = w.kind
    cdef int i
    for i in range(48):
        x[i] = w.start[i]
    for i in range(8):
        h[i] = w.h[i]
        constant[i] = w.constant[i]
        kind = DRAG if kind == FREE and constant[i] > 0.0 else kind
    rk4(x, h, constant, kind, NULL, middle, out)
    for i in range(48):
        w.x[i] = out[i]
    if w.matrix:
        transition(middle, h, constant, kind, phi)
        for i in range(288):
            w.phi[i] = phi[i]


cdef lane_kernel run_step = motion_step_variant(level())


cdef void load(Fall *w, const double *states, const double *constant, int n) noexcept nogil:
    """n states, one after the other, into the lanes; those left over repeat the first."""
    cdef int i, l, lane
    for l in range(8):
        lane = l if l < n else 0
        for i in range(6):
            w.x[i * 8 + l] = states[lane * 6 + i]
        w.constant[l] = constant[lane]


cdef double height_of(const double *x) noexcept nogil:
    """Height (m) of the position in one lane."""
    cdef double r = sqrt(x[0] * x[0] + x[8] * x[8] + x[16] * x[16])
    return height(r, x[16] / r)


def step(states, constant, double h, bint level=False):
    """States (n, 6) after one Runge-Kutta step of h s, and the transition matrices (n, 6, 6).

    constant (n): 1/β in m²/kg, 0: no drag; with `level`, aircraft, their rate of turn to the left, rad/s. The
    step of the track bank, for tests.
    """
    cdef cnp.ndarray x = table(states, cnp.NPY_DOUBLE, -1, 6, "states")
    cdef Py_ssize_t n = cnp.PyArray_DIM(x, 0), i
    cdef cnp.ndarray constants = table(constant, cnp.NPY_DOUBLE, n, 0, "constant")
    cdef cnp.ndarray moved = np.empty((n, 6)), phi = np.empty((n, 6, 6))
    cdef Fall work
    cdef int j, l
    work.matrix, work.kind = True, LEVEL if level else FREE
    for i in range(0, n, 8):
        load(&work, <const double *>cnp.PyArray_DATA(x) + i * 6,
             <const double *>cnp.PyArray_DATA(constants) + i, min(8, n - i))
        work.start = work.x
        for l in range(8):
            work.h[l] = h
        run_step(&work)
        for l in range(min(8, n - i)):
            for j in range(6):
                (<double *>cnp.PyArray_DATA(moved))[(i + l) * 6 + j] = work.x[j * 8 + l]
            for j in range(36):
                (<double *>cnp.PyArray_DATA(phi))[(i + l) * 36 + j] = work.phi[j * 8 + l]
    return moved, phi


def fall(states, inverse_beta, double step_s, double t_max_s, double floor_m, int sample_every):
    """Where objects without thrust come down: the first descent through height floor_m over the ellipsoid.

    states (n, 6) ECEF, inverse_beta (n) 1/β in m²/kg (0: no drag). Runge-Kutta steps of step_s for t_max_s at
    most, the last one shortened to end on the floor (to 1 mm); drag counts below 150 km.
    Returns t_impact_s (n), impact_ecef (n, 3), reached uint8 (n) and path (n, m, 3), the position every
    `sample_every` steps from the start on, held at the impact; not reached: time and place are the last ones.
    """
    cdef cnp.ndarray x = table(states, cnp.NPY_DOUBLE, -1, 6, "states")
    cdef Py_ssize_t n = cnp.PyArray_DIM(x, 0), i
    cdef cnp.ndarray beta = table(inverse_beta, cnp.NPY_DOUBLE, n, 0, "inverse_beta")
    cdef const double *s = <const double *>cnp.PyArray_DATA(x)
    cdef const double *b = <const double *>cnp.PyArray_DATA(beta)
    if not (0.0 < step_s <= 60.0 and step_s <= t_max_s <= 1e6 and sample_every >= 1):
        raise ValueError(f"fall: step {step_s}, t_max {t_max_s}, sample_every {sample_every}: out of range")
    finite(s, 6 * n, "states")
    finite(b, n, "inverse_beta")
    steps = int(np.ceil(t_max_s / step_s))
    cdef int count = steps, m = steps // sample_every + 1
    cdef cnp.ndarray t = np.empty(n), impact = np.empty((n, 3)), reached = np.empty(n, np.uint8)
    cdef cnp.ndarray path = np.empty((n, m, 3))
    with nogil:
        for i in range(0, n, 8):
            fall_batch(
                s + 6 * i, b + i, <int>min(8, n - i), step_s, count, floor_m, sample_every, m,
                <double *>cnp.PyArray_DATA(t) + i, <double *>cnp.PyArray_DATA(impact) + 3 * i,
                <uint8_t *>cnp.PyArray_DATA(reached) + i, <double *>cnp.PyArray_DATA(path) + 3 * m * i)
    return t, impact, reached, path


cdef void fall_batch(
    const double *states, const double *inverse_beta, int n, double step_s, int steps, double floor_m,
    int sample_every, int m, double *t, double *impact, uint8_t *reached, double *path
) noexcept nogil:
    """Up to eight falls: a lane that has come down stands still before its last step."""
    cdef Fall w
    cdef double above[8]
    cdef double below[8]
    cdef int landed[8]  # the step that comes down, -1 before
    cdef int falling = 8, s, i, j, l
    w.matrix, w.kind = False, FREE
    load(&w, states, inverse_beta, n)
    for l in range(8):
        landed[l] = -1
        w.h[l] = step_s
        above[l] = height_of(w.x + l)
    for s in range(steps):
        if s % sample_every == 0:
            keep(path, w.x, n, m, s // sample_every)
        if falling == 0:
            continue
        w.start = w.x
        for l in range(8):
            w.constant[l] = inverse_beta[l if l < n else 0] if above[l] < AIR_ENDS_M else 0.0
        run_step(&w)
        for l in range(8):
            below[l] = height_of(w.x + l)
            if landed[l] < 0 and below[l] <= floor_m and below[l] < above[l]:
                landed[l] = s
                falling -= 1
            if landed[l] >= 0:
                w.h[l] = 0.0
                for j in range(6):
                    w.x[j * 8 + l] = w.start[j * 8 + l]
            else:
                above[l] = below[l]
    if steps % sample_every == 0:
        keep(path, w.x, n, m, steps // sample_every)
    land(&w, inverse_beta, n, above, landed, step_s, floor_m)
    for l in range(n):
        reached[l] = landed[l] >= 0
        t[l] = landed[l] * step_s + w.h[l] if landed[l] >= 0 else steps * step_s
        for j in range(3):
            impact[3 * l + j] = w.x[j * 8 + l]
        for i in range(landed[l] // sample_every + 1 if landed[l] >= 0 else m, m):
            for j in range(3):
                path[(l * m + i) * 3 + j] = impact[3 * l + j]


cdef void keep(double *path, const double *x, int n, int m, int sample) noexcept nogil:
    """One sample of the positions."""
    cdef int j, l
    for l in range(n):
        for j in range(3):
            path[(l * m + sample) * 3 + j] = x[j * 8 + l]


cdef void land(
    Fall *w, const double *inverse_beta, int n, const double *above, const int *landed, double step_s,
    double floor_m
) noexcept nogil:
    """Shortens the last step h of each landed lane to end on the floor (regula falsi, Illinois)."""
    cdef double low[8]
    cdef double high[8]
    cdef double f_low[8]
    cdef double f_high[8]
    cdef int side[8]
    cdef double f
    cdef int i, l
    w.start = w.x
    for l in range(8):
        w.constant[l] = inverse_beta[l if l < n else 0] if above[l] < AIR_ENDS_M else 0.0
        w.h[l] = step_s if landed[l] >= 0 else 0.0
        low[l], high[l], f_low[l], side[l] = 0.0, step_s, above[l] - floor_m, 0
    run_step(w)
    for l in range(8):
        f_high[l] = height_of(w.x + l) - floor_m
    for i in range(REFINEMENTS):
        for l in range(8):
            if landed[l] >= 0:
                f = f_low[l] / (f_low[l] - f_high[l]) if f_low[l] > 0.0 else 0.0
                w.h[l] = low[l] + (high[l] - low[l]) * f
        run_step(w)
        for l in range(8):
            f = height_of(w.x + l) - floor_m
            if f > 0.0:
                f_high[l] *= 0.5 if side[l] == 1 else 1.0
                low[l], f_low[l], side[l] = w.h[l], f, 1
            else:
                f_low[l] *= 0.5 if side[l] == -1 else 1.0
                high[l], f_high[l], side[l] = w.h[l], f, -1
