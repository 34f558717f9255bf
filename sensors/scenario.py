"""TOML -> truth and sensors -> one ordered stream of messages. A pure generator: same seed, same bytes.

A scenario names its threats, its sensors and where the ships are. Trajectories are solved once per process
and class (`trajectory.solve` keeps them). A sensor's stream depends on the seed, the sensor, the objects and
the clouds only: leaving out a sensor, a nation or an object changes nothing else.
"""

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import msgspec
import numpy as np
import numpy.typing as npt

import configs
from sensors import infrared, objects, radar, scans
from sensors.background import Background, background
from sensors.infrared import Clouds
from sensors.looks import Sensor
from sensors.objects import ThreatEntry
from sensors.publishing import Published, messages
from sensors.scans import Sight
from sensors.stations import Entry, InfraredType, catalogue
from sensors.threats import Degrees, Latitude, Longitude, NotNegative, Spec
from sensors.trajectory import TrajectoryError
from sharing import settings
from sharing.messages import NATIONS, Detections, S, Truth

Span = tuple[float, float]
ModelSet = Literal["missiles", "air", "mixed"]
Association = Literal["gnn", "jpda"]
Proof = Literal["m-of-n", "sprt"]
Speed = Annotated[float, msgspec.Meta(ge=0.0, le=30.0)]


class Place(Spec, frozen=True, kw_only=True):
    """Where a ship is at the start, and the geodesic it follows from there; without speed it stays."""

    lat_deg: Latitude
    lon_deg: Longitude
    course_deg: Degrees = 0.0
    speed_mps: Speed = 0.0


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
    """How long the sensors go on after the last impact."""
    duration_s: int | None = None
    models: ModelSet = "missiles"
    """Which motion models the trackers use."""
    association: Association = "gnn"
    """How plots go to tracks: the likeliest way, or a share of each (`fusion.core.association`)."""
    proof: Proof = "m-of-n"
    """What confirms their tracks: M hits of N looks, or a log-likelihood ratio."""
    max_tracks: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 2048
    """Tracks that one tracker may hold."""
    outages: dict[str, tuple[Span, ...]] = msgspec.field(default_factory=dict)
    """Seconds of scenario time in which a sensor makes no scans, beside its station's own."""
    delays: dict[str, NotNegative] = msgspec.field(default_factory=dict)
    """Seconds that a sensor's items need on top of its station's delay."""
    clouds: Clouds = Clouds()
    background: Background = Background()
    """Airliners and satellites that fly anyway."""


@dataclass(frozen=True)
class Scenario:
    """A scenario ready to run: sensors in their places, objects flown. Times in scenario ns."""

    name: str
    title: str
    shows: str
    seed_default: int
    t_start_ns: int
    t_end_ns: int
    truth: tuple[Truth, ...]
    sensors: tuple[Sensor, ...]
    regions: tuple[str, ...]
    tail_s: int
    models: ModelSet = "missiles"
    association: Association = "gnn"
    proof: Proof = "m-of-n"
    max_tracks: int = 2048

    def with_truth(self, truth: Sequence[Truth]) -> "Scenario":
        """The same sensors observing other objects; ends `tail_s` after the last sample or impact."""
        end = max(_end_ns(t) for t in truth) + self.tail_s * S
        return replace(self, truth=tuple(truth), t_end_ns=math.ceil(end / S) * S)

    def with_sensors(self, names: Sequence[str]) -> "Scenario":
        """The same scenario with some of its sensors only (``NATION/id``)."""
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
        truth = tuple(truth for entry in file.threats for truth in objects.fly(entry, file.duration_s))
    except TrajectoryError as error:
        raise settings.SettingsError(f"{path}: threats: {error}") from None
    if len({flown.name for flown in truth}) != len(truth):
        raise settings.SettingsError(f"{path}: threats: a salvo's member has another entry's name")
    if file.duration_s is not None:
        end = file.duration_s * S
    else:
        end = math.ceil(max(_end_ns(t) for t in truth) / S + file.tail_s) * S
    others = background(file.background, file.t_start_s * S, end)
    return Scenario(
        name=path.stem,
        title=file.title,
        shows=file.shows,
        seed_default=file.seed,
        t_start_ns=file.t_start_s * S,
        t_end_ns=end,
        truth=(*truth, *others),
        sensors=_placed(file, str(path)),
        regions=file.regions,
        tail_s=file.tail_s,
        models=file.models,
        association=file.association,
        proof=file.proof,
        max_tracks=file.max_tracks,
    )


