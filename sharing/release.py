"""What leaves a nation: one pure state machine, `handle(item, t) -> [(t_out, recipient, item)]`.

Rules of this module:

- Only what a sensor makes (site, scan, plots of any kind), and tracks and warnings made for others, are
  released, and only as the policy decides that is in force when the item comes *and* when it leaves. What
  cannot be run yet is refused before anything runs.
- A link is (originator, sensor, recipient). It numbers its own messages from 0 without gaps and keeps their
  order; nothing on it depends on what was not released (no number, byte or time), nor on any other link,
  but where a reciprocal quota says so.
- Rate, quota and consent decide on whole looks, at the first item of each. A link that may keep looks back
  numbers the looks itself, so that no gap tells of one.
- Delays, consents and coarsening are keyed draws (`sharing.draws`), so that a run can be repeated and what
  one recipient sees does not move with another's. In a simulation the policy's model gives the consent.
- Every decision, for every recipient, is told to whoever keeps the audit log.
"""

import heapq
from bisect import bisect_right
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from msgspec.structs import replace

from sharing.coarsening import coarsened
from sharing.draws import at_quantile, draw
from sharing.marking import marked
from sharing.messages import RECIPIENTS, WARNINGS, Message, Track, renumbered
from sharing.policy import ANY, Policy, PolicyError, Rule, product_of
from sharing.schema import RELEASABLE
from sharing.terms import Counted, Precision, Reciprocal, knots_ns

MAX_LINKS: Final = 4096
"""Sensors of one originator that one recipient may get; those beyond are not released, and counted."""
MAX_LOOKS: Final = 64
"""Last looks of a link whose decision is remembered, for items of the same look."""
MAX_TRACKS: Final = 4096
"""Tracks of a link whose last passage is remembered; the oldest go first, and may then go again."""
MAX_KEPT: Final = 4096
"""Items that a link keeps for requests; the oldest go first, counted."""

Released = tuple[int, str, Message]
"""Scenario time at which the item leaves (ns), recipient, and the item as that recipient gets it."""


class Decision(NamedTuple):
    """What was decided on one item for one recipient.

    `outcome`: ``released``, ``kept`` (for a request), or why not: ``withheld``, ``denied`` (no rule),
    ``not-in-force`` (not yet, or no longer), ``lapsed`` (not when it would leave), ``rate``, ``quota``,
    ``refused`` (no consent), ``filtered`` (class or origin), ``full`` (`MAX_LINKS`). `t_out_ns` is None where
    nothing leaves.
    """

    outcome: str
    rule: str = ""
    t_out_ns: int | None = None
    epoch: int = 0


Judged = Callable[[Message, int, Mapping[str, Decision]], None]
"""Told of an item, its time of arrival, and the decision for each recipient."""


def check_runnable(policy: Policy) -> None:
    """Raises PolicyError for a rule that asks for what no session and no guard can do yet."""
    for rule in policy.rules:
        where = f"{policy.name}: rule {rule.id!r}"
        if rule.product == "tracklets":
            raise PolicyError(f"{where}: product = 'tracklets': cannot be run yet: nodes make none")
        if unready := _unready(rule):
            raise PolicyError(f"{where}: {unready[0]}: cannot be run yet with {rule.product}")


def _unready(rule: Rule) -> list[str]:
    """The terms that a rule of tracks or warnings uses and that only plots have as yet."""
    terms: dict[str, object] = {"trigger": "push", "consent": "auto", "quota": None, "held": "keep"}
    if rule.product == WARNINGS:
        terms |= {"threats": (ANY,), "origins": (ANY,), "precision": None, "every_s": 0.0}
    if rule.product == "detections":
        return []
    return [name for name, usual in terms.items() if getattr(rule, name) != usual]


@dataclass
class _Look:
    """One look of a selective link: why it does not go, or its number once something of it has gone."""

    refused: str = ""
    asked_ns: int = 0
    number: int | None = None


