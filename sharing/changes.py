"""Changes of an arrangement while a guard runs: a file beside its configuration, read on SIGHUP.

Rules of this module:

- The file lists complete arrangements, each with the scenario time from which it is in force, in order.
- It is replaced whole, so that a guard never reads half of it; what stands in it is never taken back.
"""

from pathlib import Path

import msgspec

from sharing.messages import S
from sharing.policy import Policy, PolicyError
from sharing.settings import load
from sharing.terms import Time


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From scenario time `at_s` on, the arrangement in the TOML text `policy` is in force."""

    at_s: Time
    policy: str


class _Changes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    change: tuple[Change, ...] = ()


def load_changes(path: Path | str) -> list[tuple[int, Policy]]:
    """Scenario time (ns) and arrangement of every change; none without a file. Raises SettingsError."""
    if not Path(path).exists():
        return []
    changes = load(path, _Changes).change
    return [(round(c.at_s * S), Policy.parse(c.policy, f"{path}, change at {c.at_s:g} s")) for c in changes]


def add_change(path: Path | str, policy: Policy, at_s: float) -> None:
    """Put one more change into the file. Raises PolicyError unless it comes after every other."""
    path = Path(path)
    before = list(load(path, _Changes).change) if path.exists() else []
    if before and at_s <= before[-1].at_s:
        raise PolicyError(f"{path}: at_s = {at_s:g}: expected after {before[-1].at_s:g} s, the last change")
    lines = ["# Written by sharedsky policy apply. SIMULATED, NOTIONAL."]
    for change in (*before, Change(at_s, policy.text)):
        text = msgspec.json.encode(change.policy).decode()
        lines += ["", "[[change]]", f"at_s = {change.at_s!r}", f"policy = {text}"]
    part = path.with_name(f"{path.name}.part")
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part.rename(path)
