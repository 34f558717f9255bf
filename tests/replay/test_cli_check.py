"""``check``: files of every kind, what is wrong with them and where; claims on the command line."""

import json
import shutil

import pytest

import configs
from fusion.cli import invoke
from sharing.recording import Recorder

GOLDEN = "tests/golden"


@pytest.fixture
def sharedsky(capsys):
    """Run a command; gives exit code, stdout, stderr."""

    def run(*arguments):
        code = invoke([str(a) for a in arguments])
        return (code, *capsys.readouterr())

    return run


def test_what_ships_is_right(sharedsky, repo_root):
    shipped = [
        path
        for kind in ("policies", "regions", "sensors", "threats", "background", "daemon")
        for path in configs.available(kind)
    ]
    scenario = configs.resolve("scenarios", "007")
    frames = sorted((repo_root / GOLDEN / "wire").glob("*.bin"))
    code, out, err = sharedsky("check", *shipped, scenario, *frames)
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert len(lines) == len(shipped) + 1 + len(frames)
    assert all(": ok: " in line for line in lines)
    kinds = {
        path.parent.name: line.split(": ")[2]
        for path, line in zip([*shipped, scenario, *frames], lines, strict=True)
    }
    assert kinds == {
        "policies": "policy", "regions": "regions", "sensors": "sensors", "threats": "threat",
        "scenarios": "scenario", "background": "threat", "daemon": "node", "wire": "wire frame",
    }  # fmt: skip


