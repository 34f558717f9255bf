"""``policy``: what an arrangement says of an item, how two differ, who gets what; a guard's next one."""

import json
import math
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusion.cli.options import FILE, RECIPIENTS, config_option, json_option, named_policy, print_json
from fusion.cli.root import Group, cli
from fusion.command import Number

if TYPE_CHECKING:
    from sharing.matrix import Cell
    from sharing.policy import Policy

EARLIEST_S, LATEST_S = -1e9, 1e9
FRESH_S = 5.0
"""A guard rewrites its status file every second."""


@cli.group(cls=Group, epilog="Example: sharedsky policy explain tisa-hub --item KOR/greenpine-c --to JPN")
def policy() -> None:
    """Arrangements: why an item goes or stays, how two differ, who gets what."""


@policy.command(epilog="Example: sharedsky policy explain lapsed --item KOR/greenpine-c --to JPN")
@click.argument("name", metavar="POLICY")
@click.option("--item", required=True, metavar="NATION/sensor", help="Whose item.")
@click.option(
    "--to", "recipient", required=True, type=click.Choice(RECIPIENTS), metavar="N", help="For whom."
)
@click.option(
    "--at", "at_s", type=Number(float, EARLIEST_S, LATEST_S), default=0.0, show_default=True,
    metavar="T", help="Scenario seconds.",
)  # fmt: skip
@json_option
def explain(name: str, item: str, recipient: str, at_s: float, as_json: bool) -> None:
    """Which rule decides an item for a recipient, and why the others do not."""
    arrangement, (nation, sensor) = named_policy(name, runs=False), _sensor(item)
    told = arrangement.explain(_item(nation, sensor, at_s), recipient)
    rules = _tried(arrangement, nation, sensor, recipient, at_s)
    if as_json:
        t_ns = round(at_s * 1e9)
        rule = arrangement.decide(nation, sensor, recipient, t_ns)
        answer = {"item": item, "recipient": recipient, "at_s": at_s, "released": rule is not None,
                  "rule": None if rule is None else rule.id, "because": told, "rules": rules}  # fmt: skip
        return print_json(answer)
    click.echo(told)
    for tried in rules:
        click.echo(f"  {tried['id']}: {tried['why']}")


@policy.command(epilog="Example: sharedsky policy diff full-mesh revoked-mid-event")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@json_option
def diff(a: str, b: str, as_json: bool) -> None:
    """Who gets something else under B than under A; nothing is printed where they agree."""
    from fusion.tables import plain_table, show
    from sharing.matrix import diff as compare

    one, other = named_policy(a, runs=False), named_policy(b, runs=False)
    pairs = compare(one, other)
    if as_json:
        rows = [{**_about(x), "a": _document(x), "b": _document(y)} for x, y in pairs]
        return print_json({"a": one.name, "b": other.name, "differences": rows})
    if not pairs:
        return click.echo(f"{one.name} and {other.name} release the same", err=True)
    columns = ("item", "to", one.name, other.name)
    show(plain_table(f"{len(pairs)} differences", columns, [
        (_whose(x), x.recipient, _with_marking(x, y), _with_marking(y, x)) for x, y in pairs
    ]))  # fmt: skip


@policy.command(epilog="Example: sharedsky policy matrix tisa-hub -o tisa.png")
@click.argument("name", metavar="POLICY")
@click.option("-o", "out", type=FILE, metavar="FILE", help="Also as a picture: PNG or SVG.")
@json_option
def matrix(name: str, out: Path | None, as_json: bool) -> None:
    """Who gets what of whom: a table, and a picture with -o."""
    from fusion.tables import plain_table, show
    from sharing.matrix import matrix as cells_of

    arrangement = named_policy(name, runs=False)
    cells = cells_of(arrangement)
    if out is not None:
        from fusion.cli.plots import write_picture

        write_picture(lambda: _drawn(arrangement), out, name)
    if as_json:
        return print_json(
            {"policy": arrangement.name, "cells": [{**_about(c), **_document(c)} for c in cells]}
        )
    by_row: dict[str, dict[str, str]] = {}
    for cell in cells:
        by_row.setdefault(_whose(cell), {cell.originator: "its own"})[cell.recipient] = cell.told
    rows = [(whose, *(row.get(r, "") for r in RECIPIENTS)) for whose, row in by_row.items()]
    show(plain_table(f"{arrangement.name}: {arrangement.title}", ("of", *RECIPIENTS), rows))


