"""When a sensor looks, and what a table of its plots holds."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from sensors.draws import uniforms
from sensors.infrared import Infrared
from sensors.radar import Radar
from sharing.messages import Ints, S

Array = npt.NDArray[np.float64]
Sensor = Radar | Infrared


@dataclass(frozen=True)
class Schedule:
    """The scans of one sensor: numbers and starts (n,), and their common length; outages leave gaps."""

    number: Ints
    start_ns: Ints
    period_ns: int

    def only(self, rows: npt.NDArray[np.bool_]) -> "Schedule":
        """Some of the scans."""
        return Schedule(self.number[rows], self.start_ns[rows], self.period_ns)


@dataclass(frozen=True)
class Plots:
    """Columns of all plots of one sensor. Infrared: the range means nothing, the SNR is an amplitude."""

    scan: Ints
    t_valid_ns: Ints
    measurement: Array
    """Range m, azimuth rad, elevation rad (n, 3)."""
    sigma: Array
    snr: Array


def schedule(sensor: Sensor, seed: int, t_start_ns: int, t_end_ns: int) -> Schedule:
    """Scans wholly inside the interval; their phase is drawn, so that sensors do not scan in step."""
    period = round(sensor.type.scan_s * S)
    drawn = uniforms(1, 4, seed, sensor.nation, sensor.id, "phase")[0, 0]
    offset = int(drawn * period) // 1_000_000 * 1_000_000
    number = np.arange(max((t_end_ns - t_start_ns - offset) // period, 0), dtype=np.int64)
    start = t_start_ns + offset + number * period
    on = np.ones(len(start), dtype=bool)
    for begin_s, end_s in sensor.station.outages_s:
        on &= (start + period <= begin_s * S) | (start >= end_s * S)
    return Schedule(number[on], start[on], period)


def beam_times(sensor: Sensor, plan: Schedule, azimuth_rad: Array, start_ns: Ints) -> Ints:
    """When, in the scans that begin at `start_ns` (n,), an azimuth (n,) is looked at."""
    return start_ns + np.rint(sensor.look_fraction(azimuth_rad) * plan.period_ns).astype(np.int64)


def joined(parts: Sequence[Plots]) -> Plots:
    """All plots in order of scan, time and range."""
    if not parts:
        none = np.empty(0, dtype=np.int64)
        return Plots(none, none, np.empty((0, 3)), np.empty((0, 3)), np.empty(0))
    columns = {f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Plots)}
    order = np.lexsort((columns["measurement"][:, 0], columns["t_valid_ns"], columns["scan"]))
    return Plots(**{name: values[order] for name, values in columns.items()})
