"""The command line: what it prints, what it writes, and how it refuses."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from fusion.cli import cli, invoke
from fusion.session import Session
from sharing.messages import RECIPIENTS
from sharing.recording import Recording

M = {
    "picture_sha256", "objects", "tracked", "first_detection_s", "first_range_detection_s", "first_track_s",
    "warning_s", "warning_lead_s", "impact_error_km", "impact_ellipse_km2", "custody_fraction",
    "position_rmse_m", "velocity_rmse_mps", "nees", "gospa_m", "siap", "false_tracks", "false_warnings",
    "id_switches",
}  # fmt: skip
SIAP = {
    "completeness", "ambiguity", "spuriousness", "position_accuracy_m", "velocity_accuracy_mps",
    "track_number_rate_hz", "longest_segment_fraction",
}  # fmt: skip


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
        "session_sha256", "nation", "policy", "withheld", "picture_sha256", "events", "late", "refused",
        "wall_s", "sim_s", "metrics",
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

    for time in ("nan", "inf", "1e300", "-1e7", "soon", ""):
        code, _, stderr = sharedsky("export", "csv", path, "-o", tmp_path / "never.csv", f"--at=0,{time}")
        assert (code, stderr.count("\n")) == (1, 1)
    assert not (tmp_path / "never.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nonsense"], 2, "nonsense"),
        (["simulate", "009", "--nonsense"], 2, "--nonsense"),
        (["simulate", "999", "-o", "x.mcap"], 1, "009-hwasong12-aomori"),
        (["simulate", "009"], 1, "-o"),
        (["simulate", "009", "-o", "x.mcap", "--policy", "nope"], 1, "full-mesh"),
        (["simulate", "009", "-o", "x.mcap", "--withhold", "FRA"], 1, "FRA"),
        (["simulate", "009", "-o", "x.mcap", "--seed", "minus"], 1, "minus"),
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
    got, stdout, stderr = sharedsky(*arguments)
    assert (got, stdout) == (code, "")
    assert says in stderr
    assert stderr.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["bad.toml"]


def test_unwritable_output(sharedsky, recorded, tmp_path):
    path, _ = recorded
    for command in (["replay", path, "-o"], ["export", "csv", path, "-o"]):
        code, _, stderr = sharedsky(*command, tmp_path / "no" / "where")
        assert (code, stderr.count("\n")) == (1, 1)
        assert "where" in stderr


def test_a_cut_recording_is_said_in_one_line(sharedsky, recorded, tmp_path):
    path, _ = recorded
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    code, stdout, stderr = sharedsky("replay", cut, "--nation", "JPN", "--json")
    assert (code, stderr.count("\n")) == (0, 1)
    assert "cut" in stderr
    assert json.loads(stdout)["events"] > 0


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
