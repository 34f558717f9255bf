"""From the tracker's state to a picture message.

Pictures hold confirmed and coasting tracks, in the order of their ids. Launch and impact points are worked
out when a track is new, changes its status or mode, and every ten seconds; a `Painter` keeps them between,
and of the launch points it keeps the surest, as long as the motor burns. What flies like an aircraft has
neither. The as-known and the settled picture have a painter each, since they see different states; only the
first, which warnings are made of, looks ahead of a burning motor.

What partners say of the same objects (`trackfusion`) is fused into the tracks as they are shown. A fused
track is flown on from what was fused, by the own track's model, or by the partner's where the own sensors
have no track, or one too vague to say. Its launch point is the surest of all.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fusion.core.burn import BurnRules, Sample, predict_burn, specific_force
from fusion.core.family import class_probabilities
from fusion.core.filters import COAST, LEFT, LEVEL, POWERED, REENTRY, RIGHT
from fusion.core.launch import LaunchRules, estimate_launch
from fusion.core.lifecycle import NO_PARENT, Slots, TrackTable
from fusion.core.prediction import (
    Forecast,
    GroundPoint,
    Hypothesis,
    PredictionRules,
    predict_impact,
    vague,
)
from fusion.core.tracker import Tracker
from fusion.core.trackfusion import Estimate, Partners
from fusion.core.warning import Look
from sharing.messages import Floats, Picture, S, Track, floats, ints

IMPACT_EVERY_S = 10
UPPER = np.triu_indices(6)


@dataclass(frozen=True, slots=True)
class OutlookRules:
    """How tracks are flown on and back."""

    flight: PredictionRules = field(default_factory=PredictionRules)
    launch: LaunchRules = field(default_factory=LaunchRules)
    burn: BurnRules = field(default_factory=BurnRules)


class Known(NamedTuple):
    """A track as the picture shows it; `power` is the probability that its motor burns.

    `slot` is None where the own sensors have no track, `source` a partner's track that is fused into it.
    """

    track_id: int
    slot: int | None
    status: int
    mode: int
    power: float
    state: Floats
    covariance: Floats
    hits: int
    source: Track | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known of a track's ends, for which status and mode it was worked out, and the burn so far."""

    launch: GroundPoint | None
    forecast: Forecast | None
    basis: tuple[int, int]
    burn: Forecast | None = None
    run: tuple[Sample, ...] = ()

    @property
    def impact(self) -> GroundPoint | None:
        """The predicted impact."""
        return self.forecast.point if self.forecast else None


def hypotheses(tracker: Tracker, slot: int, t_ns: int) -> list[Hypothesis]:
    """What each motion model of a track knows of it at `t_ns`; of re-entry, its ballistic coefficient too."""
    models = tracker.rules.models
    x, p, mu = tracker.bank.modes_at(np.array([slot], np.int32), t_ns)
    sizes = [7 if estimated == "beta" else 6 for estimated in models.estimates]
    return [
        Hypothesis(mode, float(mu[0, k]), x[0, k, :size], p[0, k, :size, :size])
        for k, (mode, size) in enumerate(zip(models.modes, sizes, strict=True))
    ]


