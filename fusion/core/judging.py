"""How a tracker judged its plots: every pair inside the gate and what became of it, for those who ask.

Rules:

- Only the settled run keeps a journal. It never goes back, so each pair is judged once, with late data in its
  place. The as-known picture's reruns judge again and are not written down.
- Of a second with more than `most_per_s` rows nothing is kept and all is counted: a journal that broke off
  in the middle would say that nothing else happened.
- It is no part of the state: pictures are the same with and without it.
"""

from collections import deque
from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt

from fusion.core.association import Pairs
from fusion.core.filters import FilterBank, Slots
from fusion.core.ordering import PlotsEntry
from sharing.messages import Floats, Judgements, S, Site, floats, ints

PASSED_OVER, ASSIGNED, SHARED, STARTED = range(4)
"""Places in `sharing.messages.DECISIONS`."""


@dataclass(slots=True)
class Case:
    """The pairs of one entry with all that speaks for and against them, before anything is decided."""

    pairs: Pairs
    d2: Floats
    log_ratio: Floats
    innovation: Floats
    covariance: Floats
    share: Floats
    decision: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls, bank: FilterBank, entry: PlotsEntry, sensor: int, pairs: Pairs, clutter_cost: float
    ) -> "Case":
        """Judge the pairs again, as the gate did, while the tracks are still what they were."""
        given = (pairs.slots, pairs.rows, entry.z, entry.sigma, sensor, entry.key[0])
        d2, log_likelihood = bank.gate(*given)
        innovation, covariance = bank.judge(*given)
        ratio, none = log_likelihood + clutter_cost, np.zeros(len(d2))
        return cls(pairs, d2, ratio, innovation, covariance, none, none.astype(np.int64))

    def decide(self, rows: Slots, slots: Slots, share: Floats, to: int) -> None:
        """These pairs, of those there are, were decided so."""
        names = zip(self.pairs.rows.tolist(), self.pairs.slots.tolist(), strict=True)
        place = {name: i for i, name in enumerate(names)}
        found = [place[name] for name in zip(rows.tolist(), slots.tolist(), strict=True)]
        self.share[found], self.decision[found] = share, to


@dataclass(slots=True)
class Journal:
    """Judgements that nobody has taken yet, in data order; `most_per_s` rows a second of scenario time."""

    nation: str
    most_per_s: int
    dropped: int = 0
    _kept: deque[tuple[int, Judgements]] = field(default_factory=deque)
    _second: int = 0
    _rows: int = 0
    _sequence: int = 0

    def close(
        self,
        case: Case,
        entry: PlotsEntry,
        site: Site,
        ids: npt.NDArray[np.int64],
        started: tuple[npt.NDArray[np.intp], Slots],
    ) -> None:
        """Write a case down, with the rows that began tracks; `ids` are the tracks' by slot."""
        t_ns, _, originator, item_id, first_row = entry.key
        rows, slots = started
        new = len(rows)
        row = np.concatenate([case.pairs.rows, rows]) + first_row
        if not len(row) or not self._room(t_ns // S, len(row)):
            return
        order = np.argsort(row, kind="stable")
        begun = np.full(new, STARTED)
        message = Judgements(
            originator=self.nation, of_originator=originator, of_sensor=site.sensor, of_item=item_id,
            t_valid_ns=t_ns, row=ints(row[order]),
            track_id=ints(ids[np.concatenate([case.pairs.slots, slots])][order]),
            innovation=floats(np.concatenate([case.innovation, np.zeros((new, 3))])[order]),
            innovation_covariance=floats(np.concatenate([case.covariance, np.zeros((new, 6))])[order]),
            d2=floats(np.concatenate([case.d2, np.zeros(new)])[order]),
            log_ratio=floats(np.concatenate([case.log_ratio, np.zeros(new)])[order]),
            share=floats(np.concatenate([case.share, np.zeros(new)])[order]),
            decision=ints(np.concatenate([case.decision, begun])[order]),
        )  # fmt: skip
        self._kept.append((self._second, message))

    def _room(self, second: int, rows: int) -> bool:
        """Whether so many more rows fit into the second; if not, all of it goes."""
        if second != self._second:
            self._second, self._rows = second, 0
        self._rows += rows
        if self._rows <= self.most_per_s:
            return True
        while self._kept and self._kept[-1][0] == second:
            self.dropped += len(self._kept.pop()[1].row)
        self.dropped += rows
        return False

    def take(self, t_ns: int) -> list[Judgements]:
        """All that has been written down, as sent at `t_ns`."""
        taken = []
        while self._kept:
            _, message = self._kept.popleft()
            sent = {"sequence": self._sequence, "t_sent_ns": t_ns, "t_available_ns": t_ns}
            taken.append(msgspec.structs.replace(message, **sent))
            self._sequence += 1
        return taken