@dataclass
class _Link:
    boot_id: int
    sequence: int = 0
    t_last_ns: int | None = None
    looks: OrderedDict[int, _Look] = field(default_factory=OrderedDict)
    following: int = 0
    """The next look's number, where the link gives it."""
    shift: int = 0
    last_scan: int | None = None
    t_look_ns: int | None = None
    period: tuple[int, int] = (0, 0)
    """The quota's current period, and looks in it."""
    kept: deque[Message] = field(default_factory=deque)
    tracks: dict[int, int] = field(default_factory=dict)
    """When each of the last `MAX_TRACKS` tracks was passed on."""

    def spaced(self, track: Track, t_ns: int, every_s: float) -> bool:
        """Whether a track may go again at `t_ns`."""
        last_ns = self.tracks.get(int(track.track_id[0]))
        return last_ns is None or t_ns - last_ns >= round(every_s * 1e9)

    def passed(self, track: Track, t_ns: int) -> None:
        """A track goes."""
        track_id = int(track.track_id[0])
        self.tracks.pop(track_id, None)
        self.tracks[track_id] = t_ns
        if len(self.tracks) > MAX_TRACKS:
            del self.tracks[next(iter(self.tracks))]

    def look_number(self, scan: int, look: _Look | None) -> int:
        """The number that a look has, or would have, on this link; `look` is None where none is kept back."""
        if look is None:
            return scan + self.shift
        return self.following if look.number is None else look.number

    def looks_in(self, period: int) -> int:
        """Looks counted in a quota's period."""
        return self.period[1] if self.period[0] == period else 0

    def turn_back(self, item: Message) -> None:
        """`item`, and what went behind it, has not gone after all."""
        self.sequence = item.sequence
        self.following = min(self.following, getattr(item, "scan", self.following))
        self.t_last_ns = item.t_available_ns


@dataclass(frozen=True, slots=True)
class _Case:
    """An item at time `t_ns` for one recipient, on its link, under the rule that decides."""

    item: Message
    t_ns: int
    recipient: str
    link: _Link
    rule: Rule

    @property
    def scan(self) -> int | None:
        """The look to which the item belongs; a site belongs to none."""
        return getattr(self.item, "scan", None)


