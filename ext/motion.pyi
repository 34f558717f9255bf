import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]

def step(states: _Floats, constant: _Floats, h: float, level: bool = False) -> tuple[_Floats, _Floats]: ...
def fall(
    states: _Floats, inverse_beta: _Floats, step_s: float, t_max_s: float, floor_m: float, sample_every: int
) -> tuple[_Floats, _Floats, npt.NDArray[np.uint8], _Floats]: ...
