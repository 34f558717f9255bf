import numpy as np
import numpy.typing as npt

def cholesky(a: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]: ...