def _placed(file: ScenarioFile, path: str) -> tuple[Sensor, ...]:
    """The scenario's sensors, ordered by nation and id. Raises SettingsError."""
    known = catalogue()
    names = (*file.sensors, *file.ships)
    _check_names(file, names, known, path)
    found: list[Sensor] = []
    for name in names:
        entry = _as_stated(file, name, known[name])
        station = entry[1]
        at = file.ships.get(name)
        if isinstance(entry[2], InfraredType):
            found.append(infrared.place(name, entry, file.clouds))
        elif at is not None:
            course, start = at.course_deg, file.t_start_s * S
            sailing = {"course_deg": course, "speed_mps": at.speed_mps}
            found.append(radar.place(name, entry, at.lat_deg, at.lon_deg, **sailing, t_start_ns=start))
        elif station.lat_deg is not None and station.lon_deg is not None:
            found.append(radar.place(name, entry, station.lat_deg, station.lon_deg))
        else:
            raise settings.SettingsError(f"{path}: ships: {name} is a ship, give its lat_deg and lon_deg")
    return tuple(sorted(found, key=lambda r: (r.nation, r.id)))


def _check_names(file: ScenarioFile, names: Sequence[str], known: Mapping[str, Entry], path: str) -> None:
    """Raise SettingsError for sensors that do not exist, are named twice or are no ships."""
    for name in names:
        if name not in known:
            there_are = ", ".join(known)
            raise settings.SettingsError(f"{path}: sensors: no sensor {name!r}; there are: {there_are}")
    if len(set(names)) != len(names):
        raise settings.SettingsError(f"{path}: sensors: a sensor is named twice")
    for name in file.ships:
        if known[name][1].lat_deg is not None:
            raise settings.SettingsError(f"{path}: ships: {name} is no ship, it stands where its file says")
    for table, given in (("outages", file.outages), ("delays", file.delays)):
        for name in given:
            if name not in names:
                raise settings.SettingsError(f"{path}: {table}: {name!r} is no sensor of this scenario")
    for name, spans in file.outages.items():
        for begin, end in spans:
            if end <= begin:
                raise settings.SettingsError(f"{path}: outages.{name}: [{begin}, {end}]: the end comes first")


def _as_stated(file: ScenarioFile, name: str, entry: Entry) -> Entry:
    """A catalogue entry with the outages and delays that the scenario adds."""
    nation, station, kind = entry
    extra = file.delays.get(name, 0.0)
    if extra or name in file.outages:
        station = msgspec.structs.replace(
            station,
            delay_min_s=station.delay_min_s + extra,
            delay_max_s=station.delay_max_s + extra,
            outages_s=(*station.outages_s, *file.outages.get(name, ())),
        )
    return nation, station, kind


def feed(scenario: Scenario, seed: int, nations: Sequence[str] | None = None) -> Iterator[Published]:
    """All messages of some nations' sensors (default: all), by (sent, originator, sensor, sequence)."""
    chosen = NATIONS if nations is None else nations
    streams = [
        messages(sensor, seed, scenario.t_start_ns, scenario.t_end_ns, scenario.truth)
        for sensor in scenario.sensors
        if sensor.nation in chosen
    ]
    return heapq.merge(*streams, key=lambda m: (m.t_sent_ns, m.originator, m.sensor, m.sequence))


def detections(scenario: Scenario, seed: int) -> Iterator[Detections]:
    """Only the plots of radars: one message per radar and scan, ordered like `feed`."""
    return (message for message in feed(scenario, seed) if isinstance(message, Detections))


@dataclass(frozen=True)
class Coverage:
    """What a sensor could see of an object, sample by sample: geometry, mean SNR and Pd, no draws."""

    radar: Sensor
    truth: Truth
    sight: Sight

    @property
    def probability(self) -> npt.NDArray[np.float64]:
        """Probability of detection per look (n,), 0 where not visible."""
        return np.where(self.sight.visible, self.radar.detection_probability(self.sight.snr), 0.0)


def who_sees(scenario: Scenario) -> list[Coverage]:
    """Coverage of every object by every sensor on the truth's own grid, under closed clouds."""
    return [
        Coverage(sensor, truth, scans.sight(sensor, truth, truth.t_valid_ns))
        for truth in scenario.truth
        for sensor in scenario.sensors
    ]
