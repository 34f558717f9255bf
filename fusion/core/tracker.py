"""The tracker: every track and where every sensor stands, moved forward one entry at a time in data order.

It knows nothing of arrival, pictures or ticks. `checkpoint` and `restore` cover all of its state, so that
the engine can go back to any whole second and run on with late data included.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ext.geodesy import geodetic
from fusion.core.association import AssociationRules, Pairs, associate, shares_of, unassigned_cost
from fusion.core.detection import SECTIONS_M2, SIGHT, detection_chances
from fusion.core.family import Family
from fusion.core.filters import COAST, MODEL_SETS, FilterBank, FilterFactory, Models, place
from fusion.core.heights import NOTHING, RANGE, fill_elevation, fill_range
from fusion.core.judging import ASSIGNED, SHARED, Case, Journal
from fusion.core.lifecycle import (
    COASTING,
    DOUBTED,
    MERGED,
    MISSED,
    OLD,
    OVERDUE,
    PROOFS,
    TENTATIVE,
    WORTHLESS,
    LifeRules,
    TrackTable,
)
from fusion.core.ordering import Entry, LookEntry, PlotsEntry
from fusion.core.registration import Registration, RegistrationRules
from sharing.messages import Floats, S, Site

Slots = npt.NDArray[np.int32]
Plots = tuple[Floats, Floats]
"""Plots and their sigmas, (k, 3) each: range m, azimuth rad, elevation rad."""

LOOK_RANGE_FRACTION = 0.5
"""A scan's silence counts against a track only within this part of the range where 1 m² has 13 dB: there
even 0.1 m² has a mean SNR of 15 dB."""
RANGELESS_M = 1e6
"""A sensor with a larger sigma of range measures none."""
CARRY_NS = 10 * S
"""Tracks unseen for this long are brought to its multiples: steps stay short, the coarse gate small."""
SOLVE_NS = 5 * S
"""Estimates of the sensors' biases are brought up to date at multiples of this."""
ANY = -1
"""Any state of a track."""
UNSEEN_NS = 3 * S
"""A track without a hit for this long is checked for being lost."""


@dataclass(frozen=True, slots=True)
class TrackerRules:
    """All that may be tuned in the tracker."""

    models: Models = field(default_factory=Models)
    association: AssociationRules = field(default_factory=AssociationRules)
    life: LifeRules = field(default_factory=LifeRules)
    registration: RegistrationRules | None = None
    """None: biases are considered, not estimated."""

    @classmethod
    def of(
        cls,
        models: str = "missiles",
        association: str = "gnn",
        proof: str = "m-of-n",
        registration: str = "off",
    ) -> "TrackerRules":
        """The rules for one of `MODEL_SETS`, of `METHODS`, of `PROOFS`, and for `RegistrationRules.of`.

        ValueError for another name, and for shares with log-likelihood ratios: a share is no hit or miss.

        An aircraft turns where it likes: two minutes unseen, its track says nothing any more.
        """
        if models not in MODEL_SETS:
            raise ValueError(f"models = {models!r}: one of {', '.join(MODEL_SETS)}")
        if proof not in PROOFS:
            raise ValueError(f"proof = {proof!r}: one of {', '.join(PROOFS)}")
        if (association, proof) == ("jpda", "sprt"):
            raise ValueError("proof = 'sprt': goes with association = 'gnn'")
        life = LifeRules(proof, lost_s=120.0) if models == "air" else LifeRules(proof)
        return cls(
            MODEL_SETS[models], AssociationRules(method=association), life, RegistrationRules.of(registration)
        )


