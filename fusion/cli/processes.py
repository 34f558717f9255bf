"""``emulator``, ``guard``, ``node``: one process each."""

import click

from fusion.cli.options import check_option, config_option
from fusion.cli.root import cli


@cli.command(epilog="Example: sharedsky emulator --nation KOR --scenario 009 --config kor-emulator.toml")
@click.option("--nation", required=True, metavar="N", help="JPN, KOR or USA.")
@click.option("--scenario", metavar="S", help="Simulated radars: number, slug or path.")
@click.option("--asterix", metavar="HOST:PORT", help="Instead: live radars, ASTERIX datagrams sent there.")
@config_option
@check_option
def emulator(nation: str, scenario: str | None, asterix: str | None, config: str, check: bool) -> int:
    """Publish one nation's radars: simulated, in real or scaled time, or live ones."""
    if (scenario is None) == (asterix is None):
        raise click.UsageError("exactly one of --scenario and --asterix is needed")
    if asterix is not None:
        from sensors.gateway import main as forward

        return forward(nation, asterix, config, check)
    from sensors.emulator import main as run

    assert scenario is not None
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
