"""Processes over ZeroMQ on loopback: one small exercise, and what an operator may do wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

import configs
from fusion import demo
from fusion.arms import by_recipient, entries
from fusion.exercise import Exercise, ExerciseError, planned
from fusion.regions import load_regions
from fusion.session import Session, run
from fusion.verify import verify
from sensors.scenario import load_scenario
from sharing.messages import NATIONS, RECIPIENTS, Picture
from sharing.recording import Recording, merge
from sharing.settings import load_policy
from sharing.wire import encode

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("exercise")]

SCENARIO = """
title = "The first minute and a half of a short flight, NOTIONAL"
shows = "that everything is connected"
regions = ["jpn", "kor"]
duration_s = 90
sensors = ["KOR/greenpine-b-1", "JPN/fps5-sado", "USA/tpy2-kyogamisaki"]

[ships]
"KOR/rokn-aegis-1" = { lat_deg = 38.2, lon_deg = 129.6 }
"JPN/jmsdf-aegis-2" = { lat_deg = 38.5, lon_deg = 132.5 }

[[threats]]
class = "kn23"
name = "kn23-1"
lat_deg = 39.4
lon_deg = 127.5
bearing_deg = 80.0
range_km = 600.0
apogee_km = 50.0
"""
SPEED = 15.0
HIDDEN = "KOR/rokn-aegis-1"


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """A short scenario under full-mesh, with one ship's feed withheld from everybody."""
    path = tmp_path_factory.mktemp("scenario") / "900-short.toml"
    path.write_text(SCENARIO)
    policy = load_policy(configs.resolve("policies", "full-mesh")).withhold((HIDDEN,))
    scenario = load_scenario(str(path))
    regions = tuple(configs.resolve("regions", name) for name in scenario.regions)
    return planned(scenario, path, policy, 1, SPEED, regions, {})


@pytest.fixture(scope="module")
def held(plan, tmp_path_factory):
    """The exercise once held: last statuses, exit codes, the nodes' recordings and the merged session."""
    folder = tmp_path_factory.mktemp("exercise")
    with Exercise(plan, folder) as exercise:
        exercise.start()
        while exercise.running():
            time.sleep(0.1)
        codes = {name: process.returncode for name, process in exercise.processes.items()}
    session = folder / "session.mcap"
    t_ns = plan.scenario.t_start_ns
    extra = [("policy", plan.policy.text.encode(), t_ns)]
    extra += [("truth", encode("truth", truth), t_ns) for truth in plan.scenario.truth]
    merge(exercise.recordings(), session, plan.metadata, extra)
    regions = by_recipient([region for path in plan.region_paths for region in load_regions(path)])
    return SimpleNamespace(
        folder=folder, session=session, codes=codes, statuses=exercise.statuses(), regions=regions,
        recordings=exercise.recordings(),
    )  # fmt: skip


def test_everybody_ends_by_itself_and_nothing_is_lost(held):
    assert len(held.codes) == 10
    assert set(held.codes.values()) == {0}
    for nation in NATIONS:
        published = held.statuses[f"{nation}.emulator"]["published"]
        received = held.statuses[f"{nation}.node"]["received"]
        assert published == {f"feed/{k}": n for k, n in received.items() if k.startswith(nation)}
        assert sum(published.values()) > 100
        for to, sent in held.statuses[f"{nation}.guard"]["released"].items():
            got = held.statuses[f"{to}.node"]["received"]
            assert sent == {f"released/{nation}/{to}/{k.partition('/')[2]}": n for k, n in got.items()
                            if k.startswith(nation)}  # fmt: skip
    for nation in RECIPIENTS:
        status = held.statuses[f"{nation}.node"]
        assert (status["lost"], status["refused"]) == (0, {})


def test_live_pictures_are_those_of_their_replay(held):
    verified = verify(held.session, regions=held.regions)
    assert verified.difference is None
    assert all(count > 200 for count in verified.compared.values())


