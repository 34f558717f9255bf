"""An arrangement: which nation's items are released to whom, when, how late, how exact. Pure.

Rules of this module:

- Default deny: what no rule names is not released. The first rule that fits and is valid then decides; one
  that has been revoked goes on deciding, and releases nothing: no later rule gives back what it took.
- What is withheld is withheld from everybody but its originator, COALITION included, whatever rules say.
- One rule covers all that a sensor makes: its site, its scans and its plots of any kind go or stay together.
- A `Policy` is complete: what its file extends is already in it, so its `text` can travel in a recording.
- Whatever the language can say is read here; what cannot be run yet `sharing.release` refuses aloud.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final, Literal

import msgspec

from sharing import terms
from sharing.marking import LONGEST, PATTERN, read
from sharing.messages import COALITION, NATIONS, RECIPIENTS, TRACKS, WARNINGS, Message, Track, Warning
from sharing.terms import Product, Uniform
from sharing.typed import SettingsError, parse

__all__ = ["ANY", "Policy", "PolicyError", "Rule", "SettingsError", "Uniform", "base_of"]

ANY: Final = "*"
FED: Final = ("detections",)
"""Products whose items are those of one sensor; the others are made of all that a rule names."""
LONGEST_PUSH_S: Final = terms.DAY_S
MAX_REMEMBERED: Final = 4096
"""Answers to which rules fit; sensors' names come from peers, so that there could be any number."""

_WHO: Final = re.compile(rf"({'|'.join(NATIONS)})(/{terms.SENSOR})?")
_ALWAYS_WRITTEN: Final = (
    "id", "originator", "recipient", "product", "delay_s", "marking", "sensors", "trigger",
)  # fmt: skip


def product_of(item: Message) -> str:
    """What an item is, in the words of a rule."""
    return {Track: TRACKS, Warning: WARNINGS}.get(type(item), "detections")


class PolicyError(SettingsError):
    """An arrangement that cannot be: one line."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule of an arrangement; ``*`` stands for every nation, recipient, sensor, class or region.

    `delay_s`: seconds from the item's arrival at its originator's guard (or from the consent, or the
    request) to its release. `marking` replaces that of the item. `via` is the hub through which it goes.
    `every_s`: at most one look in so many seconds. `onward`: to whom the recipient may pass on what it makes
    of the item. `valid`: when the rule is in force (always, where none is given); it ends `notice_s` after
    `revoked_s`, and `held` says what becomes of what the recipient then holds. `lineage`: whether a track
    says whose data it holds; who gets one that does not takes it for new. `audit` is the name of the rule in
    the audit log, its id unless given. The other fields are those of `sharing.terms`.
    """

    id: terms.Name
    originator: terms.Originator
    recipient: terms.Recipient
    product: Product
    delay_s: terms.Delay
    marking: Annotated[str, msgspec.Meta(pattern=PATTERN, max_length=LONGEST)]
    sensors: terms.Filters = (ANY,)
    trigger: Literal["push", "request"] = "push"
    via: terms.Nation | None = None
    threats: terms.Filters = (ANY,)
    origins: terms.Filters = (ANY,)
    every_s: terms.Seconds = 0.0
    precision: terms.Precision | None = None
    consent: terms.Consent = "auto"
    onward: tuple[Literal["JPN", "KOR", "USA", "COALITION"], ...] = ()
    quota: terms.Quota | None = None
    valid: tuple[terms.Window, ...] = ()
    revoked_s: terms.Time | None = None
    notice_s: terms.Seconds = 0.0
    held: Literal["keep", "purge"] = "keep"
    lineage: Literal["kept", "dropped"] = "kept"
    audit: terms.Title = ""

    def __post_init__(self) -> None:
        problem = next(_contradictions(self), None)
        if problem is not None:
            raise ValueError(problem)

    def fits(self, originator: str, sensor: str, recipient: str, product: str = "detections") -> bool:
        """Whether this rule speaks of that sensor's items for that recipient, in force or not."""
        return not self.misfit(originator, sensor, recipient, product)

    def misfit(self, originator: str, sensor: str, recipient: str, product: str = "detections") -> str:
        """Why the rule does not speak of them, or an empty text. A hub's own items do not go via the hub."""
        if product != self.product:
            return f"is of {self.product}"
        if self.originator not in (ANY, originator):
            return f"is of what {self.originator} makes"
        if self.recipient not in (ANY, recipient):
            return f"is for {self.recipient}"
        if product in FED and not self.feeds(sensor):
            return f"is of {', '.join(self.sensors)}"
        return f"goes via {self.via}" if self.via in (originator, recipient) else ""

    def feeds(self, sensor: str) -> bool:
        """Whether a sensor is among those of the rule; a product of such a rule is made of these only."""
        return ANY in self.sensors or sensor in self.sensors

    def wants(self, threat: str, origin: str) -> bool:
        """Whether a product of that class of threat and region of launch passes the rule's filters."""
        asked = ((self.threats, threat), (self.origins, origin))
        return all(ANY in names or value in names for names, value in asked)

    def valid_at(self, t_ns: int | None) -> bool:
        """Whether scenario time `t_ns` lies in a window of the rule; without a time, whether any may."""
        return t_ns is None or not self.valid or any(window.holds(t_ns) for window in self.valid)

    def ended(self, t_ns: int | None) -> bool:
        """Whether the rule has been revoked for good by scenario time `t_ns`."""
        return t_ns is not None and self.ends_s is not None and t_ns >= round(self.ends_s * 1e9)

    @property
    def ends_s(self) -> float | None:
        """When a revoked rule ends for good, scenario seconds."""
        return None if self.revoked_s is None else self.revoked_s + self.notice_s

    @property
    def timed(self) -> bool:
        """Whether the rule is in force at some times only."""
        return bool(self.valid) or self.revoked_s is not None

    @property
    def selective(self) -> bool:
        """Whether the rule may keep back single looks of a sensor."""
        return bool(self.every_s) or self.quota is not None or self.consent != "auto"

    @property
    def audited_as(self) -> str:
        """The name of this rule in the audit log."""
        return self.audit or self.id

    def bounds_s(self) -> tuple[float, float]:
        """Shortest and longest time from an item's arrival to its release, the consent's included."""
        asked = (0.0,) if self.consent == "auto" else terms.knots_s(self.consent.after_s)
        delays = terms.knots_s(self.delay_s)
        return asked[0] + delays[0], asked[-1] + delays[-1]

    @property
    def terms(self) -> str:
        """What the rule asks, in words: delay first, marking left out."""
        return ", ".join(_terms(self))


