"""``emulator``, ``guard``, ``node``: one process each."""

import click

from fusion.cli.options import check_option, config_option
from fusion.cli.root import cli


@cli.command(epilog="Example: sharedsky emulator --nation KOR --scenario 009 --config kor-emulator.toml")
@click.option("--nation", required=True, metavar="N", help="JPN, KOR or USA.")
@click.option("--scenario", required=True, metavar="S", help="Number, slug or path.")
@config_option
@check_option
def emulator(nation: str, scenario: str, config: str, check: bool) -> int:
    """Publish one nation's simulated radars, in real or scaled time."""
    from sensors.emulator import main as run

    return run(nation, scenario, config, check)


@cli.command(epilog="Example: sharedsky guard --config kor-guard.toml --check")
@config_option
@check_option
def guard(config: str, check: bool) -> int:
    """Release what a nation's policy lets out, and nothing else."""
    from sharing.guard import main as run

    return run(config, check)


@cli.command(epilog="Example: sharedsky node --config jpn-node.toml")
@config_option
@check_option
def node(config: str, check: bool) -> int:
    """Fuse what one nation receives into its pictures, and record it."""
    from fusion.node.daemon import main as run

    return run(config, check)
