"""TOML -> truth and radars -> one ordered stream of messages. A pure generator: same seed, same bytes.

A scenario names its threats, its radars and where the ships stand. Trajectories are solved once per process
and class (`trajectory.solve` keeps them). A radar's stream depends on the seed, the radar and the objects
only: leaving out a radar, a nation or an object changes nothing else.
"""

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
import numpy.typing as npt

import configs
from sensors import objects, scans
from sensors import radar as radars
from sensors.objects import ThreatEntry
from sensors.radar import Radar
from sensors.scans import Sight
from sensors.threats import Latitude, Longitude, Spec
from sensors.trajectory import TrajectoryError
from sharing import settings
from sharing.messages import NATIONS, Detections, S, Scan, Site, Truth


class Place(Spec, frozen=True, kw_only=True):
    """Where a ship stands for the length of the scenario."""

    lat_deg: Latitude
    lon_deg: Longitude


class ScenarioFile(Spec, frozen=True, kw_only=True):
    """A file of `configs/scenarios/`. Without threats, `duration_s` says how long it lasts."""

    title: str
    shows: str
    sensors: tuple[str, ...]
    ships: dict[str, Place] = msgspec.field(default_factory=dict)
    threats: tuple[ThreatEntry, ...] = ()
    regions: tuple[str, ...] = ()
    seed: int = 1
    t_start_s: int = -10
    tail_s: int = 10
    """How long the radars go on after the last impact."""
    duration_s: int | None = None


@dataclass(frozen=True)
class Scenario:
    """A scenario ready to run: radars in their places, objects flown. Times in scenario ns."""

    name: str
    title: str
    shows: str
    seed_default: int
    t_start_ns: int
    t_end_ns: int
    truth: tuple[Truth, ...]
    sensors: tuple[Radar, ...]
    regions: tuple[str, ...]
    tail_s: int

    def with_truth(self, truth: Sequence[Truth]) -> "Scenario":
        """The same radars observing other objects; ends `tail_s` after the last sample or impact."""
        end = max(_end_ns(t) for t in truth) + self.tail_s * S
        return replace(self, truth=tuple(truth), t_end_ns=math.ceil(end / S) * S)

    def with_sensors(self, names: Sequence[str]) -> "Scenario":
        """The same scenario with some of its radars only (``NATION/id``)."""
        return replace(self, sensors=tuple(s for s in self.sensors if f"{s.nation}/{s.id}" in names))


def _end_ns(truth: Truth) -> int:
    return truth.impact[0] if truth.impact else int(truth.t_valid_ns[-1])


def load_scenario(name_or_path: str) -> Scenario:
    """The scenario of a number, slug or path. Raises SettingsError or configs.UnknownName."""
    path = configs.resolve("scenarios", str(name_or_path))
    file = settings.load(path, ScenarioFile)
    if not file.threats and file.duration_s is None:
        raise settings.SettingsError(f"{path}: duration_s: needed where there are no threats")
    if len({entry.name for entry in file.threats}) != len(file.threats):
        raise settings.SettingsError(f"{path}: threats: two of the same name")
    try:
        truth = tuple(truth for entry in file.threats for truth in objects.fly(entry))
    except TrajectoryError as error:
        raise settings.SettingsError(f"{path}: threats: {error}") from None
    if file.duration_s is not None:
        end = file.duration_s * S
    else:
        end = math.ceil(max(_end_ns(t) for t in truth) / S + file.tail_s) * S
    return Scenario(
        name=path.stem,
        title=file.title,
        shows=file.shows,
        seed_default=file.seed,
        t_start_ns=file.t_start_s * S,
        t_end_ns=end,
        truth=truth,
        sensors=_placed(file, str(path)),
        regions=file.regions,
        tail_s=file.tail_s,
    )


def _placed(file: ScenarioFile, path: str) -> tuple[Radar, ...]:
    """The scenario's radars, ordered by nation and id. Raises SettingsError."""
    known = radars.catalogue()
    found = []
    for name in (*file.sensors, *file.ships):
        if name not in known:
            raise settings.SettingsError(f"{path}: sensors: no radar {name!r}; there are: {', '.join(known)}")
        station = known[name][1]
        at = file.ships.get(name)
        lat, lon = (at.lat_deg, at.lon_deg) if at else (station.lat_deg, station.lon_deg)
        if lat is None or lon is None:
            raise settings.SettingsError(f"{path}: ships: {name} is a ship, give its lat_deg and lon_deg")
        found.append(radars.place(name, known[name], lat, lon))
    if len(set(file.sensors) | set(file.ships)) != len(found):
        raise settings.SettingsError(f"{path}: sensors: a radar is named twice")
    return tuple(sorted(found, key=lambda r: (r.nation, r.id)))


def feed(
    scenario: Scenario, seed: int, nations: Sequence[str] | None = None
) -> Iterator[Site | Scan | Detections]:
    """All messages of some nations' radars (default: all), by (sent, originator, sensor, sequence)."""
    chosen = NATIONS if nations is None else nations
    streams = [
        scans.messages(radar, seed, scenario.t_start_ns, scenario.t_end_ns, scenario.truth)
        for radar in scenario.sensors
        if radar.nation in chosen
    ]
    return heapq.merge(*streams, key=lambda m: (m.t_sent_ns, m.originator, m.sensor, m.sequence))


def detections(scenario: Scenario, seed: int) -> Iterator[Detections]:
    """Only the plots: one message per radar and scan, ordered like `feed`."""
    return (message for message in feed(scenario, seed) if isinstance(message, Detections))


@dataclass(frozen=True)
class Coverage:
    """What a radar could see of an object, second by second: geometry, mean SNR and Pd, no draws."""

    radar: Radar
    truth: Truth
    sight: Sight

    @property
    def probability(self) -> npt.NDArray[np.float64]:
        """Probability of detection per look (n,), 0 where not visible."""
        return np.where(self.sight.visible, self.radar.detection_probability(self.sight.snr), 0.0)


def who_sees(scenario: Scenario) -> list[Coverage]:
    """Coverage of every object by every radar on the truth's 1 Hz grid."""
    return [
        Coverage(radar, truth, scans.sight(radar, truth, truth.t_valid_ns))
        for truth in scenario.truth
        for radar in scenario.sensors
    ]
