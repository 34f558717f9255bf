"""The NRL pair before the project's own core: one node, one radar, everything through `Core.handle`.

Three arms of rising difficulty:

- *alone*: the first object's plots only: the track bank with nothing to associate
- *two*: both objects' plots, no clutter: two tracks 50 m apart
- *pair*: as published, through clutter

Tracks are started by the core from any plot (theirs are given the first two right ones); the radar announces
the sigmas of its biases, if it has any. Of two objects a track is on the one whose range is within 25 m of
its own, and its position within 10 km, by the best assignment of ranges: 0.1° is kilometres, so that only
range tells the two apart. Errors count where an object is held; errors in range are cut off at 25 m by that
rule. The *alone* arm has nothing to tell apart: any track within 10 km is on the object.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from fusion.core.engine import Core, CoreConfig
from fusion.core.events import Received, Tick
from fusion.metrics import consistency, nees
from fusion.study.published import pair as nrl
from fusion.study.published.cases import Case, Judged, judged
from fusion.study.published.pair import Drawn, Pair
from sensors.draws import identity
from sharing.messages import Detections, Picture, S, Scan, Site, floats, ints

Floats = npt.NDArray[np.float64]

ARMS = ("alone", "two", "pair")
NEAR_M, APART_M = 10_000.0, nrl.APART_M / 2
RANGE_MAX_M, WIDTH_RAD, HIGHEST_RAD = 5e6, 2 * np.pi, np.pi / 2
UPPER = np.triu_indices(6)


@dataclass(frozen=True, slots=True)
class Followed:
    """One run: `track` (K + 1, 2) the id on each object, -1 for none; `state` (K + 1, 2, 6) and `covariance`
    (K + 1, 2, 6, 6), NaN where there is none; `tracks` (K + 1,) how many the picture holds; `nis` (K + 1, 2)
    of the newest update, NaN where the scan brought none."""

    track: npt.NDArray[np.int64]
    state: Floats
    covariance: Floats
    nis: Floats
    tracks: npt.NDArray[np.int64]


def follow(pair: Pair, seen: Drawn, run: int, arm: str, seed: int) -> Followed:
    """One run of one arm."""
    core = Core(CoreConfig("COALITION"))
    begin = round(float(pair.times_s[0]) * S)
    core.handle(Received(_site(begin, seen.bias_sigma), begin - S))
    core.handle(Tick(begin - S))
    kept = nrl.SCANS
    found = Followed(
        np.full((kept, 2), -1),
        np.full((kept, 2, 6), np.nan),
        np.full((kept, 2, 6, 6), np.nan),
        np.full((kept, 2), np.nan),
        np.zeros(kept, np.int64),
    )
    for k in range(kept):
        t_ns = round(float(pair.times_s[k]) * S)
        for message in _scan(pair, seen, run, k, arm, seed, t_ns):
            core.handle(Received(message, t_ns))
        picture = next(e for e in core.handle(Tick(t_ns)) if isinstance(e, Picture))
        _note(found, pair.states[k, : 1 if arm == "alone" else 2], k, picture)
    return found


def _site(t_ns: int, bias_sigma: Floats) -> Site:
    """The radar; its clutter per scan is such that the density over its sector is the published one."""
    volume = RANGE_MAX_M * WIDTH_RAD * HIGHEST_RAD
    axes: Any = tuple(nrl.ENU.reshape(-1).tolist())
    return Site(
        originator="USA",
        sensor="aleutians",
        item_id=identity("nrl", "site"),
        t_valid_ns=t_ns - 2 * S,
        position_ecef_m=tuple(nrl.POSITION.tolist()),
        velocity_ecef_mps=(0.0, 0.0, 0.0),
        enu_ecef=axes,
        sigma_range_m=float(nrl.SIGMA[0]),
        sigma_azimuth_rad=float(nrl.SIGMA[1]),
        sigma_elevation_rad=float(nrl.SIGMA[2]),
        bias_sigma_range_m=float(bias_sigma[0]),
        bias_sigma_azimuth_rad=float(bias_sigma[1]),
        bias_sigma_elevation_rad=float(bias_sigma[2]),
        azimuth_center_rad=0.0,
        azimuth_width_rad=WIDTH_RAD,
        elevation_min_rad=0.0,
        elevation_max_rad=HIGHEST_RAD,
        range_13db_m=RANGE_MAX_M,
        range_max_m=RANGE_MAX_M,
        scan_s=8.0,
        clutter_per_scan=nrl.CLUTTER * volume,
    )


def _scan(
    pair: Pair, seen: Drawn, run: int, k: int, arm: str, seed: int, t_ns: int
) -> tuple[Scan, Detections]:
    """The messages of scan `k`: its look, and the plots, all at one moment."""
    there = seen.detected[run, k].copy()
    there[1] &= arm != "alone"
    false = nrl.clutter(pair, run, k, seed) if arm == "pair" else np.empty((0, 3))
    z = np.concatenate((seen.plots[run, k][there], false))
    z = z[np.argsort(z[:, 0], kind="stable")]
    z[:, 1] = (z[:, 1] + np.pi) % (2 * np.pi) - np.pi
    sigma = np.tile(nrl.SIGMA, (len(z), 1))
    look = Scan(
        originator="USA",
        sensor="aleutians",
        item_id=identity("nrl", "look", run, k),
        t_sent_ns=t_ns,
        scan=k,
        t_start_ns=t_ns,
        t_end_ns=t_ns,
        azimuth_center_rad=0.0,
        azimuth_width_rad=WIDTH_RAD,
        elevation_min_rad=0.0,
        elevation_max_rad=HIGHEST_RAD,
        range_max_m=RANGE_MAX_M,
    )
    plots = Detections(
        originator="USA",
        sensor="aleutians",
        item_id=identity("nrl", "plots", run, k),
        t_sent_ns=t_ns,
        scan=k,
        t_valid_ns=ints([t_ns] * len(z)),
        range_m=floats(z[:, 0]),
        azimuth_rad=floats(z[:, 1]),
        elevation_rad=floats(z[:, 2]),
        sigma_range_m=floats(sigma[:, 0]),
        sigma_azimuth_rad=floats(sigma[:, 1]),
        sigma_elevation_rad=floats(sigma[:, 2]),
        snr_db=floats(np.full(len(z), 13.0)),
    )
    return look, plots


def _note(found: Followed, truth: Floats, k: int, picture: Picture) -> None:
    """Put down which track is on which object, (1 or 2, 6), at scan `k`."""
    state = picture.state_ecef.reshape(-1, 6)
    found.tracks[k] = len(state)
    if not len(state):
        return
    off = np.abs(nrl.measure(state)[None, :, 0] - nrl.measure(truth)[:, None, 0])
    near = np.linalg.norm(state[None, :, :3] - truth[:, None, :3], axis=2) < NEAR_M
    fits = near & (off < (APART_M if len(truth) > 1 else NEAR_M))
    objects, tracks = linear_sum_assignment(np.where(fits, off, 1e6))
    triangle = picture.covariance.reshape(-1, 21)
    for which, row in zip(objects.tolist(), tracks.tolist(), strict=True):
        if not fits[which, row]:
            continue
        found.track[k, which] = picture.track_id[row]
        found.state[k, which] = state[row]
        covariance = np.zeros((6, 6))
        covariance[UPPER] = triangle[row]
        found.covariance[k, which] = covariance + np.triu(covariance, 1).T
        if picture.t_update_ns[row] == picture.t_valid_ns:
            found.nis[k, which] = picture.nis[row]


@dataclass(frozen=True, slots=True)
class Custody:
    """What became of both objects in one arm.

    `held` (4, objects): share of runs with a track on the object at the four times; `renamed`: changes of the
    track on an object, per object and run, after the first four scans; `spare`: tracks on neither object at
    the last scan, per run.
    """

    held: Floats
    renamed: float
    spare: float


def judge_core(case: Case, runs: Sequence[Followed], arm: str) -> tuple[Judged, Custody]:
    """The first object's errors as those of a filter, and what became of both."""
    state = np.array([r.state[:, 0] for r in runs])
    covariance = np.array([r.covariance[:, 0] for r in runs])
    ratio = np.array([r.nis[:, 0] for r in runs])
    error = np.swapaxes(state - case.truths[: len(runs)], 0, 1)
    found_nees, found_nis = [], []
    for k in case.at:
        there = np.isfinite(state[:, k, 0])
        values = nees(case.truths[: len(runs)][there, k], state[there, k], covariance[there, k])
        found_nees.append(consistency(values, 6) if there.any() else None)
        fresh = ratio[np.isfinite(ratio[:, k]), k]
        found_nis.append(consistency(fresh, 3) if len(fresh) else None)
    track = np.array([r.track for r in runs])[:, :, : 1 if arm == "alone" else 2]
    number = np.array([r.tracks for r in runs])
    custody = Custody(
        held=(track[:, list(case.at)] >= 0).mean(axis=0),
        renamed=float(
            np.mean([_changes(one[nrl.SURE_SCANS :, i]) for one in track for i in range(one.shape[1])])
        ),
        spare=float(np.mean(number[:, -1] - np.count_nonzero(track[:, -1] >= 0, axis=1))),
    )
    return judged(case, f"core, {arm}", error, found_nees, found_nis, 0), custody


def _changes(track: npt.NDArray[np.int64]) -> int:
    """How often the track on an object changes, gaps left out."""
    there = track[track >= 0]
    return int(np.count_nonzero(np.diff(there)))
