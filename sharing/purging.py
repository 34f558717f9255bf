"""When a recipient must forget what it holds: `held = "purge"`, where the right to a feed ends. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sharing.messages import RECIPIENTS
from sharing.policy import Policy

Epochs = Sequence[tuple[int | None, Policy]]
"""The arrangements in order, each from its scenario time (ns) on; the first has none."""


class Purging(NamedTuple):
    """From scenario time `t_ns` on `recipient` holds nothing of `feeds` (``NATION/sensor``)."""

    t_ns: int
    recipient: str
    feeds: tuple[str, ...]


def purgings(epochs: Epochs, feeds: Iterable[str]) -> list[Purging]:
    """Every purging that the arrangements ask of the holders of `feeds`, in the order of time."""
    names = [feed.split("/") for feed in feeds]
    found = []
    for t_ns in _ends(epochs):
        for recipient in RECIPIENTS:
            lost = [f"{o}/{s}" for o, s in names if _purged(epochs, o, s, recipient, t_ns)]
            found += [Purging(t_ns, recipient, tuple(lost))] if lost else []
    return found


def _ends(epochs: Epochs) -> list[int]:
    """Every time at which some right may end."""
    times = {t_ns for t_ns, _ in epochs if t_ns is not None}
    for _, policy in epochs:
        for rule in policy.rules:
            ends = (rule.ends_s, *(window.until_s for window in rule.valid))
            times |= {round(end_s * 1e9) for end_s in ends if end_s is not None}
    return sorted(times)


def _purged(epochs: Epochs, originator: str, sensor: str, recipient: str, t_ns: int) -> bool:
    """Whether a right under a rule that purges ends at `t_ns`."""
    before = _in_force(epochs, t_ns - 1).decide(originator, sensor, recipient, t_ns - 1)
    if before is None or before.held != "purge":
        return False
    return _in_force(epochs, t_ns).decide(originator, sensor, recipient, t_ns) is None


def _in_force(epochs: Epochs, t_ns: int) -> Policy:
    return [policy for from_ns, policy in epochs if from_ns is None or from_ns <= t_ns][-1]
