"""What one radar publishes in one run: its site, its scans, its plots.

A scan sweeps the sector clockwise in beam positions of equal length; a plot carries the time of its beam, and
the object's state is taken at that time. Between its 1 Hz samples the truth is, by definition, their cubic
Hermite interpolation. Objects closer together than a resolution cell are not merged yet: no scenario has any.

All draws are keyed by (seed, sensor, object or purpose) and by the number of the scan (`sensors.draws`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from sensors.draws import identity, normals, uniforms
from sensors.geodesy import wrap
from sensors.radar import Radar, plot_sigmas
from sensors.threats import signature
from sharing.messages import PHASES, Detections, Ints, S, Scan, Site, Truth, floats, ints

Array = npt.NDArray[np.float64]

SITE_EVERY_NS = 60 * S
CLUTTER_RANGE_MIN_M = 5_000.0
_BOOST = PHASES.index("boost")


@dataclass(frozen=True)
class Schedule:
    """The scans of one radar: numbers and starts (n,), and their common length; outages leave gaps."""

    number: Ints
    start_ns: Ints
    period_ns: int


@dataclass(frozen=True)
class Sight:
    """What one radar could see of one object at times (n,), before any draw.

    `visible` is false where the object does not exist. SNR is the mean ratio for the object's
    cross-section; rows that are not visible hold numbers without meaning.
    """

    t_ns: Ints
    visible: npt.NDArray[np.bool_]
    measurement: Array
    """Range m, azimuth rad, elevation rad (n, 3)."""
    snr: Array

    @property
    def snr_db(self) -> Array:
        """Mean signal-to-noise ratio in dB."""
        return 10.0 * np.log10(self.snr)


@dataclass(frozen=True)
class Plots:
    """Columns of all plots of one radar, ordered by scan, time and range."""

    scan: Ints
    t_valid_ns: Ints
    measurement: Array
    sigma: Array
    snr: Array


def interpolate(truth: Truth, t_ns: Ints) -> Array:
    """States (n, 6) of an object at times (n,): cubic Hermite of its samples, held constant outside them."""
    samples = truth.state_ecef.reshape(-1, 6)
    if len(samples) == 1:
        return np.repeat(samples, len(t_ns), axis=0)
    last = len(samples) - 2
    i = np.clip(np.searchsorted(truth.t_valid_ns, t_ns, side="right") - 1, 0, last)
    step = (truth.t_valid_ns[i + 1] - truth.t_valid_ns[i]) / S
    f = np.clip((t_ns - truth.t_valid_ns[i]) / S / step, 0.0, 1.0)[:, None]
    step = step[:, None]
    p0, v0, p1, v1 = samples[i, :3], samples[i, 3:], samples[i + 1, :3], samples[i + 1, 3:]
    position = (
        (1 + 2 * f) * (1 - f) ** 2 * p0
        + f * (1 - f) ** 2 * step * v0
        + f**2 * (3 - 2 * f) * p1
        - f**2 * (1 - f) * step * v1
    )
    velocity = 6 * f * (1 - f) * (p1 - p0) / step + (1 - f) * (1 - 3 * f) * v0 + f * (3 * f - 2) * v1
    return np.concatenate([position, velocity], axis=1)


def sight(radar: Radar, truth: Truth, t_ns: Ints) -> Sight:
    """Geometry, visibility and mean SNR of an object at times (n,)."""
    states = interpolate(truth, t_ns)
    range_m, azimuth, elevation = radar.measure(states[:, :3])
    row = np.clip(np.searchsorted(truth.t_valid_ns, t_ns, side="right") - 1, 0, None)
    rcs = signature(truth.kind)
    aspect = radar.aspect_cos(states)
    cross_section = np.where(truth.phase[row] == _BOOST, rcs.boost.at(aspect), rcs.after.at(aspect))
    exists = (t_ns >= truth.t_valid_ns[0]) & (t_ns <= truth.t_valid_ns[-1])
    return Sight(
        t_ns,
        exists & radar.visible(range_m, azimuth, elevation),
        np.stack([range_m, azimuth, elevation], axis=1),
        radar.mean_snr(range_m, cross_section),
    )


def schedule(radar: Radar, seed: int, t_start_ns: int, t_end_ns: int) -> Schedule:
    """Scans wholly inside the interval; their phase is drawn, so that sensors do not scan in step."""
    period = round(radar.type.scan_s * S)
    drawn = uniforms(1, 4, seed, radar.nation, radar.id, "phase")[0, 0]
    offset = int(drawn * period) // 1_000_000 * 1_000_000
    number = np.arange(max((t_end_ns - t_start_ns - offset) // period, 0), dtype=np.int64)
    start = t_start_ns + offset + number * period
    on = np.ones(len(start), dtype=bool)
    for begin_s, end_s in radar.station.outages_s:
        on &= (start + period <= begin_s * S) | (start >= end_s * S)
    return Schedule(number[on], start[on], period)


def _rows(plan: Schedule) -> int:
    """Rows of draws that cover every scan number of a schedule."""
    return int(plan.number[-1]) + 1 if len(plan.number) else 0


def beam_times(radar: Radar, plan: Schedule, azimuth_rad: Array, start_ns: Ints) -> Ints:
    """When, in the scans that begin at `start_ns` (n,), the beam that covers an azimuth (n,) looks."""
    beams = int(np.ceil(radar.type.sector_deg / radar.type.beam_deg))
    left = np.radians(radar.station.boresight_deg - radar.type.sector_deg / 2)
    turned = np.mod(azimuth_rad - left, 2 * np.pi) / np.radians(radar.type.sector_deg)
    beam = np.minimum(np.floor(turned * beams), beams - 1)
    return start_ns + np.rint((beam + 0.5) / beams * plan.period_ns).astype(np.int64)


def _object_plots(radar: Radar, seed: int, plan: Schedule, truth: Truth, bias: Array) -> Plots:
    t_ns = plan.start_ns + plan.period_ns // 2
    for _ in range(2):
        azimuth = radar.measure(interpolate(truth, t_ns)[:, :3])[1]
        t_ns = beam_times(radar, plan, azimuth, plan.start_ns)
    seen = sight(radar, truth, t_ns)
    rows = _rows(plan)
    name = (seed, radar.nation, radar.id, "object", truth.name)
    power = -np.log(uniforms(rows, 4, *name, "power")[plan.number, 0]) * (1.0 + seen.snr)
    hit = seen.visible & (power >= radar.threshold)
    noise = normals(rows, 4, *name, "noise")[plan.number, :3][hit]
    sigma = plot_sigmas(radar, power[hit])
    measured = seen.measurement[hit] + bias + sigma * noise
    return Plots(plan.number[hit], t_ns[hit], measured, sigma, power[hit])


def _clutter_plots(radar: Radar, seed: int, plan: Schedule) -> Plots:
    """False plots: Poisson in number, uniform in azimuth and range, mostly low, just above the threshold."""
    rows = _rows(plan)
    name = (seed, radar.nation, radar.id, "clutter")
    counts = _poisson(radar.type.clutter_per_scan, uniforms(rows, 4, *name, "count")[plan.number, 0])
    kind = radar.type
    found = []
    for place in range(int(counts.max(initial=0))):
        has = counts > place
        u = uniforms(rows, 4, *name, place)[plan.number[has]]
        low, high = radar.mask_rad, np.radians(kind.elevation_max_deg)
        azimuth = wrap(np.radians(radar.station.boresight_deg + (u[:, 0] - 0.5) * kind.sector_deg))
        far = CLUTTER_RANGE_MIN_M + u[:, 2] * (kind.range_max_km * 1e3 - CLUTTER_RANGE_MIN_M)
        measurement = np.stack([far, azimuth, low + (high - low) * u[:, 1] ** 3], axis=1)
        power = radar.threshold - np.log(u[:, 3])
        t_ns = beam_times(radar, plan, azimuth, plan.start_ns[has])
        found.append(Plots(plan.number[has], t_ns, measurement, plot_sigmas(radar, power), power))
    return _joined(found)


def _poisson(mean: float, u: Array) -> Ints:
    """Poisson numbers by inversion of uniform draws (n,)."""
    counts = np.zeros(len(u), dtype=np.int64)
    term = total = np.exp(-mean)
    number = 0
    while number < 10 * mean + 50:
        counts += u > total
        number += 1
        term *= mean / number
        total += term
    return counts


def _joined(parts: Sequence[Plots]) -> Plots:
    if not parts:
        none = np.empty(0, dtype=np.int64)
        return Plots(none, none, np.empty((0, 3)), np.empty((0, 3)), np.empty(0))
    columns = {f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Plots)}
    order = np.lexsort((columns["measurement"][:, 0], columns["t_valid_ns"], columns["scan"]))
    return Plots(**{name: values[order] for name, values in columns.items()})


def errors(radar: Radar, seed: int) -> tuple[Array, int]:
    """The constant errors of a sensor in one run: (range m, azimuth rad, elevation rad) and clock ns."""
    draw = normals(1, 4, seed, radar.nation, radar.id, "bias")[0]
    return draw[:3] * radar.bias_sigmas, round(draw[3] * radar.type.clock_s * S)


def plots(radar: Radar, seed: int, plan: Schedule, truths: Sequence[Truth]) -> Plots:
    """All plots of one radar in one run: of the objects, then of clutter, in order of scan, time, range."""
    bias, clock_ns = errors(radar, seed)
    parts = [_object_plots(radar, seed, plan, truth, bias) for truth in truths]
    made = _joined([*parts, _clutter_plots(radar, seed, plan)])
    made.measurement[:, 1] = wrap(made.measurement[:, 1])
    return Plots(made.scan, made.t_valid_ns + clock_ns, made.measurement, made.sigma, made.snr)


class _Link:
    """Fills the envelopes of one radar's items, in order."""

    def __init__(self, radar: Radar, seed: int) -> None:
        self._name = (seed, radar.nation, radar.id)
        self._fixed = {"originator": radar.nation, "sensor": radar.id, "boot_id": boot_id(seed)}
        self._sequence = 0
        self._available_ns: int | None = None

    def envelope(self, t_sent_ns: int, delay_ns: int) -> dict[str, Any]:
        """The next item's envelope: available after the delay, never before the item in front of it."""
        available = t_sent_ns + delay_ns
        if self._available_ns is not None:
            available = max(available, self._available_ns)
        self._available_ns = available
        item_id = identity(*self._name, self._sequence)
        self._sequence += 1
        return {
            **self._fixed,
            "sequence": self._sequence - 1,
            "item_id": item_id,
            "t_sent_ns": t_sent_ns,
            "t_available_ns": available,
        }


