"""Keyed random numbers: every draw has a name, so that removing one thing changes no other draw.

A name (seed, sensor, object or purpose) keys a counter-based generator (Philox); row k of its output belongs
to scan k, whatever other rows are asked for. `identity` makes item ids and boot ids in the same way.
"""

import hashlib

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_RUN_GAP = 512
"""Rows that are drawn and thrown away rather than begin a new run of rows."""


def identity(*name: object) -> bytes:
    """16 bytes that depend on the whole name and on nothing else."""
    return hashlib.blake2b("|".join(map(str, name)).encode(), digest_size=16).digest()


def uniforms(rows: int, columns: int, *name: object, first: int = 0) -> Array:
    """Uniform draws in (0, 1), shape (rows, columns), from row `first` on.

    A row is the same however many others are asked for. `columns` is a multiple of 4, the width of one
    Philox counter.
    """
    generator = np.random.Philox(key=int.from_bytes(identity(*name), "little"))
    if first:
        generator.advance(first * (columns // 4))
    bits = generator.random_raw(rows * columns)
    return ((bits >> np.uint64(11)).astype(np.float64) + 0.5).reshape(rows, columns) * 2.0**-53


def uniforms_at(rows: Ints, columns: int, *name: object) -> Array:
    """`uniforms` of some rows (n,), in rising order: shape (n, columns); long gaps cost nothing."""
    if not len(rows):
        return np.empty((0, columns))
    cuts = np.flatnonzero(np.diff(rows) > _RUN_GAP) + 1
    found = []
    for run in np.split(rows, cuts):
        first = int(run[0])
        found.append(uniforms(int(run[-1]) - first + 1, columns, *name, first=first)[run - first])
    return np.concatenate(found)


def normals(rows: int, columns: int, *name: object) -> Array:
    """Standard normal draws (rows, columns), keyed like `uniforms`."""
    return np.asarray(ndtri(uniforms(rows, columns, *name)))


def normals_at(rows: Ints, columns: int, *name: object) -> Array:
    """Standard normal draws of some rows (n,), in rising order, keyed like `uniforms`."""
    return np.asarray(ndtri(uniforms_at(rows, columns, *name)))
