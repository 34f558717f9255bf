"""Times a guard on real sockets: `sharedsky bench --guard`.

The guard is a process of its own, as in earnest: CURVE, an audit log, three recipients who are given
everything without a delay. This process is its emulator and the recipients' nodes at once, on loopback, so
that one clock measures the way: from the emulator's socket into the guard and out of the recipient's.
What shares the machine shares the figures: the guard's own CPU time per detection is the steadier one.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace
from rich.table import Table

from fusion.bench import machine
from fusion.node.latency import Latency
from fusion.tables import plain_table
from sharing.clock import ClockConfig, monotonic_ns
from sharing.feeds import Inlet, Outlet, Own
from sharing.guard import Guard, GuardConfig, Recipient
from sharing.keys import KeysConfig, load_directory, load_pair, write_pair
from sharing.messages import COALITION, Detections, S, floats, ints, topic_of_feed
from sharing.policy import Policy
from sharing.transport import Hub, free_endpoints, new_pair
from sharing.wire import encode

RATE_PER_S = 20_000
ROWS = (100, 20)
"""Plots of one scan: a busy radar's, and one with little in view."""
SECONDS = 5.0
MOST_UNDER_WAY = 200
"""Scans on their way when the guard is driven as fast as it goes."""
PATIENCE_S = 20.0
TO = ("JPN", "USA", COALITION)
SENSORS = 4
EVERYTHING = Policy.parse(
    """
[[rule]]
id = "everything"
originator = "*"
recipient = "*"
product = "detections"
delay_s = 0.0
marking = "SIMULATED//NOTIONAL"
""",
    "everything at once",
)


def rows() -> list[dict[str, Any]]:
    """One row for each size of scan: at `RATE_PER_S`, and as fast as the guard goes.

    ``ours_us`` is the guard's CPU time for one detection to three recipients at that rate; ``p50_ms`` …
    ``max_ms`` from the emulator's socket to the recipient's program; ``most_per_s`` detections a second.
    """
    return [_row(n) for n in ROWS]


def run() -> dict[str, Any]:
    """All rows, and what machine they are of: the document of `sharedsky bench --guard --json`."""
    return {"machine": machine(), "rows": rows()}


def table(result: dict[str, Any]) -> Table:
    """The result for a terminal."""
    about = result["machine"]
    title = f"guard, three recipients, {RATE_PER_S} detections/s · {about['cpu']}, {about['cores']} cores"
    columns = ("plots a scan", "CPU µs/detection", "p50 ms", "p99 ms", "max ms", "most/s", "lost")
    keys = ("n", "ours_us", "p50_ms", "p99_ms", "max_ms", "most_per_s", "lost")
    return plain_table(title, columns, [[f"{row[key]:.4g}" for key in keys] for row in result["rows"]])


def _row(n: int) -> dict[str, Any]:
    paced, driven = (asyncio.run(_measured(n, rate)) for rate in (RATE_PER_S, None))
    return {
        "work": "guard", "n": n, "ours_us": paced["cpu_us"], "peers": {}, "ratio": {}, "limit_us": None,
        "rate_per_s": paced["per_s"], **{f"{k}_ms": v for k, v in paced["latency"].items()},
        "most_per_s": driven["per_s"], "lost": paced["lost"] + driven["lost"],
    }  # fmt: skip


async def _measured(n: int, rate_per_s: int | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="sharedsky-") as folder:
        settings = _settings(Path(folder))
        guard = multiprocessing.get_context("spawn").Process(target=_guard, args=(settings,), daemon=True)
        guard.start()
        try:
            async with AsyncExitStack() as stack:
                around = _Around(settings, n)
                await around.connect(stack)
                return await around.measure(guard.pid or 0, rate_per_s)
        finally:
            guard.terminate()
            guard.join(PATIENCE_S)


def _settings(folder: Path) -> GuardConfig:
    """A guard's configuration, with everybody's keys in `folder`."""
    (folder / "public").mkdir()
    for name in ("KOR.emulator", "KOR.guard", *(f"{to}.node" for to in TO)):
        write_pair(folder, folder / "public", new_pair(name))
    ingress, backfill, *ports = free_endpoints(2 + 2 * len(TO))
    return GuardConfig(
        nation="KOR", policy="", seed=1, linger_s=0.0, clock=ClockConfig(epoch_unix_s=time.time()),
        keys=KeysConfig(str(folder / "KOR.guard.key"), str(folder / "public")),
        own=Own("KOR.emulator", ingress, backfill), audit=str(folder / "KOR.audit"),
        recipients=tuple(Recipient(to, f"{to}.node", *ports[2 * i : 2 * i + 2]) for i, to in enumerate(TO)),
    )  # fmt: skip


