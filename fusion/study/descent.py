"""Re-entry as the core models it, before its radars: is an extended Kalman filter enough?

``python -m fusion.study.descent --runs 100``

Athans' falling body shows where an EKF fails: a drag that is unknown by a factor of hundreds, and ranges
alone. Here the unknown is the core's: ln β about a nominal value, and plots have range, azimuth, elevation.

State (7): position (m; east, north, up of the point below the start), velocity (m/s), ln β/β₀. Spherical
Earth at rest, exponential air (NOTIONAL: 1.225 kg/m³, 7.2 km), noise as the core's re-entry mode has it:
q = 25 m²/s³ an axis, wander of ln β 0.01/s, prior ± 0.7. Bodies begin 80 km high at 2.5 km/s, 45° down,
known to 100 m and 20 m/s an axis; they are followed for 36 s. Truth is drawn from the filters' own model, so
that a right filter's NEES is 1.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import click
import numpy as np

from fusion.command import invoke
from fusion.metrics import nees
from fusion.study.filters import CKF, EKF, UKF, Filter, Function, Model
from fusion.tables import plain_table, show
from sensors.draws import normals
from sharing.messages import Floats

EARTH_M, GRAVITY_MPS2, DENSITY, SCALE_M, BETA = 6.371e6, 9.81, 1.225, 7200.0, 5000.0
Q, WANDER, PRIOR_LN = 25.0, 0.01, 0.7
LONGEST_STEP_S, END_S = 0.5, 36.0
START = np.array([0.0, 0.0, 8e4, 0.0, 1767.8, -1767.8, 0.0])
PRIOR = np.array([100.0] * 3 + [20.0] * 3 + [PRIOR_LN])
INTERVALS_S = (0.1, 1.0, 3.0, 6.0, 12.0)
FILTERS: tuple[Filter, ...] = (EKF, UKF, CKF)


@dataclass(frozen=True, slots=True)
class Radar:
    """Where it stands (m; east, north) and its sigmas: range m, angles mrad. NOTIONAL, as configs/sensors."""

    name: str
    east_m: float
    north_m: float
    sigma_range_m: float
    sigma_mrad: float

    def measure(self, x: Floats) -> Floats:
        """Range m, azimuth and elevation rad (..., 3)."""
        e, n = x[..., 0] - self.east_m, x[..., 1] - self.north_m
        across = np.hypot(e, n)
        return np.stack([np.hypot(across, x[..., 2]), np.arctan2(e, n), np.arctan2(x[..., 2], across)], -1)

    def covariance(self) -> Floats:
        """R (3, 3)."""
        angle = self.sigma_mrad * 1e-3
        return np.diag([self.sigma_range_m**2, angle**2, angle**2])


RADARS = (
    Radar("forward, 40 km aside", 4e4, 3e4, 15.0, 0.35),
    Radar("forward, 400 km aside", 4e5, 0.0, 15.0, 0.35),
    Radar("surveillance, 40 km aside", 4e4, 3e4, 80.0, 3.0),
    Radar("surveillance, 200 km ahead", 2e4, 2e5, 80.0, 3.0),  # aside a little: no azimuth near ±π
)


def rate(x: Floats) -> Floats:
    """ẋ (..., 7)."""
    v, found = x[..., 3:6], np.zeros_like(x)
    thick = DENSITY * np.exp(-np.maximum(x[..., 2], 0.0) / SCALE_M)
    speed = np.linalg.norm(v, axis=-1)
    found[..., :3] = v
    found[..., 3:6] = -(0.5 * thick * speed / BETA * np.exp(-x[..., 6]))[..., None] * v
    found[..., 5] -= GRAVITY_MPS2 * (EARTH_M / (EARTH_M + x[..., 2])) ** 2
    return found


def mover(seconds: float) -> Function:
    """The state that much later: classical Runge-Kutta in steps of at most `LONGEST_STEP_S`."""
    steps = int(np.ceil(seconds / LONGEST_STEP_S))
    h = seconds / steps

    def move(x: Floats) -> Floats:
        for _ in range(steps):
            a = rate(x)
            b = rate(x + h / 2 * a)
            c = rate(x + h / 2 * b)
            x = x + h / 6 * (a + 2 * b + 2 * c + rate(x + h * c))
        return x

    return move


def slope(function: Function, steps: Floats) -> Function:
    """Jacobian of a function of states (..., d) by central differences of these steps (d)."""

    def by(x: Floats) -> Floats:
        columns = [
            (function(x + step) - function(x - step)) / (2 * step[i]) for i, step in enumerate(np.diag(steps))
        ]
        return np.stack(columns, axis=-1)

    return by


def model_of(radar: Radar, seconds: float) -> Model:
    """Motion over an interval and the radar's plot."""
    t, q = seconds, np.zeros((7, 7))
    q[:6, :6] = Q * np.kron([[t**3 / 3, t**2 / 2], [t**2 / 2, t]], np.eye(3))
    q[6, 6] = WANDER * t
    steps = np.array([1.0] * 3 + [0.1] * 3 + [1e-3])
    move = mover(seconds)
    return Model(
        move, slope(move, steps), radar.measure, slope(radar.measure, steps), q, radar.covariance(), (1, 2)
    )


