"""From the tracker's state to a picture message.

Pictures hold confirmed and coasting tracks, in the order of their ids. Launch and impact points are worked
out when a track is new, changes its status or mode, and every ten seconds; a `Painter` keeps them between,
and of the launch points it keeps the surest. What flies like an aircraft has neither.
The as-known and the settled picture have a painter each, since they see different states.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion.core.filters import COAST, LEVEL, POWERED, REENTRY
from fusion.core.prediction import GroundPoint, Impact, PredictionRules, estimate_launch, predict_impact
from fusion.core.tracker import Tracker
from sharing.messages import Floats, Ints, Picture, S, floats, ints

IMPACT_EVERY_S = 10
UPPER = np.triu_indices(6)


@dataclass(slots=True)
class Outlook:
    """What is known of a track's ends, and the status and mode for which its impact was worked out."""

    launch: GroundPoint | None
    impact: Impact | None
    basis: tuple[int, int]


@dataclass(slots=True)
class Painter:
    """Makes the pictures of one kind for one nation; without `rules`, no launch and impact points."""

    nation: str
    kind: str
    rules: PredictionRules | None
    outlooks: dict[int, Outlook] = field(default_factory=dict)
    fresh: list[tuple[int, int, Impact]] = field(default_factory=list)
    """Track ids, their hits, and impacts worked out for the newest picture."""
    sequence: int = 0

    def paint(self, tracker: Tracker, t_ns: int) -> Picture:
        """The picture of the tracker's live tracks, predicted to `t_ns`."""
        slots = tracker.table.live()
        slots = slots[np.argsort(tracker.table.track_id[slots], kind="stable")]
        state, covariance, probability = tracker.bank.estimate_at(slots, t_ns)
        status = tracker.table.status[slots].astype(np.int64)
        modes = np.array(tracker.rules.models.modes, np.int64)
        mode = modes[np.argmax(probability, axis=1)] if len(slots) else np.empty(0, np.int64)
        ids = tracker.table.track_id[slots]
        if self.rules is not None:
            hits = tracker.table.hits[slots]
            self._look_ahead(self.rules, t_ns, ids, hits, status, mode, state, covariance)
        picture = Picture(
            originator=self.nation,
            sequence=self.sequence,
            t_sent_ns=t_ns,
            t_available_ns=t_ns,
            picture=self.kind,
            t_valid_ns=t_ns,
            track_id=ints(ids),
            status=ints(status),
            mode=ints(mode),
            t_update_ns=ints(tracker.table.t_hit_ns[slots]),
            state_ecef=floats(state),
            covariance=floats(covariance[:, UPPER[0], UPPER[1]]),
            nis=floats(tracker.table.nis[slots]),
            **_ends("launch", [o.launch for o in self.outlooks.values()]),
            **_ends("impact", [o.impact.point if o.impact else None for o in self.outlooks.values()]),
        )
        self.sequence += 1
        return picture

    def _look_ahead(
        self,
        rules: PredictionRules,
        t_ns: int,
        ids: Ints,
        hits: npt.NDArray[np.int32],
        status: Ints,
        mode: Ints,
        state: Floats,
        covariance: Floats,
    ) -> None:
        """Bring launch and impact points up to date; `outlooks` is left in the order of `ids`."""
        due = t_ns % (IMPACT_EVERY_S * S) == 0
        self.fresh = []
        outlooks: dict[int, Outlook] = {}
        for row, track_id in enumerate(ids.tolist()):
            basis = (int(status[row]), int(mode[row]))
            known = self.outlooks.get(track_id)
            if known is not None and known.basis == basis and not due:
                outlooks[track_id] = known
                continue
            launch = known.launch if known else None
            if basis[1] == POWERED and (known is None or launch is not None):
                launch = _better(launch, estimate_launch(t_ns, state[row], covariance[row], rules))
            impact = None
            if basis[1] >= LEVEL:
                launch = None
            if basis[1] in (COAST, REENTRY):
                impact = predict_impact(t_ns, state[row], covariance[row], rules)
            if impact is not None:
                self.fresh.append((track_id, int(hits[row]), impact))
            outlooks[track_id] = Outlook(launch, impact, basis)
        self.outlooks = outlooks


def _better(old: GroundPoint | None, new: GroundPoint | None) -> GroundPoint | None:
    """The point with the smaller ellipse."""
    if old is None or new is None:
        return old or new
    spread = [p.covariance_m2[0] + p.covariance_m2[2] for p in (old, new)]
    return new if spread[1] < spread[0] else old


def _ends(name: str, points: list[GroundPoint | None]) -> dict[str, Any]:
    """The columns of one kind of ground point, for the rows that have one."""
    rows = [row for row, point in enumerate(points) if point is not None]
    there = [point for point in points if point is not None]
    return {
        f"{name}_row": ints(rows),
        f"{name}_t_ns": ints([p.t_ns for p in there]),
        f"{name}_lat_deg": floats([p.lat_deg for p in there]),
        f"{name}_lon_deg": floats([p.lon_deg for p in there]),
        f"{name}_covariance_m2": floats([p.covariance_m2 for p in there]),
    }
