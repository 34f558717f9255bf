"""Which live tracks may be the same object: a test on the difference of their states.

Rules of this module:

- Alike are two tracks whose states differ by no more than 99 % of χ² allows. Process noise that both assume
  makes their errors alike: the covariance of the difference is smaller by `COMMON` than the sum (Bar-Shalom
  and Campo 1986). Biases of sensors are in the covariances.
- What the newest scan of some sensor has hit both of is two objects: a radar resolved them.
- Of several older tracks the nearest counts. Fixed order, no BLAS.
"""

import numpy as np

from ext.linalg import cholesky
from fusion.core.filters import FilterBank
from fusion.core.lifecycle import Slots, TrackTable
from sharing.messages import Floats

SAME_D2 = 16.811893829770927
"""99 % of χ² with six degrees of freedom."""
COMMON = 0.4


def twins(
    bank: FilterBank, table: TrackTable, t_ns: int, live: Slots, state: Floats, covariance: Floats
) -> list[tuple[int, int]]:
    """Rows (younger, older) of live tracks that are alike now, each younger one once."""
    spread = np.sqrt(covariance[:, 0, 0] + covariance[:, 1, 1] + covariance[:, 2, 2])
    rows, slots = bank.reach(t_ns, np.ascontiguousarray(state[:, :3]), spread)
    row_of = {slot: row for row, slot in enumerate(live.tolist())}
    found: dict[int, tuple[float, int]] = {}
    for younger, slot in zip(rows.tolist(), slots.tolist(), strict=True):
        older = row_of.get(slot)
        if older is None or _age(table, slot) >= _age(table, int(live[younger])):
            continue
        d2 = distance2(state[younger] - state[older], covariance[younger] + covariance[older])
        best = found.get(younger, (SAME_D2, -1))[0]
        if d2 <= best and not _both_seen(table, slot, int(live[younger])):
            found[younger] = d2, older
    return [(younger, older) for younger, (_, older) in sorted(found.items())]


def _age(table: TrackTable, slot: int) -> tuple[int, int]:
    """Smaller for older tracks, and different for any two."""
    return int(table.t_birth_ns[slot]), int(table.track_id[slot])


def _both_seen(table: TrackTable, a: int, b: int) -> bool:
    """Whether the newest scan of some sensor that hit one of two tracks has hit the other too."""
    first, second = table.last_scan[a], table.last_scan[b]
    return bool(((first == second) & (first >= 0)).any())


def distance2(offset: Floats, total: Floats) -> float:
    """Squared Mahalanobis distance of an offset (6,), by the sum (6, 6) of two tracks' covariances."""
    root = cholesky(np.ascontiguousarray((1.0 - COMMON) * total)).tolist()
    solved: list[float] = []
    for row, value in zip(root, offset.tolist(), strict=True):
        rest = value
        for known, weight in zip(solved, row, strict=False):
            rest -= weight * known
        solved.append(rest / row[len(solved)])
    d2 = 0.0
    for part in solved:
        d2 += part * part
    return d2
