"""Where a sensor is and what it measures, in vector form: the reference bank's own equations, not `ext`'s."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

VAGUE = 0.01
"""A state whose position is vaguer than this part of the range is not what a plot is linearised at."""


def wrap(angle: float) -> float:
    """An angle brought into [-π, π]."""
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


@dataclass
class Place:
    """A sensor: where it is from `t_ns` on, and the prior variances of its biases."""

    t_ns: int
    position: Floats
    velocity: Floats
    enu: Floats
    bias: Floats

    def at(self, t_ns: int) -> Floats:
        """ECEF position at t_ns."""
        return self.position + self.velocity * ((t_ns - self.t_ns) / 1e9)

    def measure(self, r: Floats, t_ns: int) -> tuple[Floats, Floats]:
        """Range, azimuth, elevation (3) of an ECEF position, and their derivative (3, 3) by it."""
        e, n, u = self.enu @ (r - self.at(t_ns))
        g = max(float(np.hypot(e, n)), 1.0)
        d = float(np.hypot(g, u))
        by_elevation = np.array([-e * u / g, -n * u / g, g]) / d**2
        local = np.array([[e / d, n / d, u / d], [n / g**2, -e / g**2, 0], by_elevation])
        return np.array([d, np.arctan2(e, n), np.arctan2(u, g)]), local @ self.enu

    def linearise(
        self, r: Floats, sigma_m: float, z: Floats, sigma: Floats, t_ns: int
    ) -> tuple[Floats, Floats]:
        """Innovation (3) of a plot, and the rows (3, 3), for a position r known to `sigma_m`.

        Linearised at r, or, where that is vague, at the plot; what it does not measure is taken from r.
        """
        h, jacobian = self.measure(r, t_ns)
        pivot = r
        if sigma_m > VAGUE * h[0]:
            pivot = self.locate(np.where(np.isfinite(sigma), z, h), t_ns)[0]
            h, jacobian = self.measure(pivot, t_ns)
        nu = z - h
        nu[1] = wrap(nu[1])
        return nu - jacobian @ (r - pivot), jacobian

    def locate(self, z: Floats, t_ns: int) -> tuple[Floats, Floats]:
        """ECEF position of a plot (3), and its derivative (3, 3) by range, azimuth, elevation."""
        (sa, se), (ca, ce) = np.sin(z[1:]), np.cos(z[1:])
        line = np.array([ce * sa, ce * ca, se])
        turned, raised = z[0] * np.array([ce * ca, -ce * sa, 0]), z[0] * np.array([-se * sa, -se * ca, ce])
        local = np.array([line, turned, raised]).T
        return self.at(t_ns) + z[0] * line @ self.enu, self.enu.T @ local
