"""The command line: what it prints, what it writes, and how it refuses."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from fusion.cli import cli, invoke
from fusion.exports.csv import save
from fusion.session import Session
from sensors.readers.ascent import read_ascent
from sensors.scenario import Scenario
from sharing.messages import RECIPIENTS
from sharing.recording import Recording, strip
from sharing.wire import decode

M = {
    "picture_sha256", "objects", "tracked", "first_detection_s", "first_range_detection_s", "first_track_s",
    "warning_s", "warning_lead_s", "impact_error_km", "impact_ellipse_km2", "custody_fraction",
    "position_rmse_m", "velocity_rmse_mps", "nees", "gospa_m", "siap", "false_tracks", "false_warnings",
    "id_switches", "retracted_warnings", "revised_warnings",
}  # fmt: skip
SIAP = {
    "completeness", "ambiguity", "spuriousness", "position_accuracy_m", "velocity_accuracy_mps",
    "track_number_rate_hz", "longest_segment_fraction",
}  # fmt: skip


@dataclass
class ShortFlight:
    """Gives its own short flight, whatever shall be flown instead: for speed."""

    scenario: Scenario

    def with_truth(self, truth):
        return self.scenario


@pytest.fixture
def sharedsky(capsys):
    """Run a command; gives exit code, stdout, stderr."""

    def run(*arguments):
        code = invoke([str(a) for a in arguments])
        return (code, *capsys.readouterr())

    return run


def test_replay_json_and_its_recording(sharedsky, recorded, tmp_path):
    path, arm = recorded
    out = tmp_path / "japan.mcap"
    code, stdout, _ = sharedsky(
        "replay", path, "--nation", "JPN", "--withhold", "KOR,USA/tpy2-seongju", "-o", out, "--json"
    )
    answer = json.loads(stdout)
    assert code == 0
    assert set(answer) == {
        "session_sha256", "nation", "policy", "withheld", "changes", "picture_sha256", "events", "late",
        "refused", "wall_s", "sim_s", "metrics",
    }  # fmt: skip
    assert (answer["nation"], answer["policy"]) == ("JPN", "full-mesh")
    assert answer["withheld"] == ["KOR", "USA/tpy2-seongju"]
    assert answer["session_sha256"] == Session.load(path).sha256()
    assert answer["picture_sha256"] != arm.results["JPN"].picture_sha256
    assert set(answer["metrics"]) == M
    assert set(answer["metrics"]["siap"]) == SIAP
    with Recording.open(out) as recording:
        topics = {record.topic for record in recording}
    assert "picture/JPN" in topics
    assert not [t for t in topics if "KOR" in t]
    assert sharedsky("replay", out, "--verify")[0] == 0

    code, stdout, _ = sharedsky("score", out, "--json")
    assert json.loads(stdout) == {"JPN": answer["metrics"]}
    assert [p for p in tmp_path.iterdir() if p.suffix == ".part"] == []


def test_replay_verify_and_policy(sharedsky, recorded):
    path, _ = recorded
    code, stdout, _ = sharedsky("replay", path, "--verify", "--json")
    assert (code, json.loads(stdout)["verified"]) == (0, True)
    code, stdout, stderr = sharedsky("replay", path, "--policy", "national-only")
    assert (code, stderr) == (0, "")
    assert "COALITION, national-only" in stdout
    assert "SIMULATED, NOTIONAL" in stdout


def test_replay_records_how_plots_were_judged(sharedsky, recorded, tmp_path):
    path, arm = recorded
    out = tmp_path / "judged.mcap"
    code, stdout, _ = sharedsky("replay", path, "--nation", "JPN", "--judgements", "-o", out, "--json")
    assert code == 0
    assert json.loads(stdout)["picture_sha256"] == arm.results["JPN"].picture_sha256
    with Recording.open(out) as recording:
        frames = [record.data for record in recording if record.topic == "judgement/JPN"]
    assert sum(len(decode(frame)[1].row) for frame in frames) > 20
    assert sharedsky("replay", out, "--verify")[0] == 0
    assert Session.load(out).metadata["judgements_per_s"] == "10000"  # so that its replay is judged again
    code, _, stderr = sharedsky("replay", path, "--judgements")
    assert code != 0 and "-o" in stderr


def test_simulate_twice(sharedsky, tmp_path, recorded, small_scenario, monkeypatch, scenario):
    monkeypatch.setattr("sensors.scenario.load_scenario", lambda name: scenario)
    answers = []
    for name in ("a", "b"):
        code, stdout, _ = sharedsky(
            "simulate", small_scenario, "--seed", 7, "-o", tmp_path / f"{name}.mcap", "--json"
        )
        assert code == 0
        answers.append(json.loads(stdout))
        del answers[-1]["wall_s"]
    assert answers[0] == answers[1]
    assert set(answers[0]["picture_sha256"]) == set(RECIPIENTS)
    assert answers[0]["picture_sha256"]["KOR"] == recorded[1].results["KOR"].picture_sha256
    assert (tmp_path / "a.mcap").read_bytes() == (tmp_path / "b.mcap").read_bytes()


def test_export_csv(sharedsky, recorded, tmp_path):
    path, _ = recorded
    out = tmp_path / "pictures.csv"
    assert sharedsky("export", "csv", path, "-o", out, "--covariance")[0] == 0
    rows = list(csv.DictReader(out.open()))
    assert list(rows[0])[:17] == [
        "time_s", "picture", "track_id", "status", "x_m", "y_m", "z_m", "vx_mps", "vy_mps", "vz_mps",
        "lat_deg", "lon_deg", "alt_m", "sigma_position_m", "sigma_velocity_mps", "mode", "nis",
    ]  # fmt: skip
    assert list(rows[0])[17] == "p00" and list(rows[0])[-1] == "p55" and len(rows[0]) == 17 + 21
    assert {row["picture"] for row in rows} == {"as-known", "settled"}
    assert {row["status"] for row in rows} <= {"confirmed", "coasting"}
    last = rows[-1]
    trace = sum(float(last[key]) for key in ("p00", "p11", "p22"))
    assert float(last["sigma_position_m"]) == pytest.approx(np.sqrt(trace))

    at = tmp_path / "at.csv"
    t_s = float(last["time_s"])
    assert sharedsky("export", "csv", path, "-o", at, "--at", f"{t_s},{t_s + 2.5}")[0] == 0
    settled = [row for row in csv.DictReader(at.open()) if row["picture"] == "settled"]
    now, later = (row for row in settled if row["track_id"] == last["track_id"])
    assert float(now["x_m"]) == float(last["x_m"])
    assert float(later["time_s"]) == t_s + 2.5
    moved = float(later["x_m"]) - float(now["x_m"])
    assert moved == pytest.approx(2.5 * float(now["vx_mps"]), abs=60)
    assert float(later["sigma_position_m"]) > float(now["sigma_position_m"])


@pytest.mark.parametrize("times", ["0,nan", "inf", "0,1e300", "-1e7", "soon", "0,", "", "0,900", "-11"])
def test_export_at_a_time_without_pictures(sharedsky, recorded, tmp_path, times):
    code, _, stderr = sharedsky("export", "csv", recorded[0], "-o", tmp_path / "never.csv", f"--at={times}")
    assert (code, stderr.count("\n")) == (1, 1)
    assert "--at" in stderr and "expected" in stderr
    assert not list(tmp_path.iterdir())


def test_export_of_a_nation_without_pictures(sharedsky, recorded, tmp_path):
    path, _ = recorded
    mine = tmp_path / "mine.mcap"
    strip(path, mine, lambda topic: topic == "picture/USA")
    code, _, stderr = sharedsky("export", "csv", mine, "--nation", "USA", "-o", tmp_path / "a.csv")
    assert (code, stderr) == (1, f"sharedsky: {mine}: no pictures of USA in this recording\n")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nonsense"], 2, "nonsense"),
        (["simulate", "009", "--nonsense"], 2, "--nonsense"),
        (["simulate", "999", "-o", "x.mcap"], 1, "009-hwasong12-aomori"),
        (["simulate", "009"], 1, "-o"),
        (["simulate", "009", "-o", "x.mcap", "--policy", "nope"], 1, "full-mesh"),
        (["simulate", "009", "-o", "x.mcap", "--withhold", "FRA"], 1, "FRA"),
        (["simulate", "009", "-o", "x.mcap", "--withhold", ""], 1, "expected a nation"),
        (["simulate", "009", "-o", "x.mcap", "--withhold", "KOR/nosuch"], 1, "KOR/greenpine-c, KOR/rokn"),
        (["simulate", "009", "-o", "x.mcap", "--seed", "abc"], 1, "'abc': expected a whole number from 0 to"),
        (["simulate", "009", "-o", "x.mcap", "--seed"], 1, "--seed"),
        (["simulate", "009", "more", "-o", "x.mcap"], 1, "more"),
        (["simulate", "none.toml", "-o", "x.mcap"], 1, "none.toml: there is no such file"),
        (["simulate", "009", "-o", "x.mcap", "--policy", "a/b"], 1, "a/b: there is no such file"),
        (["simulate", "part.toml", "-o", "x.mcap"], 1, "part.toml: shows: is missing"),
        (["demo", "--speed", "abc"], 1, "'--speed': 'abc': expected a number from 0.1 to 100"),
        (["replay", "x.mcap", "--speed", "nan"], 1, "'--speed': 'nan': expected a number"),
        (["simulate", "bad.toml", "-o", "x.mcap"], 1, "bad.toml"),
        (["replay", "missing.mcap"], 1, "missing.mcap"),
        (["replay", "bad.toml"], 1, "bad.toml"),
        (["score", "bad.toml"], 1, "bad.toml"),
        (["export", "csv", "missing.mcap", "-o", "x.csv"], 1, "missing.mcap"),
        (["import", "ascent", "missing.csv", "--lat", "40", "--lon", "126", "--bearing-deg", "80",
          "--scenario", "009", "-o", "x.mcap"], 1, "missing.csv"),
        (["node", "--config", "missing.toml"], 1, "missing.toml"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_leaves_nothing(sharedsky, tmp_path, monkeypatch, arguments, code, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text("title = 3\n")
    (tmp_path / "part.toml").write_text('title = "x"\nsensors = []\n')
    got, stdout, stderr = sharedsky(*arguments)
    assert (got, stdout) == (code, "")
    assert says in stderr
    assert stderr.count("\n") == 1
    assert {p.name for p in tmp_path.iterdir()} == {"bad.toml", "part.toml"}


@pytest.mark.parametrize("arguments", [(), ("export",), ("import",)])
def test_without_a_command_there_is_help(sharedsky, arguments):
    code, stdout, stderr = sharedsky(*arguments)
    assert (code, stderr) == (0, "")
    assert stdout == sharedsky(*arguments, "--help")[1]


COMMANDS = [
    ("simulate", "009"),
    ("replay", "in.mcap"),
    ("export", "csv", "in.mcap"),
    ("import", "ascent", "in.mcap", "--lat=40", "--lon=126", "--bearing-deg=80", "--scenario=009"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0])
@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("no/where", "no/where: cannot be written: no directory no"),
        ("folder", "folder: is a directory"),
        ("shut/a", "shut/a: cannot be written: directory shut is not writable"),
        ("link", "link: is not a plain file"),
        ("-", "-: is not a plain file"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_any_work(
    sharedsky, tmp_path, monkeypatch, command, out, says
):
    """Nothing is read first: the input of three of the commands does not even exist."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.access", lambda path, mode: Path(path).name != "shut")
    for name in ("folder", "shut"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(os.devnull)
    code, stdout, stderr = sharedsky(*command, "-o", out)
    assert (code, stdout) == (1, "")
    assert stderr.startswith(f"sharedsky: {says}") and stderr.count("\n") == 1
    assert {p.name for p in tmp_path.iterdir()} == {"folder", "shut", "link"}


@pytest.mark.parametrize("command", COMMANDS[1:], ids=lambda c: c[0])
@pytest.mark.parametrize("out", ["in.mcap", "./in.mcap", "hard.mcap", "unfinished"])
def test_no_command_overwrites_what_it_reads(sharedsky, tmp_path, monkeypatch, command, out):
    """Nor by another name, nor as the file that is written until the output is complete."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.mcap").write_bytes(b"kept")
    (tmp_path / "hard.mcap").hardlink_to("in.mcap")
    (tmp_path / "unfinished.part").hardlink_to("in.mcap")
    code, _, stderr = sharedsky(*command, "-o", out)
    assert (code, stderr.count("\n")) == (1, 1)
    assert f"{Path(out)}: would overwrite what is read" in stderr
    assert (tmp_path / "in.mcap").read_bytes() == b"kept"


def test_a_scenario_is_not_overwritten(sharedsky, small_scenario):
    code, _, stderr = sharedsky("simulate", small_scenario, "-o", small_scenario)
    assert (code, small_scenario.read_text()[:6]) == (1, "\ntitle")
    assert "would overwrite" in stderr


def test_a_full_disk_is_said_with_the_name_that_was_typed(tmp_path):
    def pictures():
        raise OSError(28, "No space left on device")
        yield

    with pytest.raises(OSError, match="No space left") as refusal:
        save(pictures(), tmp_path / "a.csv")
    assert refusal.value.filename == str(tmp_path / "a.csv")
    assert not list(tmp_path.iterdir())


def test_only_what_there_is_can_be_withheld(sharedsky, recorded):
    path, _ = recorded
    code, _, stderr = sharedsky("replay", path, "--withhold", "KOR,USA/nosuch")
    assert (code, stderr.count("\n")) == (1, 1)
    assert "--withhold: 'USA/nosuch': in this session there are: USA/tpy2-seongju\n" in stderr
    assert sharedsky("replay", path, "--withhold", "")[0] == 1
    assert sharedsky("replay", path, "--verify", "--withhold", "")[0] == 1


def test_the_smoothing_error_of_an_ascent_is_said(sharedsky, data_dir, tmp_path, monkeypatch, scenario):
    monkeypatch.setattr("sensors.scenario.load_scenario", lambda name: ShortFlight(scenario))
    source = data_dir / "rocket-ascents" / "SES_11.csv"
    ascent = read_ascent(source)
    command = ("import", "ascent", source, "--lat", 40, "--lon", 126, "--bearing-deg", 80, "--scenario", "x")
    code, stdout, _ = sharedsky(*command, "-o", tmp_path / "a.mcap", "--json")
    expected = {"altitude_m": ascent.altitude_rms_m, "speed_mps": ascent.speed_rms_mps}
    assert (code, json.loads(stdout)["smoothing_rms"]) == (0, expected)
    code, stdout, _ = sharedsky(*command, "-o", tmp_path / "a.mcap")
    said = f"(RMS): altitude {ascent.altitude_rms_m:.1f} m, speed {ascent.speed_rms_mps:.1f} m/s"
    assert (code, said in stdout) == (0, True)


def test_a_cut_recording_is_said_in_one_line(sharedsky, recorded, tmp_path):
    path, _ = recorded
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    code, stdout, stderr = sharedsky("replay", cut, "--nation", "JPN", "--json")
    assert (code, stderr.count("\n")) == (0, 1)
    assert f"{cut}: the recording is cut: it ends at" in stderr
    assert json.loads(stdout)["events"] > 0
    code, stdout, stderr = sharedsky("export", "csv", cut, "-o", tmp_path / "cut.csv")
    said, rows = stderr.splitlines()
    assert (code, stdout) == (0, "")
    assert f"{cut}: the recording is cut: " in said
    assert f"{tmp_path / 'cut.csv'}: " in rows


def test_helps_fit_a_screen_and_end_with_an_example(sharedsky):
    def walk(command, path):
        yield path
        for name, sub in getattr(command, "commands", {}).items():
            yield from walk(sub, [*path, name])

    for path in walk(cli, []):
        code, stdout, _ = sharedsky(*path, "--help")
        lines = stdout.rstrip().splitlines()
        assert code == 0
        assert len(lines) <= 30, path
        assert "Example: sharedsky" in "\n".join(lines[-3:]), path


def test_starts_at_once_without_heavy_imports():
    heavy = "sys.exit(any(m in sys.modules for m in ('numpy', 'scipy', 'zmq', 'rich', 'ext')))"
    code = f"import sys, fusion.cli; fusion.cli.invoke(['--help']); {heavy}"
    environment = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
