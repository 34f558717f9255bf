"""What a frame may hold, as data (docs/wire.md): types, topics, bounds and tables of columns. Pure.

Bounds are kept by field name: names carry units, so one name has one bound in all messages.
"""

import math
import re
from functools import lru_cache
from typing import Final, NamedTuple

from sharing.messages import (
    NATIONS,
    RECIPIENTS,
    Backfill,
    Bias,
    Detections,
    Heartbeat,
    Judgements,
    Los,
    Message,
    Picture,
    Polar,
    Scan,
    Site,
    Snapshot,
    Track,
    Truth,
    Warning,
)

MAX_FRAME_BYTES: Final = 1 << 20
"""What a sensor or a guard may send at once, and the limit of the sockets that listen to them."""
MAX_PRODUCT_BYTES: Final = 1 << 22
"""A picture with all its tracks, a warning, and in recordings the truth: a nation's own products."""
MAX_TOPIC_BYTES: Final = 96
MAX_TEXT: Final = 96
MAX_ROWS: Final = 10_000
ITEM_ID_BYTES: Final = 16

CAUSES: Final = (
    "too-large",
    "topic",
    "msgpack",
    "version",
    "type",
    "field",
    "column",
    "not-finite",
    "range",
)
"""Why a frame is refused; counters are kept by these names."""

TYPES: Final[dict[str, type[Message]]] = {
    "site": Site, "scan": Scan, "detections": Detections, "polar": Polar, "los": Los,
    "track": Track, "picture": Picture, "warning": Warning, "bias": Bias, "heartbeat": Heartbeat,
    "snapshot": Snapshot, "backfill": Backfill, "truth": Truth, "judgements": Judgements,
}  # fmt: skip
"""Message types by their name on the wire."""

TOPICS: Final[dict[str, tuple[type[Message], ...]]] = {
    "feed": (Site, Scan, Detections, Polar, Los, Heartbeat, Backfill),
    "released": (Site, Scan, Detections, Polar, Los, Track, Warning, Heartbeat, Backfill),
    "picture": (Picture, Heartbeat, Snapshot, Backfill),
    "warning": (Warning, Heartbeat, Backfill),
    "bias": (Bias,),
    "judgement": (Judgements,),
    "truth": (Truth,),
}
"""Kinds of topics and what each may carry."""

ITEMS: Final = (Site, Scan, Detections, Polar, Los)
"""What a sensor makes: these carry a sensor, an item id and an available time not before the sent time."""

RELEASABLE: Final = (*ITEMS, Track, Warning)
"""What a guard may release: what sensors make, and what a nation's node makes of it for others."""

_T = (-315_576_000 * 10**9, 315_576_000 * 10**9)  # ten Julian years
_COUNT = (0, 2**53)
_ANGLE = (-math.pi, math.pi)
_HALF = (-math.pi / 2, math.pi / 2)
_SIGMA_RAD = (1e-9, math.pi)
_SIGMA_M = (1e-3, 1e7)
_BIG = (-1e18, 1e18)

LIMITS: Final[dict[str, tuple[float, float]]] = {
    "boot_id": (0, 2**63 - 1), "sequence": (-1, 2**53), "last_sequence": (-1, 2**53), "scan": _COUNT,
    "track_id": (-(2**63), 2**63 - 1),
    "from_sequence": _COUNT, "to_sequence": _COUNT,
    "t_sent_ns": _T, "t_available_ns": _T, "t_valid_ns": _T, "t_start_ns": _T, "t_end_ns": _T,
    "t_update_ns": _T, "t_impact_ns": _T, "launch_t_ns": _T, "impact_t_ns": _T, "liftoff_t_ns": _T,
    "position_ecef_m": (-1e9, 1e9), "velocity_ecef_mps": (-1e5, 1e5), "enu_ecef": (-1.000001, 1.000001),
    "sigma_range_m": _SIGMA_M, "sigma_azimuth_rad": _SIGMA_RAD, "sigma_elevation_rad": _SIGMA_RAD,
    "bias_sigma_range_m": (0, 1e7), "bias_sigma_azimuth_rad": (0, math.pi),
    "bias_sigma_elevation_rad": (0, math.pi), "bias_sigma_clock_s": (0, 3600),
    "bias_range_m": (-1e8, 1e8), "bias_azimuth_rad": (-100, 100), "bias_elevation_rad": (-100, 100),
    "bias_clock_s": (-36_000, 36_000), "plots": _COUNT, "applied": (0, 7),
    "azimuth_center_rad": _ANGLE, "azimuth_width_rad": (1e-6, 2 * math.pi),
    "elevation_min_rad": _HALF, "elevation_max_rad": _HALF,
    "range_13db_m": (1, 1e9), "range_max_m": (1, 1e9), "scan_s": (1e-3, 3600), "clutter_per_scan": (0, 1e6),
    "range_m": (1e-3, 1e9), "azimuth_rad": _ANGLE, "elevation_rad": _HALF, "snr_db": (-100, 300),
    "probability": (0, 1), "share": (0, 1), "decision": (0, 3), "row": (0, MAX_ROWS), "log_ratio": _BIG,
    "innovation": _BIG, "innovation_covariance": _BIG, "d2": (0, 1e18),
    "status": (0, 2), "mode": (0, 255), "phase": (0, 255),
    "state_ecef": (-1e9, 1e9), "covariance": _BIG, "nis": (0, 1e18),
    "launch_row": (0, MAX_ROWS), "impact_row": (0, MAX_ROWS),
    "launch_lat_deg": (-90, 90), "impact_lat_deg": (-90, 90),
    "launch_lon_deg": (-180, 180), "impact_lon_deg": (-180, 180),
    "launch_covariance_m2": _BIG, "impact_covariance_m2": _BIG,
    "launch_t_sigma_s": (0, 1e9), "impact_t_sigma_s": (0, 1e9),
    "class_number": (0, 255), "class_probability": (0, 1), "parent_id": (-(2**63), 2**63 - 1),
}  # fmt: skip
"""Lowest and highest value of every number, by field name; both ends are allowed."""

CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "originator": RECIPIENTS,
    "of_originator": NATIONS,
    "kind": ("impact", "overflight"),
    "action": ("declare", "revise", "retract"),
    "picture": ("as-known", "settled", "update"),
}
"""Allowed values of the texts that are names; `kind` of `Warning` only (that of `Truth` is free)."""

_SENSOR = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class WireError(ValueError):
    """A frame that is refused: `cause` is one of `CAUSES`, `text` says what and where in one line."""

    def __init__(self, cause: str, text: str) -> None:
        super().__init__(f"{cause}: {text}")
        self.cause = cause
        self.text = text


class Topic(NamedTuple):
    """A parsed topic; `originator`, `recipient` and `sensor` are empty where the kind has none."""

    kind: str
    originator: str = ""
    recipient: str = ""
    sensor: str = ""


def most_bytes(topic: Topic) -> int:
    """The largest frame on a topic."""
    return MAX_FRAME_BYTES if topic.kind in ("feed", "released") else MAX_PRODUCT_BYTES


class Table(NamedTuple):
    """Columns of equal row count: the leader (integers) gives it, and its values must be in `order`.

    `order` is ``rising`` (strictly) or ``not falling``. `wide` columns have more than one value a row;
    `later` columns (floats) and `later_ints` were added after the first frames: they may be empty.
    """

    leader: str
    order: str
    ints: tuple[str, ...]
    floats: tuple[str, ...]
    wide: tuple[tuple[str, int], ...] = ()
    later: tuple[str, ...] = ()
    later_ints: tuple[str, ...] = ()


TABLES: Final[dict[type[Message], tuple[Table, ...]]] = {
    Detections: (
        Table("t_valid_ns", "not falling", (), (
            "range_m", "azimuth_rad", "elevation_rad", "sigma_range_m", "sigma_azimuth_rad",
            "sigma_elevation_rad", "snr_db")),
    ),
    Polar: (
        Table("t_valid_ns", "not falling", (), (
            "range_m", "azimuth_rad", "sigma_range_m", "sigma_azimuth_rad", "snr_db")),
    ),
    Los: (
        Table("t_valid_ns", "not falling", (), (
            "azimuth_rad", "elevation_rad", "sigma_azimuth_rad", "sigma_elevation_rad", "snr_db")),
    ),
    Picture: (
        Table("track_id", "rising", ("status", "mode", "t_update_ns"), ("nis",),
               (("state_ecef", 6), ("covariance", 21)), ("class_probability",),
               ("class_number", "parent_id")),
        Table("launch_row", "rising", ("launch_t_ns",), ("launch_lat_deg", "launch_lon_deg"),
               (("launch_covariance_m2", 3),), ("launch_t_sigma_s",)),
        Table("impact_row", "rising", ("impact_t_ns",), ("impact_lat_deg", "impact_lon_deg"),
               (("impact_covariance_m2", 3),), ("impact_t_sigma_s",)),
    ),
    Track: (
        Table("track_id", "rising", ("status", "mode", "t_update_ns", "class_number"),
               ("class_probability",), (("state_ecef", 6), ("covariance", 21))),
        Table("launch_row", "rising", ("launch_t_ns",),
               ("launch_lat_deg", "launch_lon_deg", "launch_t_sigma_s"), (("launch_covariance_m2", 3),)),
        Table("impact_row", "rising", ("impact_t_ns",),
               ("impact_lat_deg", "impact_lon_deg", "impact_t_sigma_s"), (("impact_covariance_m2", 3),)),
    ),
    Judgements: (
        Table("row", "not falling", ("track_id", "decision"), ("d2", "log_ratio", "share"),
               (("innovation", 3), ("innovation_covariance", 6))),
    ),
    Truth: (Table("t_valid_ns", "rising", ("phase",), (), (("state_ecef", 6),)),),
}  # fmt: skip


@lru_cache(maxsize=4096)
def parse_topic(topic: str) -> Topic:
    """The parts of a topic. Raises WireError (cause ``topic``) when it is outside the grammar."""
    kind, *rest = topic.split("/")
    if kind == "feed" and len(rest) == 2 and rest[0] in NATIONS and _SENSOR.fullmatch(rest[1]):
        return Topic(kind, originator=rest[0], sensor=rest[1])
    if kind == "released" and len(rest) == 3:
        originator, recipient, sensor = rest
        known = originator in NATIONS and recipient in RECIPIENTS and originator != recipient
        if known and _SENSOR.fullmatch(sensor):
            return Topic(kind, originator, recipient, sensor)
    if kind in ("picture", "warning", "bias", "judgement") and len(rest) == 1 and rest[0] in RECIPIENTS:
        return Topic(kind, originator=rest[0])
    if kind == "truth" and not rest:
        return Topic(kind)
    raise WireError("topic", f"{topic[:MAX_TOPIC_BYTES]!r} is not a topic")
