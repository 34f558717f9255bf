"""How a demo ends when it must: it leaves no process, no key, no half-written file, and says one line."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import configs
from fusion.cli import cli
from fusion.command import invoke
from fusion.demo import _regions, claimed, run
from fusion.session import Session
from fusion.verify import verify
from sharing.messages import S
from sharing.policy import Policy
from sharing.recording import Recorder, Recording, RecordingError
from sharing.settings import SettingsError
from sharing.wire import decode
from tests.integration.test_exercise import SCENARIO

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("exercise")]

PATIENCE_S = 60.0
PROCESSES = 10
EPOCH_S = 45


@pytest.fixture
def demo(tmp_path):
    """A demo that has just been started; its temporary files lie below the folder ``tmp``."""
    scenario, temporary = tmp_path / "900-short.toml", tmp_path / "tmp"
    scenario.write_text(SCENARIO)
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "fusion.cli", "demo", str(scenario), "--out", str(tmp_path / "out")],
        cwd=configs.ROOT.parent, env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield process
    process.kill()
    process.communicate()


def children(process):
    """The ids of a process's children."""
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(pid) for pid in path.read_text().split()]


def runs(pid):
    """Whether a process is there and not only waiting to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(condition):
    end = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return found


def all_children(process):
    return eventually(lambda: pids if len(pids := children(process)) == PROCESSES else None)


def test_a_demo_killed_before_the_start_leaves_no_process(demo):
    pids = all_children(demo)
    demo.kill()
    eventually(lambda: not any(map(runs, pids)))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_a_demo_that_ends_in_the_middle_leaves_no_process(demo, tmp_path, number):
    pids = all_children(demo)
    eventually(lambda: list((tmp_path / "tmp").glob("*/start.json")))
    demo.send_signal(number)
    eventually(lambda: not any(map(runs, pids)))
    if number == signal.SIGHUP:
        assert demo.communicate(timeout=PATIENCE_S)[1].splitlines()[-1] == "sharedsky: stopped"
        assert demo.returncode == 1
        assert list((tmp_path / "tmp").iterdir()) == []


def test_a_second_demo_in_the_same_folder_ends_at_once(tmp_path, capsys):
    with claimed(tmp_path):
        assert invoke(cli, ["demo", "017", "--out", str(tmp_path)], "sharedsky") == 1
    assert capsys.readouterr().err == f"sharedsky: {tmp_path}: another demo is writing here\n"
    with claimed(tmp_path):
        pass


def test_a_demo_that_fails_leaves_no_part_of_a_session(tmp_path):
    session = tmp_path / "session.mcap"
    with pytest.raises(RecordingError), claimed(tmp_path), Recorder(session, {}) as recorder:
        recorder.write("policy", b"", 0)
        raise RecordingError("no space left on device")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("speed", ["nan", "inf", "-inf", "0", "-1"])
def test_a_speed_that_is_none_is_refused_at_once(tmp_path, speed, capsys):
    out = tmp_path / "out"
    assert invoke(cli, ["demo", f"--speed={speed}", "--out", str(out)], "sharedsky") == 1
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(SettingsError, match="speed = "):
        run("017", "full-mesh", "withheld-kor", float(speed), None, out)
    assert not out.exists()


def test_a_change_in_mid_event_is_in_the_session_and_its_replay_is_what_was_live(tmp_path):
    scenario = tmp_path / "900-short.toml"
    scenario.write_text(SCENARIO)
    nothing = Policy.parse("", "nothing")
    changes = ((EPOCH_S * S, nothing),)
    run(str(scenario), "full-mesh", "withheld-kor", 10.0, None, tmp_path, quiet=True, changes=changes)
    session = Session.load(tmp_path / "session.mcap")
    assert [(t_ns, policy.rules) for t_ns, policy in session.changes] == [(EPOCH_S * S, ())]
    with Recording.open(tmp_path / "session.mcap") as recording:
        stamps = [decode(r.data)[1].t_available_ns for r in recording if r.topic.startswith("released/")]
    assert stamps and max(stamps) < EPOCH_S * S
    assert verify(tmp_path / "session.mcap", regions=_regions(tmp_path / "session.mcap")).difference is None
