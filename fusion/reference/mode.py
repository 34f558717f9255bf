"""One motion model of one track over filterpy's extended Kalman filter; `bank` says what it holds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from filterpy.kalman import ExtendedKalmanFilter

from fusion.reference.motion import BURNT_OUT_S, NO_THRUST_MPS2, Motion

Floats = npt.NDArray[np.float64]

LONGEST_STEP_S = 5.0


class Mode(ExtendedKalmanFilter):
    """One motion model of one track: filterpy's filter, whose `predict` moves by `dt` seconds."""

    def __init__(self, x: Floats, p: Floats, motion: Motion) -> None:
        super().__init__(dim_x=len(x), dim_z=1)
        self.x, self.P, self.dt, self.motion = x.copy(), p.copy(), 0.0, motion

    def extended(self, bias: Floats) -> Mode:
        """The same with a sensor's biases appended, not correlated with anything yet."""
        n = len(self.x)
        p = np.zeros((n + 3, n + 3))
        p[:n, :n], p[n:, n:] = self.P, np.diag(bias)
        return Mode(np.append(self.x, np.zeros(3)), p, self.motion)

    @property
    def own(self) -> int:
        """Number of the track's own components: what follows are biases."""
        return 6 + self.motion.extra

    def predict(self, u: float = 0) -> None:
        """Equal Runge-Kutta steps of at most 5 s, each with its transition matrix I + Ah + A²h²/2."""
        steps = max(1, int(np.ceil(self.dt / LONGEST_STEP_S)))
        h, n = self.dt / steps, self.own
        for _ in range(steps):
            x, e = self.x[:6], self.x[6:n]
            motion = self.motion.at(e)
            half = motion.half_growth(self.P[6:n, 6:n], h)
            push = e if motion.estimates == "thrust" else np.zeros(3)
            k1 = motion.flow(x, h, push)
            k2 = motion.flow(x + h / 2 * k1, h, half * push)
            middle = x + h / 2 * k2
            k3 = motion.flow(middle, h, half * push)
            k4 = motion.flow(x + h * k3, h, half**2 * push)
            grown = np.full(n - 6, half**2)
            self._moved = np.concatenate([x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), grown * e])
            a = motion.derivative(middle, h) * h
            self.F, self.Q = np.eye(len(self.x)), np.zeros((len(self.x),) * 2)
            self.F[:6, :6] = np.eye(6) + a + a @ a / 2
            if n > 6:
                self.F[:6, 6:n], self.F[6:n, 6:n] = motion.sensitivity(middle, e, half, h), np.diag(grown)
            self.Q[:n, :n] = motion.noise(middle, h)
            super().predict(u)

    def predict_x(self, u: float = 0) -> None:
        """Called by filterpy's `predict`: the state is the integrated one, not F x."""
        self.x[: self.own] = self._moved

    def padded(self, like: Mode) -> tuple[Floats, Floats]:
        """State and covariance with the components of another mode: its extra ones have its prior."""
        if like is self:
            return self.x, self.P
        biases = len(self.x) - self.own
        mine = np.r_[:6, self.own : len(self.x)]
        theirs = np.r_[:6, like.own : like.own + biases]
        x, p = np.zeros(like.own + biases), np.zeros((like.own + biases,) * 2)
        x[theirs], p[np.ix_(theirs, theirs)] = self.x[mine], self.P[np.ix_(mine, mine)]
        extra = np.arange(6, like.own)
        p[extra, extra] = like.motion.prior_sigma**2
        return x, p

    def credible(self, dt: float) -> float:
        """Share of its probability that the mode keeps over dt seconds: without thrust it is no burn."""
        if self.motion.estimates != "thrust":
            return 1.0
        square = self.x[6:9] @ self.x[6:9] + np.trace(self.P[6:9, 6:9])
        gone = NO_THRUST_MPS2**4 / (square**2 + NO_THRUST_MPS2**4)
        return float(1 / (1 + dt * gone / BURNT_OUT_S))

    def correct(self, nu: Floats, rows: Floats, noise: Floats, bias: Floats) -> None:
        """Scalar updates in order, linearised once: nu (3) at the prior, rows (3, n), noise (3) variances.

        A component of infinite noise is left out.
        """
        prior = self.x.copy()
        for k in np.flatnonzero(np.isfinite(noise)):
            row = rows[k : k + 1]
            self.update(nu[k : k + 1], lambda _, row=row: row, lambda x, row=row: row @ (x - prior), noise[k])
            self.x[self.own :] = 0.0
            self.P[self.own :, self.own :] = np.diag(bias)
