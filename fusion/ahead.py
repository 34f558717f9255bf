"""Pictures at other times: every live track of the newest picture, predicted with its own motion model."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec
import numpy as np

from ext.bank import TrackBank
from fusion.core.filters import Models, alone
from sharing.messages import Picture, S, floats

UPPER = np.triu_indices(6)


class OutsideError(ValueError):
    """A time at which there is no picture, said in one line with the times at which there are some."""


def at_times(pictures: Iterable[Picture], times_ns: Sequence[int]) -> Iterator[Picture]:
    """For each of `times_ns` and each kind of picture, the newest picture not after it, predicted to it.

    Raises OutsideError for a time before the first picture or after the last.
    """
    newest: dict[tuple[int, str], Picture] = {}
    span: tuple[int, int] | None = None
    for picture in pictures:
        first_ns, last_ns = span or (picture.t_valid_ns, picture.t_valid_ns)
        span = min(first_ns, picture.t_valid_ns), max(last_ns, picture.t_valid_ns)
        for t_ns in times_ns:
            if picture.t_valid_ns <= t_ns:
                newest[t_ns, picture.picture] = picture
    if span is not None:
        _check(times_ns, *span)
    for t_ns, kind in sorted(newest):
        yield predicted(newest[t_ns, kind], t_ns)


def _check(times_ns: Sequence[int], first_ns: int, last_ns: int) -> None:
    for t_ns in times_ns:
        if not first_ns <= t_ns <= last_ns:
            there = f"from {first_ns / S:g} to {last_ns / S:g} s, as the pictures"
            raise OutsideError(f"{t_ns / S:g} s: expected {there}")


def predicted(picture: Picture, t_ns: int) -> Picture:
    """`picture` moved forward to `t_ns`. Raises ValueError for an earlier time."""
    if t_ns < picture.t_valid_ns:
        raise ValueError(f"a picture of {picture.t_valid_ns} ns cannot be predicted back to {t_ns} ns")
    state = picture.state_ecef.reshape(-1, 6).copy()
    triangle = picture.covariance.reshape(-1, 21).copy()
    models = Models()
    for mode in np.unique(picture.mode).tolist():
        rows = np.flatnonzero(picture.mode == mode)
        q, beta, turn = alone(mode)
        bank = TrackBank(
            len(rows), 1, (q,), (beta,), np.zeros((1, 1)), drag_noise_s=models.drag_noise_s, turn=(turn,),
        )  # fmt: skip
        for slot, row in enumerate(rows.tolist()):
            covariance = np.zeros((6, 6))
            covariance[UPPER] = triangle[row]
            covariance = covariance + np.triu(covariance, 1).T
            bank.start_state(slot, picture.t_valid_ns, state[row], covariance)
        x, p, _ = bank.estimate_at(np.arange(len(rows), dtype=np.int32), t_ns)
        state[rows] = x
        triangle[rows] = p[:, UPPER[0], UPPER[1]]
    return msgspec.structs.replace(
        picture, t_valid_ns=t_ns, state_ecef=floats(state), covariance=floats(triangle)
    )