@dataclass(slots=True)
class Painter:
    """Makes the pictures of one kind for one nation; without `rules`, no launch and impact points."""

    nation: str
    kind: str
    rules: OutlookRules | None
    partners: Partners | None = None
    outlooks: dict[int, Outlook] = field(default_factory=dict)
    fresh: list[Look] = field(default_factory=list)
    """The tracks looked ahead of for the newest picture."""
    plots: dict[int, int] = field(default_factory=dict)
    """Plots of every track of the newest picture, by id."""
    sequence: int = 0

    def paint(self, tracker: Tracker, t_ns: int) -> Picture:
        """The picture of the tracker's live tracks and those of partners, predicted to `t_ns`."""
        tracks = self._fused(t_ns, _own(tracker, t_ns))
        self.plots = {track.track_id: track.hits for track in tracks}
        if self.rules is not None:
            self._look_ahead(self.rules, t_ns, tracker, tracks)
        table = tracker.table
        slots = np.array([-1 if t.slot is None else t.slot for t in tracks], np.int32)
        picture = Picture(
            originator=self.nation,
            sequence=self.sequence,
            t_sent_ns=t_ns,
            t_available_ns=t_ns,
            picture=self.kind,
            t_valid_ns=t_ns,
            track_id=ints([t.track_id for t in tracks]),
            status=ints([t.status for t in tracks]),
            mode=ints([t.mode for t in tracks]),
            t_update_ns=ints(_updated(table, slots, tracks)),
            state_ecef=floats([t.state for t in tracks]),
            covariance=floats(_upper([t.covariance for t in tracks])),
            nis=floats(np.where(slots < 0, 0.0, table.nis[slots])),
            **_ends("launch", [o.launch for o in self.outlooks.values()]),
            **_ends("impact", [o.impact for o in self.outlooks.values()]),
            **_class(table, slots, tracks),
        )
        self.sequence += 1
        return picture

    def _fused(self, t_ns: int, own: list[Known]) -> list[Known]:
        """The own tracks with those of the partners."""
        if self.partners is None or not self.partners:
            return own
        flight = self.rules.flight if self.rules is not None else PredictionRules()
        estimates = [Estimate(t.track_id, row, t.state, t.covariance) for row, t in enumerate(own)]
        return [
            _known(fused, None if fused.row is None else own[fused.row], flight)
            for fused in self.partners.fuse(t_ns, estimates)
        ]

    def _look_ahead(self, rules: OutlookRules, t_ns: int, tracker: Tracker, tracks: list[Known]) -> None:
        """Bring launch and impact points up to date; `outlooks` is left in the order of `tracks`."""
        due = t_ns % (IMPACT_EVERY_S * S) == 0
        self.fresh = []
        outlooks: dict[int, Outlook] = {}
        for track in tracks:
            track_id, before = track.track_id, self.outlooks.get(track.track_id)
            if before is not None and before.basis == (track.status, track.mode) and not due:
                outlooks[track_id] = before
                continue
            outlook = outlooks[track_id] = self._looked(rules, t_ns, tracker, before, track)
            burns = track.power >= rules.burn.least_power
            free = track.mode in (COAST, REENTRY)
            burn = outlook.burn if burns else None
            self.fresh.append(Look(track_id, track.hits, outlook.forecast, burn, free))
        self.outlooks = outlooks

    def _looked(
        self, rules: OutlookRules, t_ns: int, tracker: Tracker, before: Outlook | None, track: Known
    ) -> Outlook:
        """The outlook of one track."""
        basis = track.status, track.mode
        launch, forecast = before.launch if before else None, None
        if track.source is not None:
            launch = _better(launch, _launch_of(track.source))
        burn, run = self._burn(rules, t_ns, before, track)
        if track.mode in (COAST, REENTRY):
            forecast = predict_impact(t_ns, _hypotheses(tracker, track, t_ns), rules.flight)
        elif track.mode in (LEVEL, LEFT, RIGHT):
            return Outlook(None, None, basis)
        elif (before is None or launch is not None) and not vague(track.covariance, rules.flight):
            launch = _better(launch, estimate_launch(t_ns, track.state, track.covariance, rules.launch))
        return Outlook(launch, forecast, basis, burn, run)

    def _burn(
        self, rules: OutlookRules, t_ns: int, before: Outlook | None, track: Known
    ) -> tuple[Forecast | None, tuple[Sample, ...]]:
        """What the motor may still do, worked out every ten seconds, and the samples that this comes from."""
        burn, run = (before.burn, before.run) if before else (None, ())
        if self.kind != "as-known" or t_ns % (IMPACT_EVERY_S * S):
            return burn, run
        run = (*run[-2:], Sample(t_ns, track.state[:3], track.state[3:]))
        force = specific_force(run, rules.burn) if track.power >= rules.burn.least_power else None
        if force is None:
            return None, run
        return predict_burn(t_ns, track.state, track.covariance, force, rules.flight, rules.burn), run


def next_impact(picture: Picture, t_ns: int) -> tuple[float, float] | None:
    """Time to go from `t_ns` to the first predicted impact still to come, and its sigma, s; None without one.

    Older pictures have no sigma: 0.
    """
    coming = np.flatnonzero(picture.impact_t_ns > t_ns)
    if not len(coming):
        return None
    first = int(coming[np.argmin(picture.impact_t_ns[coming])])
    sigma_s = float(picture.impact_t_sigma_s[first]) if len(picture.impact_t_sigma_s) else 0.0
    return (int(picture.impact_t_ns[first]) - t_ns) / S, sigma_s


