"""``init``: commented files to begin with."""

from pathlib import Path

import click

from fusion.cli.options import FILE
from fusion.cli.root import Group, cli
from fusion.command import check_out


@cli.group(cls=Group, epilog="Example: sharedsky init scenario -o mine.toml")
def init() -> None:
    """Commented files to begin with."""


@init.command(epilog="Example: sharedsky init scenario -o mine.toml")
@click.option(
    "-o", "out", type=FILE, default=Path("scenario.toml"), show_default=True, metavar="FILE",
    help="File to write; must not exist yet.",
)  # fmt: skip
def scenario(out: Path) -> None:
    """A scenario that works as it stands, with every option explained.

    Say in its comment what was reported and what you assume, change what flies and who watches,
    and run it by its path: sharedsky simulate FILE -o session.mcap
    """
    _write(out, "scenario")


@init.command(epilog="Example: sharedsky init policy -o mine.toml")
@click.option(
    "-o", "out", type=FILE, default=Path("policy.toml"), show_default=True, metavar="FILE",
    help="File to write; must not exist yet.",
)  # fmt: skip
def policy(out: Path) -> None:
    """An arrangement that works as it stands, with every term of the language explained.

    Say in its comment what was reported and what you assume, change who gets what,
    and look at it: sharedsky policy matrix FILE
    """
    _write(out, "policy")


def _write(out: Path, template: str) -> None:
    """Write a template of `configs/templates/` to a new file. Raises ClickException when there is one."""
    from configs import resolve

    check_out(out)
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(resolve("templates", template).read_text(encoding="utf-8"))
    except FileExistsError:
        raise click.ClickException(f"{out}: is there already and stays as it is; choose another -o") from None
    click.echo(f"{out}: a new {template}, SIMULATED and NOTIONAL", err=True)
