import numpy as np
import numpy.typing as npt

_Ints = npt.NDArray[np.int32]

def marginals(
    rows: _Ints, columns: _Ints, log_odds: npt.NDArray[np.float64], exact: int = 10
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]: ...
