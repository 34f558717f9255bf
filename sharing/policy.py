"""An arrangement: which nation's sensors are released to whom, how late, under which marking. Pure.

Rules of this module:

- Default deny: what no rule names is not released. The first rule that fits decides.
- What is withheld is withheld from everybody but its originator, COALITION included, whatever rules say.
- One rule covers all that a sensor makes: its site, its scans and its plots of any kind go or stay together.
- A `Policy` is complete: what its file extends is already in it, so its `text` can travel in a recording.
"""

import re
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal

import msgspec

from sharing.messages import NATIONS, RECIPIENTS, Message
from sharing.typed import SettingsError, parse

ANY: Final = "*"

_SENSOR = r"[a-z0-9][a-z0-9-]{0,31}"
_WHO: Final = re.compile(rf"({'|'.join(NATIONS)})(/{_SENSOR})?")

_Title = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=200)]
_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
_Sensor = Annotated[str, msgspec.Meta(pattern=rf"^(\*|{_SENSOR})$")]
_Marking = Annotated[str, msgspec.Meta(pattern=r"^SIMULATED[ -~]*$", max_length=96)]


class PolicyError(SettingsError):
    """An arrangement that cannot be: one line."""


class Uniform(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="uniform"):
    """A delay drawn evenly between two bounds, seconds."""

    low_s: _Seconds
    high_s: _Seconds

    def __post_init__(self) -> None:
        if self.high_s < self.low_s:
            raise ValueError("Expected high_s not below low_s")


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule of an arrangement; ``*`` stands for every nation, recipient or sensor.

    `delay_s`: seconds from the item's arrival at its originator's guard to its release, a number or a
    `Uniform`. `marking` replaces that of the item.
    """

    id: _Name
    originator: Literal["JPN", "KOR", "USA", "*"]
    recipient: Literal["JPN", "KOR", "USA", "COALITION", "*"]
    product: Literal["detections"]
    delay_s: _Seconds | Uniform
    marking: _Marking
    sensors: Annotated[tuple[_Sensor, ...], msgspec.Meta(min_length=1)] = (ANY,)
    trigger: Literal["push"] = "push"

    def fits(self, originator: str, sensor: str, recipient: str) -> bool:
        """Whether this rule speaks of that sensor's items for that recipient."""
        return (
            self.originator in (ANY, originator)
            and self.recipient in (ANY, recipient)
            and (ANY in self.sensors or sensor in self.sensors)
        )

    def bounds_s(self) -> tuple[float, float]:
        """Shortest and longest delay."""
        if isinstance(self.delay_s, Uniform):
            return self.delay_s.low_s, self.delay_s.high_s
        return self.delay_s, self.delay_s


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: _Title = ""
    name: _Title = ""
    extends: _Name | None = None
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
            lines += [f"{f} = {_toml(getattr(rule, f))}" for f in rule.__struct_fields__]
        return "\n".join(lines) + "\n"

    @property
    def longest_delay_s(self) -> float:
        """The longest push delay of any rule; a core's horizon must not be shorter."""
        return max((rule.bounds_s()[1] for rule in self.rules), default=0.0)

    def decide(self, originator: str, sensor: str, recipient: str) -> Rule | None:
        """The rule under which a sensor's items are released to `recipient`, or None: they are not."""
        if originator not in NATIONS or recipient not in RECIPIENTS or originator == recipient:
            return None
        if originator in self.withheld or f"{originator}/{sensor}" in self.withheld:
            return None
        fitting = (rule for rule in self.rules if rule.fits(originator, sensor, recipient))
        return next(fitting, None)

    def recipients(self, originator: str, sensor: str) -> tuple[str, ...]:
        """Who gets a sensor's items, its own nation not counted, in the order of RECIPIENTS."""
        return tuple(r for r in RECIPIENTS if self.decide(originator, sensor, r) is not None)

    def explain(self, item: Message, recipient: str) -> str:
        """One line: whether `item` is released to `recipient`, and what decides it."""
        who = f"{item.originator}/{item.sensor} to {recipient}"
        if item.originator == recipient:
            return f"{who}: its own item, which needs no release"
        for name in (item.originator, f"{item.originator}/{item.sensor}"):
            if name in self.withheld:
                return f"{who}: not released: {self.name} withholds {name}"
        rule = self.decide(item.originator, item.sensor, recipient)
        if rule is None:
            return f"{who}: not released: no rule of {self.name} fits: default deny"
        low, high = rule.bounds_s()
        delay = f"{low:g} s" if low == high else f"{low:g} to {high:g} s"
        return f"{who}: released by rule {rule.id!r} of {self.name}, {delay} later, marked {rule.marking}"


def _toml(value: object) -> str:
    """A TOML value: the texts allowed here need no escapes beyond JSON's."""
    if isinstance(value, Uniform):
        return f'{{ kind = "uniform", low_s = {value.low_s!r}, high_s = {value.high_s!r} }}'
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(v) for v in value)}]"
    return msgspec.json.encode(value).decode()
