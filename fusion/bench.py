"""Times the kernels, side by side with their peers, in one run: `sharedsky bench`.

Process CPU time, the median of repeated batches; one BLAS thread where threadpoolctl is installed. Machines
are noisy: trust the ratios. Times are microseconds per track; of `mtt_scan` (fusion/crowd.py) per scan.
The peers of `ekf_step` do the same work:

- *filterpy*: its ExtendedKalmanFilter, one object a track; motion and Jacobian in plain Python numbers
- *numpy*: the whole batch in arrays
- *hand C*: benchmarks/ekf_step.c, explicit vectors of the same instruction set; needs gcc and a checkout

`imm_step` is one prediction and one update of the core's bank of four models, sensor biases carried. Its peer
does less: *filterpy*'s IMMEstimator over three of the filters above, without biases.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import atan2, cos, hypot, sin, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filterpy.kalman import ExtendedKalmanFilter, IMMEstimator
from rich.table import Table

from ext.bank import TrackBank
from ext.jpda import marginals
from ext.kalman import ekf_step
from ext.lanes import isa
from fusion.core.filters import MODEL_SETS, compiled

Floats = npt.NDArray[np.float64]
GM, A, J2, OMEGA = 3.986004418e14, 6378137.0, 1.08262982e-3, 7.292115e-5
H, Q = 1.0, 1.0
SIGMA = np.array([30.0, 1e-3, 1e-3])
HAND_C = Path(__file__).resolve().parent.parent / "benchmarks" / "ekf_step.c"
TARGETS = {"avx512": ["-mavx512f", "-mprefer-vector-width=512"], "avx2": ["-mavx2"], "baseline": []}
LIMIT_US = {("ekf_step", 1000, "avx512"): 0.06, ("imm_step", 1000, "avx512"): 0.6}
"""What measures ask for, µs per track; a laptop or another instruction set has no limit of its own."""


@dataclass(frozen=True)
class Batch:
    """n tracks around one radar: states (n, 6), covariances (n, 6, 6), plots (n, 3) one second later."""

    x: Floats
    p: Floats
    z: Floats
    site: Floats
    enu: Floats

    @classmethod
    def of(cls, n: int) -> Batch:
        """A fixed random batch."""
        rng = np.random.default_rng(0)
        lat, lon = 0.66, 2.4
        up = np.array([cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat)])
        east = np.array([-sin(lon), cos(lon), 0.0])
        enu = np.array([east, np.cross(up, east), up])
        site = 6.371e6 * up
        local = np.column_stack([rng.uniform(-3e5, 3e5, (n, 2)), rng.uniform(5e4, 3e5, n)])
        x = np.column_stack([site + local @ enu, rng.normal(0, 1500, (n, 3))])
        e, north, u = enu @ (x[:, :3] + x[:, 3:] * H - site).T
        flat = np.hypot(e, north)
        z = np.column_stack([np.hypot(flat, u), np.arctan2(e, north), np.arctan2(u, flat)])
        return cls(x, np.tile(np.diag([1e6] * 3 + [1e4] * 3), (n, 1, 1)), z, site, enu)

    def lanes(self) -> tuple[Floats, Floats, Floats]:
        """States, covariances, plots in blocks of eight, component-major; filled up with the first track."""

        def blocked(a: Floats) -> Floats:
            flat = a.reshape(len(a), -1)
            padded = np.concatenate([flat, np.repeat(flat[:1], -len(a) % 8, axis=0)])
            blocks = padded.reshape(-1, 8, flat.shape[1]).transpose(0, 2, 1)
            return np.ascontiguousarray(blocks).reshape(-1, 8)

        return blocked(self.x), blocked(self.p), blocked(self.z)


def cpu_us(work: Callable[[], object], tracks: int, samples: int = 15, least_s: float = 0.004) -> float:
    """Median CPU time of one call per track, µs; each sample repeats the call for `least_s` at least."""
    repeats, spent = 1, 0.0
    while spent < least_s:
        start = time.process_time()
        for _ in range(repeats):
            work()
        spent = time.process_time() - start
        repeats = repeats * 2 if spent < least_s else repeats
    times = []
    for _ in range(samples):
        start = time.process_time()
        for _ in range(repeats):
            work()
        times.append(time.process_time() - start)
    return statistics.median(times) / repeats / tracks * 1e6


def acceleration(x: Any) -> list[Any]:
    """Acceleration of a state (6 numbers, or 6 arrays): gravity with J2, rotating frame."""
    r2 = x[0] * x[0] + x[1] * x[1] + x[2] * x[2]
    u, k, s2 = GM / r2**1.5, 1.5 * J2 * A * A / r2, x[2] * x[2] / r2
    d = OMEGA * OMEGA - u * (1 + k * (1 - 5 * s2))
    return [d * x[0] + 2 * OMEGA * x[4], d * x[1] - 2 * OMEGA * x[3], -u * (1 + k * (3 - 5 * s2)) * x[2]]


def moved(x: Any) -> tuple[list[Any], list[Any]]:
    """The state (6 numbers, or 6 arrays) after one Runge-Kutta step of H, and the step's third stage."""
    a1 = acceleration(x)
    s = [x[i] + 0.5 * H * (*x[3:], *a1)[i] for i in range(6)]
    a2 = acceleration(s)
    n = [x[i] + 0.5 * H * (*s[3:], *a2)[i] for i in range(6)]
    a3 = acceleration(n)
    e = [x[i] + H * (*n[3:], *a3)[i] for i in range(6)]
    a4 = acceleration(e)
    flows = zip((*x[3:], *a1), (*s[3:], *a2), (*n[3:], *a3), (*e[3:], *a4), strict=True)
    return [x[i] + H / 6 * (f[0] + 2 * (f[1] + f[2]) + f[3]) for i, f in enumerate(flows)], n