class Tracker:
    """Tracks of up to `capacity` objects seen by up to `max_sensors` sensors."""

    def __init__(self, capacity: int, max_sensors: int, rules: TrackerRules, filters: FilterFactory) -> None:
        self.rules = rules
        self.bank: FilterBank = filters(capacity, max_sensors, rules.models)
        self.table = TrackTable(capacity, max_sensors, rules.life)
        self.family = Family(self.bank, self.table, rules.models.modes)
        self.sites: dict[int, tuple[int, Site]] = {}
        """By the buffer's sensor number: the bank's (in order of the first site), and the newest site."""
        self.registration = Registration(rules.registration) if rules.registration else None
        self._clutter_cost: dict[tuple[int, int], float] = {}
        self.journal: Journal | None = None
        """Where judgements are written, if anybody asks for them. Not part of the state either."""
        self.turned_away = 0
        """Plots that found no free slot to start a track in. Not part of the state: it never goes back."""

    def checkpoint(self) -> tuple[Any, ...]:
        """A copy of all state, for `restore`."""
        registered = self.registration.checkpoint() if self.registration else None
        return self.bank.checkpoint(), self.table.checkpoint(), dict(self.sites), registered

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Become what `checkpoint` saved."""
        bank, table, sites, registered = saved
        self.bank.restore(bank)
        self.table.restore(table)
        if self.registration:
            self.registration.restore(registered)
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
            for kind in [k for k in self._clutter_cost if k[0] == entry.sensor]:
                del self._clutter_cost[kind]
            place(self.bank, number, entry.site)
            if self.registration:
                self.registration.place(number, entry.site)

    def _plots(self, raw: PlotsEntry) -> None:
        sensor, site = self.sites[raw.sensor]
        entry = self.registration.corrected(raw, sensor) if self.registration else raw
        filled = self._filled(entry, sensor, site)
        pairs = self._candidates(entry, sensor, site, filled)
        case = None
        if self.journal is not None:
            case = Case.of(self.bank, entry, sensor, pairs, self._cost_of_clutter(entry, site))
        unclaimed = np.ones(len(entry.z), np.bool_)
        confirmed = self.table.status[pairs.slots] != TENTATIVE
        if len(pairs.rows) and self.rules.association.method == "jpda":
            unclaimed = ~self._share(entry, sensor, site, pairs.where(confirmed), case)
            left = ~confirmed & unclaimed[pairs.rows]
            pairs, confirmed = pairs.where(left), confirmed[left]
        if len(pairs.rows):
            chosen = associate(pairs, confirmed, self._cost_of_clutter(entry, site)).by_slot()
            rows, slots = chosen.rows, chosen.slots
            if len(rows):
                self._weigh_hits(entry, site, chosen)
                self._update(entry, sensor, site, rows, slots)
            unclaimed[rows] = False
            if self.registration and len(rows):
                self.registration.take(raw, sensor, site, rows, slots)
            if case is not None:
                case.decide(rows, slots, np.ones(len(rows)), ASSIGNED)
        started = self._start(entry, sensor, np.flatnonzero(unclaimed), filled)
        if self.journal is not None and case is not None:
            self.journal.close(case, entry, site, self.table.track_id, started)

    def _filled(self, entry: PlotsEntry, sensor: int, site: Site) -> Plots:
        """The plots with a guess in the place of what was not measured."""
        plots, heights, t_ns = (entry.z, entry.sigma), self.rules.models.heights, entry.key[0]
        if entry.missing == NOTHING:
            return plots
        if entry.missing == RANGE:
            return fill_range(self.bank, sensor, t_ns, plots, heights)
        return fill_elevation(self.bank, sensor, t_ns, plots, site.elevation_min_rad, heights)

    def _candidates(self, entry: PlotsEntry, sensor: int, site: Site, filled: Plots) -> Pairs:
        """Pairs inside the gate, of tracks new to this scan."""
        t_ns = entry.key[0]
        z, sigma = filled
        angle = np.maximum(sigma[:, 1], sigma[:, 2])
        bias = max(site.bias_sigma_azimuth_rad, site.bias_sigma_elevation_rad)
        spread = sigma[:, 0] + site.bias_sigma_range_m + z[:, 0] * (angle + bias)
        rows, slots = self.bank.reach(t_ns, self.bank.positions(z, sensor, t_ns), spread)
        if len(slots):
            fresh = self.table.fresh(slots, sensor, entry.scan)
            rows, slots = rows[fresh], slots[fresh]
        if not len(slots):
            return Pairs(rows, slots, np.empty(0))
        by_slot = np.argsort(slots, kind="stable")  # neighbours in memory are worked on together
        rows, slots = rows[by_slot], slots[by_slot]
        d2, log_likelihood = self.bank.gate(slots, rows, entry.z, entry.sigma, sensor, t_ns)
        near = np.flatnonzero(d2 <= self.rules.association.gate_d2)
        return Pairs(rows, slots, log_likelihood).where(near[np.argsort(rows[near], kind="stable")])

    def _update(self, entry: PlotsEntry, sensor: int, site: Site, rows: Slots, slots: Slots) -> None:
        """Each track with its one plot."""
        self.bank.predict(slots, entry.key[0])
        nis = self.bank.update(slots, rows, entry.z, entry.sigma, sensor, self._sight(entry))
        self._hit(entry, sensor, site, slots, nis)

    def _share(
        self, entry: PlotsEntry, sensor: int, site: Site, pairs: Pairs, case: Case | None
    ) -> npt.NDArray[np.bool_]:
        """Each track with its shares of all plots near it; says which rows are claimed by them."""
        rules = self.rules.association
        shares = shares_of(pairs, self._cost_of_clutter(entry, site), rules)
        if case is not None:
            case.decide(shares.rows, shares.slots, shares.share, SHARED)
        slots, seen = shares.of_slots()
        if len(slots):
            self.bank.predict(slots, entry.key[0])
            nis = self.bank.update_shared(
                shares.slots, shares.rows, shares.share, entry.z, entry.sigma, sensor, self._sight(entry)
            )
            sure = seen >= rules.claim
            self._hit(entry, sensor, site, slots[sure], nis[sure])
        return shares.claimed(len(entry.z), rules)

    def _sight(self, entry: PlotsEntry) -> tuple[float, ...] | None:
        return self.rules.models.sight if entry.missing == RANGE else None

    def _hit(self, entry: PlotsEntry, sensor: int, site: Site, slots: Slots, nis: Floats) -> None:
        self.table.hit(slots, entry.key[0], sensor, entry.scan, nis, entry.missing != NOTHING)
        self.table.expect(slots, self._due(entry.key[0], site))
        self.table.promote(slots)

    def _weigh_hits(self, entry: PlotsEntry, site: Site, chosen: Pairs) -> None:
        """Add the chosen pairs to their tracks' scores (Blackman and Popoli 1999, section 6.2)."""
        log_ratio = chosen.log_likelihood + self._cost_of_clutter(entry, site)
        if self.rules.life.proof == "sprt":
            self.table.weigh(chosen.slots, self._chances(site, entry.z[chosen.rows, 0]), log_ratio)
        else:
            self.table.fit(chosen.slots, log_ratio)

    def _chances(self, site: Site, range_m: Floats) -> Floats:
        """Chances (n, 4) of being seen by a sensor, by cross-section."""
        if site.sigma_range_m > RANGELESS_M:
            return np.full((len(range_m), len(SECTIONS_M2)), SIGHT)
        return detection_chances(range_m, site.range_13db_m)

    def _due(self, t_ns: int, site: Site) -> int:
        """By when a tentative track hit at `t_ns` has to be hit again: M of N leaves N - M misses."""
        life = self.rules.life
        scans = life.confirm_looks - life.confirm_hits + 1
        return t_ns + round((scans + life.scan_slack) * site.scan_s * S)

    def _start(
        self, entry: PlotsEntry, sensor: int, rows: npt.NDArray[np.intp], filled: Plots
    ) -> tuple[npt.NDArray[np.intp], Slots]:
        """A tentative track for each of the rows, as far as there is room; gives rows and slots."""
        t_ns, _, _, item_id, first_row = entry.key
        slots = self.table.claim([track_id(item_id, first_row + row) for row in rows.tolist()], t_ns)
        self.turned_away += len(rows) - len(slots)
        self.table.last_scan[slots, sensor] = entry.scan
        self.table.partial[slots] = entry.missing != NOTHING
        self.table.due_ns[slots] = self._due(t_ns, self.sites[entry.sensor][1])
        models, (z, sigma) = self.rules.models, filled
        across, climb = models.velocity_sigma_mps, models.climb_sigma_mps
        for slot, row in zip(slots.tolist(), rows.tolist(), strict=False):
            self.bank.start(slot, t_ns, z[row], sigma[row], sensor, across, climb, entry.missing)
        return rows[: len(slots)], slots

    def _look(self, entry: LookEntry) -> None:
        """Score the silence of a finished scan on the tracks that it should have seen.

        A sensor without range sees a missile while it burns: when it no longer does, the burn may be over,
        and only tentative tracks are doubted for it.
        """
        if entry.sensor not in self.sites:
            return
        sensor, site = self.sites[entry.sensor]
        look = entry.look
        if not self.table.overlooks(sensor, look.scan):
            return
        rangeless = site.sigma_range_m > RANGELESS_M
        scored = self.rules.life.proof == "sprt"
        near_m = look.range_max_m if rangeless else LOOK_RANGE_FRACTION * site.range_13db_m
        slots, ranges = self.bank.covered(
            sensor,
            entry.key[0],
            look.azimuth_center_rad,
            look.azimuth_width_rad,
            look.elevation_min_rad,
            look.elevation_max_rad,
            look.range_max_m if scored else min(look.range_max_m, near_m),
        )
        unseen = self.table.overlooked(slots, sensor, look.scan, TENTATIVE if rangeless else ANY)
        slots, ranges = slots[unseen], ranges[unseen]
        if not len(slots):
            return
        self.table.miss(slots[ranges <= near_m])
        if scored:
            self.table.weigh(slots, 1.0 - self._chances(site, ranges))
        self._drop(self.table.doubted(slots), DOUBTED)

    def tidy(self, t_ns: int) -> None:
        """Once a second: mark the coasting tracks, drop the worthless ones."""
        self.table.rest(t_ns)
        self._drop(self.table.overdue(t_ns), OVERDUE)
        self._drop(self.table.missed(t_ns), MISSED)
        self._drop(self.table.old(t_ns), OLD)
        self._drop(self._lost(t_ns), WORTHLESS)
        self._drop(self.family.attend(t_ns), MERGED)
        if self.registration:
            self._register(self.registration, t_ns)
        if t_ns % CARRY_NS == 0:
            live = self.table.live()
            self.bank.carry(live[self.table.t_hit_ns[live] <= t_ns - CARRY_NS], t_ns)

    def _lost(self, t_ns: int) -> Slots:
        """Unseen tracks whose predicted position is worthless or below the ground.

        One that was seen without range or height is as vague as that from the start: it has until it coasts.
        """
        live = self.table.live()
        waits = self.table.partial[live] & (self.table.status[live] != COASTING)
        unseen: Slots = live[(self.table.t_hit_ns[live] < t_ns - UNSEEN_NS) & ~waits]
        if not len(unseen):
            return unseen
        state, covariance, _ = self.bank.estimate_at(unseen, t_ns)
        variance = covariance[:, 0, 0] + covariance[:, 1, 1] + covariance[:, 2, 2]
        _, _, height_m = geodetic(np.ascontiguousarray(state[:, :3]))
        lost = variance > self.rules.life.lost_sigma_m * self.rules.life.lost_sigma_m
        return unseen[lost | (height_m < 0.0)]

    def _register(self, registration: Registration, t_ns: int) -> None:
        """Say which tracks fall freely; go by the biases that have become sure."""
        live, modes = self.table.live(), self.rules.models.modes
        if len(live) and COAST in modes:
            state, _, probability = self.bank.estimate_at(live, t_ns)
            registration.follow(t_ns, live, state, probability[:, modes.index(COAST)])
        if t_ns % SOLVE_NS == 0 and registration.solve():
            for sensor, sigma in registration.restate():
                self.bank.restate_bias(sensor, sigma)

    def name_of(self, sensor: int) -> str:
        """``NATION/sensor`` of the bank's sensor number."""
        site = next(site for number, site in self.sites.values() if number == sensor)
        return f"{site.originator}/{site.sensor}"

    def _drop(self, slots: Slots, event: int) -> None:
        """End the tracks by an event of their lives."""
        if not len(slots):
            return
        self.table.move(slots, event)
        for slot in slots.tolist():
            self.bank.drop(slot)
            if self.registration:
                self.registration.drop(slot)

    def _cost_of_clutter(self, entry: PlotsEntry, site: Site) -> float:
        kind = (entry.sensor, entry.missing)
        cost = self._clutter_cost.get(kind)
        if cost is None:
            cost = unassigned_cost(site, self.rules.association, entry.missing)
            self._clutter_cost[kind] = cost
        return cost


def track_id(item_id: bytes, row: int) -> int:
    """The id of the track that begins with this row of this item: 48 bits of the item id, 15 of the row."""
    return int.from_bytes(item_id[:6]) << 15 | (row & 0x7FFF)
