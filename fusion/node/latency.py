"""How long the node takes from a frame's receipt to the published update, in bounded memory."""

import math
from bisect import bisect_left
from itertools import accumulate

PER_DECADE = 20
LOWEST_NS = 10_000
DECADES = 7


class Latency:
    """A histogram over 10 µs … 100 s with 20 bins a decade: a percentile is right within 12 %."""

    def __init__(self) -> None:
        self._bins = [0] * (PER_DECADE * DECADES + 1)
        self._max_ns = 0

    def add(self, wall_ns: int) -> None:
        """Count one interval."""
        self._max_ns = max(self._max_ns, wall_ns)
        at = math.ceil(PER_DECADE * math.log10(max(wall_ns, LOWEST_NS) / LOWEST_NS))
        self._bins[min(at, len(self._bins) - 1)] += 1

    def merge(self, counts: dict[str, int], max_ms: float) -> None:
        """Add another node's `counts` and maximum."""
        self._max_ns = max(self._max_ns, round(max_ms * 1e6))
        for at, count in counts.items():
            self._bins[int(at)] += count

    def counts(self) -> dict[str, int]:
        """The bins that are not empty, by number, as JSON has them."""
        return {str(at): count for at, count in enumerate(self._bins) if count}

    def summary(self) -> dict[str, float | None]:
        """``p50``, ``p99`` and ``max`` in milliseconds; None where nothing was counted."""
        if not any(self._bins):
            return {"p50": None, "p99": None, "max": None}
        return {"p50": self._percentile(0.5), "p99": self._percentile(0.99), "max": self._max_ns / 1e6}

    def _percentile(self, share: float) -> float:
        """The upper edge of the bin that holds the percentile, never above the maximum seen."""
        below = list(accumulate(self._bins))
        edge_ns: float = LOWEST_NS * 10 ** (bisect_left(below, share * below[-1]) / PER_DECADE)
        return min(edge_ns, self._max_ns) / 1e6
