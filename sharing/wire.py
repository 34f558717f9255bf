"""Message <-> frame (docs/wire.md): strict, bounded, versioned. Pure: bytes in, messages out, and back.

Rules of this module:

- A frame is ``topic \\0 MessagePack``: one map whose first keys are ``v`` and ``type``, then the fields of
  the message type in the order of `sharing.messages`. Columns are little-endian ``f8``/``i8`` in a ``bin``.
- `decode` gives a message that is wholly inside the bounds of `sharing.schema`, or raises `WireError` with
  one of `CAUSES`; nothing else ever comes out of it, and memory stays within a small multiple of the frame.
- Fields that are not known are skipped without being built. Another version or type is refused.
"""

import math
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from sharing.messages import (
    NATIONS,
    PROTOCOL_VERSION,
    RECIPIENTS,
    Backfill,
    Floats,
    Heartbeat,
    Ints,
    Judgements,
    Message,
    Picture,
    Scan,
    Site,
    Track,
    Truth,
    Warning,
)
from sharing.schema import (
    CAUSES,
    CHOICES,
    ITEM_ID_BYTES,
    ITEMS,
    LIMITS,
    MAX_FRAME_BYTES,
    MAX_PRODUCT_BYTES,
    MAX_ROWS,
    MAX_TEXT,
    MAX_TOPIC_BYTES,
    TABLES,
    TOPICS,
    TYPES,
    Table,
    Topic,
    WireError,
    most_bytes,
    parse_topic,
)

__all__ = [
    "CAUSES", "MAX_FRAME_BYTES", "MAX_PRODUCT_BYTES", "MAX_ROWS", "MAX_TOPIC_BYTES", "Topic", "WireError",
    "decode", "encode", "parse_topic",
]  # fmt: skip


def _check_agreement(name: str, message: Message) -> None:
    """The envelope must say what the topic says: a link cannot carry somebody else's item."""
    topic = parse_topic(name)
    if not isinstance(message, TOPICS[topic.kind]):
        raise WireError("topic", f"{name} does not carry {type(message).__name__.lower()}")
    if isinstance(message, Backfill):
        if message.topic != name:
            raise WireError("topic", f"backfill of {message.topic!r} asked on {name}")
        asker = topic.recipient or topic.originator
        if topic.kind in ("feed", "released") and message.originator != asker:
            raise WireError("topic", f"backfill of {name} asked by {message.originator}")
    elif topic.originator and (message.originator, message.sensor) != (topic.originator, topic.sensor):
        raise WireError("topic", f"{name} carries an item of {f'{message.originator}/{message.sensor}'!r}")


# ---------------------------------------------------------------------------------------------- encode


def encode(topic: str, message: Message) -> bytes:
    """The frame of `message` on `topic`.

    Raises WireError when the topic cannot carry the message or the frame is larger than the topic's
    `most_bytes`. Values are not checked here: what a program makes itself it must make right.
    """
    _check_agreement(topic, message)
    kind = type(message)
    body: dict[str, Any] = {"v": PROTOCOL_VERSION, "type": _NAMES[kind]}
    for name, pack in _PACKERS[kind]:
        body[name] = pack(getattr(message, name))
    frame = topic.encode("ascii") + b"\0" + _ENCODER.encode(body)
    _check_size(parse_topic(topic), frame)
    return frame


def _check_size(topic: Topic, frame: bytes) -> None:
    most = most_bytes(topic)
    if len(frame) > most:
        raise WireError("too-large", f"{len(frame)} bytes on a {topic.kind} topic, at most {most}")


def _pack_floats(values: Floats) -> bytes:
    return values.tobytes() if values.dtype == _F8 else np.asarray(values, dtype=_F8).tobytes()


def _pack_ints(values: Ints) -> bytes:
    return values.tobytes() if values.dtype == _I8 else np.asarray(values, dtype=_I8).tobytes()


def _pack_float_tuple(values: tuple[float, ...]) -> list[float]:
    return [float(v) for v in values]


def _pack_impact(value: tuple[int, float, float] | None) -> list[float] | None:
    return None if value is None else [int(value[0]), float(value[1]), float(value[2])]


