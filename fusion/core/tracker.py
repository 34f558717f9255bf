"""The tracker: every track and where every sensor stands, moved forward one entry at a time in data order.

It knows nothing of arrival, pictures or ticks. `checkpoint` and `restore` cover all of its state, so that
the engine can go back to any whole second and run on with late data included.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ext.geodesy import geodetic
from fusion.core.association import AssociationRules, Pairs, associate, unassigned_cost
from fusion.core.filters import FilterBank, FilterFactory, Models, place
from fusion.core.lifecycle import CONFIRMED, TENTATIVE, LifeRules, TrackTable
from fusion.core.ordering import Entry, LookEntry, PlotsEntry
from sharing.messages import S, Site

Slots = npt.NDArray[np.int32]

LOOK_RANGE_FRACTION = 0.5
"""A scan's silence counts against a track only within this part of the range where 1 m² has 13 dB: there
even 0.1 m² has a mean SNR of 15 dB."""
CARRY_NS = 10 * S
"""Tracks unseen for this long are brought to its multiples: steps stay short, the coarse gate small."""
UNSEEN_NS = 3 * S
"""A track without a hit for this long is checked for being lost."""


@dataclass(frozen=True, slots=True)
class TrackerRules:
    """All that may be tuned in the tracker."""

    models: Models = field(default_factory=Models)
    association: AssociationRules = field(default_factory=AssociationRules)
    life: LifeRules = field(default_factory=LifeRules)


class Tracker:
    """Tracks of up to `capacity` objects seen by up to `max_sensors` sensors."""

    def __init__(self, capacity: int, max_sensors: int, rules: TrackerRules, filters: FilterFactory) -> None:
        self.rules = rules
        self.bank: FilterBank = filters(capacity, max_sensors, rules.models)
        self.table = TrackTable(capacity, max_sensors)
        self.sites: dict[int, tuple[int, Site]] = {}
        """By the buffer's sensor number: the bank's (in order of the first site), and the newest site."""
        self._clutter_cost: dict[int, float] = {}
        self.turned_away = 0
        """Plots that found no free slot to start a track in. Not part of the state: it never goes back."""

    def checkpoint(self) -> tuple[Any, ...]:
        """A copy of all state, for `restore`."""
        return self.bank.checkpoint(), self.table.checkpoint(), dict(self.sites)

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Become what `checkpoint` saved."""
        bank, table, sites = saved
        self.bank.restore(bank)
        self.table.restore(table)
        self.sites = dict(sites)
        self._clutter_cost.clear()

    def step(self, entry: Entry) -> None:
        """Take one entry in; entries come in data order."""
        if isinstance(entry, PlotsEntry):
            self._plots(entry)
        elif isinstance(entry, LookEntry):
            self._look(entry)
        else:
            number = self.sites.get(entry.sensor, (len(self.sites),))[0]
            self.sites[entry.sensor] = number, entry.site
            self._clutter_cost.pop(entry.sensor, None)
            place(self.bank, number, entry.site)

    def _plots(self, entry: PlotsEntry) -> None:
        sensor, site = self.sites[entry.sensor]
        pairs = self._candidates(entry, sensor, site)
        rows = np.empty(0, np.int32)
        if len(pairs.rows):
            confirmed = self.table.status[pairs.slots] != TENTATIVE
            rows, slots = associate(pairs, confirmed, self._cost_of_clutter(entry.sensor, site))
            if len(rows):
                self._update(entry, sensor, rows, slots)
        for row in range(len(entry.z)):
            if row not in rows:
                self._start(entry, sensor, row)

    def _candidates(self, entry: PlotsEntry, sensor: int, site: Site) -> Pairs:
        """Pairs inside the gate, of tracks new to this scan."""
        t_ns = entry.key[0]
        angle = np.maximum(entry.sigma[:, 1], entry.sigma[:, 2])
        bias = max(site.bias_sigma_azimuth_rad, site.bias_sigma_elevation_rad)
        spread = entry.sigma[:, 0] + site.bias_sigma_range_m + entry.z[:, 0] * (angle + bias)
        rows, slots = self.bank.reach(t_ns, self.bank.positions(entry.z, sensor, t_ns), spread)
        if len(slots):
            fresh = self.table.last_scan[slots, sensor] != entry.scan
            rows, slots = rows[fresh], slots[fresh]
        if not len(slots):
            return Pairs(rows, slots, np.empty(0))
        d2, log_likelihood = self.bank.gate(slots, rows, entry.z, entry.sigma, sensor, t_ns)
        return Pairs(rows, slots, log_likelihood).where(d2 <= self.rules.association.gate_d2)

    def _update(self, entry: PlotsEntry, sensor: int, rows: Slots, slots: Slots) -> None:
        self.bank.predict(slots, entry.key[0])
        nis = self.bank.update(slots, rows, entry.z, entry.sigma, sensor)
        self.table.hit(slots, entry.key[0], sensor, entry.scan, nis)
        self.table.promote(slots, self.rules.life)

    def _start(self, entry: PlotsEntry, sensor: int, row: int) -> None:
        t_ns, _, _, item_id, first_row = entry.key
        slot = self.table.claim(track_id(item_id, first_row + row), t_ns)
        if slot is None:
            self.turned_away += 1
            return
        self.table.last_scan[slot, sensor] = entry.scan
        sigma = self.rules.models.velocity_sigma_mps
        self.bank.start(slot, t_ns, entry.z[row], entry.sigma[row], sensor, sigma)

    def _look(self, entry: LookEntry) -> None:
        """Score the silence of a finished scan on the tracks that it should have seen."""
        if entry.sensor not in self.sites or not self.table.used:
            return
        sensor, site = self.sites[entry.sensor]
        look = entry.look
        last = self.table.last_scan[: self.table.used, sensor]
        if not ((last >= 0) & (last != look.scan)).any():
            return
        slots, _ = self.bank.covered(
            sensor,
            entry.key[0],
            look.azimuth_center_rad,
            look.azimuth_width_rad,
            look.elevation_min_rad,
            look.elevation_max_rad,
            min(look.range_max_m, LOOK_RANGE_FRACTION * site.range_13db_m),
        )
        last = self.table.last_scan[slots, sensor]
        missed = slots[(last >= 0) & (last != look.scan)]
        if len(missed):
            self.table.miss(missed)
            self._drop(self.table.hopeless(missed, self.rules.life))

    def tidy(self, t_ns: int) -> None:
        """Once a second: mark the coasting tracks, drop the worthless ones."""
        self.table.rest(t_ns, self.rules.life)
        self._drop(self.table.forsaken(t_ns, self.rules.life))
        self._drop(self._lost(t_ns))
        if t_ns % CARRY_NS == 0:
            live = self.live()
            self.bank.carry(live[self.table.t_hit_ns[live] <= t_ns - CARRY_NS], t_ns)

    def _lost(self, t_ns: int) -> Slots:
        """Unseen tracks whose predicted position is worthless or below the ground."""
        live = self.live()
        unseen = live[self.table.t_hit_ns[live] < t_ns - UNSEEN_NS]
        if not len(unseen):
            return unseen
        state, covariance, _ = self.bank.estimate_at(unseen, t_ns)
        variance = covariance[:, 0, 0] + covariance[:, 1, 1] + covariance[:, 2, 2]
        _, _, height_m = geodetic(np.ascontiguousarray(state[:, :3]))
        lost = variance > self.rules.life.lost_sigma_m * self.rules.life.lost_sigma_m
        return unseen[lost | (height_m < 0.0)]

    def live(self) -> Slots:
        """Slots of confirmed and coasting tracks."""
        return np.flatnonzero(self.table.status[: self.table.used] >= CONFIRMED).astype(np.int32)

    def _drop(self, slots: Slots) -> None:
        for slot in slots.tolist():
            self.bank.drop(slot)
            self.table.free(slot)

    def _cost_of_clutter(self, sensor: int, site: Site) -> float:
        cost = self._clutter_cost.get(sensor)
        if cost is None:
            cost = unassigned_cost(site, self.rules.association)
            self._clutter_cost[sensor] = cost
        return cost


def track_id(item_id: bytes, row: int) -> int:
    """The id of the track that begins with this row of this item: 48 bits of the item id, 15 of the row."""
    return int.from_bytes(item_id[:6]) << 15 | (row & 0x7FFF)
