import numpy as np
import numpy.typing as npt

def assign(cost: npt.NDArray[np.float64], unassigned_cost: float) -> npt.NDArray[np.int32]: ...
