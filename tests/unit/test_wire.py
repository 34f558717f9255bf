"""The wire refuses what docs/wire.md forbids, by cause, and nothing else ever comes out of it."""

import os
import random
import struct
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from msgspec.structs import replace

from sensors.scenario import feed, load_scenario
from sharing.messages import (
    Backfill,
    Detections,
    Heartbeat,
    Picture,
    Site,
    Truth,
    floats,
    ints,
    topic_of_feed,
)
from sharing.wire import CAUSES, MAX_FRAME_BYTES, MAX_PRODUCT_BYTES, WireError, decode, encode, parse_topic

GOLDEN = {
    p.stem: p.read_bytes() for p in sorted((Path(__file__).parents[1] / "golden" / "wire").glob("*.bin"))
}
CORPUS = tuple(msgpack.Unpacker((Path(__file__).parents[1] / "golden" / "fuzz" / "wire.msgpack").open("rb")))
"""Frames by which a coverage-guided fuzzer (atheris, from the golden frames) reached what those do not."""
NAN = struct.pack("<2d", 1.0, float("nan"))


def changed(name: str, topic: str | None = None, drop: str = "", **fields: Any) -> bytes:
    """A golden frame with some fields replaced, added or dropped."""
    head, _, packed = GOLDEN[name].partition(b"\0")
    body = {**msgpack.unpackb(packed), **fields}
    body.pop(drop, None)
    return (head if topic is None else topic.encode()) + b"\0" + msgpack.packb(body)


def cause(frame: bytes) -> str:
    with pytest.raises(WireError) as refusal:
        decode(frame)
    assert "\n" not in str(refusal.value)
    return refusal.value.cause


