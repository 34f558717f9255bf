"""A body that falls straight down, its ballistic coefficient unknown, before a radar that measures range.

Athans, Wishner, Bertolini: Suboptimal state estimation for continuous-time nonlinear systems from discrete
noisy measurements, IEEE Trans. Automatic Control 13(5), 1968. State: altitude x₁ (ft), speed downward x₂
(ft/s), drag x₃ (1/ft); ẋ₁ = −x₂, ẋ₂ = −exp(−γx₁) x₂² x₃, ẋ₃ = 0, γ = 5e-5/ft. The radar stands 100,000 ft
off the path and 100,000 ft up, σ = 100 ft, once a second for 60 s; 64 Runge–Kutta steps between.

Truth: x(0) = (300,000, 20,000, 1e-3), no process noise. The filters believe x₃ = 3e-5 ± 1e-2, a thirtieth of
the truth. As published their x₁ and x₂ start at the truth itself; here they are drawn about it with the
published sigmas, 1,000 ft and 2,000 ft/s, so that runs differ from the start and the bound is theirs.
"""

import numpy as np
import numpy.typing as npt

from fusion.metrics import trajectory_crlb
from fusion.study.filters import Model
from fusion.study.published.cases import Case, Quantity
from sensors.draws import normals

Floats = npt.NDArray[np.float64]

GAMMA, ACROSS_FT, UP_FT, SUBSTEPS, STEPS = 5e-5, 1e5, 1e5, 64, 60
START = np.array([3e5, 2e4, 1e-3])
BELIEVED_DRAG = 3e-5
PRIOR = np.diag([1e6, 4e6, 1e-4])
AT = (10, 15, 20, 60)
QUANTITIES = (
    Quantity("altitude", "ft", (0,)),
    Quantity("speed", "ft/s", (1,)),
    Quantity("x₃", "1e-6/ft", (2,), 1e6),
)

_R = np.array([[1e4]])


def rate(x: Floats) -> Floats:
    """ẋ (..., 3)."""
    drag = np.exp(-GAMMA * x[..., 0]) * x[..., 1] ** 2 * x[..., 2]
    return np.stack((-x[..., 1], -drag, np.zeros_like(drag)), axis=-1)


def by_rate(x: Floats) -> Floats:
    """∂ẋ/∂x (..., 3, 3)."""
    found = np.zeros((*x.shape[:-1], 3, 3))
    thick = np.exp(-GAMMA * x[..., 0]) * x[..., 1]
    found[..., 0, 1] = -1.0
    found[..., 1, 0] = GAMMA * thick * x[..., 1] * x[..., 2]
    found[..., 1, 1] = -2 * thick * x[..., 2]
    found[..., 1, 2] = -thick * x[..., 1]
    return found


def move(x: Floats) -> Floats:
    """The state a second later: classical Runge–Kutta."""
    h = 1 / SUBSTEPS
    for _ in range(SUBSTEPS):
        a = rate(x)
        b = rate(x + h / 2 * a)
        c = rate(x + h / 2 * b)
        x = x + h / 6 * (a + 2 * b + 2 * c + rate(x + h * c))
    return x


def by_move(x: Floats) -> Floats:
    """∂move/∂x (..., 3, 3): the variational equation, by the same rule on the same path."""
    h = 1 / SUBSTEPS
    f = np.zeros((*x.shape[:-1], 3, 3))
    f[...] = np.eye(3)
    for _ in range(SUBSTEPS):
        a, fa = rate(x), by_rate(x) @ f
        b, fb = rate(x + h / 2 * a), by_rate(x + h / 2 * a) @ (f + h / 2 * fa)
        c, fc = rate(x + h / 2 * b), by_rate(x + h / 2 * b) @ (f + h / 2 * fb)
        d, fd = rate(x + h * c), by_rate(x + h * c) @ (f + h * fc)
        x, f = x + h / 6 * (a + 2 * b + 2 * c + d), f + h / 6 * (fa + 2 * fb + 2 * fc + fd)
    return f


def measure(x: Floats) -> Floats:
    """Range (..., 1), ft."""
    return np.hypot(ACROSS_FT, x[..., :1] - UP_FT)


def by_measure(x: Floats) -> Floats:
    """∂measure/∂x (..., 1, 3)."""
    found = np.zeros((*x.shape[:-1], 1, 3))
    found[..., 0, 0] = (x[..., 0] - UP_FT) / measure(x)[..., 0]
    return found


MODEL = Model(move, by_move, measure, by_measure, np.zeros((3, 3)), _R)


def case(runs: int, seed: int) -> Case:
    """The one trajectory measured `runs` times; the bound is that of a fixed trajectory, with the prior."""
    path = np.empty((STEPS + 1, 3))
    path[0] = START
    for k in range(STEPS):
        path[k + 1] = move(path[k])
    truths = np.broadcast_to(path, (runs, STEPS + 1, 3))
    noise = normals(runs * (STEPS + 1), 4, seed, "athans", "measurement").reshape(runs, STEPS + 1, 4)
    measured = measure(truths) + noise[..., :1] * np.sqrt(_R[0])
    x = START + normals(runs, 4, seed, "athans", "start")[:, :3] * np.sqrt(np.diagonal(PRIOR))
    x[:, 2] = BELIEVED_DRAG
    weights = np.ones(STEPS + 1)
    weights[0] = 0.0
    information = trajectory_crlb(
        by_move(path[:-1]), by_measure(path), _R, weights=weights, prior=np.linalg.inv(PRIOR)
    )
    return Case(
        name="athans",
        title="Athans, Wishner, Bertolini 1968: falling body",
        times_s=np.arange(STEPS + 1.0),
        truths=truths,
        measured=measured,
        first=0,
        x=x,
        p=np.tile(PRIOR, (runs, 1, 1)),
        model=MODEL,
        information=information,
        quantities=QUANTITIES,
        at=AT,
    )
