"""One live exercise on this machine: emulators, guards and nodes as processes of their own, and their end.

Rules of this module:

- Keys are made for this exercise and lie, with everything else, in a folder that only its owner can enter.
- Processes run in sessions of their own, so that a Ctrl-C reaches this one alone; it ends the others, by
  their ids, whatever happens. When this one is killed, they end by themselves.
- Nobody starts the clock before everybody is ready: then one start file gives all the same epoch.
- Nodes yield to emulators and guards (`niceness`): a node that was delayed catches up without loss, since
  its ticks wait for its data, but what leaves a publisher late is late for everybody.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from fusion.node.config import NodeConfig, Partner, Publish
from fusion.regions import load_regions
from fusion.session import Changes
from fusion.stated import describe, feed_lag_of, horizon_of
from sensors.emulator import EmulatorConfig, Link
from sensors.scenario import Scenario
from sharing.changes import add_change
from sharing.clock import ClockConfig, write_start
from sharing.daemon import PARENT
from sharing.feeds import Own
from sharing.guard import GuardConfig, Recipient, check_live, entitled
from sharing.keys import KeysConfig, write_pair
from sharing.messages import COALITION, NATIONS, RECIPIENTS, S
from sharing.policy import Policy
from sharing.settings import SettingsError
from sharing.transport import free_endpoints, new_pair

READY_S = 120.0
"""Wall seconds within which everybody must be ready."""
START_IN_S = 0.3
END_S = 5.0
"""Wall seconds that a process gets to end when told to."""
NODE_NICENESS = 5
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class ExerciseError(SettingsError):
    """A process of the exercise has failed: one line with its name and its last word."""


@dataclass(frozen=True)
class Plan:
    """What is exercised. `metadata` goes into every recording."""

    scenario: Scenario
    scenario_path: Path
    policy: Policy
    seed: int
    speed: float
    region_paths: tuple[Path, ...]
    metadata: Mapping[str, str]
    changes: Changes = ()

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The first policy and those that it is known to change to."""
        return self.policy, *(policy for _, policy in self.changes)

    def entitled(self, nation: str) -> tuple[str, ...]:
        """The recipients that any of the policies ever gives anything of `nation`."""
        given = {name for policy in self.policies for name in entitled(policy, nation)}
        return tuple(name for name in RECIPIENTS if name in given)

    @property
    def horizon_s(self) -> int:
        """Seconds by which the settled pictures follow."""
        return max(horizon_of(policy, feed_lag_of(self.scenario)) for policy in self.policies)

    @property
    def until_s(self) -> float:
        """When the last settled picture is made."""
        return self.scenario.t_end_ns / S + self.horizon_s


def planned(
    scenario: Scenario,
    path: Path,
    policy: Policy,
    seed: int,
    speed: float,
    regions: tuple[Path, ...],
    more: Mapping[str, str],
    changes: Changes = (),
) -> Plan:
    """The plan of an exercise; `more` is added to what the recordings say of themselves.

    Raises PolicyError for an arrangement that no live guard can run yet.
    """
    about = {**describe(scenario, seed, policy), **more, "speed": f"{speed:g}"}
    plan = Plan(scenario, path.resolve(), policy, seed, speed, regions, about, changes)
    for each in plan.policies:
        check_live(each)
    return replace(plan, metadata={**about, "horizon_s": str(plan.horizon_s)})