def _contradictions(rule: Rule) -> Iterator[str]:
    """What a rule must not say: ``field = value: what is allowed``."""
    plots = rule.product == "detections"
    if rule.originator == rule.recipient != ANY:
        yield f"recipient = {rule.recipient!r}: another than the originator, whose own item needs no release"
    if rule.via is not None and rule.via in (rule.originator, rule.recipient):
        yield f"via = {rule.via!r}: a hub is neither the originator nor the recipient"
    for name in ("threats", "origins"):
        if plots and getattr(rule, name) != (ANY,):
            what = "class of threat" if name == "threats" else "launch region"
            yield f"{name} = {list(getattr(rule, name))}: a plot has no {what}; with tracks and warnings only"
    if rule.lineage == "dropped" and rule.product != "tracks":
        yield "lineage = 'dropped': only tracks have one"
    if rule.precision is not None and not plots and (rule.precision.sigma_mrad or rule.precision.grid_mrad):
        yield f"precision = in mrad: {rule.product} have no angles; sigma_m and grid_m only"
    if rule.consent != "auto" and isinstance(rule.consent, terms.ByHub) and rule.via is None:
        yield "consent = hub: needs via, the hub that decides"
    if isinstance(rule.quota, terms.Reciprocal) and rule.recipient in (ANY, COALITION):
        yield f"recipient = {rule.recipient!r}: a reciprocal quota needs a nation, which can give"
    if rule.trigger == "push" and rule.bounds_s()[1] > LONGEST_PUSH_S:
        longest = f"{rule.bounds_s()[1]:g}"
        yield f"delay_s = up to {longest}: for a push at most {LONGEST_PUSH_S} s, consent included"
    yield from _bad_marking(rule)


def _bad_marking(rule: Rule) -> Iterator[str]:
    try:
        releasable = read(rule.marking).releasable_to
    except ValueError as error:
        yield f"marking = {rule.marking!r}: {error}"
        return
    named = (rule.recipient, *rule.onward)
    missing = [r for r in RECIPIENTS if r in named and releasable is not None and r not in releasable]
    if missing:
        yield f"marking = {rule.marking!r}: REL must name {missing[0]}, to whom the rule releases"


