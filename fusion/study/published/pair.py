"""Two ballistic objects 50 m apart in range, seen through clutter by one radar in the Aleutians.

The ballistic demonstration of the U.S. Naval Research Laboratory's Tracker Component Library (Crouse: The
Tracker Component Library: free routines for rapid prototyping, IEEE AES Magazine 32(5), 2017). A
minimum-energy Keplerian velocity from (39.61693, 134.54975) towards (40.56751, -159.53953), flown in the
rotating frame with J2 and no drag (it misses, as theirs does); radar at (51.86310, -177.98669), 10 m and
0.1°, detection 0.8 but sure in the first four scans; 1e-2 false plots per m rad² within ±50 km and ±2° of the
first object from the third scan on; 100 scans while the object stands above 10°. The second object has the
first one's angles and 50 m more range. Here scans fall on whole seconds, a little closer than the published
100 equal parts.

The *biased* version, which is ours, gives the radar constant errors, drawn for each run from
N(0, BIAS_SIGMA²) (NOTIONAL), and leaves the rest as it is; only the first object's own plots are looked at.

The truth is fixed: the bound is that of a trajectory without process noise, averaged over what was detected
in each run (Farina, Ristic, Timmoneri: Cramér–Rao bound for nonlinear filtering with Pd < 1 and its
application to target tracking, IEEE Trans. Signal Processing 50(8), 2002); biases are nuisance to it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fusion.metrics import information_reduction, trajectory_crlb
from fusion.study.filters import Model
from fusion.study.published.cases import Case, Quantity
from sensors.draws import normals, uniforms
from sensors.geodesy import ecef, enu_axes

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

GM, A, J2, OMEGA = 3.986004418e14, 6378137.0, 1.08262982e-3, 7.292115e-5
LAUNCH, AIM, RADAR = (39.61693, 134.54975), (40.56751, -159.53953), (51.86310, -177.98669)
SIGMA = np.array([10.0, np.radians(0.1), np.radians(0.1)])
BIAS_SIGMA = np.array([30.0, 5e-4, 5e-4])
PD, SURE_SCANS, SCANS, APART_M = 0.8, 4, 100, 50.0
CLUTTER, CLUTTER_FROM, HALF_RANGE_M, HALF_ANGLE_RAD = 1e-2, 2, 50e3, np.radians(2.0)
LOWEST_RAD = np.radians(10.0)
AT = (25, 50, 75, 99)
QUANTITIES = (Quantity("position", "m", (0, 1, 2)), Quantity("velocity", "m/s", (3, 4, 5)))

POSITION = ecef(*RADAR)
ENU = enu_axes(*RADAR)
_R = np.diag(SIGMA**2)
_SUBSTEP_S = 1.0


def acceleration(x: Floats) -> Floats:
    """Gravity with J2 and the Earth's rotation, m/s² (..., 3), at ECEF states (..., 6)."""
    r, v = x[..., :3], x[..., 3:]
    d = np.linalg.norm(r, axis=-1, keepdims=True)
    z2 = (r[..., 2:] / d) ** 2
    flat = 1.5 * J2 * (A / d) ** 2 * np.concatenate((1 - 5 * z2, 1 - 5 * z2, 3 - 5 * z2), axis=-1)
    found = -GM / d**3 * r * (1 + flat)
    found[..., :2] += OMEGA**2 * r[..., :2]
    found[..., 0] += 2 * OMEGA * v[..., 1]
    found[..., 1] -= 2 * OMEGA * v[..., 0]
    return np.asarray(found)


def fly(x: Floats, seconds: float) -> Floats:
    """States (..., 6) `seconds` later: classical Runge–Kutta in steps of a second at most."""
    count = max(int(np.ceil(seconds / _SUBSTEP_S)), 1)
    h = seconds / count

    def rate(y: Floats) -> Floats:
        return np.concatenate((y[..., 3:], acceleration(y)), axis=-1)

    for _ in range(count):
        a = rate(x)
        b = rate(x + h / 2 * a)
        c = rate(x + h / 2 * b)
        x = x + h / 6 * (a + 2 * b + 2 * c + rate(x + h * c))
    return x


def by_fly(x: Floats, seconds: float) -> Floats:
    """∂fly/∂x (..., 6, 6), by central differences of 10 m and 0.01 m/s."""
    steps = np.diag([10.0] * 3 + [0.01] * 3)
    ahead, behind = (fly(x[..., None, :] + sign * steps, seconds) for sign in (1, -1))
    return np.asarray(np.swapaxes(ahead - behind, -1, -2) / (2 * np.diagonal(steps)))