def gradient(x: Any) -> list[list[Any]]:
    """Derivative of the acceleration by the position (3 x 3 numbers, or arrays)."""
    r2 = x[0] * x[0] + x[1] * x[1] + x[2] * x[2]
    u, k, s2 = GM / r2**1.5, 1.5 * J2 * A * A / r2, x[2] * x[2] / r2
    f = OMEGA * OMEGA - u * (1 + k * (1 - 5 * s2))
    p, q = u * (3 + 5 * k - 35 * k * s2) / r2, u * (3 + 15 * k - 35 * k * s2) / r2
    last = u * (s2 * (3 + 25 * k - 35 * k * s2) - 1 - k * (3 - 5 * s2))
    xy, xz, yz = p * x[0] * x[1], q * x[0] * x[2], q * x[1] * x[2]
    return [[f + p * x[0] * x[0], xy, xz], [xy, f + p * x[1] * x[1], yz], [xz, yz, last]]


def transition(middle: Floats) -> Floats:
    """Transition matrices (..., 6, 6) = I + A H + A² H²/2 for the middles (6, ...)."""
    a = np.zeros((*np.shape(middle)[1:], 6, 6))
    g = gradient(middle)
    for i in range(3):
        a[..., i, i + 3] = 1.0
        for j in range(3):
            a[..., i + 3, j] = g[i][j]
    a[..., 3, 4], a[..., 4, 3] = 2 * OMEGA, -2 * OMEGA
    return np.asarray(np.eye(6) + a * H + a @ a * (0.5 * H * H))


NOISE = np.kron(np.array([[H**3 / 3, H**2 / 2], [H**2 / 2, H]]) * Q, np.eye(3))
FILTERPY_UNITS = np.array([1e-3, 1.0, 1.0])
"""km, rad, rad: filterpy's likelihood (scipy's, singular matrices allowed) drops what S holds of an angle
beside a range in metres, 1e-10 of the largest eigenvalue; its IMM then weighs modes by the range alone."""
IMM_Q = (2500.0, 4e-6, 225.0)
IMM_START = (0.6, 0.3, 0.1)
IMM_RATES = ((0.0, 1 / 40, 1 / 400), (1 / 5000, 0.0, 1 / 5000), (1 / 100, 1 / 100, 0.0))
"""Noise, first probabilities and transition rates (1/s) of the three models that filterpy mixes."""


