from typing import Any

import numpy as np
import numpy.typing as npt

_Slots = npt.NDArray[np.int32]
_Bools = npt.NDArray[np.bool_]
_Saved = tuple[npt.NDArray[Any], ...]

FREE: int
NEVER: int
RECORD: np.dtype[np.void]

class Roster:
    records: npt.NDArray[Any]
    status: npt.NDArray[np.int8]
    t_hit_ns: npt.NDArray[np.int64]
    due_ns: npt.NDArray[np.int64]
    misses: npt.NDArray[np.int32]
    last_scan: npt.NDArray[np.int64]
    used: int
    def __init__(
        self, capacity: int, max_sensors: int, changes: npt.NDArray[np.int8], start: int, newborn: Any
    ) -> None: ...
    def claim(self, track_ids: npt.ArrayLike, t_ns: int) -> _Slots: ...
    def move(self, slots: _Slots, event: int) -> None: ...
    def hit(
        self,
        slots: _Slots,
        t_ns: int,
        sensor: int,
        scan: int,
        nis: npt.NDArray[np.float64],
        partial: bool = False,
    ) -> None: ...
    def expect(self, slots: _Slots, due_ns: int) -> None: ...
    def miss(self, slots: _Slots) -> None: ...
    def fresh(self, slots: _Slots, sensor: int, scan: int) -> _Bools: ...
    def overlooked(self, slots: _Slots, sensor: int, scan: int, state: int = -1) -> _Bools: ...
    def overlooks(self, sensor: int, scan: int) -> bool: ...
    def out_of_reach(self, slots: _Slots, state: int, hits: int, looks: int) -> _Slots: ...
    def proven(self, slots: _Slots, state: int, hits: int, looks: int, score: float) -> _Slots: ...
    def between(
        self,
        lowest: int,
        highest: int,
        hit_before_ns: int = ...,
        due_before_ns: int = ...,
        misses: int = 0,
    ) -> _Slots: ...
    def checkpoint(self) -> _Saved: ...
    def restore(self, saved: _Saved) -> None: ...