def measure(x: Floats) -> Floats:
    """Range m, azimuth and elevation rad (..., 3) at the radar."""
    e, n, u = np.moveaxis((x[..., :3] - POSITION) @ ENU.T, -1, 0)
    ground = np.hypot(e, n)
    return np.stack((np.hypot(ground, u), np.arctan2(e, n), np.arctan2(u, ground)), axis=-1)


def by_measure(x: Floats) -> Floats:
    """∂measure/∂x (..., 3, 6)."""
    e, n, u = np.moveaxis((x[..., :3] - POSITION) @ ENU.T, -1, 0)
    g, zero = np.hypot(e, n), np.zeros_like(e)
    d = np.hypot(g, u)
    rows = [
        np.stack((e / d, n / d, u / d), axis=-1),
        np.stack((n / g**2, -e / g**2, zero), axis=-1),
        np.stack((-e * u / g, -n * u / g, g), axis=-1) / (d**2)[..., None],
    ]
    found = np.zeros((*x.shape[:-1], 3, 6))
    found[..., :3] = np.stack(rows, axis=-2) @ ENU
    return found


def located(z: Floats) -> tuple[Floats, Floats]:
    """ECEF positions (n, 3) of plots and their covariances (n, 3, 3): where the object is, given the plot.

    Moments over the noise about the plot, to the second order: angles known to σ only bring the mean nearer
    (their demonstration does the same by cubature), and range gains r²σ⁴/2 for each.
    """
    (sa, se), (ca, ce) = np.sin(z[:, 1:]).T, np.cos(z[:, 1:]).T
    line = np.stack((ce * sa, ce * ca, se), axis=-1)
    turned = np.stack((ce * ca, -ce * sa, 0 * sa), axis=-1) * z[:, :1]
    raised = np.stack((-se * sa, -se * ca, ce), axis=-1) * z[:, :1]
    by = ENU.T @ np.stack((line, turned, raised), axis=-1)
    _, azimuth, elevation = np.diagonal(_R)
    noise = np.tile(_R, (len(z), 1, 1))
    noise[:, 0, 0] += z[:, 0] ** 2 / 2 * (elevation**2 + (ce**2 * azimuth) ** 2)
    mean = line * np.exp(-np.array([azimuth + elevation, azimuth + elevation, elevation]) / 2)
    return POSITION + (z[:, :1] * mean) @ ENU, by @ noise @ np.swapaxes(by, -1, -2)


def minimum_energy(start: Floats, aim: Floats) -> Floats:
    """Velocity at `start` of the Keplerian path of least energy to `aim`: it halves the angle between the
    vertical and the chord (Battin: An Introduction to the Mathematics and Methods of Astrodynamics, 1999,
    section 6.2)."""
    chord, radius = aim - start, np.linalg.norm(start)
    length = np.linalg.norm(chord)
    semiperimeter = (radius + np.linalg.norm(aim) + length) / 2
    along = chord / length + start / radius
    speed = np.sqrt(2 * GM * (1 / radius - 1 / semiperimeter))
    return np.asarray(speed * along / np.linalg.norm(along))


@dataclass(frozen=True, slots=True)
class Pair:
    """Both objects while they are seen: times (K + 1) from liftoff in whole seconds, states (K + 1, 2, 6)."""

    times_s: Floats
    states: Floats

    @property
    def spacing_s(self) -> float:
        """Seconds between scans."""
        return float(self.times_s[1] - self.times_s[0])