class Filterpy(ExtendedKalmanFilter):
    """One track of the filterpy peer; `q` is its spectral density of acceleration noise."""

    def __init__(self, batch: Batch, i: int, q: float = Q) -> None:
        super().__init__(dim_x=6, dim_z=3)
        self.x, self.P, self.Q = batch.x[i].copy(), batch.p[i].copy(), NOISE * q / Q
        self.R = np.diag((SIGMA * FILTERPY_UNITS) ** 2)
        self.site, self.enu = batch.site, batch.enu

    def predict_x(self, u: float = 0) -> None:
        """The integrated state in the place of F x."""
        self.x = self._next

    def predict(self, u: float = 0) -> None:
        """Move by H."""
        following, middle = moved(self.x.tolist())
        self.F, self._next = transition(np.array(middle)), np.array(following)
        super().predict(u)

    def update(self, z: Floats) -> None:
        """Take a plot; filterpy's IMM calls this, and could not pass the Jacobian."""
        super().update(z * FILTERPY_UNITS, self._rows, self._measure, residual=self._residual)

    def _measure(self, x: Floats) -> Floats:
        e, n, u = (self.enu @ (x[:3] - self.site)).tolist()
        return np.array([sqrt(e * e + n * n + u * u) * 1e-3, atan2(e, n), atan2(u, hypot(e, n))])

    def _rows(self, x: Floats) -> Floats:
        e, n, u = (self.enu @ (x[:3] - self.site)).tolist()
        g2 = e * e + n * n
        g, r2 = sqrt(g2), g2 + u * u
        r = sqrt(r2)
        rows = np.zeros((3, 6))
        local = [[e / r, n / r, u / r], [n / g2, -e / g2, 0], [-e * u / g / r2, -n * u / g / r2, g / r2]]
        rows[:, :3] = np.array(local) @ self.enu
        rows[0] *= 1e-3
        return rows

    @staticmethod
    def _residual(a: Floats, b: Floats) -> Floats:
        d = a - b
        d[1] = (d[1] + np.pi) % (2 * np.pi) - np.pi
        return np.asarray(d)


def filterpy_imm(batch: Batch, i: int) -> IMMEstimator:
    """One track of filterpy's IMM, of three extended filters."""
    rates = np.array(IMM_RATES) * H
    chance = (rates + np.eye(3)) / (1 + rates.sum(axis=1, keepdims=True))
    return IMMEstimator([Filterpy(batch, i, q) for q in IMM_Q], IMM_START, chance)


def numpy_step(batch: Batch) -> tuple[Floats, Floats]:
    """The numpy peer: predict and joint update of the whole batch."""
    following, middle = moved(batch.x.T)
    phi, x = transition(np.array(middle)), np.array(following).T
    p = phi @ batch.p @ phi.transpose(0, 2, 1) + NOISE
    e, n, u = batch.enu @ (x[:, :3] - batch.site).T
    g2 = e * e + n * n
    g, r2 = np.sqrt(g2), g2 + u * u
    r, zero = np.sqrt(r2), np.zeros_like(e)
    local = [[e / r, n / r, u / r], [n / g2, -e / g2, zero], [-e * u / g / r2, -n * u / g / r2, g / r2]]
    rows = np.array(local).transpose(2, 0, 1) @ batch.enu
    nu = batch.z - np.column_stack([r, np.arctan2(e, n), np.arctan2(u, g)])
    nu[:, 1] = (nu[:, 1] + np.pi) % (2 * np.pi) - np.pi
    ph = p[:, :, :3] @ rows.transpose(0, 2, 1)
    gain = ph @ np.linalg.inv(rows @ ph[:, :3] + np.diag(SIGMA**2))
    return x + (gain @ nu[:, :, None])[:, :, 0], p - gain @ ph.transpose(0, 2, 1)