class Release:
    """The releases of one policy and of its `changes`, each in force from its scenario time (ns) on.

    `seed` keys the draws and the links' boot ids; `start` tells the starts of one guard apart, since a new
    start numbers anew. `judged` is told every decision. `refused` counts what met `MAX_LINKS`, `dropped`
    what met `MAX_KEPT`. Raises PolicyError for what cannot be run yet.
    """

    def __init__(
        self,
        policy: Policy,
        seed: int = 0,
        start: int = 0,
        *,
        changes: Iterable[tuple[int, Policy]] = (),
        judged: Judged | None = None,
    ) -> None:
        self.policy = policy
        self.refused = 0
        self.dropped = 0
        self._seed = seed
        self._start = start
        self._judged = judged
        self._links: dict[tuple[str, str, str], _Link] = {}
        self._opened: Counter[tuple[str, str]] = Counter()
        self._given: dict[tuple[str, str], _Ledger] = {}
        self._coarse: tuple[Message, Precision, Message] | None = None
        self._reciprocal = _reciprocal(policy)
        self._epochs: list[tuple[int, Policy]] = []
        check_runnable(policy)
        for t_ns, changed in changes:
            self.change(changed, t_ns)

    # ------------------------------------------------------------------------------------------ policy

    def change(self, policy: Policy, t_ns: int) -> None:
        """`policy` is in force from scenario time `t_ns` on, which lies after every earlier change.

        Raises PolicyError, and changes nothing, when it cannot be.
        """
        check_runnable(policy)
        if self._epochs and t_ns <= self._epochs[-1][0]:
            last_s = self._epochs[-1][0] / 1e9
            raise PolicyError(f"{policy.name}: a change at {t_ns / 1e9:g} s: expected after {last_s:g} s")
        for rule in policy.rules:
            try:
                marked(rule.marking, len(self._epochs) + 1)
            except ValueError as error:
                raise PolicyError(f"{policy.name}: rule {rule.id!r}: {error}") from None
        self._reciprocal = self._reciprocal or _reciprocal(policy)
        self._epochs.append((t_ns, policy))

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The first policy and those that were changed to."""
        return self.policy, *(policy for _, policy in self._epochs)

    @property
    def changing(self) -> bool:
        """Whether rights may come or go with time."""
        return bool(self._epochs) or any(rule.timed for rule in self.policy.rules)

    def in_force(self, t_ns: int) -> tuple[int, Policy]:
        """Epoch (0 before the first change) and policy at scenario time `t_ns`."""
        if not self._epochs:
            return 0, self.policy
        epoch = bisect_right(self._epochs, t_ns, key=lambda change: change[0])
        return epoch, self._epochs[epoch - 1][1] if epoch else self.policy

    def stand(self, waiting: Sequence[Released]) -> list[Released]:
        """Of released items that have not left yet, those that still may after a change.

        Where one of a link goes, all behind it go. Their numbers are given again: no gap tells of them.
        """
        standing: list[Released] = []
        cut: set[tuple[str, str, str]] = set()
        for t_out_ns, recipient, item in sorted(waiting, key=lambda released: released[0]):
            key = (item.originator, item.sensor, recipient)
            if key not in cut and self._rule(item, recipient, t_out_ns) is not None:
                standing.append((t_out_ns, recipient, item))
            elif key not in cut:
                cut.add(key)
                self._links[key].turn_back(item)
        return standing

    def _rule(self, item: Message, recipient: str, t_ns: int) -> Rule | None:
        policy = self.in_force(t_ns)[1]
        return policy.decide(item.originator, item.sensor, recipient, t_ns, product_of(item))

    # ----------------------------------------------------------------------------------------- release

    def handle(self, item: Message, t_ns: int, among: Sequence[str] = RECIPIENTS) -> list[Released]:
        """What follows from `item` arriving at its originator's guard at scenario time `t_ns`.

        `among` are those for whom it was made: what a sensor makes, everybody; a product, those to whom all
        may go that it was made of.

        The item that a recipient gets has the same id, its link's number and boot id, the rule's marking
        and precision, and is available from the moment it leaves. In the order of RECIPIENTS.
        """
        if not isinstance(item, RELEASABLE):
            return []
        epoch, policy = self.in_force(t_ns)
        released: list[Released] = []
        decisions = {}
        for recipient in RECIPIENTS:
            if recipient != item.originator and recipient in among:
                decision, out = self._judge(item, t_ns, recipient, policy)
                decisions[recipient] = decision._replace(epoch=epoch)
                released += [] if out is None else [out]
        if self._judged is not None:
            self._judged(item, t_ns, decisions)
        return released

    def request(self, originator: str, recipient: str, t_ns: int) -> list[Released]:
        """What `recipient` gets of what `originator` keeps for requests, asking at scenario time `t_ns`.

        In the order of sending; each item is judged now, and given once.
        """
        released: list[Released] = []
        wanted = []
        for (o, _, r), link in self._links.items():
            if (o, r) == (originator, recipient):
                wanted += [(item, link) for item in link.kept]
                link.kept.clear()
        for item, link in sorted(wanted, key=lambda kept: (kept[0].t_sent_ns, kept[0].sensor)):
            rule = self._rule(item, recipient, t_ns)
            decision, out = Decision("lapsed"), None
            if rule is not None:
                decision, out = self._pass(_Case(item, t_ns, recipient, link, rule))
            if self._judged is not None:
                epoch = self.in_force(t_ns)[0]
                self._judged(item, t_ns, {recipient: decision._replace(epoch=epoch)})
            released += [] if out is None else [out]
        return released

    def _judge(
        self, item: Message, t_ns: int, recipient: str, policy: Policy
    ) -> tuple[Decision, Released | None]:
        rule = policy.decide(item.originator, item.sensor, recipient, t_ns, product_of(item))
        if rule is None:
            return Decision(_why_not(policy, item, recipient)), None
        if isinstance(item, Track) and not rule.wants(item.threat, item.origin):
            return Decision("filtered", rule.audited_as), None
        link = self._link(item, recipient)
        if link is None:
            self.refused += 1
            return Decision("full", rule.audited_as), None
        if rule.trigger == "request":
            if len(link.kept) == MAX_KEPT:
                link.kept.popleft()
                self.dropped += 1
            link.kept.append(item)
            return Decision("kept", rule.audited_as), None
        return self._pass(_Case(item, t_ns, recipient, link, rule))

    def _link(self, item: Message, recipient: str) -> _Link | None:
        """The link on which an item goes; None when there are too many."""
        key = (item.originator, item.sensor, recipient)
        link = self._links.get(key)
        if link is None and self._opened[item.originator, recipient] < MAX_LINKS:
            self._opened[item.originator, recipient] += 1
            where = f"{item.originator}/{item.sensor}/{recipient}"
            link = self._links[key] = _Link(draw(self._seed, f"boot/{self._start}/{where}", b"") >> 1)
        return link

    def _pass(self, case: _Case) -> tuple[Decision, Released | None]:
        item, link, rule = case.item, case.link, case.rule
        if isinstance(item, Track) and not link.spaced(item, case.t_ns, rule.every_s):
            return Decision("rate", rule.audited_as), None
        look = self._look(case)
        if look is not None and look.refused:
            return Decision(look.refused, rule.audited_as), None
        bits = draw(self._seed, f"delay/{case.recipient}", item.item_id)
        t_out_ns = case.t_ns + (0 if look is None else look.asked_ns)
        t_out_ns += at_quantile(knots_ns(rule.delay_s), bits)
        if link.t_last_ns is not None:
            t_out_ns = max(t_out_ns, link.t_last_ns)
        if rule.trigger == "push" and self._rule(item, case.recipient, t_out_ns) is None:
            return Decision("lapsed", rule.audited_as), None
        out = self._as_released(case, look, t_out_ns)
        link.sequence += 1
        link.t_last_ns = t_out_ns
        if isinstance(item, Track):
            link.passed(item, case.t_ns)
        return Decision("released", rule.audited_as, t_out_ns), (t_out_ns, case.recipient, out)

    def _as_released(self, case: _Case, look: _Look | None, t_out_ns: int) -> Message:
        """The item as its recipient gets it; its look is counted."""
        item, link, rule = case.item, case.link, case.rule
        out = item if rule.precision is None else self._coarsened(item, rule.precision)
        if rule.lineage == "dropped":
            out = replace(out, **{"lineage": ""})
        if case.scan is not None:
            number = link.look_number(case.scan, look)
            if number != case.scan:
                out = replace(out, **{"scan": number})
            self._count(case, number, look, t_out_ns)
        return renumbered(
            out,
            sequence=link.sequence,
            t_available_ns=t_out_ns,
            boot_id=link.boot_id,
            marking=marked(rule.marking, self.in_force(case.t_ns)[0]),
        )

    def _coarsened(self, item: Message, precision: Precision) -> Message:
        """The item at a precision, made once for all recipients."""
        if self._coarse is None or self._coarse[0] is not item or self._coarse[1] != precision:
            self._coarse = (item, precision, coarsened(item, precision, self._seed))
        return self._coarse[2]

    # ------------------------------------------------------------------------------------------- looks

    def _look(self, case: _Case) -> _Look | None:
        """The decision on the look to which an item belongs; None where the rule keeps none back.

        A site belongs to no look and goes freely.
        """
        if case.scan is None or not case.rule.selective:
            return None
        looks = case.link.looks
        look = looks.get(case.scan)
        if look is None:
            look = looks[case.scan] = self._select(case)
            if len(looks) > MAX_LOOKS:
                looks.popitem(last=False)
        return look

    def _select(self, case: _Case) -> _Look:
        """Decide on a new look, and count nothing: it may still lapse before it leaves."""
        link, rule = case.link, case.rule
        if link.t_look_ns is not None and case.t_ns - link.t_look_ns < round(rule.every_s * 1e9):
            return _Look("rate")
        asked_ns = 0
        if rule.consent != "auto":
            key = f"{case.item.originator}/{case.item.sensor}/{case.recipient}/{case.scan}".encode()
            if draw(self._seed, "consent", key) >= rule.consent.granted * 2.0**64:
                return _Look("refused")
            asked_ns = at_quantile(knots_ns(rule.consent.after_s), draw(self._seed, "answer", key))
        return _Look("" if self._quota_allows(case) else "quota", asked_ns)

    def _quota_allows(self, case: _Case) -> bool:
        quota, originator = case.rule.quota, case.item.originator
        if isinstance(quota, Counted):
            return case.link.looks_in(_period(quota, case.t_ns)) < quota.looks
        if isinstance(quota, Reciprocal):
            given = self._given.get((originator, case.recipient), _NOTHING).count
            received = self._given.get((case.recipient, originator), _NOTHING).by(case.t_ns)
            return given < quota.free + quota.ratio * received
        return True

    def _count(self, case: _Case, number: int, look: _Look | None, t_out_ns: int) -> None:
        """Take note of a look when the first of it goes."""
        link, scan = case.link, case.scan
        assert scan is not None
        link.following = max(link.following, number + 1)
        if look is not None and look.number is None:
            look.number = number
            link.shift = number - scan
            link.t_look_ns = case.t_ns
            if isinstance(case.rule.quota, Counted):
                period = _period(case.rule.quota, case.t_ns)
                link.period = (period, link.looks_in(period) + 1)
        if self._reciprocal and scan != link.last_scan:
            link.last_scan = scan
            self._given.setdefault((case.item.originator, case.recipient), _Ledger()).add(t_out_ns)


class _Ledger:
    """How many looks one nation has let another have, in all and by a time that never goes back."""

    def __init__(self) -> None:
        self.count = 0
        self._arrived = 0
        self._under_way: list[int] = []

    def add(self, t_out_ns: int) -> None:
        """One more, which arrives at `t_out_ns`."""
        self.count += 1
        heapq.heappush(self._under_way, t_out_ns)

    def by(self, t_ns: int) -> int:
        """Those that have arrived by `t_ns`."""
        while self._under_way and self._under_way[0] <= t_ns:
            heapq.heappop(self._under_way)
            self._arrived += 1
        return self._arrived


_NOTHING: Final = _Ledger()


def _reciprocal(policy: Policy) -> bool:
    """Whether any quota asks who has given what."""
    return any(isinstance(rule.quota, Reciprocal) for rule in policy.rules)


def _period(quota: Counted, t_ns: int) -> int:
    """Which of a quota's periods holds scenario time `t_ns`."""
    return t_ns // round(quota.per_s * 1e9)


def _why_not(policy: Policy, item: Message, recipient: str) -> str:
    """The outcome for an item that no rule in force releases."""
    if policy.withholds(item.originator, item.sensor):
        return "withheld"
    ever = policy.decide(item.originator, item.sensor, recipient, None, product_of(item))
    return "denied" if ever is None else "not-in-force"
