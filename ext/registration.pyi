from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]

def predict(p: _Floats, v: _Floats, phi: _Floats, q: float, h: float) -> None: ...
def absorb(
    x: _Floats,
    p: _Floats,
    v: _Floats,
    information: _Floats,
    vector: _Floats,
    z: Sequence[float] | _Floats,
    sigma: Sequence[float] | _Floats,
    site: Sequence[float] | _Floats,
    enu: Sequence[float] | _Floats,
    sensor: int,
    mean: _Floats,
    covariance: _Floats,
    gate_sigmas: float,
) -> bool: ...
def posterior(information: _Floats, vector: _Floats, prior_sigma: _Floats) -> tuple[_Floats, _Floats]: ...
def dominating(covariance: _Floats) -> _Floats: ...