def _packer(annotation: Any) -> Callable[[Any], Any]:
    """How a field of this annotation is made plain for MessagePack (numpy scalars become Python's)."""
    if annotation in (str, bytes, int, float, bool):
        return annotation  # type: ignore[no-any-return]
    if annotation == Floats:
        return _pack_floats
    if annotation == Ints:
        return _pack_ints
    return _pack_impact if type(None) in annotation.__args__ else _pack_float_tuple


_F8: Final = np.dtype("<f8")
_I8: Final = np.dtype("<i8")
_ENCODER: Final = msgspec.msgpack.Encoder()
_NAMES: Final = {kind: name for name, kind in TYPES.items()}
_PACKERS: Final = {
    kind: tuple((f.name, _packer(f.type)) for f in msgspec.structs.fields(kind)) for kind in TYPES.values()
}


# ---------------------------------------------------------------------------------------------- decode


class _Head(msgspec.Struct):
    v: int
    type: Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]


def _wire_type(kind: type[Message], name: str) -> type[msgspec.Struct]:
    """The message type as it travels: columns as bytes, texts bounded.

    Every field is required but those that came later: of its own fields, those with a default.
    """
    text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
    columns = Annotated[bytes, msgspec.Meta(max_length=MAX_PRODUCT_BYTES)]
    plain = {str: text, bytes: columns, Floats: columns, Ints: columns}
    fields: list[Any] = []
    for field in msgspec.structs.fields(kind):
        annotation = plain.get(field.type, field.type)
        if field.name in _ENVELOPE or field.required:
            fields.append((field.name, annotation))
        else:
            later = b"" if annotation is columns else field.default
            fields.append((field.name, annotation, later))
    return msgspec.defstruct(f"Wire{name.title()}", fields)


_ENVELOPE: Final = frozenset(f.name for f in msgspec.structs.fields(Message))
_HEAD: Final = msgspec.msgpack.Decoder(_Head)
_DECODERS: Final = {kind: msgspec.msgpack.Decoder(_wire_type(kind, name)) for name, kind in TYPES.items()}


def _scalars(kind: type[Message]) -> tuple[tuple[str, float, float], ...]:
    """Name, lowest and highest of every number of `kind` that is not a column."""
    names = [f.name for f in msgspec.structs.fields(kind) if f.type in (int, float)]
    return tuple((name, *LIMITS[name]) for name in names)


def _tuples(kind: type[Message]) -> tuple[tuple[str, float, float], ...]:
    """The same for the fixed groups of numbers (positions, rotations)."""
    fields = msgspec.structs.fields(kind)
    return tuple((f.name, *LIMITS[f.name]) for f in fields if f.name in LIMITS and hasattr(f.type, "__args__")
                 and f.type not in (Floats, Ints))  # fmt: skip


_SCALARS: Final = {kind: _scalars(kind) for kind in TYPES.values()}
_TUPLES: Final = {kind: _tuples(kind) for kind in TYPES.values()}
_BLOCK_LIMITS: Final = {
    table: tuple(np.array([[LIMITS[name][end]] for name in table.floats]) for end in (0, 1))
    for tables in TABLES.values()
    for table in tables
}


def decode(frame: bytes) -> tuple[str, Message]:
    """Topic and message of a frame.

    Columns are read-only views into one copy of the frame's bytes. Raises WireError, and nothing else,
    for whatever a peer may send.
    """
    if len(frame) > MAX_PRODUCT_BYTES:
        raise WireError("too-large", f"{len(frame)} bytes, at most {MAX_PRODUCT_BYTES}")
    end = frame.find(b"\0", 0, MAX_TOPIC_BYTES + 1)
    if end < 0:
        raise WireError("topic", f"no topic ends within {MAX_TOPIC_BYTES} bytes")
    try:
        topic = frame[:end].decode("ascii")
    except UnicodeDecodeError:
        raise WireError("topic", "is not ASCII") from None
    _check_size(parse_topic(topic), frame)
    body = memoryview(frame)[end + 1 :]
    kind = _kind(body)
    message = _message(kind, _typed(_DECODERS[kind], body))
    _check_agreement(topic, message)
    return topic, message


def _kind(body: memoryview) -> type[Message]:
    if not body or not (0x80 <= body[0] <= 0x8F or body[0] in (0xDE, 0xDF)):
        raise WireError("msgpack", "is not a map")
    head = _typed(_HEAD, body)
    if head.v != PROTOCOL_VERSION:
        raise WireError("version", f"{head.v}, known is {PROTOCOL_VERSION}")
    kind = TYPES.get(head.type)
    if kind is None:
        raise WireError("type", f"{head.type!r} is not known")
    return kind


