"""`init`: files to begin with, which work as they stand."""

import re

import msgspec
import pytest

import configs
from fusion.cli import invoke
from sensors.objects import ThreatEntry
from sensors.scenario import ScenarioFile, load_scenario
from sharing.messages import S


def test_a_new_scenario_is_the_commented_template_and_is_never_overwritten(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    assert invoke(["init", "scenario", "-o", str(path)]) == 0
    assert path.read_text() == configs.resolve("templates", "scenario").read_text()
    path.write_text("mine")
    capsys.readouterr()
    assert invoke(["init", "scenario", "-o", str(path)]) == 1
    assert (
        capsys.readouterr().err
        == f"sharedsky: {path}: is there already and stays as it is; choose another -o\n"
    )
    assert path.read_text() == "mine"


@pytest.mark.parametrize("out", ["none/mine.toml", "."])
def test_where_nothing_can_be_written_it_says_so(out, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert invoke(["init", "scenario", "-o", out]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_help_shows_an_example(capsys):
    assert invoke(["init", "scenario", "--help"]) == 0
    assert "Example: sharedsky init scenario -o mine.toml" in capsys.readouterr().out


def test_the_template_is_a_scenario_with_every_option_of_the_file():
    path = configs.resolve("templates", "scenario")
    loaded, text = load_scenario(str(path)), path.read_text()
    assert len(loaded.truth) == 1 and loaded.truth[0].counts and loaded.t_end_ns < 600 * S
    everything = "\n".join(line.removeprefix("# ") for line in text.splitlines())
    shown = {
        key.removeprefix("[[").strip("[] ") for key in re.findall(r"^(\[+\w+\]+|\w+ =)", everything, re.M)
    }
    shown = {key.removesuffix(" =") for key in shown}
    # An orbit stands instead of a range: scenario 015 has one.
    asked = {*fields(ScenarioFile), *fields(ThreatEntry)} - {"orbit"}
    assert sorted(asked - shown) == []


def fields(kind):
    """The keys of a table of the file."""
    return [field.encode_name for field in msgspec.structs.fields(kind)]
