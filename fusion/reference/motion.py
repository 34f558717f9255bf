"""How missiles and aircraft move, in vector form: the reference bank's own equations, independent of `ext`.

States (6) are ECEF position m and velocity m/s relative to the rotating Earth.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

GM, A, F, J2, OMEGA = 3.986004418e14, 6378137.0, 1.0 / 298.257223563, 1.08262982e-3, 7.292115e-5
Z = np.array([0.0, 0.0, 1.0])
SPIN = np.cross(np.eye(3), OMEGA * Z)  # SPIN @ v = OMEGA Z x v
INNERMOST_M = 5e6
LOG_DENSITY = np.polynomial.Polynomial(
    (0.2329879964623152, -9.548367767734414, -13.057418361630011, -88.94378865088329, 458.9640020395871,
     -803.9824735729071, 665.8654869184628, -264.53687965896125, 40.6027658943663)
)  # fmt: skip
"""ln ρ (kg/m³) by the height in 100 km: US Standard Atmosphere 1976 within 3.1 % up to 150 km."""
KNOWN, NO_THRUST_MPS2, BURNT_OUT_S = 12.0, 5.0, 2.0
"""Thrust: the trace of its covariance, in prior variances, up to which it grows; what counts as none, and how
soon a mode without any loses half of its probability."""
LEVEL_M, LEVEL_S = 8_000.0, 500.0
"""The height that level flight tends to, and how soon."""


def height_m(r: Floats) -> float:
    """Height over the ellipsoid, along the radius, to the second order of the flattening."""
    s2 = (r[2] / radius_m(r)) ** 2
    return float(radius_m(r) - A * (1 - F * s2 - 1.5 * F * F * s2 * (1 - s2)))


def density(r: Floats) -> tuple[float, float]:
    """Air density (kg/m³) at r, and its logarithm's derivative by height (1/m)."""
    h = height_m(r) / 1e5
    inside = min(max(h, -0.02), 1.5)
    rate = LOG_DENSITY.deriv()(inside)
    value = LOG_DENSITY(inside) + rate * (max(h, -0.02) - inside)
    return float(np.exp(value)), float(rate * 1e-5 if h > -0.02 else 0.0)


def radius_m(r: Floats) -> float:
    """Distance from the Earth's centre; INNERMOST_M at least, so that no track runs away within the Earth."""
    return max(float(np.linalg.norm(r)), INNERMOST_M)


def drag_rate(x: Floats, h: float, inverse_beta: float) -> float:
    """Rate ½ρ/β |v|, 1/s, at which drag slows a state; 1/h at most, for a step of h seconds to be stable."""
    return min(0.5 * density(x[:3])[0] * inverse_beta * float(np.linalg.norm(x[3:])), 1 / h)


def acceleration(x: Floats, h: float, inverse_beta: float) -> Floats:
    """Acceleration (3) of a state (6) during a step of h seconds: gravity with J2, rotating frame, drag."""
    r, v = x[:3], x[3:]
    d = radius_m(r)
    k = 1.5 * J2 * (A / d) ** 2
    gravity = -GM / d**3 * ((1 + k * (1 - 5 * (r[2] / d) ** 2)) * r + 2 * k * r[2] * Z)
    return np.asarray(gravity - SPIN @ (SPIN @ r) - 2 * SPIN @ v - drag_rate(x, h, inverse_beta) * v)


def level_acceleration(x: Floats, turn: float) -> Floats:
    """Acceleration (3) of an aircraft (6): round the Earth, turning left, slowly back to LEVEL_M."""
    r, v = x[:3], x[3:]
    d = radius_m(r)
    u = r / d
    back = 2 * u @ v / LEVEL_S + (height_m(r) - LEVEL_M) / LEVEL_S**2
    return np.asarray(np.cross(np.cross(u, v), v) / d + turn * np.cross(u, v) - back * u)


def cross_matrix(a: Floats) -> Floats:
    """The matrix (3, 3) whose product with b is a x b."""
    return np.cross(np.eye(3), a)


def level_derivative(x: Floats, turn: float) -> Floats:
    """Derivative (6, 6) of an aircraft's motion (velocity, acceleration) by its state."""
    r, v = x[:3], x[3:]
    d = radius_m(r)
    u = r / d
    by_u = (np.eye(3) - np.outer(u, u)) / d  # of u = r/d, symmetric
    s = u[2]
    up = u + A * (2 * F * s + 1.5 * F * F * (2 * s - 4 * s**3)) * (Z - s * u) / d
    back = 2 * u @ v / LEVEL_S + (height_m(r) - LEVEL_M) / LEVEL_S**2
    round_the_earth = np.cross(np.cross(u, v), v)
    by_r = (np.outer(v, v) - v @ v * np.eye(3)) @ by_u / d - np.outer(round_the_earth, u) / d**2
    by_r += -turn * cross_matrix(v) @ by_u - back * by_u
    by_r -= np.outer(u, 2 / LEVEL_S * by_u @ v + up / LEVEL_S**2)
    by_v = ((u @ v) * np.eye(3) + np.outer(v, u) - 2 * np.outer(u, v)) / d
    by_v += turn * cross_matrix(u) - 2 / LEVEL_S * np.outer(u, u)
    return np.block([[np.zeros((3, 3)), np.eye(3)], [by_r, by_v]])


