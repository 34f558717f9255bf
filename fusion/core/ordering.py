"""What has been accepted but not settled yet, in data order.

Rules:

- Data order is (t_valid, kind, originator, item id, row); at equal times a site comes before plots, and
  plots before the look that scores their absence.
- An item is taken in once. It is refused, and counted, when it is older than the settled picture, when it
  claims a time more than `FUTURE_NS` ahead of its own arrival, when its sensor has not said where it
  stands, when its originator has too many sensors, and when the buffer is full.
- Nothing here depends on the order of arrival but which items are refused.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fusion.core.heights import ELEVATION, NOTHING, RANGE
from sharing.messages import Floats, Los, Measurement, Polar, Scan, Site

FUTURE_NS = 2_000_000_000
SITE, PLOTS, LOOK = range(3)

Key = tuple[int, int, str, bytes, int]


@dataclass(frozen=True, slots=True)
class SiteEntry:
    """A sensor stands here from now on."""

    key: Key
    sensor: int
    site: Site


@dataclass(frozen=True, slots=True)
class PlotsEntry:
    """The plots of one scan that share one t_valid (one beam): `z` and `sigma` are (k, 3).

    Range m, azimuth rad, elevation rad; the component `missing` (`fusion.core.heights`) was not measured: its
    sigma is infinite, its z is 0.
    """

    key: Key
    sensor: int
    scan: int
    z: Floats
    sigma: Floats
    missing: int = NOTHING


@dataclass(frozen=True, slots=True)
class LookEntry:
    """A finished scan: its sector has been looked at."""

    key: Key
    sensor: int
    look: Scan


Entry = SiteEntry | PlotsEntry | LookEntry


def _key(entry: Entry) -> Key:
    return entry.key


def _time(entry: Entry) -> int:
    return entry.key[0]


@dataclass(slots=True)
class Buffer:
    """Entries not yet settled, with the refusal rules; one per core.

    `max_sensors` bounds each originator's sensors, so that none can use up another's.
    """

    max_sensors: int
    max_entries: int
    settled_ns: int | None = None
    """Everything up to this time is final; None before the first settled tick."""
    entries: list[Entry] = field(default_factory=list)
    sensors: dict[tuple[str, str], int] = field(default_factory=dict)
    sites: dict[int, SiteEntry] = field(default_factory=dict)
    """By sensor, where it stood last of all that is settled."""
    _news: list[Entry] = field(default_factory=list)
    _first_site_ns: dict[tuple[str, str], int] = field(default_factory=dict)
    _ids: dict[tuple[str, bytes], None] = field(default_factory=dict)

    def add(self, message: Site | Scan | Measurement, t_available_ns: int) -> str | None:
        """Take a message in. Gives the cause of refusal, or None."""
        first, last = _span(message)
        if (message.originator, message.item_id) in self._ids:
            return "duplicate"
        if last > t_available_ns + FUTURE_NS:
            return "future"
        if self.settled_ns is not None and first <= self.settled_ns:
            return "late"
        if len(self.entries) >= self.max_entries:
            return "full"
        return self._insert(message, first)

    def _insert(self, message: Site | Scan | Measurement, first_ns: int) -> str | None:
        name = (message.originator, message.sensor)
        if isinstance(message, Site):
            if name not in self.sensors and self._sensors_of(message.originator) >= self.max_sensors:
                return "sensors"
            self.sensors.setdefault(name, len(self.sensors))
            self._first_site_ns[name] = min(first_ns, self._first_site_ns.get(name, first_ns))
        elif name not in self._first_site_ns or first_ns < self._first_site_ns[name]:
            return "unsited"
        entries = _entries(message, self.sensors[name])
        for entry in entries:
            insort(self.entries, entry, key=_key)
        if entries:
            self._ids[(message.originator, message.item_id)] = None
            self._news += entries
        return None

    def take_news(self) -> list[Entry]:
        """The entries added since this was last asked, in data order."""
        news = sorted(self._news, key=_key)
        self._news.clear()
        return news

    def _sensors_of(self, originator: str) -> int:
        return len([nation for nation, _ in self.sensors if nation == originator])

    def until(self, until_ns: int) -> list[Entry]:
        """Entries with t_valid <= until, in data order."""
        return self.entries[: self._index(until_ns)]

    def between(self, after_ns: int, until_ns: int) -> list[Entry]:
        """Entries with after < t_valid <= until, in data order."""
        return self.entries[self._index(after_ns) : self._index(until_ns)]

    def settle(self, t_ns: int) -> None:
        """Everything up to `t_ns` is final: forget it, refuse what comes for it later."""
        end = self._index(t_ns)
        for entry in self.entries[:end]:
            self._ids.pop(entry.key[2:4], None)
            if isinstance(entry, SiteEntry):
                self.sites[entry.sensor] = entry
        del self.entries[:end]
        self.settled_ns = t_ns

    def forget(self, feeds: Sequence[str]) -> None:
        """Drop all that came from `feeds` (``NATION/sensor``), their sites too; they may come again."""
        names = [name for name in self.sensors if "/".join(name) in feeds]
        gone = [self.sensors[name] for name in names]
        for name in names:
            self._first_site_ns.pop(name, None)
        for entry in self.entries:
            if entry.sensor in gone:
                self._ids.pop(entry.key[2:4], None)
        self.entries = [entry for entry in self.entries if entry.sensor not in gone]
        self._news = [entry for entry in self._news if entry.sensor not in gone]
        self.sites = {sensor: site for sensor, site in self.sites.items() if sensor not in gone}

    def _index(self, t_ns: int) -> int:
        """Number of entries with t_valid <= `t_ns`."""
        return bisect_left(self.entries, t_ns + 1, key=_time)


def _span(message: Site | Scan | Measurement) -> tuple[int, int]:
    """First and last time the message speaks of; an empty scan speaks of the moment it was sent."""
    if isinstance(message, Site):
        return message.t_valid_ns, message.t_valid_ns
    if isinstance(message, Scan):
        return message.t_end_ns, message.t_end_ns
    if message.t_valid_ns.size:
        return int(message.t_valid_ns.min()), int(message.t_valid_ns.max())
    return message.t_sent_ns, message.t_sent_ns


def _entries(message: Site | Scan | Measurement, sensor: int) -> list[Entry]:
    name, item = message.originator, message.item_id
    if isinstance(message, Site):
        return [SiteEntry((message.t_valid_ns, SITE, name, item, 0), sensor, message)]
    if isinstance(message, Scan):
        return [LookEntry((message.t_end_ns, LOOK, name, item, 0), sensor, message)]
    return _beams(message, sensor)


def _beams(message: Measurement, sensor: int) -> list[Entry]:
    """A scan's plots, cut where t_valid changes."""
    order = np.argsort(message.t_valid_ns, kind="stable")
    times = message.t_valid_ns[order]
    z, sigma, missing = _plots(message)
    z, sigma = z[order], sigma[order]
    entries: list[Entry] = []
    start = 0
    while start < len(times):
        t_ns = int(times[start])
        end = bisect_right(times, t_ns)
        key = (t_ns, PLOTS, message.originator, message.item_id, start)
        entries.append(PlotsEntry(key, sensor, message.scan, z[start:end], sigma[start:end], missing))
        start = end
    return entries


def _plots(message: Measurement) -> tuple[Floats, Floats, int]:
    """Plots (k, 3), their sigmas (k, 3), and which component the message does not have."""
    nothing = np.zeros(len(message.t_valid_ns))
    unknown = np.full(len(message.t_valid_ns), np.inf)
    if isinstance(message, Los):
        z = (nothing, message.azimuth_rad, message.elevation_rad)
        sigmas = (unknown, message.sigma_azimuth_rad, message.sigma_elevation_rad)
        return np.column_stack(z), np.column_stack(sigmas), RANGE
    if isinstance(message, Polar):
        z = (message.range_m, message.azimuth_rad, nothing)
        sigmas = (message.sigma_range_m, message.sigma_azimuth_rad, unknown)
        return np.column_stack(z), np.column_stack(sigmas), ELEVATION
    z = (message.range_m, message.azimuth_rad, message.elevation_rad)
    sigmas = (message.sigma_range_m, message.sigma_azimuth_rad, message.sigma_elevation_rad)
    return np.column_stack(z), np.column_stack(sigmas), NOTHING
