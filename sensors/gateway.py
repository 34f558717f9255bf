"""Live ASTERIX over UDP as one nation's feed: what stands between real radars and the nation's node.

Rules of this module:

- Radars' datagrams are decoded as `sensors.readers.asterix` does it for files; a radar is a sensor from its
  first plot on. Its scan ends with its north mark, or one and a half turns after its first report.
- Scenario time is the clock's. The first report of all is taken to be fresh; from it on times of day keep
  their distances, and no report may lie in the future: the offset is lowered when one would.
- A place that the configuration gives comes first, then the radar's own (I034/120), else a made-up one.
- Nothing that radars send ends the process; it is counted and shown in the status file.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec
import numpy as np

from sensors.emulator import Link, Publisher
from sensors.readers.asterix import Decoder, Fix, Mark, Plot, Report, Source
from sensors.readers.plots import DEFAULT_SCAN_S, SENSORS_OF_A_NATION
from sensors.readers.radars import ALL_ROUND, made_up, row_of, turns, unwrapped
from sensors.readers.recorded import SITE_EVERY_NS, Assumed, Given, Line, Look, Place, Plots, Quality
from sharing.clock import Clock, ClockConfig, monotonic_ns, started
from sharing.daemon import Status, note, run, until
from sharing.feeds import Outlet
from sharing.keys import KeysConfig, load_directory, load_pair
from sharing.messages import NATIONS, Ints, S, topic_of_feed
from sharing.settings import SettingsError, load
from sharing.transport import Hub
from sharing.udp import Datagrams, listening, parse_address
from sharing.wire import encode

LOOK_S = 0.1
"""Longest wait between looks at what has come, wall seconds."""
TURNS = 1.5
"""A scan without a north mark ends after so many turns."""
MAX_WAITING_PLOTS = 10_000
"""Of one radar's scan: what a message holds."""
SHUFFLED_NS = 5 * S
"""A report may be so much older than those that came before it: a radar's first site holds from then on."""
RANGE_MAX_KM = 474.0
"""As far as CAT048 can say: 256 NM."""


class GatewayConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The TOML of ``emulator --asterix``; `sites` gives places, ``"25/12" = [lat_deg, lon_deg, alt_m]``."""

    clock: ClockConfig
    keys: KeysConfig
    links: Annotated[tuple[Link, ...], msgspec.Meta(min_length=1)]
    backfill: str
    sites: dict[str, tuple[float, float, float]] = {}
    scan_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = DEFAULT_SCAN_S
    range_max_km: Annotated[float, msgspec.Meta(gt=0, le=1e6)] = RANGE_MAX_KM
    status: str | None = None
    linger_s: Annotated[float, msgspec.Meta(ge=0)] = 30.0

    def __post_init__(self) -> None:
        if self.clock.speed != 1.0:
            raise ValueError("clock.speed: radars send in real time: 1 is allowed")
        for name in self.sites:
            sac, _, sic = name.partition("/")
            if not (sac.isdecimal() and sic.isdecimal() and int(sac) < 256 and int(sic) < 256):
                raise ValueError(f"sites.{name}: SAC/SIC, two numbers from 0 to 255")


def main(nation: str, address: str, config: str, check: bool = False) -> int:
    """Publish what radars send to `address` (``HOST:PORT``) as `nation`'s feed. The exit code."""

    async def work(stop: asyncio.Event) -> None:
        if nation not in NATIONS:
            raise SettingsError(f"nation = {nation!r}: one of {', '.join(NATIONS)}")
        host, port = parse_address(address)
        settings = load(config, GatewayConfig)
        directory = load_directory(settings.keys.public)
        directory.require(link.peer for link in settings.links)
        hub = Hub(load_pair(settings.keys.secret), directory)
        gateway = Gateway(nation, settings)
        if check:
            print(f"{config}: ok")
            return
        async with hub, listening(host, port) as datagrams:
            await _serve(gateway, settings, hub, datagrams, stop)

    return run("emulator", work)


