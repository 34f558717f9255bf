import numpy as np
import numpy.typing as npt

_Ints = npt.NDArray[np.int32]

def assign(
    rows: _Ints, columns: _Ints, cost: npt.NDArray[np.float64], unassigned_cost: float
) -> npt.NDArray[np.bool_]: ...
def clusters(rows: _Ints, columns: _Ints) -> _Ints: ...
