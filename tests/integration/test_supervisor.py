"""What systemd hears of a node, and what it thinks of its unit."""

import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from fusion.core.events import Tick
from sharing.supervisor import Supervisor
from tests.integration.test_node import Live

pytestmark = pytest.mark.integration

UNIT = Path("configs/systemd/sharedsky-node@.service")
WORST_EXPOSURE = 2.0
"""What systemd-analyze calls OK; a daemon without any hardening has 9.6."""
BLOCKED_S = 2.5


class Systemd:
    """The other end of NOTIFY_SOCKET: messages and when they came."""

    def __init__(self, address):
        self.heard = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(0.05)
        self._ends = threading.Event()
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def _listen(self):
        while not self._ends.is_set():
            try:
                self.heard.append((time.monotonic(), self._socket.recv(4096).decode()))
            except TimeoutError:
                continue

    def said(self, word):
        return [t for t, text in self.heard if word in text.splitlines()]

    def close(self):
        self._ends.set()
        self._listener.join()
        self._socket.close()


@pytest.fixture(params=["/notify", "@sharedsky-test"])
def systemd(request, tmp_path, monkeypatch):
    address = request.param.replace("/", f"{tmp_path}/")
    listening = Systemd(address.replace("@", "\0"))
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    yield listening
    listening.close()


@pytest.fixture
async def live(systemd, hub_of, free_port, tmp_path):
    hubs = [await hub_of(name) for name in ("KOR.emulator", "KOR.node", "KOR.view")]
    return Live(*hubs, [free_port() for _ in range(4)], tmp_path)


async def nothing():
    """There is nothing to do beside the node."""


async def test_a_node_is_ready_alive_and_stopping_and_silent_while_its_loop_hangs(live, systemd):
    """Scenario time runs at 20: the loop hangs at second five, for as long as the watchdog would notice."""
    handle = live.node._core.handle
    hung = []

    def hanging(event):
        if isinstance(event, Tick) and not hung and event.t_ns >= 5 * 10**9:
            hung.append(time.monotonic())
            time.sleep(BLOCKED_S)
            hung.append(time.monotonic())
        return handle(event)

    live.node._core.handle = hanging
    status = await live.run(nothing())
    assert status["state"] == "ended"
    time.sleep(0.2)
    assert len(systemd.said("READY=1")) == 1
    assert len(systemd.said("STOPPING=1")) == 1
    ready, stopping = systemd.said("READY=1")[0], systemd.said("STOPPING=1")[0]
    beats = systemd.said("WATCHDOG=1")
    assert ready < hung[0] < hung[1] < stopping
    assert [t for t in beats if t < hung[0]]
    assert not [t for t in beats if hung[0] + 0.1 < t < hung[1] - 0.1]
    assert [t for t in beats if hung[1] < t < stopping + 0.1]
    assert systemd.said("STATUS=running")


def test_nobody_listening_is_no_fault(tmp_path):
    for environment in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}):
        supervisor = Supervisor(environment)
        supervisor.ready()
        supervisor.alive("running")
        supervisor.stopping()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_the_unit_is_right_and_hardened(tmp_path):
    text = UNIT.read_text().replace("/opt/sharedsky/.venv/bin/sharedsky", shutil.which("true"))
    unit = tmp_path / "sharedsky-node@jpn.service"
    unit.write_text(re.sub("(?m)^Documentation=.*$", "", text))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", UNIT], capture_output=True, text=True, check=True
    )
    exposure = re.search(r"exposure level .*: ([\d.]+)", judged.stdout)
    assert float(exposure[1]) <= WORST_EXPOSURE
