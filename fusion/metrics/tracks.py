"""SIAP: how complete, unambiguous, true and steady a picture is over time.

Votruba, Nisley, Rothrock, Zombro: Single Integrated Air Picture (SIAP) Metrics Implementation, 2001; here on
a common grid of ticks.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Run = tuple[int, int]
"""First and last tick of an unbroken stretch."""


@dataclass(frozen=True, slots=True)
class Siap:
    """The SIAP attributes; None where the denominator is zero.

    completeness               objects tracked ÷ objects (1 is best)
    ambiguity                  tracks on objects ÷ objects tracked (1 is best)
    spuriousness               tracks on nothing ÷ tracks (0 is best)
    position_accuracy_m        mean position error of tracks on objects
    velocity_accuracy_mps      mean velocity error of tracks on objects
    track_number_rate_hz       changes of track per second that any track lasts on it, by the fewest tracks
    longest_segment_fraction   longest unbroken stretch of one track ÷ the object's life, summed over objects
    """

    completeness: float | None
    ambiguity: float | None
    spuriousness: float | None
    position_accuracy_m: float | None
    velocity_accuracy_mps: float | None
    track_number_rate_hz: float | None
    longest_segment_fraction: float | None


def siap(
    object_tick: npt.ArrayLike,
    object_id: npt.ArrayLike,
    track_tick: npt.ArrayLike,
    track_id: npt.ArrayLike,
    track_object: npt.ArrayLike,
    position_error_m: npt.ArrayLike,
    velocity_error_mps: npt.ArrayLike,
    *,
    step_s: float = 1.0,
) -> Siap:
    """SIAP over a whole picture, from two tables.

    `object_tick`, `object_id` (n,): which object exists at which tick. `track_tick`, `track_id`,
    `track_object` (m,): which track is on which object then, -1 for none; the errors (m,) are read where
    it is on one. Ticks are whole numbers `step_s` apart; a stretch from tick a to tick b lasts (b − a) steps.
    Raises ValueError when the columns of a table differ in length.
    """
    there, objects = _table(object_tick, object_id)
    tick, track, on = _table(track_tick, track_id, track_object)
    held = on >= 0
    position = np.asarray(position_error_m, dtype=np.float64)[held]
    velocity = np.asarray(velocity_error_mps, dtype=np.float64)[held]
    tracked = len(np.unique(np.stack([tick[held], on[held]]), axis=1).T)
    changes = longest = tracked_steps = life = 0
    for one in np.unique(objects):
        mine = on == one
        runs = _runs(tick[mine], track[mine])
        changes += _fewest(runs) - 1 if runs else 0
        longest += max((last - first for first, last in runs), default=0)
        tracked_steps += _length(runs)
        life += int(np.ptp(there[objects == one]))
    return Siap(
        completeness=_ratio(tracked, len(objects)),
        ambiguity=_ratio(int(held.sum()), tracked),
        spuriousness=_ratio(int((~held).sum()), len(tick)),
        position_accuracy_m=_ratio(float(position.sum()), len(position)),
        velocity_accuracy_mps=_ratio(float(velocity.sum()), len(velocity)),
        track_number_rate_hz=_ratio(changes, tracked_steps * step_s),
        longest_segment_fraction=_ratio(longest, life),
    )


def _table(*columns: npt.ArrayLike) -> list[Ints]:
    table = [np.asarray(c, dtype=np.int64).reshape(-1) for c in columns]
    if len({len(c) for c in table}) > 1:
        raise ValueError(f"columns of different lengths: {[len(c) for c in table]}")
    return table


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator else None


def _union(ticks: Ints) -> list[Run]:
    """Unbroken stretches of ticks."""
    unique = np.unique(ticks)
    if not len(unique):
        return []
    breaks = np.flatnonzero(np.diff(unique) > 1)
    firsts, lasts = np.append(0, breaks + 1), np.append(breaks, len(unique) - 1)
    return [(int(unique[a]), int(unique[b])) for a, b in zip(firsts, lasts, strict=True)]


def _runs(ticks: Ints, tracks: Ints) -> list[Run]:
    """Unbroken stretches of each track, by first tick."""
    return sorted(run for one in np.unique(tracks) for run in _union(ticks[tracks == one]))


def _length(runs: list[Run]) -> int:
    """Steps that any of the stretches, in order of first tick, lasts."""
    length, reached = 0, runs[0][0] if runs else 0
    for first, last in runs:
        length += max(last - max(first, reached), 0)
        reached = max(reached, last)
    return length


def _fewest(runs: list[Run]) -> int:
    """The fewest stretches that cover every tick which any covers: always take the one that lasts longest."""
    count = 0
    todo = runs
    while todo:
        tick = min(first for first, _ in todo)
        covered = max(last for first, last in todo if first <= tick)
        todo = [(max(first, covered + 1), last) for first, last in todo if last > covered]
        count += 1
    return count
