"""``bench``: the kernels' speed on this machine."""

import click

from fusion.cli.options import json_option, print_json
from fusion.cli.root import cli


@cli.command(epilog="Example: sharedsky bench --peers")
@click.option("--peers", is_flag=True, help="Also time filterpy, numpy and hand-written C in the same run.")
@json_option
def bench(peers: bool, as_json: bool) -> None:
    """Time the kernels on this machine."""
    from fusion.bench import run, table

    answer = run(peers)
    if as_json:
        print_json(answer)
        return
    from fusion.tables import show

    show(table(answer))