async def _serve(
    gateway: "Gateway", settings: GatewayConfig, hub: Hub, datagrams: Datagrams, stop: asyncio.Event
) -> None:
    nation = gateway.nation
    status = Status(settings.status, nation=nation, role="emulator")
    names = [link.peer for link in settings.links]
    server = hub.server(settings.backfill, f"backfill/{nation}", names)
    links = [hub.publisher(link.ingress, link.peer) for link in settings.links]
    outlet = Outlet(nation, links, server)
    publisher = Publisher(hub, outlet, status, stop)
    await publisher.wait_for_subscribers()
    status.write("ready")
    clock = await until(started(settings.clock), stop, hub, status.beat)
    if clock is None:
        return
    publisher.begin(clock)
    await forward(gateway, publisher, outlet, datagrams, clock, settings.clock.until_ns, stop)
    await publisher.linger(settings.linger_s)


async def forward(
    gateway: "Gateway",
    publisher: Publisher,
    outlet: Outlet,
    datagrams: Datagrams,
    clock: Clock,
    until_ns: int | None,
    stop: asyncio.Event,
) -> None:
    """Publish what comes until the end of time, or until told to stop."""
    while not stop.is_set() and (until_ns is None or clock.now_ns() < until_ns):
        await publisher.tend("running", LOOK_S, radars=gateway.counts(), datagrams=dict(datagrams.counters))
        now_ns = clock.now_ns()
        for data in datagrams.drain():
            gateway.take(data, now_ns)
        for given in gateway.due(now_ns):
            topic = topic_of_feed(gateway.nation, given.message.sensor)
            outlet.publish(topic, given.message, encode(topic, given.message), now_ns)


class Gateway:
    """Datagrams in, messages out; without sockets and clocks."""

    def __init__(self, nation: str, settings: GatewayConfig) -> None:
        self.nation = nation
        self._settings = settings
        self._decoder = Decoder()
        self._radars: dict[Source, _Radar] = {}
        self._near_s: float | None = None
        self._offset_ns: int | None = None
        self._boot = monotonic_ns()
        self._closed: list[Given] = []
        self.counters: Counter[str] = Counter()

    def take(self, data: bytes, now_ns: int) -> None:
        """Take in one datagram that has come at scenario time `now_ns`."""
        for report in self._decoder.take(data):
            radar = self._radar(report)
            if radar is not None:
                self._closed += radar.take(report, self._time_ns(report, now_ns), now_ns)

    def due(self, now_ns: int) -> list[Given]:
        """The messages of all scans that have ended by `now_ns`, since the last call."""
        closed, self._closed = self._closed, []
        for radar in self._radars.values():
            if radar.is_over(now_ns):
                closed += radar.close(now_ns)
        return closed

    def counts(self) -> dict[str, int]:
        """What has come and what became of it."""
        total: Counter[str] = Counter()
        for tally in self._decoder.radars.values():
            total.update(tally)
        return {**total, **self._decoder.counters, **self.counters, "radars": len(self._radars)}

    def _radar(self, report: Report) -> "_Radar | None":
        if isinstance(report, Fix):
            self.counters["fixes"] += 1
            return None
        radar = self._radars.get(report.source)
        if radar is None:
            if len(self._radars) >= SENSORS_OF_A_NATION:
                self.counters["radars-full"] += 1
                return None
            radar = _Radar(self.nation, report.source, self._settings, self._boot)
            self._radars[report.source] = radar
        return radar

    def _time_ns(self, report: Report, now_ns: int) -> int:
        """When it was, in scenario time; a report without a time of day is as old as it is here."""
        t_s = unwrapped(report.tod_s, report.category, self._near_s)
        if report.tod_s is None or t_s is None:
            return now_ns
        self._near_s = t_s
        t_ns = round(t_s * S)
        offset = now_ns - t_ns
        self._offset_ns = offset if self._offset_ns is None else min(offset, self._offset_ns)
        return t_ns + self._offset_ns


