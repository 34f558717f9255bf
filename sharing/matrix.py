"""An arrangement at a glance: who gets what of whom, and in what two arrangements differ. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from sharing.messages import NATIONS, RECIPIENTS
from sharing.policy import ANY, Policy, Rule
from sharing.terms import PRODUCTS

OTHERS = "*"
"""Stands for every sensor that no rule and no withholding names."""
NOBODY = ""
"""A sensor of this name fits the rules of every sensor, and no others."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What `recipient` gets of one product of `sensor`: the rules that decide, one after the other in time.

    `withheld` is the name under which it is withheld, whatever rules say.
    """

    product: str
    originator: str
    sensor: str
    recipient: str
    rules: tuple[Rule, ...]
    withheld: str = ""

    @property
    def released(self) -> bool:
        """Whether anything ever is."""
        return bool(self.rules) and not self.withheld

    @property
    def told(self) -> str:
        """The cell in words."""
        if self.withheld:
            return f"withheld: {self.withheld}"
        return "; else ".join(rule.terms for rule in self.rules) or "nothing"

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What the cell is about."""
        return self.product, self.originator, self.sensor, self.recipient


def matrix(policy: Policy) -> list[Cell]:
    """The cells of an arrangement: by product, originator and recipient for all sensors together (`OTHERS`).

    A sensor has cells of its own where it is treated otherwise.
    """
    return [
        cell
        for product in _products(policy)
        for originator in NATIONS
        for cell in _of_nation(policy, product, originator, _named(policy, originator))
        if cell.sensor == OTHERS or cell.rules or cell.withheld
    ]


def diff(a: Policy, b: Policy) -> list[tuple[Cell, Cell]]:
    """The cells in which two arrangements differ, markings included; in the order of `matrix`."""
    products = [p for p in PRODUCTS if p in (*_products(a), *_products(b))]
    found = []
    for product in products:
        for originator in NATIONS:
            named = sorted({*_named(a, originator), *_named(b, originator)})
            pairs = zip(
                _of_nation(a, product, originator, named, True),
                _of_nation(b, product, originator, named, True),
                strict=True,
            )
            different = [(one, other) for one, other in pairs if _content(one) != _content(other)]
            whole = {one.recipient: (_content(one), _content(other)) for one, other in different
                     if one.sensor == OTHERS}  # fmt: skip
            found += [
                (one, other)
                for one, other in different
                if one.sensor == OTHERS or whole.get(one.recipient) != (_content(one), _content(other))
            ]
    return found


def _content(cell: Cell) -> tuple[str, tuple[str, ...]]:
    return ("withheld" if cell.withheld else cell.told), tuple(
        r.marking for r in cell.rules if not cell.withheld
    )


def _products(policy: Policy) -> tuple[str, ...]:
    used = {rule.product for rule in policy.rules}
    return tuple(p for p in PRODUCTS if p in used) or PRODUCTS[:1]


def _named(policy: Policy, originator: str) -> list[str]:
    """Sensors of a nation that the arrangement names, sorted."""
    rules = {s for r in policy.rules if r.originator in (ANY, originator) for s in r.sensors if s != ANY}
    withheld = {name.partition("/")[2] for name in policy.withheld if name.startswith(f"{originator}/")}
    return sorted(rules | withheld)


def _of_nation(
    policy: Policy, product: str, originator: str, named: list[str], every: bool = False
) -> Iterator[Cell]:
    """Cells of one product of a nation; those of named sensors only where they differ, unless `every`."""
    for recipient in RECIPIENTS:
        if recipient == originator:
            continue
        common = _cell(policy, product, originator, OTHERS, recipient)
        yield common
        for sensor in named:
            cell = _cell(policy, product, originator, sensor, recipient)
            if every or (cell.rules, cell.withheld) != (common.rules, common.withheld):
                yield cell


def _cell(policy: Policy, product: str, originator: str, sensor: str, recipient: str) -> Cell:
    name = NOBODY if sensor == OTHERS else sensor
    rules = []
    for rule in policy.rules:
        if rule.fits(originator, name, recipient, product):
            rules.append(rule)
            if not rule.valid:
                break
    withheld = policy.withholds(originator, name)
    return Cell(product, originator, sensor, recipient, tuple(rules), withheld)