def _better(old: GroundPoint | None, new: GroundPoint | None) -> GroundPoint | None:
    """The point with the smaller ellipse."""
    if old is None or new is None:
        return old or new
    spread = [p.covariance_m2[0] + p.covariance_m2[2] for p in (old, new)]
    return new if spread[1] < spread[0] else old


def _class(table: TrackTable, slots: Slots, tracks: list[Known]) -> dict[str, Any]:
    """The columns of classes and parents; what only partners track is what they say."""
    probability = class_probabilities(table, slots)
    number = np.argmax(probability, axis=1) if len(slots) else np.empty(0, np.int64)
    likeliest = probability[np.arange(len(slots)), number]
    parent = np.maximum(table.parent[slots], NO_PARENT)
    for row, track in enumerate(tracks):
        if track.slot is None and track.source is not None:
            number[row], likeliest[row] = track.source.class_number[0], track.source.class_probability[0]
            parent[row] = NO_PARENT
    return {"class_number": ints(number), "class_probability": floats(likeliest), "parent_id": ints(parent)}


def _own(tracker: Tracker, t_ns: int) -> list[Known]:
    """The tracker's own live tracks at `t_ns`, in the order of their ids."""
    slots = tracker.table.live()
    slots = slots[np.argsort(tracker.table.track_id[slots], kind="stable")]
    state, covariance, probability = tracker.bank.estimate_at(slots, t_ns)
    modes = tracker.rules.models.modes
    burning = modes.index(POWERED) if POWERED in modes else None
    likeliest = np.argmax(probability, axis=1) if len(slots) else np.empty(0, np.int64)
    columns = (
        tracker.table.track_id[slots].tolist(),
        slots.tolist(),
        tracker.table.status[slots].tolist(),
        np.array(modes, np.int64)[likeliest].tolist(),
        [0.0] * len(slots) if burning is None else probability[:, burning].tolist(),
        state,
        covariance,
        tracker.table.hits[slots].tolist(),
    )
    return [Known(*row) for row in zip(*columns, strict=True)]


def _known(fused: Estimate, own: Known | None, rules: PredictionRules) -> Known:
    """A track after fusion: mode and power are the own track's, the partner's where that says nothing."""
    source = fused.source
    if source is None:
        assert own is not None
        return own
    if own is not None and not vague(own.covariance, rules):
        return own._replace(state=fused.state, covariance=fused.covariance, source=source)
    mode = int(source.mode[0])
    return Known(
        track_id=fused.track_id,
        slot=None if own is None else own.slot,
        status=int(source.status[0]) if own is None else own.status,
        mode=mode,
        power=float(mode == POWERED),
        state=fused.state,
        covariance=fused.covariance,
        hits=max(source.plots, 0 if own is None else own.hits),
        source=source,
    )


def _updated(table: TrackTable, slots: Slots, tracks: list[Known]) -> list[int]:
    """When the last detection of each track was used, by oneself or by the partner."""
    own = table.t_hit_ns[slots].tolist()
    for row, track in enumerate(tracks):
        if track.source is not None:
            theirs_ns = int(track.source.t_update_ns[0])
            own[row] = theirs_ns if track.slot is None else max(own[row], theirs_ns)
    times: list[int] = own
    return times


def _upper(covariances: list[Floats]) -> Floats:
    """Upper triangles (n, 21) of covariances (6, 6)."""
    upper: Floats = np.array(covariances).reshape(-1, 6, 6)[:, UPPER[0], UPPER[1]]
    return upper


def _hypotheses(tracker: Tracker, track: Known, t_ns: int) -> list[Hypothesis]:
    """What a track is flown on from: its motion models, or what was fused."""
    if track.source is None:
        assert track.slot is not None
        return hypotheses(tracker, track.slot, t_ns)
    return [Hypothesis(track.mode, 1.0, track.state, track.covariance)]


def _launch_of(source: Track) -> GroundPoint | None:
    """The launch point that a partner's track bears, if any."""
    if not len(source.launch_row):
        return None
    ee, en, nn = source.launch_covariance_m2.tolist()
    lat, lon = float(source.launch_lat_deg[0]), float(source.launch_lon_deg[0])
    return GroundPoint(int(source.launch_t_ns[0]), lat, lon, (ee, en, nn), float(source.launch_t_sigma_s[0]))


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
        f"{name}_t_sigma_s": floats([p.t_sigma_s for p in there]),
    }
