"""One frozen type per message of the wire (docs/wire.md). Pure: no sockets, no files, no clock.

Rules of this module:

- Every message carries the same envelope (class `Message`); its body stands in the subclass.
- Bodies are in columns: read-only, one-dimensional, contiguous numpy arrays, ``float64`` or ``int64``.
  A column documented as ``(n, k)`` is stored flat, row by row, with length ``n * k``.
- Times are integer nanoseconds of scenario time (zero: first liftoff). Frames are named in the fields.
- A value that does not exist is absent (a shorter table with row numbers), never NaN.
- A field with a default came later than its message: a frame may lack it. An optional column is empty or as
  long as its table.
"""

from typing import TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PROTOCOL_VERSION = 1
NATIONS = ("JPN", "KOR", "USA")
COALITION = "COALITION"
RECIPIENTS = (*NATIONS, COALITION)
MARKING = "SIMULATED//NOTIONAL"

S = 1_000_000_000
"""Nanoseconds in a second."""


class Message(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The envelope, the same for every message.

    originator
        Nation that made the item (``JPN``, ``KOR``, ``USA``), or ``COALITION`` for its own pictures.
    sensor
        Sensor id within the nation; empty for a nation's products.
    boot_id
        Start of the publishing process, so that a restart's sequence numbers are told apart.
    sequence
        Number of this message on this link and topic, from 0, without gaps.
    item_id
        16 opaque bytes made by the originator, the same on every path.
    t_sent_ns, t_available_ns
        When the originator sent it; when this link's recipient may first know it.
    """

    originator: str
    sensor: str = ""
    boot_id: int = 0
    sequence: int = 0
    item_id: bytes = b""
    t_sent_ns: int = 0
    t_available_ns: int = 0
    marking: str = MARKING


class Site(Message, frozen=True, kw_only=True, eq=False):
    """Where a sensor stands and how good it is, valid from ``t_valid_ns`` on.

    ``enu_ecef`` (3, 3) holds the unit vectors east, north, up as rows, in ECEF. Sigmas are those of a plot
    at 13 dB; bias sigmas are the standard deviations of the constant errors. The sector is centred on
    ``azimuth_center_rad`` (clockwise from true north) and ``azimuth_width_rad`` wide (2π: all round).
    ``range_13db_m`` is where a 1 m² object has a mean SNR of 13 dB; ``range_max_m`` ends the display.
    """

    t_valid_ns: int
    position_ecef_m: tuple[float, float, float]
    velocity_ecef_mps: tuple[float, float, float]
    enu_ecef: tuple[float, float, float, float, float, float, float, float, float]
    sigma_range_m: float
    sigma_azimuth_rad: float
    sigma_elevation_rad: float
    bias_sigma_range_m: float
    bias_sigma_azimuth_rad: float
    bias_sigma_elevation_rad: float
    azimuth_center_rad: float
    azimuth_width_rad: float
    elevation_min_rad: float
    elevation_max_rad: float
    range_13db_m: float
    range_max_m: float
    scan_s: float
    clutter_per_scan: float


class Scan(Message, frozen=True, kw_only=True, eq=False):
    """The interval and sector that one scan has looked at: without it a miss cannot be scored."""

    scan: int
    t_start_ns: int
    t_end_ns: int
    azimuth_center_rad: float
    azimuth_width_rad: float
    elevation_min_rad: float
    elevation_max_rad: float
    range_max_m: float


class Detections(Message, frozen=True, kw_only=True, eq=False):
    """All plots of one scan, sent at its end; rows ordered by ``t_valid_ns``.

    Angles are measured at the sensor in its ENU frame (azimuth clockwise from true north in (-π, π]),
    corrected for standard refraction; sigmas are those of this plot's own SNR.
    """

    scan: int
    t_valid_ns: Ints
    range_m: Floats
    azimuth_rad: Floats
    elevation_rad: Floats
    sigma_range_m: Floats
    sigma_azimuth_rad: Floats
    sigma_elevation_rad: Floats
    snr_db: Floats


class Polar(Message, frozen=True, kw_only=True, eq=False):
    """All plots of one scan of a 2-D radar, which measures no elevation; otherwise as `Detections`.

    A radar that knows the height of some objects only (by their transponders, say) sends both.
    """

    scan: int
    t_valid_ns: Ints
    range_m: Floats
    azimuth_rad: Floats
    sigma_range_m: Floats
    sigma_azimuth_rad: Floats
    snr_db: Floats


class Los(Message, frozen=True, kw_only=True, eq=False):
    """All lines of sight of one scan of a sensor that measures no range; otherwise as `Detections`.

    The frame is east-north-up at the sensor: from a geostationary satellite elevations are near -π/2, and
    the sigma of an azimuth is that of the line of sight over cos(elevation).
    """

    scan: int
    t_valid_ns: Ints
    azimuth_rad: Floats
    elevation_rad: Floats
    sigma_azimuth_rad: Floats
    sigma_elevation_rad: Floats
    snr_db: Floats


class Warning(Message, frozen=True, kw_only=True, eq=False):
    """A region warning: what a recipient is told of the predicted impacts and flight paths over a region.

    A warning of a region and kind is declared, may be revised, and ends retracted. `reason` says why, by one
    of the codes of `fusion.core.warning`; older frames have none and declare.
    """

    t_valid_ns: int
    region: str
    kind: str
    """``impact`` or ``overflight``."""
    track_id: int
    probability: float
    t_impact_ns: int
    action: str = "declare"
    """``declare``, ``revise`` or ``retract``."""
    reason: str = ""


class Picture(Message, frozen=True, kw_only=True, eq=False):
    """One nation's tracks at one tick; columns of length n (tracks), in the order of ``track_id``.

    ``picture`` is ``as-known``, ``settled`` or, between ticks, ``update``. ``status``: 0 tentative,
    1 confirmed, 2 coasting.
    ``mode``: see `MODES`. ``state_ecef`` (n, 6) is position m and velocity m/s; ``covariance`` (n, 21) its
    upper triangle, row by row. ``nis`` is that of the last update divided by its degrees of freedom.
    Launch and impact estimates exist for some tracks only: ``*_row`` gives the track's row, the other
    columns are as long as it. ``*_covariance_m2`` (k, 3) is east-east, east-north, north-north;
    ``*_t_sigma_s`` the standard deviation of the time, empty in older frames, as are ``class_number`` (the
    likeliest of `CLASSES`), its ``class_probability``, and ``parent_id`` (the track that this one was born
    beside, 0: none).
    """

    picture: str
    t_valid_ns: int
    track_id: Ints
    status: Ints
    mode: Ints
    t_update_ns: Ints
    state_ecef: Floats
    covariance: Floats
    nis: Floats
    launch_row: Ints
    launch_t_ns: Ints
    launch_lat_deg: Floats
    launch_lon_deg: Floats
    launch_covariance_m2: Floats
    impact_row: Ints
    impact_t_ns: Ints
    impact_lat_deg: Floats
    impact_lon_deg: Floats
    impact_covariance_m2: Floats
    launch_t_sigma_s: Floats = msgspec.field(default_factory=lambda: floats([]))
    impact_t_sigma_s: Floats = msgspec.field(default_factory=lambda: floats([]))
    class_number: Ints = msgspec.field(default_factory=lambda: ints([]))
    class_probability: Floats = msgspec.field(default_factory=lambda: floats([]))
    parent_id: Ints = msgspec.field(default_factory=lambda: ints([]))


class Track(Message, frozen=True, kw_only=True, eq=False):
    """What a nation's node makes of one object for others: columns as in `Picture`, of exactly one row.

    Made at every tick from what may go to its recipients, by a core that has seen nothing else. ``plots``
    says how many plots the track holds. ``origin`` is the region of its launch, empty where that is not
    known. ``lineage`` names the nations whose sensors it holds, separated by blanks; empty: it does not say.
    """

    t_valid_ns: int
    track_id: Ints
    status: Ints
    mode: Ints
    t_update_ns: Ints
    plots: int
    state_ecef: Floats
    covariance: Floats
    class_number: Ints
    class_probability: Floats
    launch_row: Ints
    launch_t_ns: Ints
    launch_lat_deg: Floats
    launch_lon_deg: Floats
    launch_covariance_m2: Floats
    launch_t_sigma_s: Floats
    impact_row: Ints
    impact_t_ns: Ints
    impact_lat_deg: Floats
    impact_lon_deg: Floats
    impact_covariance_m2: Floats
    impact_t_sigma_s: Floats
    origin: str = ""
    lineage: str = ""

    @property
    def threat(self) -> str:
        """The likeliest class as rules name it, in lower case, ``-`` for a blank; empty for unknown ones."""
        number = int(self.class_number[0])
        return CLASSES[number].lower().replace(" ", "-") if number < len(CLASSES) else ""


class Bias(Message, frozen=True, kw_only=True, eq=False):
    """What a node knows of one sensor's constant errors, measured less true; of its clock, stamped less true.

    Relative to the prior N(0, σ²) of all sensors, or to a reference sensor, whose sigmas are 0. `applied`
    says which are taken off the plots: 1 range, 2 azimuth, 4 elevation, added up.
    """

    t_valid_ns: int
    subject: str
    """``NATION/sensor``."""
    plots: int
    """Used for the estimate so far."""
    applied: int
    bias_range_m: float
    bias_azimuth_rad: float
    bias_elevation_rad: float
    bias_clock_s: float
    bias_sigma_range_m: float
    bias_sigma_azimuth_rad: float
    bias_sigma_elevation_rad: float
    bias_sigma_clock_s: float


class Judgements(Message, frozen=True, kw_only=True, eq=False):
    """How a node judged the plots of one item that share a time: recordings only, never on a wire.

    ``of_originator``, ``of_sensor`` and ``of_item`` name the item. Columns have one row for each pair of plot
    and track inside the gate, and one for each plot that began a track, in the order of ``row``, the plot's
    row in the item. ``innovation`` (n, 3) is range m, azimuth rad, elevation rad, and
    ``innovation_covariance`` (n, 6) the upper triangle of its covariance, in the track's likeliest mode; 0
    where the plot did not measure. ``d2`` is the smallest squared Mahalanobis distance over the modes,
    ``log_ratio`` the logarithm of the mixture's likelihood over the density of clutter and new objects,
    ``share`` the probability of the pair, 1 or 0 where it was decided. ``decision``: see `DECISIONS`.
    """

    of_originator: str
    of_sensor: str
    of_item: bytes
    t_valid_ns: int
    row: Ints
    track_id: Ints
    innovation: Floats
    innovation_covariance: Floats
    d2: Floats
    log_ratio: Floats
    share: Floats
    decision: Ints


class Heartbeat(Message, frozen=True, kw_only=True, eq=False):
    """Sent about once a second on every feed topic: the last sequence number sent on this link and topic.

    Not numbered itself (``sequence`` repeats the last one); -1 before the first message.
    """

    last_sequence: int


class Snapshot(Message, frozen=True, kw_only=True, eq=False):
    """For a late joiner: the newest picture frame, and the sequence number up to which it holds."""

    last_sequence: int
    frame: bytes


class Backfill(Message, frozen=True, kw_only=True, eq=False):
    """A recipient's request: send again what the named topic carried from ``from_sequence`` on.

    Answered by the original frames still in the ring, in order, closed by the same message with
    ``from_sequence`` set to the first sequence number that could be served.
    """

    topic: str
    from_sequence: int
    to_sequence: int


class Truth(Message, frozen=True, kw_only=True, eq=False):
    """Recordings of exercises only, never on a wire: one object's true path on the 1 Hz grid.

    ``state_ecef`` (n, 6), ``phase`` see `PHASES`. ``impact`` is (t_ns, lat_deg, lon_deg), None when the
    object does not come down within the recording. ``counts`` is true for missiles and payloads; debris,
    aircraft and satellites are not scored.
    """

    name: str
    kind: str
    counts: bool
    t_valid_ns: Ints
    state_ecef: Floats
    phase: Ints
    liftoff_t_ns: int
    impact: tuple[int, float, float] | None = None


Measurement = Detections | Polar | Los
"""What a sensor has measured in one scan, by what it can measure."""
MEASUREMENTS = (Detections, Polar, Los)
"""The same as a tuple, for `isinstance`."""

TRACKS, WARNINGS = "tracks", "warnings"
"""What stands for the sensor in a released product's envelope and topic."""

Product = Picture | Warning | Bias | Judgements
"""What a node makes of it all, to be recorded."""

MODES = ("powered", "coast", "reentry", "level", "left", "right", "manoeuvre")
"""Names of the tracker's motion models, by the number in `Picture.mode`."""
PHASES = ("boost", "coast", "reentry", "pull-up", "glide", "other")
"""Names of the truth's flight phases, by the number in `Truth.phase`."""
CLASSES = ("SRBM", "MRBM", "IRBM", "ICBM", "space launch", "aircraft", "satellite", "debris")
"""Names of what a track may be, by the number in `Picture.class_number`."""
DECISIONS = ("passed over", "assigned", "shared", "started")
"""Names of what became of a pair, by the number in `Judgements.decision`."""
STATUSES = ("tentative", "confirmed", "coasting")
"""Names of the track states, by the number in `Picture.status`."""

M = TypeVar("M", bound=Message)


def column(values: npt.ArrayLike, dtype: type[np.float64] | type[np.int64]) -> npt.NDArray[np.generic]:
    """A read-only, flat, contiguous little-endian copy of `values`, as the bodies want it."""
    array = np.array(values, dtype=np.dtype(dtype).newbyteorder("<")).reshape(-1)
    array.flags.writeable = False
    return array


def floats(values: npt.ArrayLike) -> Floats:
    """`values` as a float64 column."""
    return column(values, np.float64)  # type: ignore[return-value]


def ints(values: npt.ArrayLike) -> Ints:
    """`values` as an int64 column."""
    return column(values, np.int64)  # type: ignore[return-value]


def topic_of_feed(nation: str, sensor: str) -> str:
    """Topic on which a nation's sensor is published to its own node and guard."""
    return f"feed/{nation}/{sensor}"


def topic_of_release(originator: str, recipient: str, sensor: str) -> str:
    """Topic on which a guard passes a sensor's items to one recipient."""
    return f"released/{originator}/{recipient}/{sensor}"


def topic_of_picture(nation: str) -> str:
    """Topic of a nation's pictures."""
    return f"picture/{nation}"


def topic_of_warning(nation: str) -> str:
    """Topic of a nation's region warnings."""
    return f"warning/{nation}"


def topic_of_bias(nation: str) -> str:
    """Topic of what a nation knows of the sensors' biases."""
    return f"bias/{nation}"


def topic_of_judgement(nation: str) -> str:
    """Topic of how a nation's node judged its plots."""
    return f"judgement/{nation}"


def topic_of_product(nation: str, product: "Product") -> str:
    """Topic on which a nation's node records what it has made."""
    topics = {Picture: topic_of_picture, Warning: topic_of_warning, Bias: topic_of_bias}
    return topics.get(type(product), topic_of_judgement)(nation)


def renumbered(message: M, *, sequence: int, t_available_ns: int, boot_id: int, marking: str) -> M:
    """The same item as it travels on another link."""
    return msgspec.structs.replace(
        message, sequence=sequence, t_available_ns=t_available_ns, boot_id=boot_id, marking=marking
    )