@pytest.mark.parametrize(
    "name,text,told",
    [
        ("a.toml", "title = 'x\n", "not TOML"),
        ("a.toml", "colour = 1\n", "is no threat, sensors, scenario"),
        ("a.toml", "shows = 'x'\ntitle = 'x'\nsensors = ['JPN/none']\nduration_s = 10\n", "'JPN/none'"),
        ("a.toml", "withhold = ['MARS']\n", "withhold = 'MARS'"),
        ("a.toml", "kind = 'balistic'\ntitle = 'x'\n", "kind = 'balistic'"),
        ("a.toml", "types = {}\nnation = 'MARS'\nsensors = {}\n", "nation = 'MARS'"),
        ("a.toml", "recording = 'x'\nnation = 3\n", "nation = 3"),
        ("a.geojson", "{}", "nation"),
        ("a.csv", "a,b\n1,2\n", ":1: no column"),
        ("a.mcap", "nothing", "is not a recording"),
        ("a.bin", "feed/KOR/x\0\x01", "msgpack"),
        ("a.txt", "words", "neither a configuration"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(sharedsky, tmp_path, name, text, told):
    path = tmp_path / name
    path.write_text(text)
    code, out, err = sharedsky("check", path)
    assert (code, err) == (1, "")
    assert out.startswith(f"{path}:") and out.count("\n") == 1
    assert told in out


def test_a_missing_file_is_a_problem_and_the_others_are_still_checked(sharedsky, tmp_path):
    code, out, _ = sharedsky(
        "check", tmp_path / "none.mcap", configs.resolve("policies", "full-mesh"), "--json"
    )
    answer = json.loads(out)
    assert code == 1 and answer["ok"] is False
    assert [file["ok"] for file in answer["files"]] == [False, True]
    assert "no such file" in answer["files"][0]["problems"][0]


def test_recordings_are_counted_and_cuts_told(sharedsky, recorded, tmp_path):
    path = recorded[0]
    code, out, _ = sharedsky("check", path)
    assert code == 0
    assert ": ok: recording: session " in out and " feed" in out and " truth" in out
    cut = tmp_path / "cut.mcap"
    shutil.copy(path, cut)
    with cut.open("r+b") as stream:
        stream.truncate(cut.stat().st_size * 2 // 3)
    code, out, _ = sharedsky("check", cut)
    assert code == 1 and "is cut" in out


def test_captures_are_counted(sharedsky, data_dir):
    pytest.importorskip("asterix.base", reason="libasterix is not installed")
    code, out, _ = sharedsky("check", data_dir / "asterix" / "cat_034_048.pcap")
    assert code == 0
    assert ": ok: capture of radars: 64 plots of 7 radars, 64 duplicates" in out


def test_refused_frames_are_named_and_counted(sharedsky, tmp_path):
    path = tmp_path / "bad.mcap"
    with Recorder(path, {}) as recorder:
        for n in range(8):
            recorder.write("feed/KOR/x", b"feed/KOR/x\0\x00", n * 10**9)
        recorder.write("refused/KOR", b"anything", 9 * 10**9)
    code, out, _ = sharedsky("check", path)
    assert code == 1
    assert "message 1 at 0 s on feed/KOR/x" in out and "and 3 more refused frames" in out


def test_a_claim_as_json(sharedsky):
    code, out, _ = sharedsky(
        "check", "launch", "--range-km", 998, "--apogee-km", 3724.9, "--time-s", 2832, "--lat", 40.61,
        "--lon", 126.43, "--bearing-deg", 70, "--class", "hwasong14", "--json",
    )  # fmt: skip
    answer = json.loads(out)
    assert code == 0
    assert answer["verdict"] == "consistent" and answer["class"] == "hwasong14"
    assert answer["vacuum_time_s"] < 2832 < 1.05 * answer["model_time_s"]
    assert f"{answer['model_time_s']:.0f} s" in answer["reason"]


def test_a_claim_in_words(sharedsky):
    code, out, _ = sharedsky(
        "check", "launch", "--range-km", 1000, "--apogee-km", 300, "--time-s", 240, "--class", "nodong"
    )
    assert code == 0
    assert out.startswith("too-short: ") and "SIMULATED, NOTIONAL" in out


@pytest.mark.parametrize(
    "arguments,code,told",
    [
        (["--apogee-km", "50"], 1, "--range-km"),
        (["--range-km", "0", "--apogee-km", "50"], 1, "range_km = 0"),
        (["--range-km", "nan", "--apogee-km", "50"], 1, "nan"),
        (["--range-km", "500", "--apogee-km", "50", "--class", "mars"], 1, "no configuration 'mars'"),
        (["--range-km", "500", "--apogee-km", "50", "--speed", "3"], 2, "--speed"),
    ],
)
def test_claims_that_mean_nothing(sharedsky, arguments, code, told):
    found, out, err = sharedsky("check", "launch", *arguments)
    assert (found, out) == (code, "")
    assert told in err and err.count("\n") == 1


def test_a_file_called_launch_is_given_by_its_path(sharedsky, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "launch").write_bytes(b"words")
    code, out, _ = sharedsky("check", "./launch")
    assert code == 1 and out.startswith("launch: is neither")


def test_flight_times_are_shown_and_judged(sharedsky, tmp_path):
    path = tmp_path / "times.csv"
    path.write_text(
        "missile,lat,lon,bearing_deg,range_km,apogee_km,flight_time_s,quality\n"
        "Nodong,38.7,125.7,74,1000,300,588,reported\n"
        "Nodong,38.7,125.7,74,1000,300,300,time rough\n"
    )
    code, out, _ = sharedsky("check", path)
    assert code == 0
    assert "2 rows, 1 tested, 1 of these consistent" in out
    assert "too-short" in out and "not tested" in out
    rows = json.loads(sharedsky("check", path, "--json")[1])["files"][0]["rows"]
    assert [row["verdict"] for row in rows] == ["consistent", "too-short"]
    assert [row["tested"] for row in rows] == [True, False]


def test_odd_tests_are_listed(sharedsky, tmp_path):
    path = tmp_path / "tests.csv"
    path.write_text(
        "date,missile,lat,lon,apogee_km,distance_km,bearing_deg,outcome\n"
        "2019-07-24,hwasong-11a,39.4,127.5,50,600,70,success\n"
        "2014-02-27,scud-b,39,127.6,80,200,70,success\n"
        "1984-04-09,scud-b,39,127.6,unknown,unknown,70,success\n"
    )
    code, out, _ = sharedsky("check", path)
    assert code == 0
    assert "3 rows, 2 judged, 1 of these odd, 1 unknown" in out
    assert "needs lift" in out