def flown() -> Pair:
    """The pair at the scans. The second object is not quite ballistic: it keeps the first one's angles."""
    start = ecef(*LAUNCH)
    path = [np.concatenate((start, minimum_energy(start, ecef(*AIM))))]
    while np.linalg.norm(path[-1][:3]) > A - 30e3 and len(path) < 4000:
        path.append(fly(path[-1], 1.0))
    every_second = np.array(path)
    seen = np.flatnonzero(measure(every_second)[:, 2] > LOWEST_RAD)
    spacing = (seen[-1] - seen[0]) // (SCANS - 1)
    times = seen[0] + spacing * np.arange(SCANS)
    first = every_second[times]
    off, moving = first[:, :3] - POSITION, first[:, 3:]
    far = np.linalg.norm(off, axis=1, keepdims=True)
    line = off / far
    turning = (moving - np.sum(moving * line, axis=1, keepdims=True) * line) / far
    second = first + APART_M * np.concatenate((line, turning), axis=1)
    return Pair(times.astype(np.float64), np.stack((first, second), axis=1))


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the radar saw in n runs: `detected` (n, K + 1, 2) and `plots` (n, K + 1, 2, 3) of the objects.

    `bias_sigma` (3,) is that of the constant errors of range, azimuth and elevation in all plots of a run.
    """

    detected: Flags
    plots: Floats
    bias_sigma: Floats


def drawn(pair: Pair, runs: int, seed: int, biased: bool = False) -> Drawn:
    """Detections of both objects; the first four scans see both."""
    bias_sigma = BIAS_SIGMA if biased else np.zeros(3)
    bias = normals(runs, 4, seed, "nrl", "bias")[:, None, None, :3] * bias_sigma
    shape = (runs, SCANS, 2, 4)
    chance = uniforms(runs * SCANS, 4, seed, "nrl", "detected").reshape(runs, SCANS, 4)[..., :2]
    noise = normals(runs * SCANS * 2, 4, seed, "nrl", "measurement").reshape(shape)[..., :3]
    detected = (chance < PD) | (np.arange(SCANS) < SURE_SCANS)[:, None]
    return Drawn(detected, measure(pair.states) + noise * SIGMA + bias, bias_sigma)


def clutter(pair: Pair, run: int, scan: int, seed: int) -> Floats:
    """False plots (m, 3) of one scan of one run, about the first object."""
    if scan < CLUTTER_FROM:
        return np.empty((0, 3))
    mean = CLUTTER * 2 * HALF_RANGE_M * (2 * HALF_ANGLE_RAD) ** 2
    draws = uniforms(64, 4, seed, "nrl", "clutter", run, scan)
    count = int(np.searchsorted(np.cumsum(-np.log(draws[:, 3])), mean))
    half = np.array([HALF_RANGE_M, HALF_ANGLE_RAD, HALF_ANGLE_RAD])
    return np.asarray(measure(pair.states[scan, 0]) + half * (2 * draws[:count, :3] - 1))


def bound_information(pair: Pair, weights: Floats, bias_sigma: Floats) -> Floats:
    """Information (n, K + 1, 6, 6) about the first object, its measurements weighted (n, K + 1)."""
    states = pair.states[:, 0]
    moved, seen = by_fly(states[:-1], pair.spacing_s), by_measure(states)
    if not bias_sigma.any():
        return np.array([trajectory_crlb(moved, seen, _R, weights=w) for w in weights])
    constant = {"by_bias": np.tile(np.eye(3), (SCANS, 1, 1)), "bias_covariance": np.diag(bias_sigma**2)}
    return np.array([trajectory_crlb(moved, seen, _R, weights=w, **constant) for w in weights])


def left_by_clutter() -> float:
    """The share of a detected plot's information that the clutter leaves."""
    return information_reduction(3, PD, CLUTTER * float(np.prod(SIGMA))) / PD


def two_points(first: Floats, second: Floats, seconds: float) -> tuple[Floats, Floats]:
    """State (n, 6) and covariance at the second of two plots: gravity known, half the change of velocity."""
    (a, p_a), (b, p_b) = located(first), located(second)
    x = np.concatenate((b, (b - a) / seconds), axis=1)
    x[:, 3:] += acceleration(x) * seconds / 2
    upper = np.concatenate((p_b, p_b / seconds), axis=2)
    lower = np.concatenate((p_b / seconds, (p_a + p_b) / seconds**2), axis=2)
    return x, np.concatenate((upper, lower), axis=1)


def model(seconds: float) -> Model:
    """The filters' model over one scan: like the truth without process noise."""
    return Model(
        lambda x: fly(x, seconds),
        lambda x: by_fly(x, seconds),
        measure,
        by_measure,
        np.zeros((6, 6)),
        _R,
        angles=(1, 2),
    )


def case(runs: int, seed: int, biased: bool = False) -> Case:
    """The first object alone, its plots known to be its own: what there is to be had without clutter."""
    pair = flown()
    seen = drawn(pair, runs, seed, biased)
    x, p = two_points(seen.plots[:, 0, 0], seen.plots[:, 1, 0], pair.spacing_s)
    return Case(
        name="nrl-biased" if biased else "nrl",
        title=f"NRL ballistic pair: the first object{', biased radar' if biased else ''}",
        times_s=pair.times_s,
        truths=np.broadcast_to(pair.states[:, 0], (runs, SCANS, 6)),
        measured=seen.plots[:, :, 0],
        first=1,
        x=x,
        p=p,
        model=model(pair.spacing_s),
        information=bound_information(pair, seen.detected[:, :, 0].astype(float), seen.bias_sigma),
        quantities=QUANTITIES,
        at=AT,
        detected=seen.detected[:, :, 0],
    )
