"""What leaves a nation: one pure state machine, `handle(item, t) -> [(t_out, recipient, item)]`.

Rules of this module:

- Only what a sensor makes (site, scan, plots of any kind) is released, and only as the policy decides.
- A link is (originator, sensor, recipient). It numbers its own messages from 0 without gaps and keeps their
  order; nothing on it depends on any other link or on what was not released: no number, byte or time.
- Delays are drawn by a keyed hash of (seed, recipient, item), so that a run can be repeated and what one
  recipient sees does not move with another's.
"""

from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from sharing.messages import Message, renumbered
from sharing.policy import Policy, Rule
from sharing.schema import ITEMS

MAX_LINKS: Final = 4096
"""Sensors of one originator that one recipient may get; those beyond are not released, and counted."""

Released = tuple[int, str, Message]
"""Scenario time at which the item leaves (ns), recipient, and the item as that recipient gets it."""


@dataclass
class _Link:
    rule: Rule
    boot_id: int
    sequence: int = 0
    t_last_ns: int | None = None


class Release:
    """The releases of one policy.

    `seed` keys the delays and the links' boot ids; `start` tells the starts of one guard apart, since a new
    start numbers anew. `refused` counts what met `MAX_LINKS`.
    """

    def __init__(self, policy: Policy, seed: int = 0, start: int = 0) -> None:
        self.policy = policy
        self.refused = 0
        self._seed = seed
        self._start = start
        self._links: dict[tuple[str, str], dict[str, _Link]] = {}
        self._opened: Counter[tuple[str, str]] = Counter()

    def handle(self, item: Message, t_ns: int) -> list[Released]:
        """What follows from `item` arriving at its originator's guard at scenario time `t_ns`.

        The item that a recipient gets has the same id, its link's number and boot id, the rule's marking,
        and is available from the moment it leaves. In the order of RECIPIENTS.
        """
        if not isinstance(item, ITEMS):
            return []
        links = self._links.get((item.originator, item.sensor))
        if links is None:
            links = self._open(item.originator, item.sensor)
        return [self._pass(item, t_ns, recipient, link) for recipient, link in links.items()]

    def _open(self, originator: str, sensor: str) -> dict[str, _Link]:
        """The links of a sensor; kept only where there are any, so that what is withheld fills no table."""
        links = {}
        for recipient in self.policy.recipients(originator, sensor):
            rule = self.policy.decide(originator, sensor, recipient)
            assert rule is not None
            if self._opened[originator, recipient] == MAX_LINKS:
                self.refused += 1
                continue
            self._opened[originator, recipient] += 1
            boot_id = self._draw(f"boot/{self._start}/{originator}/{sensor}/{recipient}", b"") >> 1
            links[recipient] = _Link(rule, boot_id)
        if links:
            self._links[originator, sensor] = links
        return links

    def _pass(self, item: Message, t_ns: int, recipient: str, link: _Link) -> Released:
        low_ns, high_ns = (round(seconds * 1e9) for seconds in link.rule.bounds_s())
        delay_ns = low_ns
        if high_ns > low_ns:
            delay_ns += self._draw(f"delay/{recipient}", item.item_id) * (high_ns - low_ns) >> 64
        t_out_ns = t_ns + delay_ns
        if link.t_last_ns is not None:
            t_out_ns = max(t_out_ns, link.t_last_ns)
        out = renumbered(
            item,
            sequence=link.sequence,
            t_available_ns=t_out_ns,
            boot_id=link.boot_id,
            marking=link.rule.marking,
        )
        link.sequence += 1
        link.t_last_ns = t_out_ns
        return t_out_ns, recipient, out

    def _draw(self, purpose: str, item_id: bytes) -> int:
        """64 even bits, the same for the same (seed, purpose, item) on every machine."""
        text = f"{self._seed}/{purpose}/".encode()
        return int.from_bytes(blake2b(text + item_id, digest_size=8).digest(), "little")