class _Radar:
    """One radar's scan that is not over yet."""

    def __init__(self, nation: str, source: Source, settings: GatewayConfig, boot: int) -> None:
        self._line = Line(nation, f"radar-{source[0]}-{source[1]}", boot)
        self._assumed = Assumed(range_max_m=1e3 * settings.range_max_km)
        self._given = settings.sites.get(f"{source[0]}/{source[1]}")
        self._place = self._given or made_up(source)
        self._sure = self._given is not None
        self._period_ns = round(settings.scan_s * S)
        self._plots: list[tuple[int, Plot]] = []
        self._marks: list[tuple[int, float, bool]] = []
        self._begun_ns: int | None = None
        self._site_ns: int | None = None
        self._number = 0

    def take(self, report: Report, t_ns: int, now_ns: int) -> list[Given]:
        """Take in a report of time `t_ns`; the messages of the scan that it ends."""
        self._begun_ns = now_ns if self._begun_ns is None else self._begun_ns
        if isinstance(report, Plot):
            self._plots.append((t_ns, report))
            return self.close(now_ns) if len(self._plots) == MAX_WAITING_PLOTS else []
        assert isinstance(report, Mark)
        self._marks.append((t_ns, report.azimuth_rad, report.north))
        if report.rotation_s:
            self._period_ns = round(report.rotation_s * S)
        if report.place is not None and self._given is None and report.place != self._place:
            self._place, self._site_ns = report.place, None
        self._sure |= report.place is not None
        return self.close(now_ns) if report.north else []

    def is_over(self, now_ns: int) -> bool:
        """Whether the scan has lasted too long for its north mark still to come."""
        return self._begun_ns is not None and now_ns - self._begun_ns > TURNS * self._period_ns

    def close(self, now_ns: int) -> list[Given]:
        """The messages of the scan, which is over: site, scan and plots, sent now."""
        plots, marks = self._columns(), sorted(self._marks)
        north = [mark for mark in marks if mark[2]][-1:]
        self._plots, self._marks, self._begun_ns = [], north, now_ns if north else None
        looks, scan_of = turns(plots, marks, self._period_ns)
        if not looks:
            return []
        return list(self._messages(plots, looks, scan_of, now_ns))

    def _messages(self, plots: Plots, looks: Sequence[Look], scan_of: Ints, now_ns: int) -> Iterator[Given]:
        quality = Quality.of(plots, ALL_ROUND, self._period_ns / S, self._assumed)
        first_ns = min(looks[0].start_ns, int(plots.t_ns.min(initial=now_ns)))
        first_ns -= SHUFFLED_NS if self._site_ns is None else 0
        if self._site_ns is None or first_ns - self._site_ns >= SITE_EVERY_NS:
            if self._site_ns is None and not self._sure:
                note("emulator", f"{self._line.sensor}: its place is not known: NOTIONAL {self._place[:2]}")
            self._site_ns = first_ns
            yield Given(self._line.site(now_ns, Place(first_ns, *self._place), quality))
        for look in looks:
            numbered = look._replace(number=self._number)
            self._number += 1
            yield Given(self._line.scan(now_ns, numbered, quality))
            rows = np.flatnonzero(scan_of == look.number)
            yield from self._line.plots(now_ns, numbered.number, plots.where(rows))

    def _columns(self) -> Plots:
        self._plots.sort(key=lambda pair: pair[0])
        rows = [row_of(report, self._place, self._assumed) for _, report in self._plots]
        z = np.array([z for z, _ in rows]).reshape(-1, 3)
        sigma = np.array([sigma for _, sigma in rows]).reshape(-1, 3)
        t_ns = np.array([t for t, _ in self._plots], dtype=np.int64)
        nobody = ("",) * len(rows)
        return Plots(t_ns, z, sigma, np.full(len(rows), self._assumed.snr_db), nobody)
