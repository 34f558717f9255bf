from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]

def ekf_step(
    x: _Floats,
    p: _Floats,
    z: _Floats,
    sigma: Sequence[float] | _Floats,
    site: Sequence[float] | _Floats,
    enu: Sequence[float] | _Floats,
    dt: float,
    q: float,
) -> None: ...