def _terms(rule: Rule) -> Iterator[str]:
    yield f"{terms.told(rule.delay_s)} later"
    if rule.trigger == "request":
        yield "on request only"
    if rule.via is not None:
        yield f"via {rule.via}"
    if rule.consent != "auto":
        who = "the hub" if isinstance(rule.consent, terms.ByHub) else "the originator"
        share, after = rule.consent.granted, terms.told(rule.consent.after_s)
        yield f"if {who} consents to the look (model: {share:g} of them, after {after})"
    if rule.every_s:
        yield f"one look in {rule.every_s:g} s"
    if isinstance(rule.quota, terms.Counted):
        yield f"{rule.quota.looks} looks of a sensor in {rule.quota.per_s:g} s"
    elif rule.quota is not None:
        yield f"{rule.quota.free} looks and {rule.quota.ratio:g} for each one received"
    if rule.precision is not None and (precision := terms.told_precision(rule.precision)):
        yield f"coarse ({precision})"
    for name in ("threats", "origins"):
        if getattr(rule, name) != (ANY,):
            yield f"{name} {' '.join(getattr(rule, name))} only"
    if rule.lineage == "dropped":
        yield "without saying of whose data"
    if rule.onward:
        yield f"onward to {' '.join(rule.onward)}"
    if rule.valid:
        yield f"valid {' and '.join(map(terms.told_window, rule.valid))}"
    if rule.ends_s is not None:
        yield f"revoked at {rule.revoked_s:g} s with {rule.notice_s:g} s notice ({rule.held} what is held)"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: terms.Title = ""
    name: terms.Title = ""
    extends: terms.Name | None = None
    withhold: tuple[str, ...] = ()
    rule: tuple[Rule, ...] = ()


def base_of(text: str, name: str) -> str | None:
    """The name of the arrangement that the TOML `text` extends, if any. Raises SettingsError."""
    return parse(text, _File, name).extends