def boot_id(seed: int) -> int:
    """The start of all emulators of a run: the same in every run with that seed."""
    return int.from_bytes(identity(seed, "boot")[:7], "little")


def _site(radar: Radar, t_valid_ns: int, envelope: dict[str, Any]) -> Site:
    kind = radar.type
    sigma, bias = radar.sigmas.tolist(), radar.bias_sigmas.tolist()
    axes: Any = tuple(radar.axes.reshape(-1).tolist())
    return Site(
        **envelope,
        t_valid_ns=t_valid_ns,
        position_ecef_m=tuple(radar.position_ecef_m.tolist()),
        velocity_ecef_mps=(0.0, 0.0, 0.0),
        enu_ecef=axes,
        sigma_range_m=sigma[0],
        sigma_azimuth_rad=sigma[1],
        sigma_elevation_rad=sigma[2],
        bias_sigma_range_m=bias[0],
        bias_sigma_azimuth_rad=bias[1],
        bias_sigma_elevation_rad=bias[2],
        range_13db_m=kind.range_13db_km * 1e3,
        scan_s=kind.scan_s,
        clutter_per_scan=kind.clutter_per_scan,
        **_coverage(radar),
    )


def _coverage(radar: Radar) -> dict[str, Any]:
    """The fields that say, in a site and in a scan, where the radar looks."""
    return {
        "azimuth_center_rad": float(wrap(np.radians(radar.station.boresight_deg))),
        "azimuth_width_rad": float(np.radians(radar.type.sector_deg)),
        "elevation_min_rad": radar.mask_rad,
        "elevation_max_rad": float(np.radians(radar.type.elevation_max_deg)),
        "range_max_m": radar.type.range_max_km * 1e3,
    }


