"""Chance that can be repeated: even draws by a keyed hash, the same on every machine. Pure.

A draw belongs to (seed, purpose, key) and to nothing else, so that whatever is left out moves no other draw.
In earnest the seed would be the originator's secret: who knows it can undo what coarsening added.
"""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from sharing.messages import Floats


def draw(seed: int, purpose: str, key: bytes) -> int:
    """64 even bits."""
    text = f"{seed}/{purpose}/".encode()
    return int.from_bytes(blake2b(text + key, digest_size=8).digest(), "little")


def at_quantile(knots_ns: Sequence[int], bits: int) -> int:
    """The value at the quantile `bits` / 2⁶⁴ of a distribution given by its evenly spaced quantiles.

    Between two knots the values are even; one knot is a constant.
    """
    place = bits * (len(knots_ns) - 1)
    below, rest = place >> 64, place & (1 << 64) - 1
    if below + 1 == len(knots_ns):
        return knots_ns[below]
    return knots_ns[below] + (rest * (knots_ns[below + 1] - knots_ns[below]) >> 64)


def uniforms(seed: int, purpose: str, key: bytes, count: int) -> Floats:
    """`count` numbers (count,) evenly in [-1, 1), of 53 bits."""
    text = f"{seed}/{purpose}/".encode() + key
    blocks = (blake2b(text + n.to_bytes(4, "little")).digest() for n in range(-(-count // 8)))
    bits = np.frombuffer(b"".join(blocks), dtype="<u8")[:count] >> np.uint64(11)
    return bits.astype(np.float64) * 2.0**-52 - 1.0
