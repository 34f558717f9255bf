"""Random radars and tracks for the conformance tests."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

S = 1_000_000_000


@dataclass
class Radar:
    """A sensor on (or near) the ground, perhaps a ship."""

    position: Floats
    velocity: Floats
    enu: Floats
    bias_sigma: Floats

    @classmethod
    def random(cls, rng: np.random.Generator, near: Floats, bias: bool = True) -> "Radar":
        up = near + rng.normal(0, 2e5, 3)
        up /= np.linalg.norm(up)
        east = np.cross([0, 0, 1], up)
        east /= np.linalg.norm(east)
        sigma = np.array([30.0, 6e-4, 6e-4]) * rng.uniform(0.5, 2, 3) * bias
        return cls(6.371e6 * up, rng.normal(0, 8, 3), np.array([east, np.cross(up, east), up]), sigma)

    def place(self, *banks: object, sensor: int = 0, t_ns: int = 0) -> None:
        for bank in banks:
            bank.set_site(sensor, t_ns, self.position, self.velocity, self.enu.ravel(), self.bias_sigma)  # type: ignore[attr-defined]

    def measure(self, r: Floats, t_s: float) -> Floats:
        e, n, u = self.enu @ (r - self.position - self.velocity * t_s)
        return np.array([np.sqrt(e * e + n * n + u * u), np.arctan2(e, n), np.arctan2(u, np.hypot(e, n))])


def site(rng: np.random.Generator) -> Floats:
    """A place on a sphere, away from the poles."""
    lat, lon = rng.uniform(-1.2, 1.2), rng.uniform(-np.pi, np.pi)
    return 6.371e6 * np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def state(rng: np.random.Generator, ground: Floats, height_m: tuple[float, float] = (3e4, 6e5)) -> Floats:
    """A missile's state above `ground`, within some hundred kilometres."""
    position = ground + rng.normal(0, 2e5, 3)
    position *= (6.371e6 + rng.uniform(*height_m)) / np.linalg.norm(position)
    return np.concatenate([position, rng.normal(0, 2000, 3)])


def covariance(rng: np.random.Generator) -> Floats:
    """A random positive definite covariance of a state."""
    a = rng.normal(size=(6, 6))
    correlation = a @ a.T + 2 * np.eye(6)
    d = np.sqrt(np.diag(correlation))
    scale = np.array([1, 1, 1, 0.05, 0.05, 0.05]) * 10 ** rng.uniform(1.5, 3.5)
    return np.asarray(correlation / np.outer(d, d) * np.outer(scale, scale))


def scaled(p: Floats, reference: Floats) -> float:
    """Largest difference of two covariances, each entry by √(PiiPjj)."""
    d = np.sqrt(np.diag(reference))
    return float(np.max(np.abs(p - reference) / np.outer(d, d)))


def offset(x: Floats, reference: Floats, p: Floats) -> float:
    """Largest difference of two states in standard deviations."""
    return float(np.max(np.abs(x - reference) / np.sqrt(np.diag(p))))
