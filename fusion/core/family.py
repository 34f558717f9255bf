"""What live tracks are and how they belong together, looked at once a second: parents, classes.

Rules of this module:

- A track that is confirmed near an older one, at nearly its velocity, was born beside it: a spent stage, a
  shroud, a fragment, or what left them. The older one is its *parent*; what the parent's energy says of its
  class is the child's first evidence too. A salvo's missiles fly farther apart.
- Two tracks that were alike (`fusion.core.twins`) in `SURE_LOOKS` looks in a row, `ATTEND_NS` apart, are the
  same object. The older one goes on as it is (what both know is not counted twice), the younger one ends.
- Classes (`fusion.core.classification`) are worked out every `ATTEND_NS`.
- All state is in the tracker's table, so that its checkpoints cover it.
"""

import numpy as np

from fusion.core.classification import DEBRIS, energy_evidence, flight_evidence, prior, probabilities
from fusion.core.filters import LEFT, LEVEL, MANOEUVRE, POWERED, RIGHT, FilterBank
from fusion.core.lifecycle import NO_PARENT, NO_TWIN, UNASKED, Slots, TrackTable
from fusion.core.twins import twins
from sharing.messages import Floats, S

ATTEND_NS = 5 * S
BESIDE_M, BESIDE_MPS = 10_000.0, 400.0
"""How near a parent's position and velocity a track is when it is confirmed, beside three sigmas."""
VAGUE_M = 5_000.0
"""A track whose position is vaguer than this has no known neighbours."""
GREEN_NS = 15 * S
"""Until then a track's modes still are what every track begins with, and no evidence of how it flies."""
SURE_LOOKS = 3
"""Looks in a row after which two tracks are the same."""
NOBODY = np.empty(0, np.int32)


class Family:
    """Keeps the table's columns of parents and classes, from the bank's states."""

    def __init__(self, bank: FilterBank, table: TrackTable, modes: tuple[int, ...]) -> None:
        self._bank, self._table = bank, table
        self.merged: list[tuple[int, int]] = []
        """Ids kept and ended, since somebody took them away; not part of the state."""
        self._powered = [k for k, mode in enumerate(modes) if mode in (POWERED, MANOEUVRE)]
        self._level = [k for k, mode in enumerate(modes) if mode in (LEVEL, LEFT, RIGHT)]

    def attend(self, t_ns: int) -> Slots:
        """Once a second: parents of new tracks; now and then, classes and twins. Gives the merged ones."""
        live = self._table.live()
        born = live[self._table.parent[live] == UNASKED]
        due = t_ns % ATTEND_NS == 0 and len(live) > 0
        if not (due or len(born)):
            return NOBODY
        state, covariance, mu = self._bank.estimate_at(live, t_ns)
        for slot in born.tolist():
            self._find_parent(slot, live, state, covariance)
        if not due:
            return NOBODY
        self._classify(t_ns, live, state, covariance, mu)
        return self._merge(t_ns, live, state, covariance)

    def _find_parent(self, slot: int, live: Slots, state: Floats, covariance: Floats) -> None:
        table = self._table
        own = int(np.flatnonzero(live == slot)[0])
        table.parent[slot] = NO_PARENT
        position = covariance[:, 0, 0] + covariance[:, 1, 1] + covariance[:, 2, 2]
        velocity = covariance[:, 3, 3] + covariance[:, 4, 4] + covariance[:, 5, 5]
        offset2 = (state - state[own]) * (state - state[own])
        away = np.sqrt(offset2[:, 0] + offset2[:, 1] + offset2[:, 2])
        apart = np.sqrt(offset2[:, 3] + offset2[:, 4] + offset2[:, 5])
        near = (away < BESIDE_M + 3.0 * np.sqrt(position + position[own])) & (
            apart < BESIDE_MPS + 3.0 * np.sqrt(velocity + velocity[own])
        )
        clear = np.maximum(position, position[own]) < VAGUE_M * VAGUE_M
        older = table.t_birth_ns[live] < table.t_birth_ns[slot]
        rows = np.flatnonzero(near & clear & older)
        if len(rows):
            parent = int(live[rows[np.argmin(away[rows])]])
            table.parent[slot] = table.track_id[parent]
            table.energy[slot] = table.energy[parent]

    def _classify(self, t_ns: int, live: Slots, state: Floats, covariance: Floats, mu: Floats) -> None:
        table = self._table
        powered, level = self._chance(mu, self._powered), self._chance(mu, self._level)
        evidence, counts = energy_evidence(state, covariance, powered)
        table.energy[live[counts]] = evidence[counts]
        grown = counts & (table.t_birth_ns[live] <= t_ns - GREEN_NS)
        known = table.flight[live[grown]]
        table.flight[live[grown]] = flight_evidence(known, powered[grown], level[grown], ATTEND_NS / S)

    def _merge(self, t_ns: int, live: Slots, state: Floats, covariance: Floats) -> Slots:
        """Tracks that turn out to be an older one."""
        table, ended = self._table, []
        before = table.twin[live].copy(), table.alike[live].copy()
        table.twin[live], table.alike[live] = NO_TWIN, 0
        for younger, older in twins(self._bank, table, t_ns, live, state, covariance):
            slot, kept = int(live[younger]), int(table.track_id[live[older]])
            table.twin[slot] = kept
            table.alike[slot] = before[1][younger] + 1 if before[0][younger] == kept else 1
            if table.alike[slot] >= SURE_LOOKS:
                self.merged.append((kept, int(table.track_id[slot])))
                ended.append(slot)
        return np.array(ended, np.int32)

    @staticmethod
    def _chance(mu: Floats, modes: list[int]) -> Floats:
        chance = np.zeros(len(mu))
        for k in modes:
            chance += mu[:, k]
        return chance


def class_probabilities(table: TrackTable, slots: Slots) -> Floats:
    """Probabilities (n, 8) of `sharing.messages.CLASSES`."""
    child = table.parent[slots] > NO_PARENT
    energy = table.energy[slots]
    energy[child, DEBRIS] = energy[child, :DEBRIS].max(axis=1)  # a stage has the energy of what it came from
    return probabilities(np.where(child[:, None], prior(True), prior(False)) + energy + table.flight[slots])
