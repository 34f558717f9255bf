"""Every scenario: its header, its truth against its header, who sees it; docs/scenarios.md against the files.

A header states each flight in one line, ``# Flight NAME: range R km, apogee H km, time T s`` (range and time
where they were published; an apogee may be LOW-HIGH). Tolerances, fixed for all: range and apogee 3 %, time
5 % and 60 s, since published times are differences of two times given to the minute.
"""

import functools
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pymap3d.vincenty import vdist

import configs
from fusion.cli import invoke
from sensors import geodesy
from sensors.scans import sight
from sensors.scenario import Scenario, ScenarioFile, load_scenario
from sensors.stations import catalogue
from sharing import settings
from sharing.messages import S, Truth

PATHS = configs.available("scenarios")
NUMBERED = [p for p in PATHS if p.stem[:3].isdigit()]
QUICK = ("001", "003", "004", "010", "013", "015")
"""Loaded always; the rest with the slow tests."""
SILENT = ("017-no-launch", "quiet-hour")
SHORT = ("001", "002", "003", "004", "006", "007", "008", "009", "011", "012", "013", "014", "015", "016")
LENGTH, TIME, ROUNDING_S = 0.03, 0.05, 60.0
FLIGHT = re.compile(
    r"^# Flight (?P<name>\S+):(?: range (?P<range>[\d.]+) km,)?"
    r" apogee (?P<low>[\d.]+)(?:-(?P<high>[\d.]+))? km(?:, time (?P<time>[\d.]+) s)?$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Stated:
    """One line of a header. `apogee_km` is an interval."""

    name: str
    range_km: float | None
    apogee_km: tuple[float, float]
    time_s: float | None


def header(path: Path) -> str:
    """The comment before the title."""
    return path.read_text(encoding="utf-8").partition("\ntitle = ")[0]


def stated(path: Path) -> list[Stated]:
    """The flights of a header."""
    return [
        Stated(
            m["name"],
            float(m["range"]) if m["range"] else None,
            (float(m["low"]), float(m["high"] or m["low"])),
            float(m["time"]) if m["time"] else None,
        )
        for m in FLIGHT.finditer(header(path))
    ]


@functools.lru_cache(maxsize=4)
def loaded(path: Path) -> Scenario:
    return load_scenario(str(path))


def always_or_slow(paths):
    """The quick ones always, the others marked slow."""
    return [pytest.param(p, id=p.stem, marks=() if p.stem[:3] in QUICK else pytest.mark.slow) for p in paths]


def place(truth: Truth, row: int) -> tuple[float, float]:
    lat, lon, _ = geodesy.geodetic(truth.state_ecef.reshape(-1, 6)[row : row + 1, :3])
    return float(lat[0]), float(lon[0])


def apogee_km(truth: Truth) -> float:
    return float(geodesy.geodetic(truth.state_ecef.reshape(-1, 6)[:, :3])[2].max()) / 1e3


# ---------------------------------------------------------------------------------------------- headers


def test_there_are_eighteen_and_the_load_variant():
    numbers = [int(p.stem[:3]) for p in NUMBERED]
    assert numbers == list(range(1, 19))
    assert {p.stem for p in PATHS} - {p.stem for p in NUMBERED} == {"load-10000", "quiet-hour"}


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_a_header_tells_what_was_reported_from_what_is_assumed(path):
    text = header(path)
    assert all(line.startswith("#") and len(line) <= 120 for line in text.splitlines())
    assert re.search(r"\b[Rr]eported\b", text), "what was reported, and by whom"
    assert "Assumed (NOTIONAL):" in text
    file = settings.load(path, ScenarioFile)
    assert "NOTIONAL" in file.title
    assert bool(stated(path)) == bool(file.threats), "no line '# Flight …' that can be read"


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_its_sensors_exist_and_its_ships_are_ships(path):
    file = settings.load(path, ScenarioFile)
    known = catalogue()
    assert set(file.sensors) <= set(known) and set(file.ships) <= set(known)
    assert all(known[name][1].lat_deg is None for name in file.ships)
    assert "JPN/asev-1" not in (*file.sensors, *file.ships)  # not before 2027


# ------------------------------------------------------------------------------------------------ truth


@pytest.mark.parametrize("path", always_or_slow(p for p in PATHS if p.stem not in SILENT))
def test_it_flies_as_its_header_says(path):
    scenario = loaded(path)
    by_name = {t.name: t for t in scenario.truth}
    for flight in stated(path):
        truth = by_name[flight.name]
        parts = [t for t in scenario.truth if t.name.startswith(f"{flight.name}/")]
        low, high = flight.apogee_km
        # Where a break-up ends the launcher its pieces rise on; nothing else has pieces above itself.
        highest = max(map(apogee_km, [truth, *([] if truth.impact else parts)]))
        assert low * (1 - LENGTH) <= highest <= high * (1 + LENGTH)
        if flight.range_km is not None:
            assert truth.impact is not None
            flown_km = float(vdist(*place(truth, 0), *truth.impact[1:])[0]) / 1e3
            assert flown_km == pytest.approx(flight.range_km, rel=LENGTH)
        if flight.time_s is not None:
            assert truth.impact is not None
            flown_s = (truth.impact[0] - truth.liftoff_t_ns) / S
            assert flown_s == pytest.approx(flight.time_s, abs=TIME * flight.time_s + ROUNDING_S)


@pytest.mark.parametrize("path", always_or_slow(p for p in PATHS if p.stem not in SILENT))
def test_some_sensor_sees_every_first_object(path):
    scenario = loaded(path)
    names = {flight.name for flight in stated(path)}
    for truth in (t for t in scenario.truth if t.name in names):
        seen = [sight(sensor, truth, truth.t_valid_ns).visible.sum() for sensor in scenario.sensors]
        assert max(seen) >= 20, f"{truth.name}: nobody sees it for twenty seconds"


@pytest.mark.slow
def test_raids_have_their_size():
    counting = [t for t in load_scenario("018").truth if t.counts]
    assert len(counting) == 200 < len(load_scenario("018").truth)
    load = load_scenario("load-10000")
    assert len(load.truth) == 10_000 and all(t.counts for t in load.truth)
    ends = [t.impact[0] for t in load.truth]
    assert max(ends) - min(ends) < 60 * S


def test_the_salvo_is_close_together():
    truth = loaded(configs.resolve("scenarios", "004")).truth
    first = np.array([t.state_ecef[:3] for t in truth])
    steps = np.linalg.norm(np.diff(first, axis=0), axis=1)
    assert len(truth) == 18 and steps == pytest.approx(100.0, abs=0.1)
    assert [t.liftoff_t_ns // S for t in truth] == list(range(18))


# ------------------------------------------------------------------------------------------- simulation


@pytest.mark.parametrize(
    "name", ["003", *(pytest.param(n, marks=pytest.mark.slow) for n in SHORT if n != "003")]
)
def test_it_can_be_simulated(name, tmp_path, capsys):
    out = tmp_path / "session.mcap"
    assert invoke(["simulate", name, "-o", str(out), "--json"]) == 0
    assert '"first_detection_s"' in capsys.readouterr().out and out.stat().st_size > 100_000


# ------------------------------------------------------------------------------------------------- page


def test_the_page_lists_every_scenario_as_its_file_says(repo_root):
    page = (repo_root / "docs" / "scenarios.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| \[(\S+)\]\(\.\./configs/scenarios/(\S+)\.toml\) \| (.*) \| (.*) \| (.*) \|$", page, re.M
    )
    assert [(slug, title, shows) for _, slug, title, _, shows in rows] == [
        (path.stem, file.title.replace(", NOTIONAL", ""), file.shows)
        for path, file in ((p, settings.load(p, ScenarioFile)) for p in PATHS)
    ]
    for name, slug, _, numbers, _ in rows:
        assert name == (slug[:3] if slug[:3].isdigit() else slug)
        flights = stated(configs.resolve("scenarios", slug))
        assert numbers == "; ".join(map(short, flights[:1])) + (" …" if len(flights) > 1 else "") or "–"


def short(flight: Stated) -> str:
    """A flight as the table has it: range/apogee km, minutes."""
    low, high = flight.apogee_km
    apogee = f"{low:g}" if low == high else f"{low:g}–{high:g}"
    reach = f"{flight.range_km:g}/" if flight.range_km else "–/"
    return reach + apogee + (f", {math.floor(flight.time_s / 6 + 0.5) / 10:g} min" if flight.time_s else "")
