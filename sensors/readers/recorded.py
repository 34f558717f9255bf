"""Plots of real radars as the messages of a feed: what every reader of recorded or live plots shares.

Rules of this module:

- A plot without an elevation is NaN there and goes into a `Polar`; the others go into `Detections`. This is
  the one place of the project where NaN stands for "not measured"; no message holds any.
- What a recording does not say is assumed by the rules of `Assumed`, all of them NOTIONAL.
- A known identity (a Mode-S address, say) travels beside the message, in `Given.objects`, and never in it:
  it is for scoring, and no tracker sees it.
- Every message is marked as the wire wants it, whatever the plots are.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sensors import geodesy
from sensors.draws import identity
from sharing.messages import Detections, Ints, Message, Polar, S, Scan, Site, floats, ints

Array = npt.NDArray[np.float64]

SITE_EVERY_NS = 60 * S
ELEVATION_MIN_RAD = float(np.radians(-1.0))
RANGE_MARGIN = 1.1
"""A sensor is taken to reach this much farther than its farthest plot."""
SMALLEST_SIGMA_M, SMALLEST_SIGMA_RAD = 0.01, 1e-7


@dataclass(frozen=True, slots=True)
class Assumed:
    """What is taken for what a recording does not say. NOTIONAL.

    The default sigmas are those of a modern secondary radar, rounded. Constant errors have standard
    deviations of `bias_fraction` times those of the plots, as the simulated radars have. A 2-D radar looks
    up to `elevation_max_rad`. `range_max_m` None: `RANGE_MARGIN` times the farthest plot.
    """

    sigma_range_m: float = 70.0
    sigma_azimuth_rad: float = float(np.radians(0.08))
    sigma_elevation_rad: float = float(np.radians(0.2))
    bias_fraction: float = 0.3
    snr_db: float = 13.0
    clutter_per_scan: float = 1.0
    elevation_max_rad: float = float(np.radians(45.0))
    range_max_m: float | None = None
    scan_s: float | None = None
    looks: bool = True
    """Whether to say where each scan has looked, so that misses count."""

    @property
    def sigma(self) -> tuple[float, float, float]:
        """Range m, azimuth rad, elevation rad."""
        return self.sigma_range_m, self.sigma_azimuth_rad, self.sigma_elevation_rad


@dataclass(frozen=True, slots=True)
class Plots:
    """Plots of one sensor in order of time: n rows."""

    t_ns: Ints
    z: Array
    """Range m, azimuth rad, elevation rad (n, 3); an elevation that was not measured is NaN."""
    sigma: Array
    snr_db: Array
    objects: tuple[str, ...]
    """Known identities, empty where there is none."""

    def where(self, rows: Any) -> "Plots":
        """The rows of a slice, of indices or of a mask."""
        kept = np.arange(len(self.t_ns))[rows]
        objects = tuple(self.objects[i] for i in kept.tolist())
        return Plots(self.t_ns[rows], self.z[rows], self.sigma[rows], self.snr_db[rows], objects)


class Look(NamedTuple):
    """One scan: its number, when it began and ended, and where it looked (the centre of an arc)."""

    number: int
    start_ns: int
    end_ns: int
    azimuth_center_rad: float
    azimuth_width_rad: float


class Place(NamedTuple):
    """Where a sensor is from `t_ns` on; velocity in ECEF."""

    t_ns: int
    lat_deg: float
    lon_deg: float
    alt_m: float
    velocity_mps: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Quality:
    """What a `Site` says of a sensor besides its place; sigmas as range m, azimuth rad, elevation rad."""

    sigma: tuple[float, float, float]
    bias_sigma: tuple[float, float, float]
    azimuth_center_rad: float
    azimuth_width_rad: float
    elevation_min_rad: float
    elevation_max_rad: float
    range_max_m: float
    scan_s: float
    clutter_per_scan: float

    @staticmethod
    def of(plots: Plots, arc: tuple[float, float], scan_s: float, assumed: Assumed) -> "Quality":
        """The quality of a sensor of which `plots` are known; `arc` is centre and width in rad."""
        sigma = np.array(assumed.sigma)
        low, high = ELEVATION_MIN_RAD, assumed.elevation_max_rad
        farthest = 1.0
        if len(plots.t_ns):
            measured = ~np.isnan(plots.z[:, 2])
            sigma[:2] = np.median(plots.sigma[:, :2], axis=0)
            farthest = float(plots.z[:, 0].max())
            if measured.any():
                sigma[2] = np.median(plots.sigma[measured, 2])
                low, high = _heights(plots.z[measured, 2], bool(measured.all()), high)
        bias = tuple((assumed.bias_fraction * sigma).tolist())
        reach = assumed.range_max_m or RANGE_MARGIN * farthest
        return Quality(
            tuple(sigma.tolist()), bias, *arc, low, high, reach, scan_s, assumed.clutter_per_scan
        )  # fmt: skip


def _heights(elevation_rad: Array, only: bool, highest_rad: float) -> tuple[float, float]:
    """Lowest and highest elevation that a sensor is taken to look at; `only`: there are no 2-D plots."""
    margin = np.radians(1.0)
    low = max(float(elevation_rad.min() - margin), -np.pi / 2)
    high = min(float(elevation_rad.max() + margin), np.pi / 2)
    return (low, high) if only else (min(low, ELEVATION_MIN_RAD), max(high, highest_rad))


class Given(NamedTuple):
    """One message of a recorded feed, and the known identities of its rows (none: no row has one)."""

    message: Message
    objects: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecordedFeed:
    """What a reader made of a recording: messages in the order (t_sent, originator, sensor, sequence).

    Scenario time is the recording's own less `t_zero_s`. `notes` says in a line each what was assumed,
    `report` what was found, for a JSON document.
    """

    name: str
    items: tuple[Given, ...]
    t_start_ns: int
    t_end_ns: int
    lag_s: float
    """Longest time from a plot to its message."""
    t_zero_s: float = 0.0
    notes: tuple[str, ...] = ()
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sensors(self) -> tuple[str, ...]:
        """Whose feeds there are, sorted: ``NATION/sensor``."""
        return tuple(sorted({f"{g.message.originator}/{g.message.sensor}" for g in self.items}))

    def until(self, t_s: float | None) -> "RecordedFeed":
        """The same, going on without plots until scenario second `t_s`, if that is later than its end."""
        return replace(self, t_end_ns=max(self.t_end_ns, math.ceil((t_s or 0.0) * S)))


class Line:
    """The numbered messages of one sensor. Ids depend on `key` (the recording) and the number only."""

    def __init__(self, nation: str, sensor: str, *key: object) -> None:
        self.nation = nation
        self.sensor = sensor
        self._key = ("recorded", *key, nation, sensor)
        self._boot = int.from_bytes(identity(*self._key, "boot")[:7], "little")
        self._next = 0

    def envelope(self, t_ns: int) -> dict[str, Any]:
        """The envelope of the next message, sent and available at `t_ns`."""
        number, self._next = self._next, self._next + 1
        return {
            "originator": self.nation, "sensor": self.sensor, "boot_id": self._boot, "sequence": number,
            "item_id": identity(*self._key, number), "t_sent_ns": t_ns, "t_available_ns": t_ns,
        }  # fmt: skip

    def site(self, t_sent_ns: int, place: Place, quality: Quality) -> Site:
        """The sensor stands there from the place's time on."""
        position = geodesy.ecef(place.lat_deg, place.lon_deg, place.alt_m)
        axes: Any = geodesy.enu_axes(place.lat_deg, place.lon_deg).ravel().tolist()
        return Site(
            **self.envelope(t_sent_ns),
            t_valid_ns=place.t_ns,
            position_ecef_m=tuple(position.tolist()),
            velocity_ecef_mps=place.velocity_mps,
            enu_ecef=tuple(axes),
            sigma_range_m=quality.sigma[0],
            sigma_azimuth_rad=quality.sigma[1],
            sigma_elevation_rad=quality.sigma[2],
            bias_sigma_range_m=quality.bias_sigma[0],
            bias_sigma_azimuth_rad=quality.bias_sigma[1],
            bias_sigma_elevation_rad=quality.bias_sigma[2],
            azimuth_center_rad=quality.azimuth_center_rad,
            azimuth_width_rad=quality.azimuth_width_rad,
            elevation_min_rad=quality.elevation_min_rad,
            elevation_max_rad=quality.elevation_max_rad,
            range_13db_m=quality.range_max_m,
            range_max_m=quality.range_max_m,
            scan_s=quality.scan_s,
            clutter_per_scan=quality.clutter_per_scan,
        )

    def scan(self, t_sent_ns: int, look: Look, quality: Quality) -> Scan:
        """The sensor has looked there."""
        return Scan(
            **self.envelope(t_sent_ns),
            scan=look.number,
            t_start_ns=look.start_ns,
            t_end_ns=look.end_ns,
            azimuth_center_rad=look.azimuth_center_rad,
            azimuth_width_rad=look.azimuth_width_rad,
            elevation_min_rad=quality.elevation_min_rad,
            elevation_max_rad=quality.elevation_max_rad,
            range_max_m=quality.range_max_m,
        )

    def plots(self, t_sent_ns: int, number: int, plots: Plots) -> Iterator[Given]:
        """The plots of scan `number`: those with an elevation, then those without; none if there are none."""
        measured = ~np.isnan(plots.z[:, 2])
        if measured.any():
            rows = plots.where(measured)
            yield Given(Detections(**self._columns(t_sent_ns, number, rows, 3)), _known(rows))
        if not measured.all():
            rows = plots.where(~measured)
            yield Given(Polar(**self._columns(t_sent_ns, number, rows, 2)), _known(rows))

    def _columns(self, t_sent_ns: int, number: int, plots: Plots, width: int) -> dict[str, Any]:
        body: dict[str, Any] = {
            "scan": number,
            "t_valid_ns": ints(plots.t_ns),
            "snr_db": floats(plots.snr_db),
        }
        for i, name in enumerate(("range_m", "azimuth_rad", "elevation_rad")[:width]):
            body[name] = floats(plots.z[:, i])
            body[f"sigma_{name}"] = floats(plots.sigma[:, i])
        return {**self.envelope(t_sent_ns), **body}