def f8(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


def i8(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)


@pytest.mark.parametrize(
    ("expected", "frame"),
    [
        ("too-large", bytes(MAX_PRODUCT_BYTES + 1)),
        ("too-large", GOLDEN["scan"] + bytes(MAX_FRAME_BYTES)),
        ("topic", b""),
        ("topic", b"feed/KOR/x"),
        ("topic", b"x" * 200 + b"\0\x80"),
        ("topic", "feed/KOR/ä\0".encode()),
        ("topic", changed("scan", topic="feed/KOR/other")),
        ("topic", changed("scan", sensor="two\nlines")),
        ("topic", changed("scan", topic="feed/JPN/greenpine-b-1")),
        ("topic", changed("scan", topic="released/KOR/KOR/greenpine-b-1")),
        ("topic", changed("scan", topic="picture/KOR")),
        ("topic", changed("picture", topic="picture/KOR")),
        ("topic", changed("backfill", topic="released/KOR/USA/greenpine-b-1")),
        ("topic", changed("backfill", originator="USA")),
        ("topic", changed("truth", topic="feed/KOR/x")),
        ("msgpack", b"truth\0"),
        ("msgpack", b"truth\0\xc1"),
        ("msgpack", GOLDEN["scan"] + b"\0"),
        ("msgpack", GOLDEN["scan"][:-3]),
        ("msgpack", b"truth\0" + b"\x91" * 100_000),
        ("msgpack", b"truth\0\xdf\xff\xff\xff\xff"),
        ("msgpack", b"truth\0\x90"),
        ("msgpack", b"truth\0\x81\xa1x" + b"\x91" * 100_000),
        ("version", changed("scan", v=2)),
        ("version", changed("scan", v=2, type="new")),
        ("type", changed("scan", type="new")),
        ("field", changed("scan", drop="v")),
        ("field", changed("scan", drop="scan")),
        ("field", changed("scan", scan="1")),
        ("range", changed("scan", scan=2**64 - 1)),
        ("field", changed("scan", originator="CHN")),
        ("field", changed("scan", originator="x" * 500)),
        ("field", changed("scan", marking="SECRET")),
        ("field", changed("scan", item_id=b"short")),
        ("field", changed("heartbeat", item_id=b"short")),
        ("field", changed("picture", picture="final")),
        ("field", changed("warning", kind="other")),
        ("field", changed("site", position_ecef_m=[1.0, 2.0])),
        ("field", changed("detections", range_m=[1.0, 2.0])),
        ("column", changed("detections", range_m=f8(1.0))),
        ("column", changed("detections", range_m=f8(1.0, 2.0)[:-1])),
        ("column", changed("detections", t_valid_ns=b"123")),
        ("column", changed("detections", t_valid_ns=i8(2, 1))),
        ("column", changed("detections", t_valid_ns=bytes(8 * 10_001))),
        ("column", changed("picture", track_id=i8(11, 11))),
        ("column", changed("picture", covariance=f8(*range(41)))),
        ("column", changed("picture", launch_row=i8(2))),
        ("column", changed("picture", impact_row=i8(0))),
        ("not-finite", changed("detections", range_m=NAN)),
        ("not-finite", changed("detections", snr_db=f8(1.0, float("inf")))),
        ("not-finite", changed("picture", state_ecef=NAN * 6)),
        ("not-finite", changed("scan", range_max_m=float("nan"))),
        ("not-finite", changed("site", velocity_ecef_mps=[0.0, 0.0, float("-inf")])),
        ("not-finite", changed("truth", impact=[0, float("nan"), 0.0])),
        ("range", changed("detections", range_m=f8(0.0, 1.0))),
        ("range", changed("detections", sigma_range_m=f8(1.0, 0.0))),
        ("range", changed("detections", azimuth_rad=f8(0.0, 3.2))),
        ("range", changed("detections", t_valid_ns=i8(0, 2**62))),
        ("range", changed("scan", t_available_ns=0)),
        ("range", changed("scan", t_sent_ns=-(2**62))),
        ("range", changed("scan", t_end_ns=0)),
        ("range", changed("scan", sequence=-1)),
        ("range", changed("scan", elevation_min_rad=1.3)),
        ("range", changed("site", enu_ecef=[1.0, 0, 0, 0, 1.0, 0, 0, 0, -1.0])),
        ("range", changed("site", enu_ecef=[1.0, 0, 0, 0, 1.0, 0, 0, 0, 0.9])),
        ("range", changed("picture", status=i8(0, 3))),
        ("range", changed("warning", probability=1.5)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refusal(expected: str, frame: bytes) -> None:
    assert cause(frame) == expected


def test_unknown_fields_are_skipped_and_numbers_may_be_narrower() -> None:
    _, message = decode(changed("scan", extra={"a": [1, {"b": None}]}, range_max_m=900_000))
    assert message.range_max_m == 900e3  # type: ignore[attr-defined]


def test_empty_detections_pass() -> None:
    empty = {name: b"" for name, value in msgpack.unpackb(GOLDEN["detections"].partition(b"\0")[2]).items()
             if isinstance(value, bytes) and name != "item_id"}  # fmt: skip
    _, message = decode(changed("detections", **empty))
    assert isinstance(message, Detections)
    assert len(message.range_m) == 0


def test_columns_are_read_only_flat_aligned_and_native() -> None:
    for name in ("detections", "picture", "truth"):
        _, message = decode(GOLDEN[name])
        for field in message.__struct_fields__:
            value = getattr(message, field)
            if isinstance(value, np.ndarray):
                assert value.ndim == 1 and value.flags.c_contiguous and value.flags.aligned, field
                assert not value.flags.writeable, field
                assert value.dtype in (np.float64, np.int64), field


def test_encode_refuses_a_wrong_topic_and_too_large_a_frame() -> None:
    beat = Heartbeat(originator="KOR", sensor="x", last_sequence=1)
    for topic in ("feed/JPN/x", "feed/KOR/y", "picture/KOR", "nowhere"):
        with pytest.raises(WireError, match="topic"):
            encode(topic, beat)
    n = 200_000
    truth = Truth(
        originator="COALITION", name="a", kind="b", counts=True, t_valid_ns=ints(range(n)),
        state_ecef=floats(np.zeros(6 * n)), phase=ints(np.zeros(n)), liftoff_t_ns=0,
    )  # fmt: skip
    with pytest.raises(WireError, match="too-large"):
        encode("truth", truth)


def test_numpy_scalars_and_python_integers_are_written_as_the_page_says() -> None:
    _, site = decode(GOLDEN["site"])
    assert isinstance(site, Site)
    odd = replace(site, scan_s=3, t_valid_ns=np.int64(0), sigma_range_m=np.float64(50))
    assert encode("feed/KOR/greenpine-b-1", odd) == GOLDEN["site"]


def test_backfill_of_a_picture_may_be_asked_by_anyone() -> None:
    ask = Backfill(originator="USA", topic="picture/JPN", from_sequence=0, to_sequence=0)
    assert decode(encode("picture/JPN", ask))[0] == "picture/JPN"


def test_topics_are_parsed() -> None:
    assert parse_topic("released/KOR/COALITION/a-1") == ("released", "KOR", "COALITION", "a-1")
    for bad in (
        "",
        "feed",
        "feed/KOR/",
        "feed/KOR/A",
        "feed/COALITION/a",
        "feed/KOR/a/b",
        "truth/x",
        "released/KOR/JPN",
    ):
        with pytest.raises(WireError):
            parse_topic(bad)


def mutated(frame: bytes, rng: random.Random) -> bytes:
    """The frame after one to four small accidents."""
    data = bytearray(frame)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data)) if data else 0
        match rng.randrange(6):
            case 0:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                data[at:at] = rng.randbytes(rng.randint(1, 9))
            case 2:
                del data[at : at + rng.randint(1, 9)]
            case 3:
                data = data[:at]
            case 4:
                data[at : at + 1] = bytes([(data[at] if data else 0) ^ 1 << rng.randrange(8)])
            case 5:
                start = rng.randrange(len(data) + 1)
                data[at : at + 8] = data[start : start + 8]
    return bytes(data)


@pytest.mark.parametrize("name", GOLDEN)
def test_fuzz(name: str) -> None:
    """10,000 accidents per message: refused by a known cause, or read and written again."""
    rng = random.Random(f"fuzz {name}")
    seen: Counter[str] = Counter()
    for _ in range(10_000):
        seen[read_or_refused(mutated(GOLDEN[name], rng))] += 1
    assert seen["msgpack"] and seen["field"]


def read_or_refused(frame: bytes) -> str:
    """``read`` for a frame that is read and comes back as it was written, else the cause of its refusal."""
    try:
        topic, message = decode(frame)
    except WireError as error:
        assert error.cause in CAUSES
        assert "\n" not in str(error)
        return error.cause
    again = encode(topic, message)
    assert encode(*decode(again)) == again
    return "read"


def test_the_fuzzers_corpus_and_accidents_to_it() -> None:
    rng = random.Random("corpus")
    seen = Counter(read_or_refused(frame) for frame in CORPUS)
    assert {"topic", "msgpack", "field", "type", "column"} < seen.keys()
    for frame in CORPUS:
        for _ in range(100):
            read_or_refused(mutated(frame, rng))


def test_random_bytes_are_refused() -> None:
    rng = random.Random("noise")
    for length in range(0, 400):
        cause(rng.randbytes(length))
        cause(b"picture/JPN\0" + rng.randbytes(length))


def test_picture_of_many_tracks_fits() -> None:
    n = 2_000
    picture = Picture(
        originator="JPN", picture="settled", t_valid_ns=0, track_id=ints(range(n)), status=ints(np.ones(n)),
        mode=ints(np.ones(n)), t_update_ns=ints(np.zeros(n)), state_ecef=floats(np.ones(6 * n)),
        covariance=floats(np.ones(21 * n)), nis=floats(np.ones(n)),
        launch_row=ints(range(n)), launch_t_ns=ints(np.zeros(n)), launch_lat_deg=floats(np.zeros(n)),
        launch_lon_deg=floats(np.zeros(n)), launch_covariance_m2=floats(np.ones(3 * n)),
        impact_row=ints(range(n)), impact_t_ns=ints(np.zeros(n)), impact_lat_deg=floats(np.zeros(n)),
        impact_lon_deg=floats(np.zeros(n)), impact_covariance_m2=floats(np.ones(3 * n)),
    )  # fmt: skip
    frame = encode("picture/JPN", picture)
    assert encode(*decode(frame)) == frame


def test_what_the_emulators_send_is_inside_the_bounds() -> None:
    for message in islice(feed(load_scenario("quiet-hour"), 1), 300):
        topic = topic_of_feed(message.originator, message.sensor)
        frame = encode(topic, message)
        assert encode(*decode(frame)) == frame


@pytest.mark.slow
def test_a_million_bad_frames_leave_memory_flat() -> None:
    """`pytest -s` shows the figures: frames by what became of them, and resident memory."""
    rng = random.Random("soak")
    frames = (*GOLDEN.values(), *CORPUS)
    seen: Counter[str] = Counter()
    for n in range(1_000_000):
        frame = mutated(frames[n % len(frames)], rng) if n % 10 else rng.randbytes(rng.randrange(2_000))
        seen[read_or_refused(frame)] += 1
        if n == 100_000:
            before = resident_bytes()
    grown = resident_bytes() - before
    print(f"{seen.total()} frames: {dict(seen.most_common())}; memory {before >> 10} kB {grown >> 10:+} kB")
    assert seen.total() == 1_000_000
    assert grown < 8 << 20


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_picture_of_ten_thousand_tracks_fits() -> None:
    n = 10_000
    rows, times, places = ints(np.arange(n)), ints(np.zeros(n)), floats(np.zeros(n))
    picture = Picture(
        originator="JPN", picture="as-known", t_valid_ns=0, track_id=rows, status=times, mode=times,
        t_update_ns=times, state_ecef=floats(np.zeros(6 * n)), covariance=floats(np.zeros(21 * n)),
        nis=places, launch_row=rows, launch_t_ns=times, launch_lat_deg=places, launch_lon_deg=places,
        launch_covariance_m2=floats(np.zeros(3 * n)), impact_row=rows, impact_t_ns=times,
        impact_lat_deg=places, impact_lon_deg=places, impact_covariance_m2=floats(np.zeros(3 * n)),
    )  # fmt: skip
    frame = encode("picture/JPN", picture)
    assert MAX_FRAME_BYTES < len(frame) <= MAX_PRODUCT_BYTES
    _, again = decode(frame)
    assert isinstance(again, Picture) and len(again.track_id) == n
