from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ext.late import Late

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int32]

class TrackBank(Late):
    def __init__(
        self,
        capacity: int,
        max_sensors: int,
        q: Sequence[float],
        beta: Sequence[float],
        rates: npt.ArrayLike,
        start_probabilities: Sequence[float] | None = None,
        longest_mix_s: float = 1e9,
        negligible: float = 0.0,
        drag_noise_s: float = 0.0,
        thin_rates: npt.ArrayLike | None = None,
        turn: Sequence[float | None] | None = None,
        estimates: Sequence[str | None] | None = None,
        prior_sigma: Sequence[float] | None = None,
        wander: Sequence[float] | None = None,
        growth: Sequence[float] | None = None,
    ) -> None: ...
    def start(
        self,
        slot: int,
        t_ns: int,
        z: Sequence[float] | _Floats,
        sigma: Sequence[float] | _Floats,
        sensor: int,
        velocity_sigma_mps: float,
        climb_sigma_mps: float | None = None,
        assumed: int = -1,
    ) -> None: ...
    def start_state(self, slot: int, t_ns: int, x: Sequence[float] | _Floats, p: npt.ArrayLike) -> None: ...
    def predict(self, slots: _Ints, t_ns: int) -> None: ...
    def carry(self, slots: _Ints, t_ns: int) -> None: ...
    def gate(
        self, slots: _Ints, rows: _Ints, z: _Floats, sigma: _Floats, sensor: int, t_ns: int | None = None
    ) -> tuple[_Floats, _Floats]: ...
    def update(
        self,
        slots: _Ints,
        rows: _Ints,
        z: _Floats,
        sigma: _Floats,
        sensor: int,
        sight: Sequence[float] | None = None,
    ) -> _Floats: ...
    def estimate(self, slots: _Ints) -> tuple[_Floats, _Floats, _Floats]: ...
    def estimate_at(self, slots: _Ints, t_ns: int) -> tuple[_Floats, _Floats, _Floats]: ...
    def modes_at(self, slots: _Ints, t_ns: int) -> tuple[_Floats, _Floats, _Floats]: ...
    def mode_estimate(self, slots: _Ints, mode: int) -> tuple[_Floats, _Floats]: ...
    def sigma_position(self, slots: _Ints) -> _Floats: ...
    def copy(self) -> TrackBank: ...
