"""What one sensor measures in one run: its echoes, merged where it cannot resolve them, its plots.

A radar's scan sweeps the sector clockwise in beam positions of equal length; a plot carries the time of its
beam, and the object's state is taken at that time. Between its samples the truth is, by definition, their
cubic Hermite interpolation. Only scans in which an object exists and might be seen are computed.

All draws are keyed by (seed, sensor, object or purpose) and by the number of the scan (`sensors.draws`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sensors.clutter import false_plots
from sensors.draws import normals, normals_at, uniforms_at
from sensors.geodesy import wrap
from sensors.infrared import Infrared
from sensors.looks import Plots, Schedule, Sensor, beam_times, joined, schedule
from sensors.merging import Echoes, merge
from sensors.threats import signature
from sharing.messages import PHASES, Ints, S, Truth

__all__ = ["Sight", "beam_times", "errors", "interpolate", "plots", "schedule", "sight"]

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

COARSE_S = 30.0
"""Step of the search for the scans in which a radar might see an object."""
_BELOW_HORIZON = np.sin(np.radians(1.0))
"""Refraction lifts nothing from deeper below the horizontal plane than 1 degree."""
_BOOST = PHASES.index("boost")


@dataclass(frozen=True)
class Sight:
    """What one sensor could see of one object at times (n,), before any draw.

    `visible` is false where the object does not exist. SNR is the mean ratio for the object's
    cross-section, of an infrared sensor the mean amplitude; rows that are not visible hold numbers without
    meaning.
    """

    t_ns: Ints
    visible: Flags
    measurement: Array
    """Range m, azimuth rad, elevation rad (n, 3)."""
    snr: Array
    snr_db: Array
    """The same in dB."""


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


def sight(sensor: Sensor, truth: Truth, t_ns: Ints, seed: int | None = None) -> Sight:
    """Geometry, visibility and mean SNR of an object at times (n,).

    The seed decides where the clouds have holes; without it there are none.
    """
    states = interpolate(truth, t_ns)
    range_m, azimuth, elevation = sensor.measure(states[:, :3], t_ns)
    row = np.clip(np.searchsorted(truth.t_valid_ns, t_ns, side="right") - 1, 0, None)
    boost = truth.phase[row] == _BOOST
    exists = (t_ns >= truth.t_valid_ns[0]) & (t_ns <= truth.t_valid_ns[-1])
    if isinstance(sensor, Infrared):
        visible = exists & boost
        snr = np.full(len(t_ns), 1e-9)
        if visible.any():
            visible &= sensor.visible(states[:, :3], seed)
            snr = sensor.amplitude(truth, t_ns, range_m)
    else:
        rcs = signature(truth.kind)
        aspect = sensor.aspect_cos(states, t_ns)
        visible = exists & sensor.visible(range_m, azimuth, elevation)
        snr = sensor.mean_snr(range_m, np.where(boost, rcs.boost.at(aspect), rcs.after.at(aspect)))
    measurement = np.stack([range_m, azimuth, elevation], axis=1)
    return Sight(t_ns, visible, measurement, snr, sensor.snr_db(snr))


def nearby(sensor: Sensor, plan: Schedule, truth: Truth) -> Schedule:
    """The scans in which a sensor might see an object: none that it could see is left out.

    Radars: at a step of `COARSE_S`, the object and all that it can reach in half a step are compared with
    the display range and the horizon. Infrared: from the first sample under power to the last.
    """
    begin, end = int(truth.t_valid_ns[0]), int(truth.t_valid_ns[-1])
    if isinstance(sensor, Infrared):
        burning = np.flatnonzero(truth.phase == _BOOST)
        if not len(burning):
            return plan.only(np.zeros(len(plan.number), dtype=bool))
        begin, end = (
            int(truth.t_valid_ns[i]) for i in (burning[0], min(burning[-1] + 1, len(truth.phase) - 1))
        )
    during = plan.only((plan.start_ns + plan.period_ns >= begin) & (plan.start_ns <= end))
    if isinstance(sensor, Infrared) or not len(during.number):
        return during
    step_ns = round(COARSE_S * S)
    middles = begin + step_ns // 2 + step_ns * np.arange((end - begin) // step_ns + 1)
    range_m, _, elevation = sensor.measure(interpolate(truth, middles)[:, :3], middles)
    reach = 0.5 * COARSE_S * _fastest_mps(truth)
    up = range_m * np.sin(elevation)
    near = (range_m - reach <= sensor.range_max_m) & (up + reach >= -(range_m + reach) * _BELOW_HORIZON)
    last = len(near) - 1
    first_step, last_step = (
        np.clip((t - begin) // step_ns, 0, last) for t in (during.start_ns, during.start_ns + plan.period_ns)
    )
    return during.only(near[first_step] | near[last_step])


def _fastest_mps(truth: Truth) -> float:
    """No slower than the object ever is: the fastest sample and chord, and a fifth more."""
    samples = truth.state_ecef.reshape(-1, 6)
    fastest = float(np.linalg.norm(samples[:, 3:], axis=1).max())
    if len(samples) > 1:
        chords = np.linalg.norm(np.diff(samples[:, :3], axis=0), axis=1) / (np.diff(truth.t_valid_ns) / S)
        fastest = max(fastest, float(chords.max()))
    return 1.2 * fastest + 10.0


def _echoes(sensor: Sensor, seed: int, plan: Schedule, truth: Truth, source: int) -> Echoes:
    """What a sensor could see of one object in a schedule's scans, before any draw."""
    plan = nearby(sensor, plan, truth)
    if not len(plan.number):
        return Echoes(plan.number, plan.start_ns, plan.number, np.empty((0, 3)), np.empty(0))
    t_ns = plan.start_ns + plan.period_ns // 2
    for _ in range(2):
        azimuth = sensor.measure(interpolate(truth, t_ns)[:, :3], t_ns)[1]
        t_ns = beam_times(sensor, plan, azimuth, plan.start_ns)
    seen = sight(sensor, truth, t_ns, seed)
    every = Echoes(plan.number, t_ns, np.full(len(t_ns), source), seen.measurement, seen.snr)
    return every.take(np.flatnonzero(seen.visible))


