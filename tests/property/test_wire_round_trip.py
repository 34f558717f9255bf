"""Whatever lies inside the bounds of the schema goes over the wire and comes back bit for bit."""

import struct
from typing import Any

import msgpack
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from sharing.messages import MARKING, Track
from sharing.schema import LIMITS, TABLES, TYPES
from sharing.wire import decode, encode

ENU = [0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]
TOPIC = {"picture": "picture/JPN", "snapshot": "picture/JPN", "warning": "warning/JPN", "bias": "bias/JPN",
         "track": "released/JPN/KOR/tracks", "judgements": "judgement/JPN", "truth": "truth"}  # fmt: skip
FEED = "feed/JPN/fps5-sado"
SENSOR = {FEED: "fps5-sado", TOPIC["track"]: "tracks"}
ENVELOPE = {
    "originator": "JPN", "item_id": bytes(16), "t_sent_ns": -5, "t_available_ns": 7, "marking": MARKING,
}  # fmt: skip
CHOSEN = {"kind": "impact", "action": "revise", "reason": "burn", "picture": "as-known", "topic": FEED,
          "name": "m", "region": "r", "frame": b"x",
          "of_item": bytes(16), "of_originator": "KOR", "elevation_min_rad": 0.1, "elevation_max_rad": 0.2,
          "t_start_ns": -9, "lineage": "JPN USA", "enu_ecef": ENU}  # fmt: skip


def number(name: str, whole: bool) -> st.SearchStrategy[Any]:
    low, high = LIMITS[name]
    if whole:
        return st.integers(max(int(low), 0) if name == "sequence" else int(low), int(high))
    return st.floats(low, high, allow_nan=False)


@st.composite
def columns(draw: st.DrawFn, kind: type[msgspec.Struct]) -> dict[str, bytes]:
    """The tables of a message: each its own number of rows, launch and impact at most the tracks'."""
    found: dict[str, bytes] = {}
    most = 1 if kind is Track else 6
    for table in TABLES.get(kind, ()):
        low, high = (0, most - 1) if table.leader.endswith("_row") else LIMITS[table.leader]
        least = int(kind is Track and table.leader == "track_id")
        values = st.integers(int(low), int(high))
        leader = st.lists(values, min_size=least, max_size=most, unique=True) if most else st.just([])
        rows = sorted(draw(leader))
        most = len(rows) if table.leader == "track_id" else most
        found[table.leader] = struct.pack(f"<{len(rows)}q", *rows)
        for name in table.ints:
            drawn = [draw(number(name, True)) for _ in rows]
            found[name] = struct.pack(f"<{len(rows)}q", *drawn)
        for name in table.later_ints:
            drawn = [draw(number(name, True)) for _ in rows] if draw(st.booleans()) else []
            found[name] = struct.pack(f"<{len(drawn)}q", *drawn)
        later = [(name, draw(st.integers(0, 1))) for name in table.later]
        for name, width in (*((name, 1) for name in table.floats), *table.wide, *later):
            drawn = [draw(number(name, False)) for _ in range(len(rows) * width)]
            found[name] = struct.pack(f"<{len(drawn)}d", *drawn)
    return found


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    name = draw(st.sampled_from(sorted(TYPES)))
    kind = TYPES[name]
    topic = TOPIC.get(name, FEED)
    fields: dict[str, Any] = {**CHOSEN, **ENVELOPE, "sensor": SENSOR.get(topic, "")}
    fields |= draw(columns(kind))
    body: dict[str, Any] = {"v": 1, "type": name}
    for field in msgspec.structs.fields(kind):
        if field.name in fields:
            body[field.name] = fields[field.name]
        elif field.type in (int, float):
            body[field.name] = draw(number(field.name, field.type is int))
        elif field.type is str:
            body[field.name] = draw(st.text(max_size=96))
        elif field.type is bool:
            body[field.name] = draw(st.booleans())
        elif field.name == "impact":
            place = st.tuples(number("t_valid_ns", True), st.floats(-90, 90), st.floats(-180, 180))
            body[field.name] = draw(st.none() | place)
        else:
            body[field.name] = [draw(number(field.name, False)) for _ in range(3)]
    if name == "scan":
        body["t_end_ns"] = abs(body["t_end_ns"])
    return topic.encode() + b"\0" + msgpack.packb(body)


@settings(max_examples=250, deadline=None, derandomize=True)
@given(frames())
def test_round_trip(frame: bytes) -> None:
    topic, message = decode(frame)
    assert encode(topic, message) == frame