@dataclass
class Exercise:
    """A running exercise; a context manager that leaves nothing running. `folder` must be private."""

    plan: Plan
    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        (self.folder / "public").mkdir()
        self._ports: dict[str, str] = {}
        self._layout()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every process that still runs, by its id."""
        running = [process for process in self.processes.values() if process.poll() is None]
        for process in running:
            process.terminate()
        end = time.monotonic() + END_S
        for process in running:
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def changes(self) -> Path:
        """The file of the policy's changes, which all guards read: `sharedsky policy apply` writes it."""
        return self.folder / "changes.toml"

    def start(self) -> None:
        """Start every process, wait until all are ready, and let the clock run. Raises ExerciseError."""
        for nation in RECIPIENTS:
            self._spawn(f"{nation}.node", "node")
        for nation in NATIONS:
            self._spawn(f"{nation}.guard", "guard")
            scenario = str(self.plan.scenario_path)
            self._spawn(f"{nation}.emulator", "emulator", "--nation", nation, "--scenario", scenario)
        end = time.monotonic() + READY_S
        while not self.all_say("ready"):
            if not self.running() or time.monotonic() > end:
                waiting = [name for name, status in self.statuses().items() if status.get("state") != "ready"]
                raise ExerciseError(f"not ready after {READY_S:g} s: {', '.join(waiting)}")
            time.sleep(0.05)
        write_start(self.folder / "start.json", self.plan.speed, START_IN_S)

    def running(self) -> bool:
        """Whether any process still runs. Raises ExerciseError when one has failed."""
        for name, process in self.processes.items():
            if process.poll():
                raise ExerciseError(f"{name} {self._end_of(name, process.returncode)}")
        return any(process.poll() is None for process in self.processes.values())

    def statuses(self) -> dict[str, dict[str, Any]]:
        """What every process says of itself; empty where it has said nothing yet."""
        return {name: _read(self.folder / f"{name}.json") for name in self.processes}

    def all_say(self, state: str) -> bool:
        """Whether every process is in `state`."""
        return all(status.get("state") == state for status in self.statuses().values())

    def recordings(self) -> list[Path]:
        """The nodes' recordings, in the order of RECIPIENTS."""
        return [self.folder / f"{nation}.mcap" for nation in RECIPIENTS]

    def audits(self) -> list[Path]:
        """The guards' audit logs, all their files, older ones first."""
        found = [path for nation in NATIONS for path in self.folder.glob(f"{nation}.audit*")]
        return sorted(found, reverse=True)

    # ------------------------------------------------------------------------------------ configuration

    def _layout(self) -> None:
        """Keys, ports and one TOML file for every process."""
        for nation in RECIPIENTS:
            roles = ("node", "view") if nation == COALITION else ("node", "view", "guard", "emulator")
            for role in roles:
                write_pair(self.folder, self.folder / "public", new_pair(f"{nation}.{role}"))
        names = list(self._endpoint_names())
        self._ports = dict(zip(names, free_endpoints(len(names)), strict=True))
        self._policy = self.folder / "policy.toml"
        self._policy.write_text(self.plan.policy.text, encoding="utf-8")
        for t_ns, policy in self.plan.changes:
            add_change(self.changes, policy, t_ns / S)
        for nation in NATIONS:
            self._write(f"{nation}.emulator", self._emulator(nation))
            self._write(f"{nation}.guard", self._guard(nation))
        for nation in RECIPIENTS:
            self._write(f"{nation}.node", self._node(nation))

    def _endpoint_names(self) -> Iterator[str]:
        for nation in NATIONS:
            yield from (f"{nation}.node in", f"{nation}.guard in", f"{nation}.emulator backfill")
            for other in self.plan.entitled(nation):
                yield from (f"{nation}>{other}", f"{nation}>{other} backfill")
        for nation in RECIPIENTS:
            yield from (f"{nation} pictures", f"{nation} snapshots")

    def _emulator(self, nation: str) -> EmulatorConfig:
        peers = (f"{nation}.node", f"{nation}.guard")
        return EmulatorConfig(
            clock=self._clock(),
            keys=self._keys(f"{nation}.emulator"),
            links=tuple(Link(peer, self._ports[f"{peer} in"]) for peer in peers),
            backfill=self._ports[f"{nation}.emulator backfill"],
            seed=self.plan.seed,
            status=str(self.folder / f"{nation}.emulator.json"),
        )

    def _guard(self, nation: str) -> GuardConfig:
        return GuardConfig(
            nation=nation,
            policy=str(self._policy),
            clock=self._clock(),
            keys=self._keys(f"{nation}.guard"),
            own=Own(
                f"{nation}.emulator",
                self._ports[f"{nation}.guard in"],
                self._ports[f"{nation}.emulator backfill"],
            ),
            recipients=tuple(
                Recipient(
                    other,
                    f"{other}.node",
                    self._ports[f"{nation}>{other}"],
                    self._ports[f"{nation}>{other} backfill"],
                )
                for other in self.plan.entitled(nation)
            ),
            seed=self.plan.seed,
            audit=str(self.folder / f"{nation}.audit"),
            changes=str(self.changes),
            status=str(self.folder / f"{nation}.guard.json"),
        )

    def _node(self, nation: str) -> NodeConfig:
        emulator, ports = f"{nation}.emulator", self._ports
        own = None
        if nation in NATIONS:
            own = Own(emulator, ports[f"{nation}.node in"], ports[f"{emulator} backfill"])
        return NodeConfig(
            nation=nation,
            recording=str(self.folder / f"{nation}.mcap"),
            clock=self._clock(),
            keys=self._keys(f"{nation}.node"),
            own=own,
            partners=tuple(
                Partner(o, f"{o}.guard", ports[f"{o}>{nation}"], ports[f"{o}>{nation} backfill"])
                for o in NATIONS
                if nation in self.plan.entitled(o)
            ),
            publish=Publish(ports[f"{nation} pictures"], ports[f"{nation} snapshots"], (f"{nation}.view",)),
            regions=tuple(str(path) for path in self.plan.region_paths if _concerns(path, nation)),
            models=self.plan.scenario.models,
            association=self.plan.scenario.association,
            proof=self.plan.scenario.proof,
            max_tracks=self.plan.scenario.max_tracks,
            horizon_s=self.plan.horizon_s,
            niceness=NODE_NICENESS,
            status=str(self.folder / f"{nation}.node.json"),
            metadata=dict(self.plan.metadata),
        )

    def _clock(self) -> ClockConfig:
        return ClockConfig(
            t_start_s=self.plan.scenario.t_start_ns / S,
            until_s=self.plan.until_s,
            start_file=str(self.folder / "start.json"),
            wait_s=2 * READY_S,
        )

    def _keys(self, name: str) -> KeysConfig:
        return KeysConfig(str(self.folder / f"{name}.key"), str(self.folder / "public"))

    def _write(self, name: str, config: msgspec.Struct) -> None:
        text = "\n".join(f"{k} = {_toml(v)}" for k, v in msgspec.to_builtins(config).items() if v is not None)
        (self.folder / f"{name}.toml").write_text(text + "\n", encoding="utf-8")

    # ---------------------------------------------------------------------------------------- processes

    def _spawn(self, name: str, *command: str) -> None:
        config = str(self.folder / f"{name}.toml")
        with (self.folder / f"{name}.err").open("wb") as errors:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "fusion.cli", *command, "--config", config],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                env={**os.environ, **ENVIRONMENT, PARENT: str(os.getpid())},
                start_new_session=True,
            )

    def _end_of(self, name: str, code: int) -> str:
        """How a process failed; `code` is its exit code, or minus the signal that killed it."""
        if code < 0:
            return f"was killed by signal {-code}"
        lines = (self.folder / f"{name}.err").read_text(errors="replace").split("\n")
        last_word = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        return f"ended with {code}: {last_word}"


def _concerns(path: Path, nation: str) -> bool:
    return nation == COALITION or any(region.nation == nation for region in load_regions(path))


def _read(path: Path) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return answer


def _toml(value: Any) -> str:
    """A TOML value in one line; JSON's texts, numbers and truth values are TOML's too."""
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items() if v is not None)
        return f"{{ {inner} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)
