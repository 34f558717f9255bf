from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int32]

class Store:
    @property
    def capacity(self) -> int: ...
    @property
    def n_modes(self) -> int: ...
    @property
    def n_sensors(self) -> int: ...
    @property
    def used(self) -> int: ...
    @property
    def alive(self) -> npt.NDArray[np.uint8]: ...
    @property
    def times(self) -> npt.NDArray[np.int64]: ...
    def set_site(
        self,
        sensor: int,
        t_ns: int,
        position: Sequence[float] | _Floats,
        velocity: Sequence[float] | _Floats,
        enu: Sequence[float] | _Floats,
        bias_sigma: Sequence[float] | _Floats,
    ) -> None: ...
    def drop(self, slot: int) -> None: ...
    def reach(self, t_ns: int, positions: _Floats, sigma_position_m: _Floats) -> tuple[_Ints, _Ints]: ...
    def covered(
        self,
        sensor: int,
        t_ns: int,
        azimuth_center: float,
        azimuth_width: float,
        elevation_min: float,
        elevation_max: float,
        range_max: float,
    ) -> tuple[_Ints, _Floats]: ...
    def positions(self, z: _Floats, sensor: int, t_ns: int) -> _Floats: ...
    def checkpoint(self) -> object: ...
    def restore(self, saved: object) -> None: ...
