"""docs/daemons.md, run: its keys, the example configurations as they are (but for the ports), its start."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

import pytest

import configs
from sharing.recording import Recording
from sharing.transport import free_endpoints
from tests.integration.test_tutorials import blocks

pytestmark = pytest.mark.integration

PAGE = configs.ROOT.parent / "docs" / "daemons.md"
STATUSES = ("KOR.node", "JPN.node", "KOR.guard", "KOR.emulator")
PATIENCE_S = 60.0
RUN_S = 4.0


@pytest.fixture
def folder(tmp_path):
    """The page's folder, with the examples on ports that are free here."""
    shutil.copytree(configs.ROOT, tmp_path / "configs")
    files = sorted((tmp_path / "configs" / "daemon").glob("*.toml"))
    endpoints = re.compile(r"tcp://127\.0\.0\.1:\d+")
    named = sorted({name for file in files for name in endpoints.findall(file.read_text())})
    free = dict(zip(named, free_endpoints(len(named)), strict=True))
    for file in files:
        file.write_text(endpoints.sub(lambda found: free[found[0]], file.read_text()))
    return tmp_path


def run_block(folder, name):
    """Run the page's Python block `name`."""
    (code,) = [block for info, block in blocks(PAGE.read_text()) if info == f"python {name}"]
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment(), check=True)


def environment():
    return {**os.environ, "PYTHONPATH": str(configs.ROOT.parent), "NO_COLOR": "1"}


def commands():
    """The page's four daemons, as arguments."""
    lines = re.findall(r"^    sharedsky (.*) &$", PAGE.read_text(), re.MULTILINE)
    assert len(lines) == len(STATUSES)
    return [line.split() for line in lines]


def start(folder, arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "fusion.cli", *arguments],
        cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def statuses(folder):
    files = [folder / f"{name}.json" for name in STATUSES]
    return [json.loads(file.read_text()) if file.exists() else {} for file in files]


def wait_until_ready(folder, processes):
    end = time.monotonic() + PATIENCE_S
    while any(status.get("state") != "ready" for status in statuses(folder)):
        assert time.monotonic() < end, statuses(folder)
        for process in processes:
            assert process.poll() is None, process.communicate()
        time.sleep(0.1)


def test_the_page_about_daemons_works(folder):
    (made,) = re.findall(r"^    sharedsky (keys new .*)$", PAGE.read_text(), re.MULTILINE)
    assert start(folder, made.split()).wait() == 0
    for arguments in commands():
        checked = start(folder, [*arguments, "--check"])
        assert checked.communicate(timeout=PATIENCE_S) == (f"{arguments[-1]}: ok\n", "")
    processes = [start(folder, arguments) for arguments in commands()]
    try:
        wait_until_ready(folder, processes)
        run_block(folder, "start.py")
        time.sleep(RUN_S)
        for process in reversed(processes):
            process.terminate()
            assert process.communicate(timeout=PATIENCE_S) == ("", "")
            assert process.returncode == 0
    finally:
        for process in processes:
            process.kill()
            process.wait()
    korea, japan, *_ = statuses(folder)
    for node in (korea, japan):
        assert sum(node["received"].values()) > 20
        assert (node["lost"], node["refused"]) == (0, {})
    for nation in ("KOR", "JPN"):
        with Recording.open(folder / f"{nation}.mcap") as recording:
            assert not recording.truncated


def test_a_killed_node_loses_no_recording_when_it_is_started_again(folder):
    (made,) = re.findall(r"^    sharedsky (keys new .*)$", PAGE.read_text(), re.MULTILINE)
    assert start(folder, made.split()).wait() == 0
    node = ["node", "--config", "configs/daemon/node-jpn.toml"]
    for number in (1, 2):
        process = start(folder, node)
        end = time.monotonic() + PATIENCE_S
        while statuses(folder)[1].get("pid") != process.pid:
            assert time.monotonic() < end and process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.kill()
        said = process.communicate()[1]
        kept = sorted(path.name for path in folder.glob("*.part-*"))
        assert kept == [f"JPN.mcap.part-{n}" for n in range(1, number)], kept
        assert ("sharedsky recover" in said) == (number > 1)