def _known(plots: Plots) -> tuple[str, ...]:
    return plots.objects if any(plots.objects) else ()


def sensor_feed(
    line: Line,
    quality: Quality,
    places: Sequence[Place],
    looks: Sequence[Look],
    plots: Plots,
    scan_of: Ints,
    *,
    say_looks: bool = True,
) -> Iterator[Given]:
    """All messages of one recorded sensor, in order of sending.

    `scan_of` (n,) is the number of each plot's scan; `looks` are in order. A sensor that stays in its place
    repeats its site once a minute; one that moves says every place in `places`.
    """
    end_ns = max(look.end_ns for look in looks)
    if len(places) == 1:
        start = places[0].t_ns
        places = [places[0]._replace(t_ns=t) for t in range(start, end_ns + 1, SITE_EVERY_NS)]
    first, last = (np.searchsorted(scan_of, [x.number for x in looks], side) for side in ("left", "right"))
    said = 0
    for k, look in enumerate(looks):
        while said < len(places) and places[said].t_ns <= look.end_ns:
            yield Given(line.site(places[said].t_ns, places[said], quality))
            said += 1
        if say_looks:
            yield Given(line.scan(look.end_ns, look, quality))
        yield from line.plots(look.end_ns, look.number, plots.where(slice(int(first[k]), int(last[k]))))


def in_order(given: Sequence[Given]) -> tuple[Given, ...]:
    """Messages of several sensors in the order of sending."""
    keyed = sorted(
        given,
        key=lambda g: (g.message.t_sent_ns, g.message.originator, g.message.sensor, g.message.sequence),
    )
    return tuple(keyed)
