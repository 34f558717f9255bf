"""``bench``: the kernels' speed on this machine."""

import click

from fusion.cli.options import json_option, print_json
from fusion.cli.root import cli


@cli.command(epilog="Example: sharedsky bench --peers")
@click.option("--peers", is_flag=True, help="Also time filterpy, numpy and hand-written C in the same run.")
@click.option("--guard", is_flag=True, help="Time a guard on real sockets instead of the kernels.")
@json_option
def bench(peers: bool, guard: bool, as_json: bool) -> None:
    """Time the kernels, or a guard, on this machine."""
    from fusion import bench as kernels
    from fusion import guarding
    from fusion.tables import show

    if peers and guard:
        raise click.UsageError("a guard has no --peers")
    answer = guarding.run() if guard else kernels.run(peers)
    if as_json:
        print_json(answer)
    else:
        show(guarding.table(answer) if guard else kernels.table(answer))