def derivative(x: Floats, h: float, inverse_beta: float) -> Floats:
    """Derivative (6, 6) of the motion (velocity, acceleration) by the state."""
    r, v = x[:3], x[3:]
    d, speed = radius_m(r), max(float(np.linalg.norm(v)), 1e-6)
    s, k = r[2] / d, 1.5 * J2 * (A / d) ** 2
    grad_s = (Z - s * r / d) / d
    grad_k = -2 * k * r / d**2
    f = 1 + k * (1 - 5 * s * s)
    grad_f = (1 - 5 * s * s) * grad_k - 10 * k * s * grad_s
    inside = f * r + 2 * k * r[2] * Z
    grad_inside = f * np.eye(3) + np.outer(r, grad_f) + 2 * np.outer(Z, r[2] * grad_k + k * Z)
    by_r = -GM / d**3 * (grad_inside - 3 * np.outer(inside, r) / d**2) - SPIN @ SPIN
    rho, slope = density(r)
    up = r / d + A * (2 * F * s + 1.5 * F * F * (2 * s - 4 * s**3)) * grad_s
    half = 0.5 * rho * inverse_beta
    if half * speed * h < 1:
        by_r -= half * slope * speed * np.outer(v, up)
        by_v = -2 * SPIN - half * (speed * np.eye(3) + np.outer(v, v) / speed)
    else:
        by_v = -2 * SPIN - np.eye(3) / h
    return np.block([[np.zeros((3, 3)), np.eye(3)], [by_r, by_v]])


@dataclass(frozen=True)
class Motion:
    """What a mode assumes: noise q (m²/s³), drag 1/β (m²/kg) and its noise, or an aircraft's turn (rad/s).

    And what it estimates beside position and velocity: ``thrust`` (3), ``beta`` (1: ln β over its nominal
    value) or nothing, with the standard deviation at the start, the random walk's spectral density, and
    growth (1/s).
    """

    q: float
    inverse_beta: float = 0.0
    drag_noise_s: float = 0.0
    turn: float | None = None
    estimates: str | None = None
    prior_sigma: float = 0.0
    wander: float = 0.0
    growth: float = 0.0

    @property
    def extra(self) -> int:
        """Number of components beside position and velocity."""
        return {"thrust": 3, "beta": 1, None: 0}[self.estimates]

    def flow(self, x: Floats, h: float, push: Floats | float = 0.0) -> Floats:
        """Derivative (6) of a state by time, during a step of h seconds; `push` (3) accelerates too."""
        a = acceleration(x, h, self.inverse_beta) if self.turn is None else level_acceleration(x, self.turn)
        return np.concatenate([x[3:], a + push])

    def derivative(self, x: Floats, h: float) -> Floats:
        """Derivative (6, 6) of the flow by the state."""
        return derivative(x, h, self.inverse_beta) if self.turn is None else level_derivative(x, self.turn)

    def at(self, e: Floats) -> "Motion":
        """The motion that holds while the extra components are e."""
        if self.estimates != "beta":
            return self
        return replace(self, inverse_beta=self.inverse_beta * float(np.exp(-np.clip(e[0], -3, 3))))

    def half_growth(self, pee: Floats, h: float) -> float:
        """By what thrust has grown in the middle of a step; not at all once nobody knows it any more."""
        u = 0.5 * self.growth * h if np.trace(pee) <= KNOWN * self.prior_sigma**2 else 0.0
        return 1 + u + u * u / 2

    def sensitivity(self, middle: Floats, e: Floats, half: float, h: float) -> Floats:
        """By what position and velocity (6, m) move with the extra components in a step."""
        if self.estimates == "thrust":
            factors = [h * h / 6 * (1 + 2 * half), h / 6 * (1 + 4 * half + half**2)]
            return np.kron(np.array([factors]).T, np.eye(3))
        rate = drag_rate(middle, h, self.inverse_beta) * (abs(e[0]) < 3) * middle[3:, None]
        return np.concatenate([h * h / 2 * rate, h * rate])

    def noise(self, middle: Floats, h: float) -> Floats:
        """Covariance (6 + m, 6 + m) of what a step of h seconds adds."""
        unknown = self.drag_noise_s if self.estimates is None else 0.0
        drag = drag_rate(middle, h, self.inverse_beta) * middle[3:]
        white = np.array([[h**3 / 3, h**2 / 2], [h**2 / 2, h]]) * (self.q + unknown * drag @ drag)
        q = np.zeros((6 + self.extra,) * 2)
        if self.estimates == "thrust":
            terms = [[h**5 / 20, h**4 / 8, h**3 / 6], [h**4 / 8, h**3 / 3, h**2 / 2], [h**3 / 6, h**2 / 2, h]]
            q += np.kron(self.wander * np.array(terms), np.eye(3))
        elif self.estimates == "beta":
            q[6, 6] = self.wander * h
        q[:6, :6] += np.kron(white, np.eye(3))
        return q