def test_live_settled_pictures_are_those_of_the_stamps(held):
    results = run(Session.load(held.session), regions=held.regions)
    live = {nation: [] for nation in RECIPIENTS}
    for entry in entries(held.session):
        if isinstance(entry.message, Picture) and entry.message.picture == "settled":
            live[entry.nation].append(entry.bytes())
    late = {n: held.statuses[f"{n}.node"]["core"].get("refused_late", 0) for n in RECIPIENTS}
    for nation in RECIPIENTS:
        assert late[nation] == 0, f"this machine delivered {late} items too late: too busy for this test"
        made = [encode(f"picture/{nation}", picture) for picture in results[nation].settled]
        assert made == live[nation]
    assert any(len(picture.track_id) for picture in results["COALITION"].settled)


def test_the_summary_is_complete(held, plan):
    other = load_policy(configs.resolve("policies", "withheld-kor"))
    judged = demo._judge(held.session, plan.policy.name, other.text)
    summary = json.loads(json.dumps(
        demo._summary(plan, other.name, 1.0, held.statuses, judged), allow_nan=False))  # fmt: skip
    assert list(summary) == ["scenario", "seed", "speed", "sim_s", "wall_s", "backend", "session_sha256",
                             "feeds", "arms", "cost", "latency_ms"]  # fmt: skip
    assert set(summary["arms"]) == {plan.policy.name, "withheld-kor"}
    assert set(summary["feeds"]) == {f"{radar.nation}/{radar.id}" for radar in plan.scenario.sensors}
    assert {feed["lost"] for feed in summary["feeds"].values()} == {0}
    assert summary["feeds"][HIDDEN]["released_to"] == {"JPN": 0, "USA": 0, "COALITION": 0}
    assert summary["session_sha256"] == Session.generate(plan.scenario, plan.seed, plan.policy).sha256()
    assert summary["cost"]["KOR"]["custody_lost"] == 0.0
    assert 0.0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"] <= summary["latency_ms"]["max"]


def test_a_withheld_feed_reaches_its_own_nation_only(held):
    for nation, path in zip(RECIPIENTS, held.recordings, strict=True):
        with Recording.open(path) as recording:
            topics = {record.topic for record in recording}
        assert any("greenpine-b-1" in topic for topic in topics)
        assert any("rokn-aegis-1" in topic for topic in topics) == (nation == "KOR")


def test_a_cut_recording_is_replayed_to_its_last_complete_chunk(held, tmp_path):
    cut = tmp_path / "cut.mcap"
    data = held.recordings[-1].read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    verified = verify(cut, regions=held.regions)
    assert verified.truncated
    assert verified.difference is None
    assert sum(verified.compared.values()) > 0


def test_what_the_exercise_leaves_is_for_its_owner(held):
    secrets = list(held.folder.glob("*.key"))
    assert len(secrets) == 14
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}


# ------------------------------------------------------------------------------------------ single daemons


@pytest.fixture
def laid_out(plan, tmp_path):
    """A folder with keys and one TOML file for every process, none of them running."""
    with Exercise(plan, tmp_path):
        yield tmp_path