def _typed(decoder: "msgspec.msgpack.Decoder[Any]", body: memoryview) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise WireError("field", str(error).splitlines()[0][:200]) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, OverflowError) as error:
        raise WireError("msgpack", (str(error) or type(error).__name__).splitlines()[0][:200]) from None


def _message(kind: type[Message], raw: msgspec.Struct) -> Message:
    """The checked message of a typed body."""
    fields = msgspec.structs.asdict(raw)
    for name, low, high in _SCALARS[kind]:
        if not low <= fields[name] <= high:
            raise _outside(name, fields[name])
    for name, low, high in _TUPLES[kind]:
        for value in fields[name]:
            if not low <= value <= high:
                raise _outside(name, value)
    _check_envelope(kind, fields)
    for table in TABLES.get(kind, ()):
        _read_table(table, fields)
    check = _CHECKS.get(kind)
    if check is not None:
        check(fields)
    return kind(**fields)


def _outside(name: str, value: float) -> WireError:
    low, high = LIMITS[name]
    cause = "range" if math.isfinite(value) else "not-finite"
    return WireError(cause, f"{name} = {value!r}, allowed {low!r} to {high!r}")


def _check_envelope(kind: type[Message], fields: dict[str, Any]) -> None:
    if fields["originator"] not in RECIPIENTS:
        raise WireError("field", f"originator {fields['originator']!r}, allowed {', '.join(RECIPIENTS)}")
    if "SIMULATED" not in fields["marking"]:
        raise WireError("field", f"marking {fields['marking']!r} does not carry SIMULATED")
    if kind in ITEMS or kind is Track:
        if len(fields["item_id"]) != ITEM_ID_BYTES:
            raise WireError("field", f"item_id has {len(fields['item_id'])} bytes, not {ITEM_ID_BYTES}")
        if fields["t_available_ns"] < fields["t_sent_ns"]:
            raise WireError("range", "t_available_ns before t_sent_ns")
    elif len(fields["item_id"]) not in (0, ITEM_ID_BYTES):
        raise WireError("field", f"item_id has {len(fields['item_id'])} bytes, not 0 or {ITEM_ID_BYTES}")
    if kind is not Heartbeat and fields["sequence"] < 0:
        raise WireError("range", "sequence is negative")


# --------------------------------------------------------------------------------------------- columns


def _read_table(table: Table, fields: dict[str, Any]) -> None:
    """Replaces the table's bytes in `fields` by checked arrays."""
    leader = _array(table.leader, fields[table.leader], np.dtype("<i8"))
    n = len(leader)
    if n > MAX_ROWS:
        raise WireError("column", f"{n} rows, at most {MAX_ROWS}")
    _check_order(table, leader)
    fields[table.leader] = leader
    for name in table.ints:
        fields[name] = _bounded(name, _sized(name, fields[name], n, 1, np.dtype("<i8")))
    for name, width in table.wide:
        fields[name] = _bounded(name, _sized(name, fields[name], n, width, np.dtype("<f8")))
    for names, dtype in ((table.later, "<f8"), (table.later_ints, "<i8")):
        for name in names:
            size = n if fields[name] else 0
            fields[name] = _bounded(name, _sized(name, fields[name], size, 1, np.dtype(dtype)))
    if table.floats:
        _read_floats(table, fields, n)


def _read_floats(table: Table, fields: dict[str, Any], n: int) -> None:
    """All float columns of one value a row, checked together: one comparison instead of one a column."""
    parts = [fields[name] for name in table.floats]
    for name, part in zip(table.floats, parts, strict=True):
        if len(part) != 8 * n:
            raise WireError("column", f"{name} has {len(part)} bytes, {8 * n} are {n} rows")
    block = np.frombuffer(b"".join(parts), dtype="<f8").reshape(len(parts), n)
    low, high = _BLOCK_LIMITS[table]
    # Every comparison with a NaN is false, so that one test holds bounds and finiteness.
    if np.count_nonzero((block >= low) & (block <= high)) != block.size:
        for name, values in zip(table.floats, block, strict=True):
            _bounded(name, values)
    for name, values in zip(table.floats, block, strict=True):
        fields[name] = values


