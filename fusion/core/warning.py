"""Region warnings: declared, revised, retracted, each with its probability and reason.

Decided on the as-known picture only, because a warning cannot be unissued. One machine for every region and
kind, whatever number of tracks threatens it; its states and moves are the table `MOVES`. What a track says of
a region is a *claim*; the most probable of them speaks for the region. Rules:

- declared when P · cost of delay > (1 - P) · cost of a false warning, the region's own costs: the decision of
  least expected cost (Berger 1985, section 4.4), so above P = false / (false + delay)
- while a motor burns it must stay so for `watch_s`: the end of the burn may be seconds away, and will tell; a
  region at sea waits for that end
- doubted when the odds fall below those for declaring by `hysteresis`; retracted when still so after
  `persist_s`
- revised when P has changed by `notable` since it was last said, or a time still to come by `notable_s`, once
  the motor is out
- over when the time has passed at which every claim leaves the region
- a track that vanishes from the picture claims nothing any more; one that no longer flies freely keeps its
  claim for `hold_s`, one that becomes vague until it is over
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field, replace

from fusion.core.prediction import Forecast
from fusion.core.regions import Region, Toucher
from sharing.messages import S

IMPACT, OVERFLIGHT = "impact", "overflight"
SEA = "sea"
DECLARE, REVISE, RETRACT = "declare", "revise", "retract"
QUIET, WATCHED, DECLARED, DOUBTED = "quiet", "watched", "declared", "doubted"

MOVES = (
    (QUIET, "probable", DECLARED, DECLARE),
    (QUIET, "probable in burn", WATCHED, None),
    (WATCHED, "probable", DECLARED, DECLARE),
    (WATCHED, "still probable", DECLARED, DECLARE),
    (WATCHED, "not probable", QUIET, None),
    (DECLARED, "changed", DECLARED, REVISE),
    (DECLARED, "improbable", DOUBTED, None),
    (DOUBTED, "possible", DECLARED, None),
    (DOUBTED, "still improbable", QUIET, RETRACT),
    (DECLARED, "over", QUIET, RETRACT),
    (DOUBTED, "over", QUIET, RETRACT),
)
"""State, event, next state, what is said. Every other event leaves the state and says nothing."""

BURN, PASSED = "burn", "passed"
REASONS = {
    "impact-ellipse": "that share of the predicted impact lies in the region",
    "path-crosses": "that share of the predicted paths crosses it",
    BURN: "the motor burns: that share of the paths that it may still take",
    "doubtful": "the probability has fallen",
    "manoeuvre": "the track no longer flies freely, nothing can be said",
    "track-lost": "the track has gone from the picture",
    PASSED: "what was warned of is over",
}


@dataclass(frozen=True, slots=True)
class WarningRules:
    """When a region is warned. NOTIONAL."""

    watch_s: float = 10.0
    hysteresis: float = 4.0
    persist_s: float = 20.0
    notable: float = 0.25
    notable_s: float = 30.0
    hold_s: float = 60.0
    margin_s: float = 10.0
    """Something is over this long after its predicted time."""
    least_hits: int = 10
    """A track with fewer plots warns nobody: false tracks end before, missiles have dozens at burn-out."""
    least_claim: float = 0.02


@dataclass(frozen=True, slots=True)
class Look:
    """A track looked ahead of: its plots, its free flight, and what its motor may still do, if it burns.

    Without a forecast `free` says why: it flies freely but is vague, or it does not.
    """

    track_id: int
    hits: int
    forecast: Forecast | None
    burn: Forecast | None = None
    free: bool = True


@dataclass(frozen=True, slots=True)
class Claim:
    """What one track says of one region and kind.

    `lands`: an impact there is probable enough to be declared; `since_ns`: when it ceased to be renewed.
    """

    track_id: int
    probability: float
    reason: str
    enters_ns: int
    leaves_ns: int
    lands: bool = False
    since_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """What is said of a region."""

    action: str
    region: str
    kind: str
    track_id: int
    probability: float
    t_impact_ns: int
    reason: str


@dataclass(slots=True)
class Alert:
    """The machine of one region and kind: its state, the claims by track, and what was said last."""

    state: str = QUIET
    claims: dict[int, Claim] = field(default_factory=dict)
    said: Claim | None = None
    since_ns: int = 0
    """When it came into its state."""


@dataclass(slots=True)
class Warner:
    """Remembers what has been said of which region."""

    regions: tuple[Region, ...]
    rules: WarningRules
    _alerts: dict[tuple[str, str], Alert] = field(default_factory=dict)
    _toucher: Toucher = field(default_factory=Toucher)

    def weigh(self, t_ns: int, looks: Iterable[Look], live: Container[int]) -> list[Notice]:
        """What to say at `t_ns`, after new `looks`; `live` are the ids of all tracks."""
        for look in looks:
            for region in self.regions:
                ahead = look.forecast if look.burn is None or region.kind == SEA else look.burn
                if ahead is None:
                    self._withhold(t_ns, region, look)
                elif look.hits >= self.rules.least_hits:
                    self._claim(region, look.track_id, ahead)
        notices = []
        for region in self.regions:
            for kind in (IMPACT, OVERFLIGHT):
                alert = self._alerts.get((region.name, kind))
                if alert is not None and alert.claims:
                    self._age(t_ns, alert, live)
                    notices += self._step(t_ns, region, kind, alert)
        return notices

    # ------------------------------------------------------------------------------------- claims

    def _claim(self, region: Region, track_id: int, forecast: Forecast) -> None:
        """Renew what a track says of a region."""
        touch = self._toucher.touch(region, forecast)
        burns = forecast.point is None
        lands = touch.falls > needed(region)
        lands_ns = forecast.point.t_ns if forecast.point else touch.leaves_ns
        for kind, reason, probability, enters_ns, leaves_ns in (
            (IMPACT, "impact-ellipse", touch.falls, lands_ns, lands_ns),
            (OVERFLIGHT, "path-crosses", touch.crosses, touch.enters_ns, touch.leaves_ns),
        ):
            why = BURN if burns else reason
            self._renew(region, kind, Claim(track_id, probability, why, enters_ns, leaves_ns, lands))

    def _renew(self, region: Region, kind: str, claim: Claim) -> None:
        alert = self._alerts.get((region.name, kind))
        if alert is None:
            if claim.probability < self.rules.least_claim:
                return
            alert = self._alerts[region.name, kind] = Alert()
        before = alert.claims.get(claim.track_id)
        if before is None and claim.probability < self.rules.least_claim:
            return
        if before is not None and claim.probability == 0.0:
            # Nothing of it touches the region: the time is that of the last path that did.
            claim = replace(claim, reason="doubtful", enters_ns=before.enters_ns, leaves_ns=before.leaves_ns)
        alert.claims[claim.track_id] = claim

    def _withhold(self, t_ns: int, region: Region, look: Look) -> None:
        """A track of which nothing can be said keeps its claims: for a while, if it does not fly freely."""
        if look.free:
            return
        for kind in (IMPACT, OVERFLIGHT):
            alert = self._alerts.get((region.name, kind))
            claim = alert.claims.get(look.track_id) if alert else None
            if alert is not None and claim is not None and claim.since_ns is None:
                alert.claims[look.track_id] = replace(claim, since_ns=t_ns)

    def _age(self, t_ns: int, alert: Alert, live: Container[int]) -> None:
        """Claims of tracks that are gone, or have not flown freely for long, come to nothing."""
        for track_id, claim in alert.claims.items():
            if claim.probability == 0.0:
                continue
            held = claim.since_ns is not None and t_ns - claim.since_ns > self.rules.hold_s * S
            if track_id not in live:
                over = t_ns > claim.leaves_ns - self.rules.margin_s * S
                reason = PASSED if over else "track-lost"
                alert.claims[track_id] = replace(claim, probability=0.0, reason=reason)
            elif held:
                alert.claims[track_id] = replace(claim, probability=0.0, reason="manoeuvre")

    # ---------------------------------------------------------------------------------- the machine

    def _step(self, t_ns: int, region: Region, kind: str, alert: Alert) -> list[Notice]:
        """One step of a machine, and what it says."""
        leading = max(alert.claims.values(), key=lambda c: (c.probability, -c.track_id))
        event = self._event(t_ns, region, kind, alert, leading)
        move = next((m for m in MOVES if m[:2] == (alert.state, event)), None)
        if move is None:
            if alert.state == QUIET and leading.probability < self.rules.least_claim:
                alert.claims.clear()
            return []
        _, _, alert.state, action = move
        alert.since_ns = t_ns
        if action is None:
            return []
        if event == "over" and alert.said is not None:
            leading = alert.said
        alert.said = leading
        passed = event == "over" or any(c.reason == PASSED for c in alert.claims.values())
        if alert.state == QUIET:
            alert.claims.clear()
        why = _why(action, passed, leading)
        p, at_ns = leading.probability, leading.enters_ns
        return [Notice(action, region.name, kind, leading.track_id, p, at_ns, why)]

    def _event(self, t_ns: int, region: Region, kind: str, alert: Alert, leading: Claim) -> str:
        """What has happened, in the words of `MOVES`; an empty text where nothing has."""
        rules, held_s = self.rules, (t_ns - alert.since_ns) / S
        last_ns = max(c.leaves_ns for c in alert.claims.values())
        if t_ns > last_ns + rules.margin_s * S:
            return "over"
        worth = odds(leading.probability) * region.cost_of_delay / region.cost_of_false
        if alert.state in (QUIET, WATCHED):
            # A path that ends in the region is an impact there: nobody is told of an overflight besides.
            if worth <= 1.0 or leading.since_ns is not None or (kind == OVERFLIGHT and leading.lands):
                return "not probable"
            if leading.reason != BURN:
                return "probable"
            waited = alert.state == WATCHED and held_s >= rules.watch_s
            return "still probable" if waited else "probable in burn"
        if alert.state == DECLARED:
            if worth * rules.hysteresis < 1.0:
                return "improbable"
            return "changed" if self._notable(t_ns, alert.said, leading) else ""
        if worth * rules.hysteresis >= 1.0:
            return "possible"
        return "still improbable" if held_s >= rules.persist_s else ""

    def _notable(self, t_ns: int, said: Claim | None, leading: Claim) -> bool:
        """Whether what leads now differs enough from what was said."""
        assert said is not None
        moved_s = abs(leading.enters_ns - said.enters_ns) / S
        moved = moved_s >= self.rules.notable_s and leading.reason != BURN and said.enters_ns > t_ns
        return moved or abs(leading.probability - said.probability) >= self.rules.notable


def _why(action: str, passed: bool, leading: Claim) -> str:
    """The reason of a notice; `passed`: what some track threatened is over."""
    if action == RETRACT and passed:
        return PASSED
    gone = leading.reason in ("track-lost", "manoeuvre")
    return leading.reason if action != RETRACT or gone else "doubtful"


def odds(probability: float) -> float:
    """P / (1 - P), large for certainty."""
    return probability / max(1.0 - probability, 1e-9)


def needed(region: Region) -> float:
    """The probability above which a region is warned."""
    return region.cost_of_false / (region.cost_of_false + region.cost_of_delay)
