"""``audit``: is a log what was written, and what does it say of an item, a recipient or a rule."""

from itertools import islice
from pathlib import Path

import click

from fusion.cli.options import FILE, RECIPIENTS, json_option, print_json
from fusion.cli.root import Group, cli
from fusion.command import Number

MOST = 1_000_000


@cli.group(cls=Group, epilog="Example: sharedsky audit query KOR.audit --to JPN --outcome denied")
def audit() -> None:
    """Audit logs: every decision on what left a nation, in a chain."""


@audit.command(epilog="Example: sharedsky audit verify KOR.audit --head 812:9f0c…")
@click.argument("log", metavar="LOG", type=FILE)
@click.option("--head", metavar="N:HASH", help="Kept elsewhere, such as in the guard's status file.")
@json_option
def verify(log: Path, head: str | None, as_json: bool) -> int:
    """Whether nothing in LOG was edited, cut or reordered; exit 1 if anything was.

    A log without an end may still be written, or was cut: only a --head that was kept elsewhere tells.
    """
    from sharing.audit import Head
    from sharing.audit import verify as hold

    verdict = hold(log, None if head is None else Head.read(head))
    good = verdict.ended or head is not None
    if as_json:
        print_json({"ok": good, "records": verdict.head.records, "first": verdict.first,
                    "ended": verdict.ended, "head": str(verdict.head)})  # fmt: skip
    else:
        end = "to its end" if verdict.ended else "no end: cut, or still being written"
        dropped = f", of which {verdict.first} were dropped at the bound" if verdict.first else ""
        click.echo(f"{log}: {verdict.head.records} records{dropped}, {end}\nhead {verdict.head}")
    return int(not good)


@audit.command(epilog="Example: sharedsky audit query KOR.audit --of KOR/greenpine-c --to JPN --from-s 300")
@click.argument("log", metavar="LOG", type=FILE)
@click.option("--of", metavar="WHO", help="NATION or NATION/sensor.")
@click.option("--to", type=click.Choice(RECIPIENTS), metavar="N", help="Recipient.")
@click.option("--item", metavar="HEX", help="Item id, or its beginning.")
@click.option("--outcome", metavar="O", help="released, kept, withheld, denied, rate, quota, …")
@click.option("--rule", metavar="R", help="A rule's audit name.")
@click.option("--from-s", type=Number(float, -1e9, 1e9), metavar="T", help="Scenario seconds, included.")
@click.option("--until-s", type=Number(float, -1e9, 1e9), metavar="T", help="Scenario seconds, excluded.")
@click.option(
    "--limit", type=Number(int, 1, MOST), default=20, show_default=True, metavar="N", help="Most lines shown."
)
@json_option
def query(
    log: Path, of: str | None, to: str | None, item: str | None, outcome: str | None, rule: str | None,
    from_s: float | None, until_s: float | None, limit: int, as_json: bool,
) -> None:  # fmt: skip
    """Decisions in LOG: when, on which item, for whom, what came of it and by which rule."""
    from fusion.tables import plain_table, show
    from sharing.audit import query as ask

    from_ns, until_ns = (None if t is None else round(t * 1e9) for t in (from_s, until_s))
    found = ask(log, of=of, to=to, item=item, outcome=outcome, rule=rule, from_ns=from_ns, until_ns=until_ns)
    shown = list(islice(found, limit))
    more = sum(1 for _ in found)
    if as_json:
        return print_json({"decisions": shown, "more": more})
    columns = ("t, s", "of", "item", "type", "to", "outcome", "rule", "leaves, s")
    rows = [
        (f"{d['t_ns'] / 1e9:.3f}", d["of"], d["item"][:12], d["type"], d["to"], d["outcome"], d["rule"],
         "–" if d["t_out_ns"] is None else f"{d['t_out_ns'] / 1e9:.3f}")
        for d in shown
    ]  # fmt: skip
    show(plain_table(f"{len(shown)} decisions{f', {more} more' if more else ''}", columns, rows))