def _object_plots(sensor: Sensor, seed: int, plan: Schedule, truths: Sequence[Truth]) -> list[Plots]:
    """The plots of all objects: echoes, merged, drawn by the name of the strongest, one table an object."""
    parts = [_echoes(sensor, seed, plan, truth, k) for k, truth in enumerate(truths)]
    parts = [part for part in parts if len(part.scan)]
    if not parts:
        return []
    columns = zip(*[(p.scan, p.t_ns, p.source, p.measurement, p.snr) for p in parts], strict=True)
    echoes = merge(Echoes(*[np.concatenate(column) for column in columns]), sensor.cell)
    order = np.lexsort((echoes.scan, echoes.source))
    echoes = echoes.take(order)
    cuts = np.flatnonzero(np.diff(echoes.source)) + 1
    bias, _ = errors(sensor, seed)
    found = []
    for rows in np.split(np.arange(len(order)), cuts):
        mine = echoes.take(rows)
        found.append(_drawn(sensor, seed, mine, truths[int(mine.source[0])].name, bias))
    return found


def _drawn(sensor: Sensor, seed: int, echoes: Echoes, name: str, bias: Array) -> Plots:
    """Which of an object's echoes are detected, and what is measured of them."""
    key = (seed, sensor.nation, sensor.id, "object", name)
    received = sensor.received(echoes.snr, uniforms_at(echoes.scan, 4, *key, "power")[:, 0])
    hit = np.flatnonzero(received >= sensor.threshold)
    echoes, received = echoes.take(hit), received[hit]
    noise = normals_at(echoes.scan, 4, *key, "noise")[:, :3]
    sigma = sensor.sigmas_of(echoes.measurement, received)
    return Plots(echoes.scan, echoes.t_ns, echoes.measurement + bias + sigma * noise, sigma, received)


def errors(sensor: Sensor, seed: int) -> tuple[Array, int]:
    """The constant errors of a sensor in one run: (range m, azimuth rad, elevation rad) and clock ns."""
    draw = normals(1, 4, seed, sensor.nation, sensor.id, "bias")[0]
    return draw[:3] * sensor.bias_sigmas, round(draw[3] * sensor.type.clock_s * S)


def plots(sensor: Sensor, seed: int, plan: Schedule, truths: Sequence[Truth]) -> Plots:
    """All plots of one sensor in one run, of objects and false, in order of scan, time, range."""
    parts = [*_object_plots(sensor, seed, plan, truths), *false_plots(sensor, seed, plan)]
    made = joined(parts)
    made.measurement[:, 1] = wrap(made.measurement[:, 1])
    _, clock_ns = errors(sensor, seed)
    return Plots(made.scan, made.t_valid_ns + clock_ns, made.measurement, made.sigma, made.snr)