def _guard(settings: GuardConfig) -> None:
    async def serve() -> None:
        directory = load_directory(settings.keys.public)
        async with Hub(load_pair(settings.keys.secret), directory) as hub:
            await Guard(settings, EVERYTHING, hub).run(asyncio.Event())

    asyncio.run(serve())


class _Around:
    """The emulator and the recipients around a guard; `n` plots a scan."""

    def __init__(self, settings: GuardConfig, n: int) -> None:
        self._settings, self._n = settings, n
        self._scans = [_scan(f"radar-{i}", n) for i in range(SENSORS)]
        self._epoch_ns = round((settings.clock.epoch_unix_s or 0.0) * S)
        self._sent_ns: list[int] = []
        self._taken = 0
        self._last_ns = 0
        self._latency = Latency()

    async def connect(self, stack: AsyncExitStack) -> None:
        """Open everybody's sockets and wait until the guard listens."""
        own, keys = self._settings.own, self._settings.keys
        directory, folder = load_directory(keys.public), Path(keys.secret).parent

        async def hub_of(name: str) -> Hub:
            return await stack.enter_async_context(Hub(load_pair(folder / f"{name}.key"), directory))

        emulator = self._hub = await hub_of(own.peer)
        server = emulator.server(own.backfill, "backfill/KOR", ["KOR.guard"])
        self._outlet = Outlet("KOR", [emulator.publisher(own.ingress, "KOR.guard")], server)
        self._inlets, hubs = [], [emulator]
        for r in self._settings.recipients:
            hub = await hub_of(r.peer)
            ends = hub.subscriber(r.feed, "KOR.guard"), hub.client(r.backfill, "KOR.guard")
            self._inlets.append(Inlet(*ends, r.nation, "KOR", "KOR.guard"))
            self._inlets[-1].subscribe()
            hubs.append(hub)
        end_ns = monotonic_ns() + round(PATIENCE_S * S)
        while not self._outlet.subscribed() and monotonic_ns() < end_ns:
            await asyncio.gather(*(hub.wait(0.01) for hub in hubs))
            await asyncio.sleep(0.001)

    async def measure(self, pid: int, rate_per_s: int | None) -> dict[str, Any]:
        """Send for `SECONDS`, at a rate or as fast as the guard goes, and take what comes."""
        cpu_s, begin_ns = _cpu_s(pid), monotonic_ns()
        end_ns = begin_ns + round(SECONDS * S)
        while (now_ns := monotonic_ns()) < end_ns:
            most = self._taken // len(TO) + MOST_UNDER_WAY
            if rate_per_s is not None:
                most = (now_ns - begin_ns) * rate_per_s // (self._n * S)
            while len(self._sent_ns) < most:
                self._send(len(self._sent_ns))
            await self._take()
        while self._missing() and monotonic_ns() < end_ns + round(PATIENCE_S * S):
            await self._take()
        detections = len(self._sent_ns) * self._n
        return {
            "cpu_us": (_cpu_s(pid) - cpu_s) / detections * 1e6, "latency": self._latency.summary(),
            "per_s": detections / max(self._last_ns - begin_ns, 1) * S, "lost": self._missing(),
        }  # fmt: skip

    def _missing(self) -> int:
        return len(self._sent_ns) * len(TO) - self._taken

    def _send(self, number: int) -> None:
        of, sequence = number % SENSORS, number // SENSORS
        t_ns = max(time.time_ns() - self._epoch_ns, 0)
        item = replace(
            self._scans[of], item_id=number.to_bytes(16, "big"), sequence=sequence, scan=sequence,
            t_sent_ns=t_ns, t_available_ns=t_ns,
        )  # fmt: skip
        topic = topic_of_feed("KOR", item.sensor)
        frame = encode(topic, item)
        self._sent_ns.append(monotonic_ns())
        self._outlet.publish(topic, item, frame, t_ns)

    async def _take(self) -> None:
        await self._hub.wait(0.0005)
        self._outlet.serve()
        for inlet in self._inlets:
            for arrival in inlet.drain():
                if isinstance(arrival.message, Detections):
                    self._taken += 1
                    self._last_ns = arrival.wall_ns
                    sent_ns = self._sent_ns[int.from_bytes(arrival.message.item_id, "big")]
                    self._latency.add(arrival.wall_ns - sent_ns)


def _scan(sensor: str, n: int) -> Detections:
    column = floats(np.full(n, 0.5))
    return Detections(
        originator="KOR", sensor=sensor, boot_id=1, sequence=0, item_id=bytes(16), t_sent_ns=0,
        t_available_ns=0, scan=0, t_valid_ns=ints(np.zeros(n)), range_m=column, azimuth_rad=column,
        elevation_rad=column, sigma_range_m=column, sigma_azimuth_rad=column, sigma_elevation_rad=column,
        snr_db=column,
    )  # fmt: skip


def _cpu_s(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
