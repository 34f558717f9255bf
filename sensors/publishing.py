"""What one sensor publishes in one run, in order: its site, its scans, its plots, as its own link carries it.

An item may be known after a drawn transport delay (uniform between the station's bounds), never before the
item in front of it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sensors.draws import identity, uniforms_at
from sensors.geodesy import wrap
from sensors.infrared import Infrared
from sensors.looks import Plots, Schedule, Sensor, schedule
from sensors.platforms import Frames
from sensors.scans import plots
from sharing.messages import Detections, Ints, Los, S, Scan, Site, Truth, floats, ints

Array = npt.NDArray[np.float64]

PLOT_LIMIT = 10_000
"""Plots of one scan that a sensor can publish: of more, the strongest."""

Published = Site | Scan | Detections | Los


class _Link:
    """Fills the envelopes of one sensor's items, in order."""

    def __init__(self, sensor: Sensor, seed: int) -> None:
        self._name = (seed, sensor.nation, sensor.id)
        self._fixed = {"originator": sensor.nation, "sensor": sensor.id, "boot_id": boot_id(seed)}
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


class _Sites:
    """The site messages of one sensor, one after another."""

    def __init__(self, sensor: Sensor, t_start_ns: int) -> None:
        self._sensor = sensor
        self._next_ns = t_start_ns
        self._fixed = {**_accuracy(sensor), **coverage(sensor)}

    def until(self, t_ns: int, link: _Link) -> Iterator[Site]:
        """Those that are due up to and with a time."""
        sensor = self._sensor
        while self._next_ns <= t_ns:
            number = np.array([(self._next_ns - sensor.t_start_ns) // sensor.site_every_ns])
            at = sensor.announced(np.maximum(number, 0))
            envelope = link.envelope(self._next_ns, round(sensor.station.delay_min_s * S))
            yield Site(**envelope, t_valid_ns=self._next_ns, **_place(at), **self._fixed)
            self._next_ns += sensor.site_every_ns


def _place(at: Frames) -> dict[str, Any]:
    return {
        "position_ecef_m": tuple(at.position_ecef_m[0].tolist()),
        "velocity_ecef_mps": tuple(at.velocity_ecef_mps[0].tolist()),
        "enu_ecef": tuple(at.axes[0].reshape(-1).tolist()),
    }


def _accuracy(sensor: Sensor) -> dict[str, Any]:
    sigma, bias = sensor.sigmas.tolist(), sensor.bias_sigmas.tolist()
    return {
        "sigma_range_m": sigma[0],
        "sigma_azimuth_rad": sigma[1],
        "sigma_elevation_rad": sigma[2],
        "bias_sigma_range_m": bias[0],
        "bias_sigma_azimuth_rad": bias[1],
        "bias_sigma_elevation_rad": bias[2],
        "range_13db_m": sensor.range_max_m
        if isinstance(sensor, Infrared)
        else sensor.type.range_13db_km * 1e3,
        "scan_s": sensor.type.scan_s,
        "clutter_per_scan": sensor.type.clutter_per_scan,
    }


def coverage(sensor: Sensor) -> dict[str, Any]:
    """The fields that say, in a site and in a scan, where the sensor looks."""
    if isinstance(sensor, Infrared):
        middle, width, low, high = sensor.sector
    else:
        middle = float(wrap(np.radians(sensor.station.boresight_deg)))
        width = float(np.radians(sensor.type.sector_deg))
        low, high = sensor.mask_rad, float(np.radians(sensor.type.elevation_max_deg))
    return {
        "azimuth_center_rad": middle,
        "azimuth_width_rad": width,
        "elevation_min_rad": low,
        "elevation_max_rad": high,
        "range_max_m": sensor.range_max_m,
    }


def _columns(sensor: Sensor, made: Plots) -> dict[str, Any]:
    """The body of one long message with all plots; scans take slices of it."""
    found = {
        "t_valid_ns": ints(made.t_valid_ns),
        "range_m": floats(made.measurement[:, 0]),
        "azimuth_rad": floats(made.measurement[:, 1]),
        "elevation_rad": floats(made.measurement[:, 2]),
        "sigma_range_m": floats(made.sigma[:, 0]),
        "sigma_azimuth_rad": floats(made.sigma[:, 1]),
        "sigma_elevation_rad": floats(made.sigma[:, 2]),
        "snr_db": floats(sensor.snr_db(made.snr)),
    }
    if isinstance(sensor, Infrared):
        del found["range_m"], found["sigma_range_m"]
    return found


def _within_limit(made: Plots) -> Plots:
    """The same, without the weakest plots of scans that have more than a sensor can publish."""
    counts = np.bincount(made.scan) if len(made.scan) else np.zeros(1, dtype=np.int64)
    if counts.max() <= PLOT_LIMIT:
        return made
    order = np.lexsort((-made.snr, made.scan))
    rank = np.arange(len(order)) - np.searchsorted(made.scan, made.scan)[order]
    kept = np.sort(order[rank < PLOT_LIMIT])
    return Plots(
        made.scan[kept], made.t_valid_ns[kept], made.measurement[kept], made.sigma[kept], made.snr[kept]
    )


def _delays_ns(sensor: Sensor, seed: int, plan: Schedule) -> Ints:
    least, most = sensor.station.delay_min_s, sensor.station.delay_max_s
    drawn = uniforms_at(plan.number, 4, seed, sensor.nation, sensor.id, "delay")[:, 0]
    return np.rint((least + (most - least) * drawn) * S).astype(np.int64)


def messages(
    sensor: Sensor, seed: int, t_start_ns: int, t_end_ns: int, truths: Sequence[Truth]
) -> Iterator[Published]:
    """Everything one sensor publishes in one run, in order.

    A site at the start and once a minute, of a moving sensor every 10 s; at the end of each scan, the scan
    and its plots (which may be none).
    """
    plan = schedule(sensor, seed, t_start_ns, t_end_ns)
    made = _within_limit(plots(sensor, seed, plan, truths))
    columns, looked = _columns(sensor, made), coverage(sensor)
    kind = Los if isinstance(sensor, Infrared) else Detections
    first, last = (np.searchsorted(made.scan, plan.number, side) for side in ("left", "right"))
    delay_ns = _delays_ns(sensor, seed, plan)
    link, sites = _Link(sensor, seed), _Sites(sensor, t_start_ns)
    for k, number in enumerate(plan.number.tolist()):
        start = int(plan.start_ns[k])
        end = start + plan.period_ns
        yield from sites.until(end, link)
        delay = int(delay_ns[k])
        yield Scan(**link.envelope(end, delay), scan=number, t_start_ns=start, t_end_ns=end, **looked)
        rows = slice(int(first[k]), int(last[k]))
        body = {name: values[rows] for name, values in columns.items()}
        yield kind(**link.envelope(end, delay), scan=number, **body)
    yield from sites.until(t_end_ns, link)