@contextlib.contextmanager
def hand_c() -> Iterator[Callable[..., object] | None]:
    """benchmarks/ekf_step.c compiled for the instruction set in use; None without gcc or checkout."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "ekf_step.so"
        flags = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-Wno-psabi"]
        command = ["gcc", *flags, *TARGETS[isa()], "-fPIC", "-shared", "-o", str(library), str(HAND_C)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            yield None
            return
        step = ctypes.CDLL(str(library)).ekf_step
        step.argtypes = [ctypes.c_int, *[ctypes.c_void_p] * 6, ctypes.c_double, ctypes.c_double]
        step.restype = None
        yield step


def ekf_row(n: int, peers: bool, compiled_c: Callable[..., object] | None) -> dict[str, Any]:
    """`ekf_step` of n tracks, repeated in place: the filters settle on their plots, the work is the same."""
    batch = Batch.of(n)
    x, p, z = batch.lanes()
    ours = cpu_us(lambda: ekf_step(x, p, z, SIGMA, batch.site, batch.enu.ravel(), H, Q), n)
    theirs: dict[str, float] = {}
    if peers:
        few = [Filterpy(batch, i) for i in range(min(n, 20))]

        def filterpy() -> None:
            for i, track in enumerate(few):
                track.predict()
                track.update(batch.z[i])

        theirs["filterpy"] = cpu_us(filterpy, len(few))
        theirs["numpy"] = cpu_us(lambda: numpy_step(batch), n)
        if compiled_c:
            x, p, z = batch.lanes()
            enu = batch.enu.ravel()
            pointers = [a.ctypes.data for a in (x, p, z, SIGMA, batch.site, enu)]
            theirs["hand C"] = cpu_us(lambda: compiled_c(len(x) // 6, *pointers, H, Q), n)
    return row("ekf_step", n, ours, theirs)


def imm_row(n: int, peers: bool) -> dict[str, Any]:
    """`imm_step` of n tracks: the core's bank of four models; filterpy mixes three."""
    batch, t_ns = Batch.of(n), [0]
    bank = compiled(n, 1, next(models for models in MODEL_SETS.values() if len(models.modes) == 4))
    bank.set_site(0, 0, batch.site, np.zeros(3), batch.enu.ravel(), np.array([30.0, 5e-4, 5e-4]))
    slots, sigma = np.arange(n, dtype=np.int32), np.tile(SIGMA, (n, 1))
    for slot in range(n):
        bank.start(slot, 0, batch.z[slot], SIGMA, 0, 1000.0, 1000.0, -1)

    def ours() -> None:
        t_ns[0] += round(H * 1e9)
        bank.predict(slots, t_ns[0])
        bank.update(slots, slots, batch.z, sigma, 0, None)

    theirs: dict[str, float] = {}
    if peers:
        few = [filterpy_imm(batch, i) for i in range(min(n, 10))]

        def filterpy() -> None:
            for i, track in enumerate(few):
                track.predict(0)
                track.update(batch.z[i])

        theirs["filterpy"] = cpu_us(filterpy, len(few))
    return row("imm_step", n, cpu_us(ours, n), theirs)


def row(work: str, n: int, ours_us: float, peers: dict[str, float]) -> dict[str, Any]:
    """One row of the result."""
    ratio = {name: us / ours_us for name, us in peers.items()}
    limit = LIMIT_US.get((work, n, isa()))
    return {"work": work, "n": n, "ours_us": ours_us, "peers": peers, "ratio": ratio, "limit_us": limit}