def errors(radar: Radar, seconds: float, runs: int, seed: int) -> dict[str, tuple[Floats, Floats]]:
    """By filter: error (n, 7) and covariance (n, 7, 7) of all runs after the last plot."""
    model, count = model_of(radar, seconds), round(END_S / seconds)
    draws = normals(runs * (count + 1), 12, seed, "descent", radar.name, seconds).reshape(runs, count + 1, 12)
    truth = START + draws[:, 0, :7] * PRIOR
    shake, blur = np.linalg.cholesky(model.q), np.sqrt(np.diag(model.r))
    states = {f.name: (np.tile(START, (runs, 1)), np.tile(np.diag(PRIOR**2), (runs, 1, 1))) for f in FILTERS}
    for k in range(1, count + 1):
        truth = model.move(truth) + draws[:, k, :7] @ shake.T
        z = model.measure(truth) + draws[:, k, 7:10] * blur
        for one in FILTERS:
            updated = one.update(model, *one.predict(model, *states[one.name]), z)
            states[one.name] = updated.x, updated.p
    return {name: (x - truth, p) for name, (x, p) in states.items()}


def rows(runs: int, seed: int) -> Iterator[list[str]]:
    """The table: errors after the last plot, as multiples of the UKF's, and every filter's NEES."""
    for radar in RADARS:
        for seconds in INTERVALS_S:
            found = errors(radar, seconds, runs, seed)
            rms = {name: np.sqrt(np.mean(e**2, axis=0)) for name, (e, _) in found.items()}
            parts = {name: (np.hypot.reduce(r[:3]), np.hypot.reduce(r[3:6]), r[6]) for name, r in rms.items()}
            ratios = [f"{a / b:.3f}" for a, b in zip(parts["EKF"], parts["UKF"], strict=True)]
            consistent = [f"{np.mean(nees(np.zeros_like(e), e, p)):.2f}" for e, p in found.values()]
            yield [radar.name, f"{seconds:g}", f"{parts['UKF'][0]:.0f}", *ratios, *consistent]


@click.command()
@click.option("--runs", type=click.IntRange(2), default=200, show_default=True, help="Of every case.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--markdown", is_flag=True, help="As docs/decisions/re-entry-update.md holds it.")
def main(runs: int, seed: int, markdown: bool) -> None:
    """Print the errors of an EKF beside a UKF's in the core's re-entry, and the NEES of three filters."""
    columns = ["radar", "every, s", "UKF position, m", "EKF/UKF position", "velocity", "ln β"]
    columns += [f"NEES {one.name}" for one in FILTERS]
    table = list(rows(runs, seed))
    if markdown:
        for line in (columns, ["---"] * len(columns), *table):
            click.echo(f"| {' | '.join(line)} |")
        return
    show(plain_table(f"{runs} runs, seed {seed}", columns, table))


if __name__ == "__main__":
    sys.exit(invoke(main, sys.argv[1:], "python -m fusion.study.descent"))
