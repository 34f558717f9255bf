"""``sharedsky plot``: each command on a small scenario writes a picture; mistakes are one line."""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from PIL import Image

from fusion.cli import invoke

SMALL = """
title = "A short flight, NOTIONAL"
shows = "two nations"
regions = ["kor"]
sensors = ["KOR/greenpine-b-1", "JPN/fps7-mishima"]
tail_s = 0

[[threats]]
class = "kn23"
name = "test-1"
lat_deg = 39.4
lon_deg = 127.5
bearing_deg = 90.0
range_km = 600.0
apogee_km = 50.0
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("plots") / "small.toml"
    path.write_text(SMALL)
    return str(path)


def is_a_picture(path: Path) -> bool:
    """A PNG 1200 pixels wide in more than ten inks, or an SVG with more than a hundred marks."""
    if path.suffix == ".svg":
        root = ET.parse(path).getroot()
        marks = [e for e in root.iter() if e.tag.rpartition("}")[2] in ("path", "use", "image")]
        return root.tag.endswith("svg") and len(marks) > 100
    with Image.open(path) as image:
        colours = image.convert("RGB").getcolors(1 << 24) or []
        return image.width == 1200 and len(colours) > 10


@pytest.mark.parametrize("command", ["coverage", "scenario"])
@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_pictures_are_drawn(command: str, suffix: str, small: str, tmp_path: Path) -> None:
    out = tmp_path / f"a.{suffix}"
    assert invoke(["plot", command, small, "-o", str(out)]) == 0
    assert is_a_picture(out)
    assert [p.name for p in tmp_path.iterdir()] == [out.name]


def test_coverage_of_chosen_sensors_and_altitudes(small: str, tmp_path: Path) -> None:
    out = tmp_path / "a.png"
    asked = ["--altitude-km", "20", "--sensors", "KOR"]
    assert invoke(["plot", "coverage", small, *asked, "-o", str(out)]) == 0
    assert is_a_picture(out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["coverage", "009", "-o", "a.jpg"], ".png or .svg"),
        (["coverage", "009", "-o", "a.png", "--altitude-km", "ten"], "expected a number"),
        (["coverage", "009", "-o", "a.png", "--altitude-km", "1,2,3,4,5,6,7"], "at most 6"),
        (["coverage", "009", "-o", "a.png", "--sensors", "KOR/none"], "in this scenario there are"),
        (["scenario", "nowhere", "-o", "a.png"], "no configuration"),
        (["scenario", "009", "-o", "none/a.png"], "no directory"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert invoke(["plot", *arguments]) == 1
    shown = capsys.readouterr()
    assert said in shown.err and shown.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_the_extra_is_named(
    small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [
        n for n in sys.modules if n.partition(".")[0] == "matplotlib" or n.startswith("fusion.figures")
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert invoke(["plot", "scenario", small, "-o", str(tmp_path / "a.png")]) == 1
    assert "sharedsky[view]" in capsys.readouterr().err
