"""Keyed random numbers: every draw has a name, so that removing one thing changes no other draw.

A name (seed, sensor, object or purpose) keys a counter-based generator (Philox); row k of its output belongs
to scan k, whatever other rows are asked for. `identity` makes item ids and boot ids in the same way.
"""

import hashlib

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Array = npt.NDArray[np.float64]


def identity(*name: object) -> bytes:
    """16 bytes that depend on the whole name and on nothing else."""
    return hashlib.blake2b("|".join(map(str, name)).encode(), digest_size=16).digest()


def uniforms(rows: int, columns: int, *name: object) -> Array:
    """Uniform draws in (0, 1), shape (rows, columns); row k is the same for any number of rows.

    `columns` is a multiple of 4, the width of one Philox counter.
    """
    bits = np.random.Philox(key=int.from_bytes(identity(*name), "little")).random_raw(rows * columns)
    return ((bits >> np.uint64(11)).astype(np.float64) + 0.5).reshape(rows, columns) * 2.0**-53


def normals(rows: int, columns: int, *name: object) -> Array:
    """Standard normal draws (rows, columns), keyed like `uniforms`."""
    return np.asarray(ndtri(uniforms(rows, columns, *name)))