def daemon(folder, role, *more, name=None):
    """Start one daemon of `laid_out`."""
    config = folder / f"{name or f'KOR.{role}'}.toml"
    return subprocess.Popen(
        [sys.executable, "-m", "fusion.cli", role, "--config", str(config), *more],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=configs.ROOT.parent, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip


def state(folder, name):
    try:
        return json.loads((folder / f"{name}.json").read_text())["state"]
    except FileNotFoundError:
        return None


def until_state(folder, name, wanted, process):
    end = time.monotonic() + 30
    while state(folder, name) != wanted:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


def one_line(process):
    """The only line that a failed daemon says."""
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert out == ""
    assert err.count("\n") == 1, err
    return err


def test_a_node_told_to_stop_closes_its_recording(laid_out):
    process = daemon(laid_out, "node")
    until_state(laid_out, "KOR.node", "ready", process)
    (laid_out / "start.json").write_text(json.dumps({"epoch_unix_ns": time.time_ns(), "speed": 50.0}))
    until_state(laid_out, "KOR.node", "running", process)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0
    with Recording.open(laid_out / "KOR.mcap") as recording:
        assert not recording.truncated
        topics = [record.topic for record in recording]
    assert topics.count("tick/KOR") > 5
    assert not list(laid_out.glob("*.part"))


def test_a_waiting_guard_says_for_whom(laid_out):
    process = daemon(laid_out, "guard")
    until_state(laid_out, "KOR.guard", "waiting", process)
    status = json.loads((laid_out / "KOR.guard.json").read_text())
    assert status["waiting_for"] == ["JPN.node", "USA.node", "COALITION.node"]
    process.terminate()
    assert process.communicate(timeout=10) == ("", "")


def test_an_occupied_port_is_one_line_and_leaves_nothing(laid_out):
    first = daemon(laid_out, "node")
    until_state(laid_out, "KOR.node", "ready", first)
    try:
        (laid_out / "again.toml").write_text(
            (laid_out / "KOR.node.toml").read_text().replace("KOR.mcap", "again.mcap")
        )
        assert "cannot listen for ingress/KOR: address already in use" in one_line(
            daemon(laid_out, "node", name="again")
        )
        assert not list(laid_out.glob("again.mcap*"))
    finally:
        first.terminate()
        first.communicate(timeout=10)


def test_operators_mistakes_are_one_line(laid_out):
    (laid_out / "KOR.guard.key").chmod(0o644)
    assert "KOR.guard.key: mode 0644" in one_line(daemon(laid_out, "guard"))
    (laid_out / "KOR.node.key").unlink()
    assert "KOR.node.key: cannot be read" in one_line(daemon(laid_out, "node"))
    text = (laid_out / "KOR.emulator.toml").read_text()
    (laid_out / "KOR.emulator.toml").write_text(text.replace('"until_s" = 120.0', '"until_s" = "soon"'))
    emulator = daemon(laid_out, "emulator", "--nation", "KOR", "--scenario", "009")
    assert "clock.until_s = 'soon'" in one_line(emulator)


@pytest.mark.parametrize("role", ["node", "guard"])
def test_a_good_configuration_is_only_checked(laid_out, role):
    process = daemon(laid_out, role, "--check")
    assert process.communicate(timeout=30) == (f"{laid_out / f'KOR.{role}.toml'}: ok\n", "")
    assert process.returncode == 0
    assert state(laid_out, f"KOR.{role}") is None
    assert not list(laid_out.glob("*.mcap*"))


# ----------------------------------------------------------------------------------------------- its ends


def test_an_exercise_that_is_broken_off_leaves_nothing_running(plan, tmp_path):
    with Exercise(plan, tmp_path) as exercise:
        exercise.start()
        time.sleep(0.5)
        assert exercise.running()
    assert {process.returncode for process in exercise.processes.values()} == {0}
    assert sorted(path.name for path in tmp_path.glob("*.mcap*")) == sorted(f"{n}.mcap" for n in RECIPIENTS)


def test_a_process_that_is_killed_is_said_to_be(plan, tmp_path):
    with Exercise(plan, tmp_path) as exercise:
        exercise._spawn("KOR.node", "node")
        exercise.processes["KOR.node"].kill()
        exercise.processes["KOR.node"].wait()
        with pytest.raises(ExerciseError, match=r"^KOR.node was killed by signal 9$"):
            exercise.running()


def test_a_process_that_fails_ends_the_exercise_with_its_last_word(plan, tmp_path):
    last_word = r"KOR.guard ended with 1: guard: .*KOR.guard.key: cannot be read"
    with pytest.raises(ExerciseError, match=last_word), Exercise(plan, tmp_path) as exercise:
        (tmp_path / "KOR.guard.key").unlink()
        exercise.start()
    assert all(process.returncode is not None for process in exercise.processes.values())