def _columns(made: Plots) -> dict[str, Any]:
    """The body of one long `Detections` message with all plots; scans take slices of it."""
    return {
        "t_valid_ns": ints(made.t_valid_ns),
        "range_m": floats(made.measurement[:, 0]),
        "azimuth_rad": floats(made.measurement[:, 1]),
        "elevation_rad": floats(made.measurement[:, 2]),
        "sigma_range_m": floats(made.sigma[:, 0]),
        "sigma_azimuth_rad": floats(made.sigma[:, 1]),
        "sigma_elevation_rad": floats(made.sigma[:, 2]),
        "snr_db": floats(10.0 * np.log10(made.snr)),
    }


def messages(
    radar: Radar, seed: int, t_start_ns: int, t_end_ns: int, truths: Sequence[Truth]
) -> Iterator[Site | Scan | Detections]:
    """Everything one radar publishes in one run, in order, as its nation's own link carries it.

    A site at the start and once a minute; at the end of each scan, the scan and its plots (which may be
    none). An item may be known after a drawn transport delay, never before the item in front of it.
    """
    plan = schedule(radar, seed, t_start_ns, t_end_ns)
    made = plots(radar, seed, plan, truths)
    columns, coverage = _columns(made), _coverage(radar)
    first, last = (np.searchsorted(made.scan, plan.number, side) for side in ("left", "right"))
    least, most = radar.station.delay_min_s, radar.station.delay_max_s
    drawn = uniforms(_rows(plan), 4, seed, radar.nation, radar.id, "delay")[plan.number, 0]
    delay_ns = np.rint((least + (most - least) * drawn) * S).astype(np.int64)
    link = _Link(radar, seed)
    t_site_ns = t_start_ns
    for k, number in enumerate(plan.number.tolist()):
        start = int(plan.start_ns[k])
        end = start + plan.period_ns
        while t_site_ns <= end:
            yield _site(radar, t_site_ns, link.envelope(t_site_ns, round(least * S)))
            t_site_ns += SITE_EVERY_NS
        delay = int(delay_ns[k])
        yield Scan(**link.envelope(end, delay), scan=number, t_start_ns=start, t_end_ns=end, **coverage)
        rows = slice(int(first[k]), int(last[k]))
        body = {name: values[rows] for name, values in columns.items()}
        yield Detections(**link.envelope(end, delay), scan=number, **body)
    while t_site_ns <= t_end_ns:
        yield _site(radar, t_site_ns, link.envelope(t_site_ns, round(least * S)))
        t_site_ns += SITE_EVERY_NS