@dataclass(frozen=True)
class Policy:
    """An arrangement. `withheld` holds ``NATION`` or ``NATION/sensor``, sorted."""

    name: str
    title: str
    rules: tuple[Rule, ...]
    withheld: tuple[str, ...] = ()
    _fitting: dict[tuple[str, str, str, str], tuple[Rule, ...]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    @classmethod
    def parse(cls, text: str, name: str, base: "Policy | None" = None) -> "Policy":
        """The arrangement in TOML `text`; `name` (a file's path will do) is used in messages.

        The policy is called what the text says, else the stem of `name`. `base` is what it extends: the
        text's rules come before those of the base, and what either withholds is withheld.
        Raises SettingsError, or PolicyError when the text extends something and no base is given.
        """
        file = parse(text, _File, name)
        if file.extends and base is None:
            raise PolicyError(f"{name}: extends = {file.extends!r}: only a file can extend another")
        called = file.name or name.rpartition("/")[2].removesuffix(".toml")
        rules = file.rule + (base.rules if base else ())
        repeated = sorted({r.id for r in rules if sum(r.id == other.id for other in rules) > 1})
        if repeated:
            raise PolicyError(f"{name}: rule id {repeated[0]!r}: is given twice")
        policy = cls(called, file.title, rules, base.withheld if base else ())
        try:
            return replace(policy.withhold(file.withhold), name=called)
        except PolicyError as error:
            raise PolicyError(f"{name}: {error}") from None

    def withhold(self, who: tuple[str, ...]) -> "Policy":
        """This arrangement without any release by `who`: ``KOR`` or ``KOR/greenpine-c``.

        KOR then releases nothing to anyone, COALITION included; it keeps its own feeds and still receives
        others'. Raises PolicyError for what is neither a nation nor a nation's sensor.
        """
        for name in who:
            if not _WHO.fullmatch(name):
                allowed = ", ".join(NATIONS)
                raise PolicyError(f"withhold = {name!r}: expected a nation ({allowed}) or NATION/sensor")
        added = tuple(name for name in who if name not in self.withheld)
        if not added:
            return self
        withheld = tuple(sorted({*self.withheld, *added}))
        return replace(self, name=f"{self.name} without {' '.join(sorted(added))}", withheld=withheld)

    @property
    def text(self) -> str:
        """This policy as TOML, complete in itself: parsing it gives the same policy."""
        lines = [f"{f} = {_toml(getattr(self, f))}" for f in ("name", "title")]
        lines.append(f"withhold = {_toml(self.withheld)}")
        for rule in self.rules:
            lines += ["", "[[rule]]"]
            for term in msgspec.structs.fields(Rule):
                value = getattr(rule, term.name)
                if term.name in _ALWAYS_WRITTEN or value != term.default:
                    lines.append(f"{term.name} = {_toml(msgspec.to_builtins(value))}")
        return "\n".join(lines) + "\n"

    @property
    def longest_delay_s(self) -> float:
        """The longest push delay of any rule; a core's horizon must not be shorter."""
        return max((rule.bounds_s()[1] for rule in self.rules if rule.trigger == "push"), default=0.0)

    def decide(
        self,
        originator: str,
        sensor: str,
        recipient: str,
        t_ns: int | None = None,
        product: str = "detections",
    ) -> Rule | None:
        """The rule under which a sensor's items are released to `recipient`, or None: they are not.

        Without a scenario time `t_ns`: the first rule under which they ever may be.
        """
        if originator not in NATIONS or recipient not in RECIPIENTS or originator == recipient:
            return None
        if self.withholds(originator, sensor):
            return None
        rule = self.first(originator, sensor, recipient, t_ns, product)
        return None if rule is None or rule.ended(t_ns) else rule

    def first(
        self,
        originator: str,
        sensor: str,
        recipient: str,
        t_ns: int | None = None,
        product: str = "detections",
    ) -> Rule | None:
        """The rule that decides at `t_ns`, which may have been revoked; what is withheld not looked at."""
        for rule in self._that_fit(originator, sensor, recipient, product):
            if rule.valid_at(t_ns):
                return rule
        return None

    def _that_fit(self, originator: str, sensor: str, recipient: str, product: str) -> tuple[Rule, ...]:
        """The rules that speak of such items, in order; remembered, because every item asks."""
        key = (originator, sensor, recipient, product)
        rules = self._fitting.get(key)
        if rules is None:
            if len(self._fitting) == MAX_REMEMBERED:
                self._fitting.clear()
            rules = tuple(r for r in self.rules if r.fits(originator, sensor, recipient, product))
            self._fitting[key] = rules
        return rules

    def withholds(self, originator: str, sensor: str) -> str:
        """The name under which a sensor's items are withheld from everybody, or an empty text."""
        if not self.withheld:
            return ""
        return next((n for n in (originator, f"{originator}/{sensor}") if n in self.withheld), "")

    def recipients(self, originator: str, sensor: str) -> tuple[str, ...]:
        """Who may ever get a sensor's items, its own nation not counted, in the order of RECIPIENTS."""
        return tuple(r for r in RECIPIENTS if self.decide(originator, sensor, r) is not None)

    def may_pass_on(
        self, lineage: Sequence[tuple[str, str]], holder: str, recipient: str, t_ns: int | None = None
    ) -> bool:
        """Whether `holder` may let `recipient` have what it has made of others' items.

        `lineage` names the sensors (nation, id) that it was made of. What comes from the recipient itself
        is its own; for everything else each originator must have consented, in the rule under which the
        holder got it.
        """
        for originator, sensor in lineage:
            if originator in (holder, recipient):
                continue
            rule = self.decide(originator, sensor, holder, t_ns)
            if rule is None or recipient not in rule.onward:
                return False
        return True

    def explain(self, item: Message, recipient: str) -> str:
        """One line: whether `item` is released to `recipient` when it is available, and what decides it."""
        who, product = f"{item.originator}/{item.sensor} to {recipient}", product_of(item)
        if item.originator == recipient:
            return f"{who}: its own item, which needs no release"
        if name := self.withholds(item.originator, item.sensor):
            return f"{who}: not released: {self.name} withholds {name}"
        rule = self.decide(item.originator, item.sensor, recipient, item.t_available_ns, product)
        if rule is not None and isinstance(item, Track) and not rule.wants(item.threat, item.origin):
            return f"{who}: not released: rule {rule.id!r} of {self.name} wants another class or origin"
        if rule is not None:
            return f"{who}: released by rule {rule.id!r} of {self.name}, {rule.terms}, marked {rule.marking}"
        rule = self.first(item.originator, item.sensor, recipient, item.t_available_ns, product)
        if rule is not None and rule.ended(item.t_available_ns):
            return f"{who}: not released: rule {rule.id!r} of {self.name} has ended at {rule.ends_s:g} s"
        rule = self.decide(item.originator, item.sensor, recipient, None, product)
        if rule is not None:
            at = f"{item.t_available_ns / 1e9:g} s"
            return f"{who}: not released: rule {rule.id!r} of {self.name} is not valid at {at}"
        return f"{who}: not released: no rule of {self.name} fits: default deny"


def _toml(value: Any) -> str:
    """A TOML value in one line: the texts allowed here need no escapes beyond JSON's."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{k} = {_toml(v)}' for k, v in value.items() if v is not None)} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return msgspec.json.encode(value).decode()
