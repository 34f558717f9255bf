"""The node: receives, records, fuses and publishes, in one loop around the pure core.

Rules of this module:

- What the core gets is recorded first, in the order in which the core gets it, with the arrival time that
  the core is told: the recording replayed gives the same pictures, byte for byte.
- Before a tick, everything that has arrived is taken in. A node that was stopped for a while therefore
  loses nothing: its ticks wait for its data, however late both are by the wall.
- An item that the core refuses, most of all one that came too late, is counted; the first is said aloud.
- A refused frame is counted by its cause, recorded (the first ones) on ``refused/<NATION>``, and dropped.
- At the end the node waits a moment for what is still missing, counts the rest as lost, and closes its file.
"""

import asyncio
import os
from collections import Counter
from pathlib import Path

from fusion.core.engine import Core, CoreConfig
from fusion.core.events import Peek, Picture, Received, Refused, Tick, Update, Warning
from fusion.core.picture import next_impact
from fusion.core.regions import Region
from fusion.core.registration import MEANS, SIGMAS
from fusion.core.tracker import TrackerRules
from fusion.core.warning import DECLARE
from fusion.node.config import NodeConfig
from fusion.node.latency import Latency
from fusion.node.pictures import Pictures
from fusion.regions import load_regions
from sharing.clock import Clock, monotonic_ns, started
from sharing.daemon import Status, note, run, until
from sharing.feeds import Arrival, Inlet
from sharing.keys import load_directory, load_pair
from sharing.messages import (
    MEASUREMENTS,
    RECIPIENTS,
    Bias,
    Heartbeat,
    Product,
    S,
    topic_of_product,
)
from sharing.recording import Recorder, set_aside
from sharing.settings import SettingsError, load
from sharing.transport import Hub
from sharing.wire import encode

DRAINS = 8
"""Rounds of draining before a tick: more than every queue holds, and an end for a flood."""
MAX_REFUSED_KEPT = 1000
"""Refused frames that are recorded; those beyond are only counted, so that nobody can fill the disk."""
SHOWN = ("plots", "applied", *MEANS, *SIGMAS)
"""What the status says of a sensor's biases."""
REFUSED = "refused_"
"""How the core's counters of refused items begin; the cause follows."""
LAST_WAIT_S = 3.0
"""Wall seconds that the node waits after its last tick for what is missing."""


def main(config: str, check: bool = False) -> int:
    """Run the node of the TOML file `config`. The exit code."""

    async def work(stop: asyncio.Event) -> None:
        settings = load(config, NodeConfig)
        if settings.nation not in RECIPIENTS:
            raise SettingsError(f"{config}: nation = {settings.nation!r}: one of {', '.join(RECIPIENTS)}")
        directory = load_directory(settings.keys.public)
        directory.require(_peers(settings))
        hub = Hub(load_pair(settings.keys.secret), directory)
        regions = tuple(region for path in settings.regions for region in load_regions(path))
        core = Core(_core_config(settings, regions))
        if check:
            print(f"{config}: ok")
            return
        os.nice(settings.niceness)
        await _serve(settings, core, hub, stop)

    return run("node", work)


def _core_config(settings: NodeConfig, regions: tuple[Region, ...]) -> CoreConfig:
    return CoreConfig(
        settings.nation,
        regions,
        horizon_s=settings.horizon_s,
        max_tracks=settings.max_tracks,
        judgements_per_s=settings.judgements_per_s,
        late=settings.late,
        tracker=TrackerRules.of(settings.models, settings.association, settings.proof, settings.registration),
    )


def _metadata(settings: NodeConfig) -> dict[str, str]:
    """What the recording says of the node, for its replay."""
    judged = {"judgements_per_s": str(settings.judgements_per_s)} if settings.judgements_per_s else {}
    late = {"late": settings.late} if settings.late != "reprocess" else {}
    return {"nation": settings.nation, **judged, **late, **settings.metadata}


