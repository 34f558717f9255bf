"""From a node's picture to what it makes for others: one message for each confirmed track. Pure."""

from collections.abc import Iterator, Mapping

import numpy as np
from msgspec.structs import replace

from fusion.core.origins import origin_of
from sharing.messages import TRACKS, Picture, Track, floats, ints

CONFIRMED = 1
ENDS = ("t_ns", "lat_deg", "lon_deg", "t_sigma_s")


def tracks_of(picture: Picture, plots: Mapping[int, int], lineage: str) -> Iterator[Track]:
    """The confirmed and coasting tracks of a picture; `plots` by track id. They have no item id yet."""
    for row in np.flatnonzero(picture.status >= CONFIRMED).tolist():
        track_id = int(picture.track_id[row])
        ends = {**_end(picture, "launch", row), **_end(picture, "impact", row)}
        track = Track(
            originator=picture.originator,
            sensor=TRACKS,
            t_sent_ns=picture.t_sent_ns,
            t_available_ns=picture.t_available_ns,
            t_valid_ns=picture.t_valid_ns,
            track_id=ints([track_id]),
            status=ints([picture.status[row]]),
            mode=ints([picture.mode[row]]),
            t_update_ns=ints([picture.t_update_ns[row]]),
            plots=plots.get(track_id, 0),
            state_ecef=floats(picture.state_ecef[6 * row : 6 * row + 6]),
            covariance=floats(picture.covariance[21 * row : 21 * row + 21]),
            class_number=ints([picture.class_number[row]]),
            class_probability=floats([picture.class_probability[row]]),
            **ends,  # type: ignore[arg-type]
            lineage=lineage,
        )
        if len(track.launch_row):
            where = float(track.launch_lat_deg[0]), float(track.launch_lon_deg[0])
            track = replace(track, origin=origin_of(*where))
        yield track


def _end(picture: Picture, name: str, row: int) -> dict[str, object]:
    """The columns of a track's launch or impact, empty where the picture has none."""
    at = np.flatnonzero(getattr(picture, f"{name}_row") == row)
    columns = {f"{name}_{what}": getattr(picture, f"{name}_{what}")[at] for what in ENDS}
    covariance = getattr(picture, f"{name}_covariance_m2").reshape(-1, 3)[at]
    return {
        f"{name}_row": ints([0] * len(at)),
        f"{name}_covariance_m2": floats(covariance),
        **{key: (ints if key.endswith("_ns") else floats)(values) for key, values in columns.items()},
    }
