import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]

def geodetic(ecef: _Floats) -> tuple[_Floats, _Floats, _Floats]: ...
def ecef(lat_rad: _Floats, lon_rad: _Floats, alt_m: _Floats) -> _Floats: ...
