"""Publishes one nation's sensors over ZeroMQ, in real or scaled time: what a real radar's gateway would do.

Rules of this module:

- The whole feed is generated before the process says it is ready; while it runs it only waits and sends.
- Its PUBs connect to the ingress of its nation's own node and guard, which bind; it binds the backfill.
- It waits for its subscribers before it starts the clock, and publishes each message when scenario time has
  reached the message's available time: the transport delay is thus really waited for.
- At the end it repeats the last numbers and stays, within a bound, as long as somebody is subscribed, so
  that everything missing can still be asked for.
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec.structs import replace

from sensors.scenario import Scenario, feed, load_scenario
from sharing.clock import Clock, ClockConfig, monotonic_ns, started
from sharing.daemon import Status, run, until
from sharing.feeds import Outlet
from sharing.keys import KeysConfig, load_directory, load_pair
from sharing.messages import NATIONS, Message, S, topic_of_feed
from sharing.settings import SettingsError, load
from sharing.transport import Hub
from sharing.wire import encode

BEAT_S = 1.0
"""Wall seconds between heartbeats."""


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One recipient of the raw feed: its process name and the ingress endpoint it has bound."""

    peer: str
    ingress: str


class EmulatorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An emulator's TOML. `backfill` is the endpoint it binds; `linger_s` bounds its stay after the end.

    Of `clock` only the speed and the epoch count: scenario time begins where the scenario says.
    """

    clock: ClockConfig
    keys: KeysConfig
    links: Annotated[tuple[Link, ...], msgspec.Meta(min_length=1)]
    backfill: str
    seed: int | None = None
    status: str | None = None
    linger_s: Annotated[float, msgspec.Meta(ge=0)] = 30.0


class Planned(NamedTuple):
    """One message, ready to go out at scenario time `t_ns`."""

    t_ns: int
    topic: str
    message: Message
    frame: bytes


def main(nation: str, scenario: str, config: str, check: bool = False) -> int:
    """Run the emulator of `nation` in `scenario` with the TOML file `config`. The exit code."""

    async def work(stop: asyncio.Event) -> None:
        if nation not in NATIONS:
            raise SettingsError(f"nation = {nation!r}: one of {', '.join(NATIONS)}")
        settings = load(config, EmulatorConfig)
        directory = load_directory(settings.keys.public)
        directory.require(link.peer for link in settings.links)
        hub, chosen = Hub(load_pair(settings.keys.secret), directory), load_scenario(scenario)
        if check:
            print(f"{config}: ok")
            return
        await _emulate(nation, chosen, settings, hub, stop)

    return run("emulator", work)


def plan(scenario: Scenario, seed: int, nation: str) -> list[Planned]:
    """Everything that `nation` publishes, in the order in which it becomes available."""
    planned = []
    for message in feed(scenario, seed, (nation,)):
        topic = topic_of_feed(nation, message.sensor)
        planned.append(Planned(message.t_available_ns, topic, message, encode(topic, message)))
    return sorted(planned, key=lambda p: (p.t_ns, p.message.item_id))


async def _emulate(
    nation: str, scenario: Scenario, settings: EmulatorConfig, hub: Hub, stop: asyncio.Event
) -> None:
    clock_config = replace(settings.clock, t_start_s=scenario.t_start_ns / S)
    status = Status(settings.status, nation=nation, role="emulator")
    async with hub:
        names = [link.peer for link in settings.links]
        server = hub.server(settings.backfill, f"backfill/{nation}", names)
        status.write("generating")
        seed = scenario.seed_default if settings.seed is None else settings.seed
        planned = plan(scenario, seed, nation)
        links = [hub.publisher(link.ingress, link.peer) for link in settings.links]
        emulator = Publisher(hub, Outlet(nation, links, server), status, stop)
        await emulator.wait_for_subscribers()
        status.write("ready")
        clock = await until(started(clock_config), stop, hub, status.beat)
        if clock is not None:
            await emulator.publish(planned, clock)
            await emulator.linger(settings.linger_s)


class Publisher:
    """The publishing loop and what it needs."""

    def __init__(self, hub: Hub, outlet: Outlet, status: Status, stop: asyncio.Event) -> None:
        self._hub = hub
        self._outlet = outlet
        self._status = status
        self._stop = stop
        self._clock: Clock | None = None

    async def wait_for_subscribers(self) -> None:
        """Return once every link's recipient has subscribed."""
        while (awaited := self._outlet.awaited()) and not self._stop.is_set():
            if self._status.due():
                self._status.write("waiting", waiting_for=awaited)
            await self._hub.wait(BEAT_S)

    async def publish(self, planned: Sequence[Planned], clock: Clock) -> None:
        """Send every message at its time."""
        self.begin(clock)
        for t_ns, topic, message, frame in planned:
            while clock.now_ns() < t_ns and not self._stop.is_set():
                await self.tend("running", min(BEAT_S, clock.wall_s_until(t_ns)))
            if self._stop.is_set():
                return
            self._outlet.publish(topic, message, frame, t_ns)

    async def linger(self, linger_s: float) -> None:
        """Stay while somebody is subscribed, at most `linger_s` wall seconds."""
        end_ns = monotonic_ns() + round(linger_s * S)
        self._say("ending")
        while self._outlet.watched() and monotonic_ns() < end_ns and not self._stop.is_set():
            await self.tend("ending", BEAT_S / 4)
        self._say("ended")

    def begin(self, clock: Clock) -> None:
        """From now on it is scenario time by `clock`."""
        self._clock = clock

    async def tend(self, state: str, wall_s: float, **fields: Any) -> None:
        """Wait at most `wall_s`; answer requests; once a second, heartbeats and a status with `fields`."""
        await self._hub.wait(wall_s)
        self._outlet.serve()
        self._outlet.watched()
        if self._status.due():
            self._say(state, **fields)

    def _say(self, state: str, **fields: Any) -> None:
        assert self._clock is not None
        now_ns = self._clock.now_ns()
        self._outlet.heartbeat(now_ns)
        self._status.write(state, t_ns=now_ns, published=dict(self._outlet.published), **fields)