def _peers(settings: NodeConfig) -> list[str]:
    """The processes that a node deals with."""
    own = [settings.own.peer] if settings.own else []
    readers = settings.publish.readers if settings.publish else ()
    return [*own, *(partner.peer for partner in settings.partners), *readers]


async def _serve(settings: NodeConfig, core: Core, hub: Hub, stop: asyncio.Event) -> None:
    path = Path(settings.recording)
    if path.exists():
        raise SettingsError(f"{path}: exists; a node never overwrites a recording")
    if kept := set_aside(path):
        note("node", f"{kept}: the recording of a run that was ended; `sharedsky recover` makes it whole")
    async with hub:
        inlets = _inlets(settings, hub)
        pictures = Pictures.on(hub, settings.nation, settings.publish)
        with Recorder(path, _metadata(settings)) as recorder:
            node = Node(settings, core, hub, inlets, pictures, recorder)
            await node.run(stop)


def _inlets(settings: NodeConfig, hub: Hub) -> list[Inlet]:
    """The links of a node: its own emulator's first, then the partners' in the order of the file."""
    nation, inlets = settings.nation, []
    if settings.own is not None:
        own = settings.own
        ingress = hub.ingress(own.ingress, f"ingress/{nation}", [own.peer])
        inlets.append(Inlet(ingress, hub.client(own.backfill, own.peer), nation, nation, own.peer))
    for partner in settings.partners:
        ingress = hub.subscriber(partner.feed, partner.peer)
        client = hub.client(partner.backfill, partner.peer)
        inlets.append(Inlet(ingress, client, nation, partner.nation, partner.peer))
    return inlets


