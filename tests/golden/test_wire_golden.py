"""Golden frames of docs/wire.md: built here from plain dicts by plain `msgpack`, as a stranger would.

`tests/golden/wire/NAME.bin` are the bytes that every version since has to read and write. This file makes
them without our package, reads them with it, and writes them again; the page's own hex and tables are
compared too, so that the page cannot drift from the code. `earlier/` holds frames from before a message
gained fields: they are read for ever.
"""

import math
import re
import struct
from pathlib import Path
from typing import Any

import msgpack
import msgspec
import pytest

from sharing.messages import Floats, Ints, Picture, Warning
from sharing.schema import LIMITS, TYPES
from sharing.wire import CAUSES, decode, encode

GOLDEN = Path(__file__).parent / "wire"
PAGE = (Path(__file__).parents[2] / "docs" / "wire.md").read_text(encoding="utf-8")


def f8(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


def i8(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)


def body(kind: str, envelope: dict[str, Any], /, **fields: Any) -> dict[str, Any]:
    defaults = {
        "originator": "KOR", "sensor": "", "boot_id": 7, "sequence": 3, "item_id": b"",
        "t_sent_ns": 5_000_000_000, "t_available_ns": 5_250_000_000, "marking": "SIMULATED//NOTIONAL",
    }  # fmt: skip
    return {"v": 1, "type": kind, **{**defaults, **envelope}, **fields}


ID = bytes(range(16))
SENSOR = {"sensor": "greenpine-b-1", "item_id": ID}
FEED = "feed/KOR/greenpine-b-1"
PICTURE = body(
    "picture", {"originator": "JPN", "t_available_ns": 5_000_000_000},
    picture="settled", t_valid_ns=5_000_000_000,
    track_id=i8(11, 12), status=i8(0, 1), mode=i8(0, 1), t_update_ns=i8(4_000_000_000, 5_000_000_000),
    state_ecef=f8(*range(12)), covariance=f8(*range(42)), nis=f8(0.5, 1.0),
    launch_row=i8(1), launch_t_ns=i8(0), launch_lat_deg=f8(41.0), launch_lon_deg=f8(126.5),
    launch_covariance_m2=f8(1e6, 0.0, 2e6),
    impact_row=i8(), impact_t_ns=i8(), impact_lat_deg=f8(), impact_lon_deg=f8(), impact_covariance_m2=f8(),
    launch_t_sigma_s=f8(4.0), impact_t_sigma_s=f8(),
    class_number=i8(0, 7), class_probability=f8(0.75, 0.5), parent_id=i8(0, 11),
)  # fmt: skip


def frame(topic: str, fields: dict[str, Any]) -> bytes:
    return topic.encode() + b"\0" + msgpack.packb(fields)


FRAMES: dict[str, bytes] = {
    "site": frame(FEED, body(
        "site", SENSOR, t_valid_ns=0,
        position_ecef_m=[-3e6, 4e6, 3.8e6], velocity_ecef_mps=[0.0, 0.0, 0.0],
        enu_ecef=[-0.8, -0.6, 0.0, 0.36, -0.48, 0.8, -0.48, 0.64, 0.6],
        sigma_range_m=50.0, sigma_azimuth_rad=0.002, sigma_elevation_rad=0.002,
        bias_sigma_range_m=30.0, bias_sigma_azimuth_rad=0.0005, bias_sigma_elevation_rad=0.0005,
        azimuth_center_rad=0.0, azimuth_width_rad=2.0, elevation_min_rad=0.03, elevation_max_rad=1.2,
        range_13db_m=700e3, range_max_m=900e3, scan_s=3.0, clutter_per_scan=0.5)),
    "scan": frame(FEED, body(
        "scan", SENSOR, scan=1, t_start_ns=2_000_000_000, t_end_ns=5_000_000_000,
        azimuth_center_rad=0.0, azimuth_width_rad=2.0, elevation_min_rad=0.03, elevation_max_rad=1.2,
        range_max_m=900e3)),
    "detections": frame(FEED, body(
        "detections", SENSOR, scan=1, t_valid_ns=i8(3_000_000_000, 4_000_000_000),
        range_m=f8(500e3, 600e3), azimuth_rad=f8(-0.25, 0.5), elevation_rad=f8(0.25, 0.125),
        sigma_range_m=f8(50.0, 25.0), sigma_azimuth_rad=f8(0.002, 0.001),
        sigma_elevation_rad=f8(0.002, 0.001), snr_db=f8(13.0, 19.0))),
    "polar": frame(FEED, body(
        "polar", SENSOR, scan=1, t_valid_ns=i8(3_000_000_000, 4_000_000_000),
        range_m=f8(500e3, 600e3), azimuth_rad=f8(-0.25, 0.5),
        sigma_range_m=f8(50.0, 25.0), sigma_azimuth_rad=f8(0.002, 0.001), snr_db=f8(13.0, 19.0))),
    "los": frame("feed/USA/opir-east", body(
        "los", {"originator": "USA", "sensor": "opir-east", "item_id": ID}, scan=1,
        t_valid_ns=i8(3_000_000_000, 4_000_000_000),
        azimuth_rad=f8(-0.25, 0.5), elevation_rad=f8(-1.375, -1.25),
        sigma_azimuth_rad=f8(2.5e-4, 2.5e-4), sigma_elevation_rad=f8(5e-5, 5e-5), snr_db=f8(13.0, 19.0))),
    "heartbeat": frame(FEED, body("heartbeat", {"sensor": "greenpine-b-1"}, last_sequence=3)),
    "backfill": frame("released/KOR/JPN/greenpine-b-1", body(
        "backfill", {"originator": "JPN", "sensor": "greenpine-b-1", "sequence": 0},
        topic="released/KOR/JPN/greenpine-b-1", from_sequence=4, to_sequence=6)),
    "track": frame("released/KOR/JPN/tracks", body(
        "track", {"sensor": "tracks", "item_id": ID}, t_valid_ns=5_000_000_000,
        track_id=i8(12), status=i8(1), mode=i8(1), t_update_ns=i8(4_000_000_000), plots=25,
        state_ecef=f8(*range(6)), covariance=f8(*range(21)), class_number=i8(2), class_probability=f8(0.75),
        launch_row=i8(0), launch_t_ns=i8(0), launch_lat_deg=f8(41.0), launch_lon_deg=f8(126.5),
        launch_covariance_m2=f8(1e6, 0.0, 2e6), launch_t_sigma_s=f8(4.0), impact_row=i8(), impact_t_ns=i8(),
        impact_lat_deg=f8(), impact_lon_deg=f8(), impact_covariance_m2=f8(), impact_t_sigma_s=f8(),
        origin="north", lineage="KOR")),
    "picture": frame("picture/JPN", PICTURE),
    "snapshot": frame("picture/JPN", body(
        "snapshot", {"originator": "JPN"}, last_sequence=3, frame=frame("picture/JPN", PICTURE))),
    "warning": frame("warning/JPN", body(
        "warning", {"originator": "JPN"}, t_valid_ns=5_000_000_000, region="jpn-aomori", kind="overflight",
        track_id=12, probability=0.75, t_impact_ns=1_200_000_000_000, action="retract",
        reason="track-lost")),
    "bias": frame("bias/JPN", body(
        "bias", {"originator": "JPN"}, t_valid_ns=5_000_000_000, subject="KOR/greenpine-b-1", plots=40,
        applied=6, bias_range_m=-12.5, bias_azimuth_rad=0.0005, bias_elevation_rad=-0.00025,
        bias_clock_s=0.0, bias_sigma_range_m=20.0, bias_sigma_azimuth_rad=0.0001,
        bias_sigma_elevation_rad=0.0001, bias_sigma_clock_s=0.001)),
    "judgements": frame("judgement/JPN", body(
        "judgements", {"originator": "JPN"}, of_originator="KOR", of_sensor="greenpine-b-1", of_item=ID,
        t_valid_ns=4_000_000_000, row=i8(0, 0, 1), track_id=i8(11, 12, 13),
        innovation=f8(50.0, 0.001, -0.002, 400.0, -0.004, 0.0, 0.0, 0.0, 0.0),
        innovation_covariance=f8(*range(12), *[0.0] * 6), d2=f8(2.5, 20.0, 0.0), log_ratio=f8(9.0, 0.5, 0.0),
        share=f8(1.0, 0.0, 0.0), decision=i8(1, 0, 3))),
    "truth": frame("truth", body(
        "truth", {"originator": "COALITION"}, name="missile", kind="ballistic", counts=True,
        t_valid_ns=i8(0, 1_000_000_000), state_ecef=f8(*range(12)), phase=i8(0, 0), liftoff_t_ns=0,
        impact=[600_000_000_000, 40.5, 160.0])),
}  # fmt: skip


@pytest.mark.parametrize("name", TYPES)
def test_golden_bytes_are_what_a_stranger_writes(name: str) -> None:
    assert (GOLDEN / f"{name}.bin").read_bytes() == FRAMES[name]


@pytest.mark.parametrize("name", TYPES)
def test_golden_bytes_are_read_and_written_again(name: str) -> None:
    data = (GOLDEN / f"{name}.bin").read_bytes()
    topic, message = decode(data)
    assert type(message) is TYPES[name]
    assert encode(topic, message) == data


@pytest.mark.parametrize("path", sorted((GOLDEN / "earlier").glob("*.bin")), ids=lambda path: path.stem)
def test_earlier_frames_are_read(path: Path) -> None:
    """What came later has its default: no reason, a declaration; no sigma of a time."""
    _, message = decode(path.read_bytes())
    assert type(message) is TYPES[path.stem]
    if isinstance(message, Warning):
        assert (message.region, message.action, message.reason) == ("jpn-aomori", "declare", "")
    if isinstance(message, Picture):
        assert len(message.launch_row) == 1 and not len(message.launch_t_sigma_s)


@pytest.mark.parametrize("name", ["heartbeat", "detections"])
def test_page_shows_the_golden_bytes(name: str) -> None:
    block = re.search(rf"```hex {name}\n(.*?)```", PAGE, re.DOTALL)
    assert block, f"docs/wire.md shows no hex of {name}"
    shown = re.sub(r"#.*", "", block.group(1))
    assert bytes.fromhex("".join(shown.split())) == FRAMES[name]


def rows(section: str) -> list[list[str]]:
    """Cells of the table under a heading of the page."""
    found = re.search(rf"^### `{section}`.*?\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found, f"docs/wire.md has no section {section}"
    lines = [line for line in found.group(1).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def bounds(text: str) -> tuple[float, float] | None:
    if text == "time":
        return LIMITS["t_valid_ns"]
    found = re.match(r"\[(.+), (.+)\]", text)
    if not found:
        return None
    texts = (re.sub(r"(\d)π", r"\1*π", text).replace("^", "**") for text in found.groups())
    low, high = (eval(text, {"π": math.pi}) for text in texts)
    return low, high


def kind_of(annotation: Any) -> str:
    names = {str: "text", bytes: "bin", int: "int", float: "float", bool: "bool", Floats: "f8", Ints: "i8"}
    if annotation in names:
        return names[annotation]
    return "impact" if type(None) in annotation.__args__ else f"float[{len(annotation.__args__)}]"


@pytest.mark.parametrize("name", ["envelope", *TYPES])
def test_page_tables_are_the_code(name: str) -> None:
    envelope = [f.name for f in msgspec.structs.fields(TYPES["heartbeat"])][:-1]
    kind = TYPES["heartbeat" if name == "envelope" else name]
    fields = [f for f in msgspec.structs.fields(kind) if (f.name in envelope) == (name == "envelope")]
    table = [cells for cells in rows(name) if cells[0].strip("`") not in ("v", "type")]
    assert [cells[0].strip("`") for cells in table] == [f.name for f in fields]
    for cells, field in zip(table, fields, strict=True):
        assert cells[1].split(" ")[0] == kind_of(field.type), field.name
        if field.name in LIMITS:
            assert bounds(cells[2]) == LIMITS[field.name], field.name


def test_page_lists_every_cause() -> None:
    assert all(f"| `{cause}` |" in PAGE for cause in CAUSES)
