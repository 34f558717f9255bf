"""A crowd of targets under one radar: what one scan costs a whole tracker (`sharedsky bench`, `mtt_scan`).

N targets fall freely through half a ball about the radar, one per `CUBIC_M` whatever N is; a scan a second
sees each with Pd 0.95, at one instant, and 0.1 N clutter plots among them. A scan's work is everything from
the decoded plots to the tracks' new states: gating, clusters, assignment, updates, starts, the misses of the
finished scan, and the tidying of the second. NOTIONAL.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import pi
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion.bench import Batch, moved
from fusion.core.filters import compiled
from fusion.core.ordering import LOOK, PLOTS, SITE, LookEntry, PlotsEntry, SiteEntry
from fusion.core.tracker import Tracker, TrackerRules
from sharing.messages import S, Scan, Site

Floats = npt.NDArray[np.float64]

CUBIC_M = 2e14
"""Room per target: 10,000 of them fill the half ball of 985 km."""
LIMIT_US = {200: 600.0, 1_000: 3_000.0, 10_000: 35_000.0}
"""What measures ask for, by number of targets."""
PD = 0.95
CLUTTER_SHARE = 0.1
SIGMA = np.array([30.0, 1e-3, 1e-3])
SPEED_MPS = 2000.0
"""One sigma of each component of a target's velocity."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """N targets and the radar in their middle."""

    n: int
    seed: int = 0

    @property
    def range_m(self) -> float:
        """The radius of the half ball."""
        return float((self.n * CUBIC_M * 3 / (2 * pi)) ** (1 / 3))

    def site(self) -> Site:
        """The radar: it sees the sky down to the horizon."""
        place = Batch.of(1)
        return Site(
            originator="JPN", sensor="crowd", item_id=b"site", t_valid_ns=0,
            position_ecef_m=tuple(place.site), velocity_ecef_mps=(0.0, 0.0, 0.0),
            enu_ecef=tuple(place.enu.ravel()),  # type: ignore[arg-type]
            sigma_range_m=SIGMA[0], sigma_azimuth_rad=SIGMA[1], sigma_elevation_rad=SIGMA[2],
            bias_sigma_range_m=30.0, bias_sigma_azimuth_rad=5e-4, bias_sigma_elevation_rad=5e-4,
            azimuth_center_rad=0.0, azimuth_width_rad=2 * pi, elevation_min_rad=0.0,
            elevation_max_rad=pi / 2, range_13db_m=2 * self.range_m, range_max_m=2 * self.range_m,
            scan_s=1.0, clutter_per_scan=CLUTTER_SHARE * self.n,
        )  # fmt: skip

    def scans(self) -> Iterator[Floats]:
        """Plots (k, 3) of every second from 1 on: range m, azimuth rad, elevation rad."""
        rng = np.random.default_rng(self.seed)
        site, enu = np.array(self.site().position_ecef_m), Batch.of(1).enu
        local = self._inside(rng, self.n)
        x = np.column_stack([site + local @ enu, rng.normal(0.0, SPEED_MPS, (self.n, 3))]).T
        while True:
            x = np.array(moved(x)[0])
            seen = enu @ (x[:3].T - site).T
            seen = seen[:, rng.random(self.n) < PD]
            z = polar(np.hstack([seen, self._inside(rng, rng.poisson(CLUTTER_SHARE * self.n)).T]))
            z[: seen.shape[1]] += rng.normal(0.0, 1.0, (seen.shape[1], 3)) * SIGMA
            yield z[rng.permutation(len(z))]

    def _inside(self, rng: np.random.Generator, n: int) -> Floats:
        """Places (n, 3: east, north, up, m), uniform in the half ball."""
        direction = rng.normal(0.0, 1.0, (n, 3))
        direction[:, 2] = np.abs(direction[:, 2])
        radius = self.range_m * rng.random((n, 1)) ** (1 / 3)
        return np.asarray(direction / np.linalg.norm(direction, axis=1, keepdims=True) * radius)


def polar(enu: Floats) -> Floats:
    """Range, azimuth, elevation (k, 3) of places (3, k: east, north, up)."""
    e, n, u = enu
    flat = np.hypot(e, n)
    return np.column_stack([np.hypot(flat, u), np.arctan2(e, n), np.arctan2(u, flat)])


class Watch:
    """A tracker and the crowd it follows, one scan at a time."""

    def __init__(self, crowd: Crowd, rules: TrackerRules | None = None) -> None:
        self.tracker = Tracker(2 * crowd.n + 64, 1, rules or TrackerRules(), compiled)
        self.scan, self._site, self._plots = 0, crowd.site(), crowd.scans()
        self.tracker.step(SiteEntry((0, SITE, "JPN", b"site", 0), 0, self._site))

    def entries(self) -> tuple[PlotsEntry, LookEntry]:
        """The next scan."""
        self.scan += 1
        t_ns, site, item = self.scan * S, self._site, self.scan.to_bytes(6)
        z = next(self._plots)
        look = Scan(
            originator="JPN", sensor="crowd", item_id=b"look" + item, scan=self.scan,
            t_start_ns=t_ns - S, t_end_ns=t_ns, azimuth_center_rad=0.0, azimuth_width_rad=2 * pi,
            elevation_min_rad=site.elevation_min_rad, elevation_max_rad=site.elevation_max_rad,
            range_max_m=site.range_max_m,
        )  # fmt: skip
        plots = PlotsEntry((t_ns, PLOTS, "JPN", item, 0), 0, self.scan, z, np.tile(SIGMA, (len(z), 1)))
        return plots, LookEntry((t_ns, LOOK, "JPN", b"look" + item, 0), 0, look)

    def step(self, plots: PlotsEntry, look: LookEntry) -> None:
        """What is timed."""
        self.tracker.step(plots)
        self.tracker.step(look)
        self.tracker.tidy(plots.key[0])


def rows() -> list[dict[str, Any]]:
    """`mtt_scan` rows of the benchmark: µs per scan."""
    return [
        {"work": "mtt_scan", "n": n, "ours_us": scan_us(n), "peers": {}, "ratio": {}, "limit_us": limit_us}
        for n, limit_us in LIMIT_US.items()
    ]


def scan_us(n: int, scans: int = 15, settle: int = 12) -> float:
    """Median CPU time of a scan of n targets, µs, after `settle` scans that start the tracks."""
    watch, times = Watch(Crowd(n)), []
    for i in range(settle + scans):
        entries = watch.entries()
        start = time.process_time()
        watch.step(*entries)
        if i >= settle:
            times.append(time.process_time() - start)
    return statistics.median(times) * 1e6
