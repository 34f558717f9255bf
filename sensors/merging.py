"""Objects of one scan that a sensor cannot resolve: which belong together, and the one echo they give.

Two objects are too close when they are closer than the resolution cell in range, in azimuth (across the line
of sight) and in elevation. The strongest object takes all that are too close to it, the strongest of the rest
takes what is left, and so on, as a plot extractor goes from peak to peak: a long line of objects gives a plot
per cell, not one in all. Independent echoes with random phases add in power (each Swerling 1, so is their
sum); the echo comes from the power-weighted mean place. It draws what its strongest member draws, so that
leaving out a weaker one changes no draw.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array

from sensors.geodesy import wrap
from sharing.messages import Ints

Array = npt.NDArray[np.float64]

BLOCK_ROWS = 200_000
"""About as many echoes are compared at a time."""


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


def pairs(scan: Ints, measurement: Array, cell: Array) -> tuple[Ints, Ints]:
    """Rows (m,) and rows (m,) of all pairs of echoes (n, 3) of one scan that are too close.

    `cell` is (range m, across in azimuth rad, elevation rad); an infinite range does not resolve.
    Neighbours are looked for along the range (or the elevation) only, in sorted order.
    """
    axis = 0 if np.isfinite(cell[0]) else 2
    order = np.lexsort((measurement[:, axis], scan))
    scan, measurement = scan[order], measurement[order]
    firsts, seconds = [order[:0]], [order[:0]]
    for step in range(1, len(order)):
        near = (scan[step:] == scan[:-step]) & (
            measurement[step:, axis] - measurement[:-step, axis] < cell[axis]
        )
        rows = np.flatnonzero(near)
        if not len(rows):
            break
        close = rows[_too_close(measurement[rows], measurement[rows + step], cell)]
        firsts.append(order[close])
        seconds.append(order[close + step])
    return np.concatenate(firsts), np.concatenate(seconds)


def _too_close(one: Array, other: Array, cell: Array) -> npt.NDArray[np.bool_]:
    """Whether echoes (n, 3) cannot be told from others (n, 3)."""
    apart = np.abs(other - one)
    apart[:, 1] = np.abs(wrap(apart[:, 1])) * np.cos(0.5 * (one[:, 2] + other[:, 2]))
    return np.asarray((apart < cell).all(axis=1))


def leaders(echoes: Echoes, cell: Array) -> Ints:
    """For every echo (n,) the row of the echo that takes it: its own where it stands for itself.

    From the strongest on; of equally strong ones the first object.
    """
    n = len(echoes.scan)
    one, other = pairs(echoes.scan, echoes.measurement, cell)
    ends = np.concatenate([one, other]), np.concatenate([other, one])
    graph = coo_array((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(n, n)).tocsr()
    found = np.arange(n, dtype=np.int64)
    free = np.ones(n, dtype=bool)
    crowded = np.flatnonzero(np.diff(graph.indptr))
    for row in crowded[np.lexsort((echoes.source[crowded], -echoes.snr[crowded]))].tolist():
        if free[row]:
            near = graph.indices[graph.indptr[row] : graph.indptr[row + 1]]
            near = near[free[near]]
            found[near] = row
            free[near] = free[row] = False
    return found


def _in_blocks(echoes: Echoes, cell: Array) -> Ints:
    """`leaders`, some whole scans at a time, so that memory stays bounded."""
    order = np.argsort(echoes.scan, kind="stable")
    cuts = np.flatnonzero(np.diff(echoes.scan[order])) + 1
    cuts = cuts[np.flatnonzero(np.diff(cuts // BLOCK_ROWS, prepend=0))]
    found = np.empty(len(order), dtype=np.int64)
    for rows in np.split(order, cuts):
        found[rows] = rows[leaders(echoes.take(rows), cell)]
    return found


def merge(echoes: Echoes, cell: Array) -> Echoes:
    """The same echoes with all that one takes as one row, in the order of the rows that remain."""
    if len(echoes.scan) < 2:
        return echoes
    kept, group, size = np.unique(_in_blocks(echoes, cell), return_inverse=True, return_counts=True)
    if size.max() == 1:
        return echoes
    power = np.bincount(group, weights=echoes.snr)
    offset = echoes.measurement - echoes.measurement[kept][group]
    offset[:, 1] = wrap(offset[:, 1])
    shift = np.stack([np.bincount(group, weights=echoes.snr * column) for column in offset.T], axis=1)
    many = size > 1  # the others stay as they are, to the last bit
    found = echoes.take(kept)
    found.measurement[many] += (shift / power[:, None])[many]
    found.snr[many] = power[many]
    return found
