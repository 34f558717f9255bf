"""Markings: fictional, always SIMULATED, one text on every item that says to whom it may be released. Pure.

``SIMULATED//NOTIONAL//REL JPN KOR//EPOCH 2``: parts between double slashes, of which the first is SIMULATED.
``REL`` names those who may hold the item, ``EPOCH`` counts the changes of the policy before the item was
judged (none is written before the first change). Other parts are for people. The originator, the item's id
and its sensor stand in the envelope and are its provenance.
"""

import re
from dataclasses import dataclass

from sharing.messages import RECIPIENTS

LONGEST = 96
PATTERN = r"^SIMULATED[ -~]*$"

_RELEASE = re.compile(r"REL( [A-Z]+)+")
_EPOCH = re.compile(r"EPOCH ([1-9][0-9]{0,5})")


@dataclass(frozen=True, slots=True)
class Marking:
    """A marking taken apart. `releasable_to` is None where it does not say, and `epoch` 0 before a change."""

    text: str
    releasable_to: tuple[str, ...] | None
    epoch: int


def read(text: str) -> Marking:
    """The parts of a marking. Raises ValueError for one that names no recipient there is."""
    releasable, epoch = None, 0
    for part in text.split("//"):
        if _RELEASE.fullmatch(part):
            names = part.split()[1:]
            unknown = [name for name in names if name not in (*RECIPIENTS, "ALL")]
            if unknown:
                raise ValueError(f"REL {unknown[0]}: one of {', '.join(RECIPIENTS)} or ALL")
            releasable = RECIPIENTS if "ALL" in names else tuple(r for r in RECIPIENTS if r in names)
        elif found := _EPOCH.fullmatch(part):
            epoch = int(found[1])
    return Marking(text, releasable, epoch)


def marked(text: str, epoch: int) -> str:
    """The marking of an item judged in `epoch`. Raises ValueError when it becomes too long for the wire."""
    whole = f"{text}//EPOCH {epoch}" if epoch else text
    if len(whole) > LONGEST:
        raise ValueError(f"marking {whole!r}: {len(whole)} characters, at most {LONGEST}")
    return whole