@policy.command(epilog="Example: sharedsky policy apply lapsed --at 300 --config kor-guard.toml")
@click.argument("name", metavar="POLICY")
@click.option(
    "--at", "at_s", type=Number(float, EARLIEST_S, LATEST_S), required=True, metavar="T",
    help="Scenario seconds from which it is in force.",
)  # fmt: skip
@config_option
def apply(name: str, at_s: float, config: str) -> None:
    """Give a running guard another arrangement, in force from T on.

    It goes into the file `changes` of the guard's configuration, and the guard is told by SIGHUP. No item
    that would leave from T on goes to who has lost the right; whoever has lost all is cut.
    """
    from sharing.changes import add_change
    from sharing.guard import GuardConfig, check_live
    from sharing.settings import load

    settings = load(config, GuardConfig)
    if settings.changes is None:
        raise click.ClickException(f"{config}: changes: is missing: the file that the guard reads on SIGHUP")
    arrangement = named_policy(name)
    check_live(arrangement)
    running = _running(settings.status)
    if running is not None and running.get("t_ns", -math.inf) >= at_s * 1e9:
        raise click.BadParameter(f"{at_s:g}: it is {running['t_ns'] / 1e9:g} s already", param_hint="--at")
    add_change(settings.changes, arrangement, at_s)
    if running is None:
        click.echo(f"{settings.changes}: {arrangement.name} from {at_s:g} s on; no guard runs now", err=True)
        return
    os.kill(running["pid"], signal.SIGHUP)
    told = f"guard {running['pid']} is told"
    click.echo(f"{settings.changes}: {arrangement.name} from {at_s:g} s on; {told}", err=True)


def _running(status: str | None) -> dict[str, Any] | None:
    """What a guard that runs now says of itself; None for an old file, whose pid may be anybody's by now."""
    path = Path(status or "")
    if not path.is_file() or time.time() - path.stat().st_mtime > FRESH_S:
        return None
    said: dict[str, Any] = json.loads(path.read_text())
    live = said.get("role") == "guard" and said.get("state") in ("waiting", "ready", "running")
    return said if live else None


def _drawn(arrangement: "Policy") -> Any:
    from fusion.figures import arrangement as figures

    return figures.draw(arrangement)


def _sensor(item: str) -> tuple[str, str]:
    """Nation and sensor. Raises BadParameter."""
    import re

    from sharing.messages import NATIONS
    from sharing.terms import SENSOR

    nation, _, sensor = item.partition("/")
    if nation not in NATIONS or not re.fullmatch(SENSOR, sensor):
        raise click.BadParameter(
            f"{item!r}: expected NATION/sensor, such as KOR/greenpine-c; nations: {', '.join(NATIONS)}",
            param_hint="--item",
        )
    return nation, sensor


def _item(nation: str, sensor: str, at_s: float) -> Any:
    """Some item of that sensor which is there at that time; what it holds decides nothing."""
    from sharing.messages import Heartbeat

    t_ns = round(at_s * 1e9)
    return Heartbeat(originator=nation, sensor=sensor, t_available_ns=t_ns, last_sequence=0)


def _tried(
    arrangement: "Policy", nation: str, sensor: str, recipient: str, at_s: float
) -> list[dict[str, str]]:
    """Every rule in order, and what comes of it."""
    if nation == recipient or arrangement.withholds(nation, sensor):
        return []
    t_ns, decided, found = round(at_s * 1e9), "", []
    for rule in arrangement.rules:
        misfit = rule.misfit(nation, sensor, recipient)
        if misfit:
            why = f"does not fit: {misfit}"
        elif not rule.valid_at(t_ns):
            why = f"fits, but is not valid at {at_s:g} s"
        elif decided:
            why = f"fits, but {decided} came first"
        else:
            decided = rule.id
            why = f"decides: ended at {rule.ends_s:g} s" if rule.ended(t_ns) else f"decides: {rule.terms}"
        found.append({"id": rule.id, "why": why})
    return found


def _whose(cell: "Cell") -> str:
    return f"{cell.originator}/{cell.sensor} {cell.product}"


def _about(cell: "Cell") -> dict[str, Any]:
    return {"product": cell.product, "originator": cell.originator, "sensor": cell.sensor,
            "recipient": cell.recipient}  # fmt: skip


def _document(cell: "Cell") -> dict[str, Any]:
    return {"released": cell.released, "told": cell.told, "rules": [rule.id for rule in cell.rules],
            "markings": [rule.marking for rule in cell.rules]}  # fmt: skip


def _with_marking(cell: "Cell", other: "Cell") -> str:
    """The cell in words; its marking too where only that differs."""
    if cell.told != other.told or not cell.released:
        return cell.told
    return f"{cell.told}, marked {' and '.join(rule.marking for rule in cell.rules)}"
