"""What nations make for others: tracks and warnings, each by a core that saw only what may go there. Pure.

Rules:

- A product is for a set of recipients. The core that makes it is fed with what may be released to all of
  them: the maker's own sensors that the deciding rule names and nobody withholds, and what the maker has
  received under a rule that lets it go onward to each of them. Nothing else reaches it, so nothing else can
  show: no state, class, launch point or time of a message.
- Recipients for whom the same rules speak share a core.
- What holds a recipient's own data is not made for it, unless the rule drops the lineage: that is the mistake
  which `careless-relay` shows.
- The release decides, item by item, whether a product goes; here is only made what it may decide upon.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from msgspec.structs import replace as changed

from fusion.core.engine import Core, CoreConfig
from fusion.core.events import Received, Tick
from fusion.core.filters import FilterFactory
from fusion.core.shares import tracks_of
from sharing.messages import NATIONS, RECIPIENTS, TRACKS, WARNINGS, Message, Picture, Track, Warning
from sharing.policy import Policy, PolicyError, Rule

Made = tuple[tuple[str, ...], Track | Warning]
"""For whom it was made, and what."""


@dataclass
class _Maker:
    """One core of one nation, for one product and one set of recipients."""

    nation: str
    product: str
    recipients: tuple[str, ...]
    core: Core
    seed: int
    lineage: list[str] = field(default_factory=list)
    made: int = 0

    def receive(self, policy: Policy, message: Message, t_ns: int) -> None:
        """Take in what has reached the nation, where all recipients may have what is made of it."""
        if not all(self._may(policy, message, recipient, t_ns) for recipient in self.recipients):
            return
        self.core.handle(Received(message, t_ns))
        named = message.lineage.split() if isinstance(message, Track) else [message.originator]
        self.lineage += [nation for nation in named if nation not in self.lineage]

    def _may(self, policy: Policy, message: Message, recipient: str, t_ns: int) -> bool:
        rule = policy.decide(self.nation, self.product, recipient, t_ns, self.product)
        if rule is None:
            return False
        if message.originator == self.nation:
            return rule.feeds(message.sensor) and not policy.withholds(self.nation, message.sensor)
        goes_on = _goes_on(policy, message, self.nation, recipient, t_ns)
        return goes_on and _holds_not(message, recipient, rule)

    def tick(self, t_ns: int) -> Iterator[Track | Warning]:
        """What the nation says at a tick."""
        effects = self.core.handle(Tick(t_ns))
        for effect in effects:
            if self.product == WARNINGS and isinstance(effect, Warning):
                yield self._named(changed(effect, sensor=WARNINGS))
            elif self.product == TRACKS and isinstance(effect, Picture) and effect.picture == "as-known":
                lineage = " ".join(nation for nation in NATIONS if nation in self.lineage)
                yield from map(self._named, tracks_of(effect, self.core.plots, lineage))

    def _named(self, item: Track | Warning) -> Track | Warning:
        """The item under the maker's name, with its opaque id."""
        self.made += 1
        key = f"{self.seed}/{self.nation}/{self.product}/{' '.join(self.recipients)}/{self.made}"
        item_id = hashlib.blake2b(key.encode(), digest_size=16).digest()
        return changed(item, originator=self.nation, item_id=item_id)


class Makers:
    """Every nation's makers under `policy`; `config` is that of their cores but for the nation.

    Its regions are those of all recipients: whoever gets a warning looks at those of its own.
    """

    def __init__(self, policy: Policy, config: CoreConfig, filters: FilterFactory, seed: int) -> None:
        self._policy = policy
        self._makers: dict[str, list[_Maker]] = {}
        for nation in NATIONS:
            for product, recipients in _labels(policy, nation):
                core = Core(replace(config, nation=nation, judgements_per_s=0), filters)
                maker = _Maker(nation, product, recipients, core, seed)
                self._makers.setdefault(nation, []).append(maker)

    def of(self, nation: str) -> bool:
        """Whether a nation makes anything for others."""
        return nation in self._makers

    def receive(self, nation: str, message: Message, t_ns: int) -> None:
        """`message` has reached `nation` at scenario time `t_ns`."""
        for maker in self._makers.get(nation, ()):
            maker.receive(self._policy, message, t_ns)

    def tick(self, t_ns: int) -> Iterator[Made]:
        """What all nations make at a tick, in the order of NATIONS."""
        for makers in self._makers.values():
            for maker in makers:
                for item in maker.tick(t_ns):
                    yield maker.recipients, item


def check_unchanging(policies: Sequence[Policy]) -> None:
    """Raise PolicyError where one of several arrangements shares products: makers know only one."""
    for policy in policies if len(policies) > 1 else ():
        for rule in policy.rules:
            if rule.product in (TRACKS, WARNINGS):
                where = f"{policy.name}: rule {rule.id!r}: product = {rule.product!r}"
                raise PolicyError(f"{where}: cannot be run yet where the arrangement changes in mid-event")


def _labels(policy: Policy, nation: str) -> list[tuple[str, tuple[str, ...]]]:
    """Product and recipients of every core that `nation` needs for others."""
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for product in (TRACKS, WARNINGS):
        for recipient in RECIPIENTS:
            if policy.decide(nation, product, recipient, None, product) is None:
                continue
            # Where anything may go onward, what may differs by recipient, whose own data stay out.
            rules = [r.id for r in policy.rules if r.fits(nation, product, recipient, product)]
            onward = [recipient for r in policy.rules if r.onward]
            groups.setdefault((product, (*rules, *onward)), []).append(recipient)
    return [(product, tuple(recipients)) for (product, _), recipients in groups.items()]


def _holds_not(message: Message, recipient: str, rule: Rule) -> bool:
    """Whether a received item may be used for a recipient: not when it holds that one's own data."""
    if isinstance(message, Warning):
        return False
    named = message.lineage.split() if isinstance(message, Track) else [message.originator]
    return rule.lineage == "dropped" or recipient not in named


def _goes_on(policy: Policy, message: Message, holder: str, recipient: str, t_ns: int) -> bool:
    """Whether the rule under which `holder` got an item lets it use the item for `recipient`."""
    product = TRACKS if isinstance(message, Track) else "detections"
    rule = policy.decide(message.originator, message.sensor, holder, t_ns, product)
    return rule is not None and recipient in rule.onward
