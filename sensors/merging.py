"""Objects of one scan that a sensor cannot resolve: which belong together, and the one echo they give.

Objects are in one group when a chain of pairs joins them, each pair closer than the resolution cell in range,
in azimuth (across the line of sight) and in elevation. Independent echoes with random phases add in power
(each Swerling 1, so is their sum); the echo comes from the power-weighted mean place. The group draws what
its strongest member draws, so that leaving out a weaker one changes no draw.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sensors.geodesy import wrap
from sharing.messages import Ints

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Echoes:
    """What may be detected, one row per object (or group) and scan; `source` is the object's number."""

    scan: Ints
    t_ns: Ints
    source: Ints
    measurement: Array
    """Range m, azimuth rad, elevation rad (n, 3)."""
    snr: Array

    def take(self, rows: Ints) -> "Echoes":
        """Some rows."""
        return Echoes(
            self.scan[rows], self.t_ns[rows], self.source[rows], self.measurement[rows], self.snr[rows]
        )


def groups(scan: Ints, measurement: Array, cell: Array) -> Ints:
    """Numbers (n,) of the unresolved groups of echoes (n, 3), 0 … in any order.

    `cell` is (range m, across in azimuth rad, elevation rad); an infinite range does not resolve.
    Neighbours are looked for along the range (or the elevation) only, in sorted order.
    """
    axis = 0 if np.isfinite(cell[0]) else 2
    order = np.lexsort((measurement[:, axis], scan))
    scan, measurement = scan[order], measurement[order]
    n = len(order)
    firsts, seconds = [], []
    for step in range(1, n):
        near = (scan[step:] == scan[:-step]) & (
            measurement[step:, axis] - measurement[:-step, axis] < cell[axis]
        )
        rows = np.flatnonzero(near)
        if not len(rows):
            break
        apart = np.abs(measurement[rows + step] - measurement[rows])
        level = np.cos(0.5 * (measurement[rows + step, 2] + measurement[rows, 2]))
        apart[:, 1] = np.abs(wrap(apart[:, 1])) * level
        close = rows[(apart < cell).all(axis=1)]
        firsts.append(close)
        seconds.append(close + step)
    if not firsts:
        return np.arange(n, dtype=np.int64)
    i, j = np.concatenate(firsts), np.concatenate(seconds)
    graph = coo_array((np.ones(len(i), dtype=np.int8), (i, j)), shape=(n, n))
    found = np.empty(n, dtype=np.int64)
    found[order] = connected_components(graph, directed=False)[1]
    return found


def merge(echoes: Echoes, cell: Array) -> Echoes:
    """The same echoes with every unresolved group as one row, that of its strongest member."""
    n = len(echoes.scan)
    if n < 2 or len(np.unique(echoes.source)) < 2:
        return echoes
    group = groups(echoes.scan, echoes.measurement, cell)
    size = np.bincount(group)
    if size.max() == 1:
        return echoes
    strongest_first = np.lexsort((echoes.source, -echoes.snr, group))
    leader = strongest_first[np.unique(group[strongest_first], return_index=True)[1]]
    led = echoes.measurement[leader]
    power = np.bincount(group, weights=echoes.snr)
    offset = echoes.measurement - led[group]
    offset[:, 1] = wrap(offset[:, 1])
    shift = np.stack([np.bincount(group, weights=echoes.snr * column) for column in offset.T], axis=1)
    many = size > 1
    measurement, snr = led.copy(), echoes.snr[leader].copy()
    measurement[many] += (shift / power[:, None])[many]
    snr[many] = power[many]
    rows = np.argsort(leader)
    kept = echoes.take(leader[rows])
    return Echoes(kept.scan, kept.t_ns, kept.source, measurement[rows], snr[rows])