def bank_rows(n: int) -> list[dict[str, Any]]:
    """The core's calls on n tracks, per track: three modes, biases of two sensors; shared plots by fours."""
    batch = Batch.of(n)
    rates = [[0.0, 0.025, 0.0025], [0.0002, 0.0, 0.0002], [0.01, 0.01, 0.0]]
    bank = TrackBank(n, 2, [2500.0, 4e-4, 225.0], [0.0, 5000.0, 5000.0], rates)
    slots, sigma, t_ns = np.arange(n, dtype=np.int32), np.tile(SIGMA, (n, 1)), [0]
    for sensor in range(2):
        bank.set_site(sensor, 0, batch.site, np.zeros(3), batch.enu.ravel(), (30.0, 5e-4, 5e-4))
    for slot in range(n):
        bank.start(slot, 0, batch.z[slot], SIGMA, 0, 1000.0)
    bank.update(slots, slots, batch.z, sigma, 1)
    i, j = np.nonzero(slots[:, None] // 4 == slots // 4)
    pairs = i.astype(np.int32), j.astype(np.int32)
    odds, share = np.cos(i + 3.0 * j), np.full(len(i), 0.2)
    calls: dict[str, Callable[[], object]] = {
        "jpda": lambda: marginals(*pairs, odds),
        "bank_update_shared": lambda: bank.update_shared(*pairs, share, batch.z, sigma, 0),
        "bank_gate": lambda: bank.gate(slots, slots, batch.z, sigma, 0),
        "bank_update": lambda: bank.update(slots, slots, batch.z, sigma, 0),
        "bank_estimate": lambda: bank.estimate(slots),
    }
    rows = [row(work, n, cpu_us(call, n), {}) for work, call in calls.items()]

    def predict() -> None:
        t_ns[0] += 1_000_000
        bank.predict(slots, t_ns[0])

    return [row("bank_predict", n, cpu_us(predict, n), {}), *rows]


def run(peers: bool = False) -> dict[str, Any]:
    """All rows; `peers` adds the others' times. See `sharedsky bench --json`."""
    from fusion.crowd import rows as crowd_rows  # which flies the batch above

    with one_blas_thread(), hand_c() if peers else contextlib.nullcontext() as compiled_c:
        rows = [ekf_row(n, peers, compiled_c) for n in (1, 100, 1000)]
        rows += [imm_row(n, peers) for n in (1, 100, 1000)]
        rows += [one for n in (1, 8, 100) for one in bank_rows(n)] + crowd_rows()
    return {"machine": machine(), "rows": rows}


def machine() -> dict[str, Any]:
    """What the times are of."""
    python, numpy = platform.python_version(), np.__version__
    return {"cpu": cpu_name(), "cores": os.cpu_count(), "isa": isa(), "python": python, "numpy": numpy}


def one_blas_thread() -> contextlib.AbstractContextManager[Any]:
    """Holds BLAS to one thread where threadpoolctl is installed."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return contextlib.nullcontext()
    return threadpool_limits(1)


def cpu_name() -> str:
    """The processor's name, as far as the system tells."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def table(result: dict[str, Any]) -> Table:
    """The result for a terminal."""
    names = sorted({name for one in result["rows"] for name in one["peers"]})
    title = f"µs CPU per track (mtt_scan: per scan) · {result['machine']['cpu']}, {result['machine']['isa']}"
    out = Table(title=title, title_justify="left")
    for heading in ("work", "n", "ours", *names, "limit"):
        out.add_column(heading, justify="left" if heading == "work" else "right", no_wrap=heading == "work")
    for one in result["rows"]:
        timed = {name: f"{us:.3f} ({one['ratio'][name]:.1f}x)" for name, us in one["peers"].items()}
        cells = [timed.get(name, "") for name in names]
        limit = "" if one["limit_us"] is None else f"{one['limit_us']:.3f}"
        out.add_row(one["work"], str(one["n"]), f"{one['ours_us']:.3f}", *cells, limit)
    return out
