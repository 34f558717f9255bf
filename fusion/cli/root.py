"""The root of the command ``sharedsky``, on which every module of this package puts its commands."""

import click


class Group(click.Group):
    """Commands in the order of use, and epilogs as they are written."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In order of definition."""
        return list(self.commands)


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: sharedsky demo. Completion: see docs/README.md.",
)
@click.version_option(package_name="sharedsky")
def cli() -> None:
    """Missile tracking shared between nations, SIMULATED and NOTIONAL."""
