"""Re-entry with an unknown ballistic coefficient, seen at 10 Hz by one radar.

Julier, Uhlmann: Unscented filtering and nonlinear estimation, Proc. IEEE 92(3), 2004, with the corrections in
92(12). State x, y (km), ẋ, ẏ (km/s) from the Earth's centre, and x₅: drag is β₀ exp(x₅) times an exponential
atmosphere. Euler steps of 0.1 s for 200 s; range (1 m) and bearing (0.17 mrad) after every step.

Two versions. *As published* the truth has x₅ = 0.6932 for ever, while the filters start from 0 ± 1 and allow
x₅ to wander: their model is more cautious than the truth. *Matched* draws x₅ from the filters' prior and lets
it wander as they assume, so that the posterior bound is exactly that of the filters' model.
"""

import numpy as np
import numpy.typing as npt

from fusion.metrics import fisher, pcrlb
from fusion.study.filters import Model
from fusion.study.published.cases import Case, Quantity
from sensors.draws import normals

Floats = npt.NDArray[np.float64]

DT, STEPS = 0.1, 2000
BETA, SCALE_KM, GM, RADIUS_KM = -0.59783, 13.406, 3.986e5, 6374.0
RADAR_KM = np.array([6374.0, 0.0])
START = np.array([6500.4, 349.14, -1.8093, -6.7967, 0.6932])
PRIOR = np.diag([1e-6, 1e-6, 1e-6, 1e-6, 1.0])
AT = (500, 1000, 1500, 2000)
BOUND_RUNS = 200
"""The bound's expectations are means over so many of the truths, at most."""
QUANTITIES = (
    Quantity("position", "m", (0, 1), 1e3),
    Quantity("velocity", "m/s", (2, 3), 1e3),
    Quantity("x₅", "", (4,)),
)

_Q = DT * np.diag([0, 0, 2.4064e-5, 2.4064e-5, 1e-6]) / DT
_R = np.diag([1e-3**2, 0.17e-3**2])


def _forces(x: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Radius, speed, drag rate D and gravity rate G, of states (..., 5)."""
    r, v = np.hypot(x[..., 0], x[..., 1]), np.hypot(x[..., 2], x[..., 3])
    return r, v, BETA * np.exp(x[..., 4] + (RADIUS_KM - r) / SCALE_KM) * v, -GM / r**3


def move(x: Floats) -> Floats:
    """The state 0.1 s later, by Euler's rule."""
    _, _, drag, gravity = _forces(x)
    found = x.copy()
    found[..., :2] += DT * x[..., 2:4]
    found[..., 2:4] += DT * (drag[..., None] * x[..., 2:4] + gravity[..., None] * x[..., :2])
    return found


def by_move(x: Floats) -> Floats:
    """∂move/∂x (..., 5, 5)."""
    r, v, drag, gravity = (value[..., None, None] for value in _forces(x))
    place, speed = x[..., :2, None], x[..., 2:4, None]
    up, ahead = np.swapaxes(place, -1, -2) / r, np.swapaxes(speed, -1, -2) / v
    found = np.zeros((*x.shape[:-1], 5, 5))
    found[...] = np.eye(5)
    found[..., :2, 2:4] = DT * np.eye(2)
    found[..., 2:4, :2] = DT * (gravity * (np.eye(2) - 3 * place @ up / r) - drag / SCALE_KM * speed @ up)
    found[..., 2:4, 2:4] += DT * drag * (np.eye(2) + speed @ ahead / v)
    found[..., 2:4, 4:] = DT * drag * speed
    return found


def measure(x: Floats) -> Floats:
    """Range km and bearing rad (..., 2) at the radar."""
    off = x[..., :2] - RADAR_KM
    return np.stack((np.hypot(off[..., 0], off[..., 1]), np.arctan2(off[..., 1], off[..., 0])), axis=-1)


def by_measure(x: Floats) -> Floats:
    """∂measure/∂x (..., 2, 5)."""
    off = x[..., :2] - RADAR_KM
    r = np.hypot(off[..., 0], off[..., 1])[..., None]
    found = np.zeros((*x.shape[:-1], 2, 5))
    found[..., 0, :2] = off / r
    found[..., 1, :2] = np.stack((-off[..., 1], off[..., 0]), axis=-1) / r**2
    return found


MODEL = Model(move, by_move, measure, by_measure, _Q, _R, angles=(1,))


def case(runs: int, seed: int, matched: bool) -> Case:
    """The problem drawn `runs` times. The bound has the truth's process noise, and the filters' prior."""
    name = "julier-matched" if matched else "julier"
    q = _Q if matched else np.diag([*np.diagonal(_Q)[:4], 0.0])
    draws = normals(runs * (STEPS + 1), 4, seed, "julier", "process").reshape(runs, STEPS + 1, 4)
    truths = np.empty((runs, STEPS + 1, 5))
    truths[:, 0] = START
    truths[:, 0, :4] += 1e-3 * draws[:, 0]
    own = normals(runs, 4, seed, "julier", "coefficient")[:, 0]
    truths[:, 0, 4] = own if matched else START[4]
    sigma = np.sqrt(np.diagonal(q)[2:])
    for k in range(STEPS):
        truths[:, k + 1] = move(truths[:, k])
        truths[:, k + 1, 2:] += sigma * draws[:, k + 1, :3]
    noise = normals(runs * (STEPS + 1), 4, seed, "julier", "measurement").reshape(runs, STEPS + 1, 4)
    measured = measure(truths) + noise[..., :2] * np.sqrt(np.diagonal(_R))
    sample = truths[:BOUND_RUNS]
    gained = fisher(by_measure(sample), _R).mean(axis=0)
    gained[0] = 0.0
    start = np.array([*START[:4], 0.0])
    return Case(
        name=name,
        title=f"Julier, Uhlmann 2004: re-entry, {'matched truth' if matched else 'as published'}",
        times_s=DT * np.arange(STEPS + 1.0),
        truths=truths,
        measured=measured,
        first=0,
        x=np.tile(start, (runs, 1)),
        p=np.tile(PRIOR, (runs, 1, 1)),
        model=MODEL,
        information=pcrlb(np.linalg.inv(PRIOR), np.swapaxes(by_move(sample[:, :-1]), 0, 1), q, gained),
        quantities=QUANTITIES,
        at=AT,
    )
