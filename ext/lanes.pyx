"""Which instruction set the lane kernels use: the best one, or the one that ``SHAREDSKY_ISA`` names.

The choice is made once, at import. The results are the same bytes whichever it is.
"""

import os

cdef extern from "lanes.h" nogil:
    int lanes_best()

_NAMES = ("baseline", "avx2", "avx512")


def _chosen() -> int:
    asked = os.environ.get("SHAREDSKY_ISA", "")
    if not asked:
        return lanes_best()
    if asked not in _NAMES:
        raise ImportError(f"SHAREDSKY_ISA={asked}: unknown, one of {', '.join(reversed(_NAMES))}")
    if _NAMES.index(asked) > lanes_best():
        raise ImportError(f"SHAREDSKY_ISA={asked}: this machine has only {_NAMES[lanes_best()]}")
    return _NAMES.index(asked)


cdef int _level = _chosen()


cdef int level() except -1:
    """Number of the instruction set: 0 baseline, 1 AVX2, 2 AVX-512."""
    return _level


def isa():
    """Name of the instruction set in use: ``avx512``, ``avx2`` or ``baseline``."""
    return _NAMES[_level]
