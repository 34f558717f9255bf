"""Pictures as CSV: one row per confirmed or coasting track and tick, in ECEF and geodetic coordinates.

Numbers are written so that reading them gives the same bits back. `sigma_position_m` and
`sigma_velocity_mps` are the square roots of the traces of the covariance's two diagonal blocks; ``p00 … p55``
(upper triangle, row by row) are its elements in m², m²/s and m²/s².
"""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

import numpy as np
from pymap3d import ecef2geodetic

from sharing.messages import MODES, STATUSES, Picture, S

COLUMNS = (
    "time_s", "picture", "track_id", "status", "x_m", "y_m", "z_m", "vx_mps", "vy_mps", "vz_mps",
    "lat_deg", "lon_deg", "alt_m", "sigma_position_m", "sigma_velocity_mps", "mode", "nis",
)  # fmt: skip
TRIANGLE = tuple(f"p{i}{j}" for i in range(6) for j in range(i, 6))
DIAGONAL = (0, 6, 11, 15, 18, 20)
"""Places of the variances in the upper triangle of 6 × 6."""


def save(pictures: Iterable[Picture], path: Path, *, covariance: bool = False) -> int:
    """Write `pictures` to the file at `path`, whole or not at all; gives the number of rows.

    Raises OSError, with that path, for whatever the disk refuses.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="") as stream:
            rows = write(pictures, stream, covariance=covariance)
        part.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        part.unlink(missing_ok=True)
    return rows


def write(pictures: Iterable[Picture], out: TextIO, *, covariance: bool = False) -> int:
    """Write `pictures` to `out`; gives the number of rows."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*COLUMNS, *(TRIANGLE if covariance else ())])
    count = 0
    for picture in pictures:
        for row in _rows(picture, covariance):
            writer.writerow(row)
            count += 1
    return count


def _rows(picture: Picture, covariance: bool) -> Iterator[list[object]]:
    state = picture.state_ecef.reshape(-1, 6)
    triangle = picture.covariance.reshape(-1, 21)
    variances = triangle[:, DIAGONAL]
    lat, lon, alt = (np.atleast_1d(a) for a in ecef2geodetic(*state[:, :3].T)) if len(state) else ((), (), ())
    for k in np.flatnonzero(picture.status >= 1).tolist():
        sigma = np.sqrt([variances[k, :3].sum(), variances[k, 3:].sum()])
        yield [
            picture.t_valid_ns / S,
            picture.picture,
            int(picture.track_id[k]),
            STATUSES[picture.status[k]],
            *state[k].tolist(),
            *(float(a[k]) for a in (lat, lon, alt)),
            *sigma.tolist(),
            MODES[picture.mode[k]],
            float(picture.nis[k]),
            *(triangle[k].tolist() if covariance else ()),
        ]
