from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ext.blend import Blend

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int32]

class Late(Blend):
    def update_late(
        self,
        past: Late,
        slots: _Ints,
        rows: _Ints,
        z: _Floats,
        sigma: _Floats,
        sensor: int,
        t_ns: int,
        sight: Sequence[float] | None = None,
    ) -> _Floats: ...
