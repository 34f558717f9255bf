"""When a recorded sensor scanned, from its plots alone: the revisit time, the scans, the arc it covers.

Identities of plots are not looked at: what shapes the tracker's input must not know them.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sensors.readers.recorded import Look, Plots
from sharing.messages import Ints, S

Array = npt.NDArray[np.float64]

WINDOW_S = 60.0
"""A plot that does not come again within this time says nothing of the revisit time."""
SAMPLES = 1000
"""Plots, evenly over the recording, that are looked at."""
ENOUGH = 5
"""Plots that have to come again."""
FASTEST_MPS = 12_000.0
SLACK, SLACK_MPS = 1.3, 100.0
SMALLEST_S = 0.05
WIDEST_GAP_RAD = np.pi / 2
"""Plots all round with no gap wider than this are those of a sensor that looks all round."""
MARGIN_RAD = float(np.radians(1.0))


def revisit_s(plots: Plots) -> float | None:
    """The median time after which a plot comes again, s; None when too few do.

    Of the later plots within `WINDOW_S`, those to which an object would fly slowest are the same object;
    the first of these is its next sight. Missed detections and crossing traffic move single values, not
    the median.
    """
    t_s = plots.t_ns / S
    cross = np.stack([np.sin(plots.z[:, 1]), np.cos(plots.z[:, 1])], axis=1) * plots.z[:, :1]
    found = []
    for i in np.unique(np.linspace(0, len(t_s) - 1, SAMPLES).astype(int)):
        first, last = np.searchsorted(t_s, [t_s[i] + SMALLEST_S, t_s[i] + WINDOW_S], side="right")
        wait = t_s[first:last] - t_s[i]
        apart = np.hypot(*(cross[first:last] - cross[i]).T)
        speed = np.maximum(apart, 1.0) / wait
        if len(speed) and speed.min() < FASTEST_MPS:
            found.append(wait[np.flatnonzero(speed <= SLACK * speed.min() + SLACK_MPS)[0]])
    return float(np.median(found)) if len(found) >= ENOUGH else None


def cut(plots: Plots, scan_s: float, arc: tuple[float, float]) -> tuple[list[Look], Ints]:
    """Scans of `scan_s` that hold a plot, and each plot's scan number.

    The first plot lies in the middle of its scan, so that plots that share a time per scan are safe from
    rounding. An interval without a plot is no scan: nobody knows that the sensor was on.
    """
    period = round(scan_s * S)
    start = int(plots.t_ns[0]) - period // 2
    number = (plots.t_ns - start) // period
    looks = [Look(k, start + k * period, start + (k + 1) * period, *arc) for k in np.unique(number).tolist()]
    return looks, number


def covered(azimuth_rad: npt.ArrayLike) -> tuple[float, float]:
    """Centre and width in rad of the arc that holds all azimuths (n,); all round when no gap is wide."""
    azimuths = np.unique(np.mod(np.asarray(azimuth_rad, dtype=float), 2 * np.pi))
    gaps = np.diff(azimuths, append=azimuths[:1] + 2 * np.pi)
    widest = int(np.argmax(gaps))
    if gaps[widest] <= WIDEST_GAP_RAD:
        return 0.0, 2 * np.pi
    start = azimuths[(widest + 1) % len(azimuths)] - MARGIN_RAD
    width = 2 * np.pi - float(gaps[widest]) + 2 * MARGIN_RAD
    return _wrapped(start + width / 2), width


def clockwise(azimuths_rad: Sequence[float]) -> tuple[float, float]:
    """Centre and width of the arc from the first azimuth clockwise to the last, with a margin."""
    width = float(np.mod(azimuths_rad[-1] - azimuths_rad[0], 2 * np.pi)) + 2 * MARGIN_RAD
    if width >= 2 * np.pi:
        return 0.0, 2 * np.pi
    return _wrapped(azimuths_rad[0] - MARGIN_RAD + width / 2), width


def _wrapped(angle_rad: float) -> float:
    return float(np.pi - np.mod(np.pi - angle_rad, 2 * np.pi))
