"""What every daemon does around its own work: start, say how it is, stop when told, and fail in one line.

Rules of this module:

- An operator's mistake ends the process with one line on stderr and exit code 1, before anything is written.
- SIGTERM and SIGINT set one event; the daemon's loop sees it and ends in order.
- A status file (JSON, by ``.part`` and rename) says once a second what the process is doing; systemd is told
  with it that the process is alive (`sharing.supervisor`).
- ``--check`` loads configuration and keys, says so in one line, and stops there.
- A process whose environment names its parent (`PARENT`) ends with it, however the parent ends.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from sharing.clock import monotonic_ns
from sharing.messages import S
from sharing.recording import RecordingError
from sharing.settings import SettingsError
from sharing.supervisor import Supervisor
from sharing.transport import Hub

T = TypeVar("T")

STATUS_EVERY_NS = S
"""Wall time between two status files."""
BEGINNINGS, ENDS = ("generating",), ("ending", "ended")
"""States in which a process does not serve yet, and any more."""
LOOK_S = 0.01
PARENT = "SHAREDSKY_PARENT"
"""Environment variable: the id of the process without which this one is not wanted."""
PR_SET_PDEATHSIG = 1
"""Of prctl(2): the signal that a process gets when its parent dies."""


class Status:
    """The status file of one process, and what it tells its supervisor; without a path there is no file."""

    def __init__(self, path: str | None, **always: Any) -> None:
        self._path = None if path is None else Path(path)
        self._always = {**always, "pid": os.getpid()}
        self._next_ns = self._next_beat_ns = 0
        self._supervisor = Supervisor()

    def write(self, state: str, **fields: Any) -> None:
        """Say that the process is in `state`, now. Called by the loop that does the work."""
        self._next_ns = monotonic_ns() + STATUS_EVERY_NS
        if state in ENDS:
            self._supervisor.stopping()
        elif state not in BEGINNINGS:
            self._supervisor.ready()
        self._supervisor.alive(state)
        if self._path is not None:
            part = self._path.with_suffix(".part")
            part.write_text(json.dumps({**self._always, "state": state, **fields}))
            part.rename(self._path)

    def due(self) -> bool:
        """Whether a second of wall time has passed since the last one."""
        return monotonic_ns() >= self._next_ns

    def beat(self) -> None:
        """The loop has come round with nothing new to say; told to the supervisor once a second."""
        if monotonic_ns() >= self._next_beat_ns:
            self._next_beat_ns = monotonic_ns() + STATUS_EVERY_NS
            self._supervisor.alive()


def run(name: str, work: Callable[[asyncio.Event], Awaitable[None]]) -> int:
    """Run a daemon's `work` until it ends; its argument is set by SIGTERM and SIGINT. The exit code."""
    try:
        asyncio.run(_run(work))
    except (SettingsError, RecordingError, OSError) as error:
        note(name, str(error))
        return 1
    return 0


def note(name: str, text: str) -> None:
    """Tell the operator something that ends nothing: one line on stderr."""
    print(f"{name}: {text}", file=sys.stderr, flush=True)


def end_with(parent: int) -> None:
    """Get a SIGTERM when the process `parent` dies. Raises SettingsError when it has died already."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    # It may have died before that call, which then waits for the death of whoever took its place.
    if os.getppid() != parent:
        raise SettingsError(f"process {parent}, which started this one, has gone")


async def until(
    work: Coroutine[Any, Any, T], stop: asyncio.Event, hub: Hub, beat: Callable[[], None]
) -> T | None:
    """The result of `work`, or None when `stop` is set before it ends; `beat` is called all the while.

    The hub's sockets are looked at meanwhile: a SUB that nobody looks at does not tell its publisher that
    it has subscribed.
    """
    task = asyncio.ensure_future(work)
    try:
        while not task.done() and not stop.is_set():
            await hub.wait(0.0)
            beat()
            await asyncio.sleep(LOOK_S)
        return task.result() if task.done() else None
    finally:
        task.cancel()


async def _run(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if parent := os.environ.get(PARENT):
        end_with(int(parent))
    await work(stop)
