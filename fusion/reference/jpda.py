"""Joint probabilistic data association by listing every joint event: the slow twin of `ext.jpda`."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def joint_events(rows: Sequence[int], columns: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Every way to take pairs, by their places, so that no row and no column is taken twice."""

    def grow(place: int, taken: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if place == len(rows):
            yield taken
            return
        yield from grow(place + 1, taken)
        if all(rows[place] != rows[i] and columns[place] != columns[i] for i in taken):
            yield from grow(place + 1, (*taken, place))

    return grow(0, ())


def marginals(rows: Sequence[int], columns: Sequence[int], log_odds: Floats) -> Floats:
    """The share of each pair in all events, each weighted by the product of its pairs' odds."""
    odds, total, share = np.exp(log_odds), 0.0, np.zeros(len(rows))
    for event in joint_events(rows, columns):
        weight = float(np.prod(odds[list(event)]))
        total += weight
        share[list(event)] += weight
    return share / total