class Node:
    """One nation's node, once everything it needs is open."""

    def __init__(
        self,
        settings: NodeConfig,
        core: Core,
        hub: Hub,
        inlets: list[Inlet],
        pictures: Pictures,
        recorder: Recorder,
    ) -> None:
        self._nation = settings.nation
        self._settings = settings
        self._core = core
        self._hub = hub
        self._inlets = inlets
        self._pictures = pictures
        self._recorder = recorder
        self._status = Status(settings.status, nation=settings.nation, role="node")
        self._latency = Latency()
        self._lag_ns = 0
        self._unshown: list[int] = []
        self._refused_kept = 0
        self._shown: Picture | None = None
        self._warnings: Counter[str] = Counter()
        self._biases: dict[str, Bias] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Receive and tick until the configured end, or until told to stop."""
        for inlet in self._inlets:
            inlet.subscribe()
        self._status.write("ready")
        clock = await until(started(self._settings.clock), stop, self._hub, self._status.beat)
        if clock is None:
            return
        until_ns = self._settings.clock.until_ns
        tick_ns = -(-self._settings.clock.t_start_ns // S) * S
        while not stop.is_set() and (until_ns is None or tick_ns <= until_ns):
            await self._hub.wait(clock.wall_s_until(tick_ns))
            self._take_all(clock)
            now_ns = clock.now_ns()
            if now_ns >= tick_ns:
                self._lag_ns = max(self._lag_ns, now_ns - tick_ns)
                self._tick(tick_ns)
                tick_ns += S
            elif self._unshown and self._settings.updates:
                self._update(now_ns)
            self._keep_house("running", tick_ns)
        await self._finish(clock, stop, tick_ns)

    async def _finish(self, clock: Clock, stop: asyncio.Event, tick_ns: int) -> None:
        end_ns = monotonic_ns() + round(LAST_WAIT_S * S)
        while any(i.gaps.missing() for i in self._inlets) and monotonic_ns() < end_ns and not stop.is_set():
            await self._hub.wait(0.1)
            self._take_all(clock)
        for inlet in self._inlets:
            inlet.gaps.give_up()
        self._say("ended", tick_ns)

    def _take_all(self, clock: Clock) -> None:
        """Take in what has arrived on every link."""
        for _ in range(DRAINS):
            arrivals = [arrival for inlet in self._inlets for arrival in inlet.drain()]
            for arrival in arrivals:
                self._take(arrival, clock.now_ns())
            if not arrivals:
                return

    def _take(self, arrival: Arrival, now_ns: int) -> None:
        message = arrival.message
        if message is None:
            if self._refused_kept < MAX_REFUSED_KEPT:
                self._refused_kept += 1
                self._recorder.write(f"refused/{self._nation}", arrival.frame, now_ns)
            return
        self._recorder.write(arrival.topic, arrival.frame, now_ns)
        if isinstance(message, Heartbeat):
            return
        for effect in self._core.handle(Received(message, max(now_ns, message.t_available_ns))):
            if isinstance(effect, Refused):
                self._note_refusal(effect)
        if isinstance(message, MEASUREMENTS) and len(message.t_valid_ns):
            self._unshown.append(arrival.wall_ns)

    def _note_refusal(self, refused: Refused) -> None:
        """Tell the operator of the first item that the core refuses for a cause; the rest is counted."""
        if self._core.counters[REFUSED + refused.cause] == 1:
            item = f"an item of {refused.originator}/{refused.sensor}"
            note("node", f"{self._nation} refuses {item}: {refused.cause}; more are counted in the status")

    def _update(self, now_ns: int) -> None:
        """Show what the newest detections have changed: once for all that came together."""
        for effect in self._core.handle(Peek(now_ns)):
            if isinstance(effect, Update):
                self._pictures.show(effect.picture)
        self._note_latency()

    def _note_latency(self) -> None:
        now_ns = monotonic_ns()
        for wall_ns in self._unshown:
            self._latency.add(now_ns - wall_ns)
        self._unshown.clear()

    def _tick(self, t_ns: int) -> None:
        self._recorder.write(f"tick/{self._nation}", t_ns.to_bytes(8, "little", signed=True), t_ns)
        for effect in self._core.handle(Tick(t_ns)):
            if isinstance(effect, Product):
                topic = topic_of_product(self._nation, effect)
                self._recorder.write(topic, encode(topic, effect), t_ns)
                self._publish(effect)
        self._note_latency()

    def _publish(self, effect: Product) -> None:
        if isinstance(effect, Bias):
            self._biases[effect.subject] = effect
        elif isinstance(effect, Warning):
            self._warnings[effect.region] += effect.action == DECLARE
            self._pictures.warn(effect)
        elif isinstance(effect, Picture) and effect.picture == "as-known":
            self._shown = effect
            self._pictures.show(effect)

    def _keep_house(self, state: str, t_ns: int) -> None:
        """Answer those who ask for pictures; once a second, flush the recording and say how it goes."""
        self._pictures.serve()
        if self._status.due():
            self._recorder.flush()
            self._say(state, t_ns)

    def _say(self, state: str, t_ns: int) -> None:
        gaps: Counter[str] = Counter()
        counters = self._core.counters
        refused = Counter({c.removeprefix(REFUSED): n for c, n in counters.items() if c.startswith(REFUSED)})
        received: dict[str, int] = {}
        for inlet in self._inlets:
            gaps.update(inlet.gaps.counters)
            refused.update(inlet.refused)
            received |= {f"{inlet.originator}/{sensor}": n for sensor, n in inlet.received.items()}
        self._status.write(
            state,
            t_ns=t_ns,
            tracks=0 if self._shown is None else len(self._shown.track_id),
            warnings=dict(+self._warnings),
            to_go_s=None if self._shown is None else next_impact(self._shown, t_ns),
            biases={s: {name: getattr(bias, name) for name in SHOWN} for s, bias in self._biases.items()},
            received=received,
            links={i.originator: dict(i.gaps.counters) for i in self._inlets},
            lost=gaps["lost"],
            refused=dict(refused),
            core=dict(counters),
            latency_ms=self._latency.summary(),
            latency_counts=self._latency.counts(),
            lag_s=self._lag_ns / S,
        )
