from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ext.store import Store

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int32]

class Blend(Store):
    def update_shared(
        self,
        slots: _Ints,
        rows: _Ints,
        shares: _Floats,
        z: _Floats,
        sigma: _Floats,
        sensor: int,
        sight: Sequence[float] | None = None,
    ) -> _Floats: ...
    def judge(
        self, slots: _Ints, rows: _Ints, z: _Floats, sigma: _Floats, sensor: int, t_ns: int
    ) -> tuple[_Floats, _Floats]: ...
