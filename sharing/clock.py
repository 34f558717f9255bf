"""Scenario time for the shells: the only place that reads a clock.

Rules of this module:

- Scenario time is integer nanoseconds, zero at the first liftoff; it is what the wire and the pictures carry.
- A scaled clock runs ``speed`` times as fast as the wall: t = t_start + (wall − epoch) · speed. Speed 1 is
  real time. The epoch is shared as Unix time and turned once into the machine's monotonic clock, so that
  a step of the wall clock afterwards moves nothing.
- All processes of an exercise share one epoch: it is configured, or they wait for a *start file*, which
  whoever starts the exercise writes. A process never makes up an epoch of its own.
"""

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated, Protocol

import msgspec

from sharing.messages import S
from sharing.settings import SettingsError, read_text

monotonic_ns = time.monotonic_ns
"""Wall nanoseconds for latencies and time-outs, never for the wire."""
START_FILE_POLL_S = 0.02

Speed = Annotated[float, msgspec.Meta(gt=0, le=1000)]
Seconds = Annotated[float, msgspec.Meta(ge=-1e10, le=1e10)]


class ClockConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Table ``[clock]`` of a daemon: when scenario time begins and ends, and how fast it runs.

    Either the epoch and the speed come from a ``start_file``, once it appears (within ``wait_s``), or the
    epoch is ``epoch_unix_s``. Times are seconds, since the first liftoff or Unix; raises ValueError.
    """

    t_start_s: Seconds = 0.0
    until_s: Seconds | None = None
    speed: Speed = 1.0
    epoch_unix_s: Seconds | None = None
    start_file: str | None = None
    wait_s: Annotated[float, msgspec.Meta(gt=0, le=86400)] = 120.0

    def __post_init__(self) -> None:
        if (self.start_file is None) == (self.epoch_unix_s is None):
            raise ValueError("exactly one of start_file and epoch_unix_s is needed, the same for all")

    @property
    def t_start_ns(self) -> int:
        """Where scenario time begins."""
        return round(self.t_start_s * S)

    @property
    def until_ns(self) -> int | None:
        """Where the process ends by itself; None: it runs until it is told to stop."""
        return None if self.until_s is None else round(self.until_s * S)


class Start(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Content of a start file (JSON): scenario time ``t_start_s`` is at Unix time `epoch_unix_ns`."""

    epoch_unix_ns: int
    speed: Speed


class Clock(Protocol):
    """What a shell needs to know about time."""

    def now_ns(self) -> int:
        """Scenario time, never going back."""

    def wall_s_until(self, t_ns: int) -> float:
        """Wall seconds until scenario time `t_ns`; 0 when it has passed."""


class ScaledClock:
    """Scenario time that runs `speed` times as fast as the wall, from `t_start_ns` at `epoch_unix_ns`."""

    def __init__(self, t_start_ns: int, speed: float, epoch_unix_ns: int) -> None:
        self.speed = speed
        self._t_start_ns = t_start_ns
        self._epoch = time.monotonic_ns() + epoch_unix_ns - time.time_ns()

    def now_ns(self) -> int:
        """Scenario time; `t_start_ns` itself until the epoch is reached."""
        elapsed = max(0, time.monotonic_ns() - self._epoch)
        return self._t_start_ns + int(elapsed * self.speed)

    def wall_s_until(self, t_ns: int) -> float:
        """Wall seconds until scenario time `t_ns`; 0 when it has passed."""
        due = self._epoch + (t_ns - self._t_start_ns) / self.speed
        return max(0.0, (due - time.monotonic_ns()) / S)


class VirtualClock:
    """Scenario time that stands still until a test moves it."""

    def __init__(self, t_start_ns: int = 0) -> None:
        self._now = t_start_ns

    def now_ns(self) -> int:
        """Scenario time as last moved."""
        return self._now

    def wall_s_until(self, t_ns: int) -> float:
        """Nobody knows when a test will move on: 0 when `t_ns` has passed, else a short wait."""
        return 0.0 if t_ns <= self._now else 0.001

    def advance_to(self, t_ns: int) -> None:
        """Move forward. Raises ValueError for a time that has passed."""
        if t_ns < self._now:
            raise ValueError("a clock does not go back")
        self._now = t_ns


def write_start(path: Path, speed: float, in_s: float) -> None:
    """Let everyone who waits for `path` begin `in_s` wall seconds from now."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"epoch_unix_ns": time.time_ns() + round(in_s * S), "speed": speed}))
    part.rename(path)


async def started(config: ClockConfig) -> ScaledClock:
    """The clock of a daemon, once its start is known. Raises SettingsError when no start file appears."""
    if config.epoch_unix_s is not None:
        return ScaledClock(config.t_start_ns, config.speed, round(config.epoch_unix_s * S))
    path = Path(config.start_file or "")
    deadline = time.monotonic() + config.wait_s
    while not path.exists():
        if time.monotonic() > deadline:
            raise SettingsError(f"{path}: no start file after {config.wait_s:g} s")
        await asyncio.sleep(START_FILE_POLL_S)
    try:
        start = msgspec.json.decode(read_text(path), type=Start)
    except msgspec.DecodeError as error:
        raise SettingsError(f"{path}: not a start file: {error}") from None
    return ScaledClock(config.t_start_ns, start.speed, start.epoch_unix_ns)