def _array(name: str, data: bytes, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if len(data) % 8:
        raise WireError("column", f"{name} has {len(data)} bytes, not a multiple of 8")
    return np.frombuffer(data, dtype=dtype)


def _sized(name: str, data: bytes, n: int, width: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if len(data) != 8 * n * width:
        raise WireError("column", f"{name} has {len(data)} bytes, {8 * n * width} are {n} rows")
    return np.frombuffer(data, dtype=dtype)


def _bounded(name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    low, high = LIMITS[name]
    inside = (values >= low) & (values <= high)
    if np.count_nonzero(inside) != len(inside):
        raise _outside(name, values[~inside][0].item())
    return values


def _check_order(table: Table, leader: Ints) -> None:
    """Rows must be in order; then the first and last row bound the leader."""
    if not len(leader):
        return
    before, after = leader[:-1], leader[1:]
    if np.count_nonzero(after <= before if table.order == "rising" else after < before):
        raise WireError("column", f"{table.leader} is not {table.order} down the rows")
    if table.leader in LIMITS:
        low, high = LIMITS[table.leader]
        for value in (int(leader[0]), int(leader[-1])):
            if not low <= value <= high:
                raise _outside(table.leader, value)


# --------------------------------------------------------------------- what one message type must be


def _check_site(fields: dict[str, Any]) -> None:
    axes = np.array(fields["enu_ecef"]).reshape(3, 3)
    right_handed = np.abs(axes @ axes.T - np.eye(3)).max() < 1e-6 and np.linalg.det(axes) > 0
    if not right_handed:
        raise WireError("range", "enu_ecef is not a rotation")
    _check_sector(fields)


def _check_sector(fields: dict[str, Any]) -> None:
    if fields["elevation_min_rad"] >= fields["elevation_max_rad"]:
        raise WireError("range", "elevation_min_rad not below elevation_max_rad")
    if "t_end_ns" in fields and fields["t_end_ns"] < fields["t_start_ns"]:
        raise WireError("range", "t_end_ns before t_start_ns")


def _check_choice(name: str) -> Callable[[dict[str, Any]], None]:
    def check(fields: dict[str, Any]) -> None:
        if fields[name] not in CHOICES[name]:
            raise WireError("field", f"{name} {fields[name]!r}, allowed {', '.join(CHOICES[name])}")

    return check


def _check_warning(fields: dict[str, Any]) -> None:
    for name in ("kind", "action"):
        _check_choice(name)(fields)


def _check_picture(fields: dict[str, Any]) -> None:
    _check_choice("picture")(fields)
    n = len(fields["track_id"])
    for name in ("launch_row", "impact_row"):
        if len(fields[name]) and fields[name][-1] >= n:
            raise WireError("column", f"{name} {fields[name][-1]} of {n} tracks")


def _check_track(fields: dict[str, Any]) -> None:
    if len(fields["track_id"]) != 1:
        raise WireError("column", f"{len(fields['track_id'])} tracks, expected one")
    for name in ("launch_row", "impact_row"):
        if len(fields[name]) and fields[name][-1] != 0:
            raise WireError("column", f"{name} {fields[name][-1]} of one track")
    named = fields["lineage"].split()
    if any(nation not in NATIONS for nation in named):
        raise WireError("field", f"lineage {fields['lineage']!r}, allowed {', '.join(NATIONS)}")


def _check_judgements(fields: dict[str, Any]) -> None:
    _check_choice("of_originator")(fields)
    if len(fields["of_item"]) != ITEM_ID_BYTES:
        raise WireError("field", f"of_item has {len(fields['of_item'])} bytes, not {ITEM_ID_BYTES}")


def _check_truth(fields: dict[str, Any]) -> None:
    impact = fields["impact"]
    if impact is None:
        return
    for name, value in zip(("impact_t_ns", "impact_lat_deg", "impact_lon_deg"), impact, strict=True):
        if not LIMITS[name][0] <= value <= LIMITS[name][1]:
            raise _outside(name, value)


_CHECKS: Final[dict[type[Message], Callable[[dict[str, Any]], None]]] = {
    Site: _check_site,
    Scan: _check_sector,
    Track: _check_track,
    Picture: _check_picture,
    Warning: _check_warning,
    Judgements: _check_judgements,
    Truth: _check_truth,
}
