"""``export``: pictures for other tools."""

from pathlib import Path

import click

from fusion.cli.options import FILE, LONGEST_S, RECIPIENTS, out_option, say_cut
from fusion.cli.root import Group, cli
from fusion.command import Number, check_out


def _times_ns(context: click.Context, parameter: click.Parameter, text: str | None) -> list[int] | None:
    """Scenario times, from seconds with commas between. Raises BadParameter."""
    seconds = Number(float, -LONGEST_S, LONGEST_S)
    if text is None:
        return None
    return [round(seconds.convert(t, parameter, context) * 1e9) for t in text.split(",")]


@cli.group(cls=Group, epilog="Example: sharedsky export csv --help")
def export() -> None:
    """Pictures for other tools."""


@export.command(epilog="Example: sharedsky export csv japan.mcap -o japan.csv --at 300,330 --covariance")
@click.argument("recording", metavar="P.mcap", type=FILE)
@out_option
@click.option("--nation", type=click.Choice(RECIPIENTS), help="[default: COALITION or the only one]")
@click.option("--covariance", is_flag=True, help="Add p00 … p55, upper triangle.")
@click.option(
    "--at", "times_ns", metavar="T1,T2,…", callback=_times_ns,
    help="Predict every live track to these seconds instead.",
)  # fmt: skip
def csv(recording: Path, out: Path, nation: str | None, covariance: bool, times_ns: list[int] | None) -> None:
    """One row per confirmed track and tick, ECEF and geodetic; as-known and settled pictures."""
    check_out(out, recording)
    from fusion.ahead import OutsideError, at_times
    from fusion.arms import pictures_of
    from fusion.exports.csv import save
    from sharing.recording import Recording

    with Recording.open(recording) as opened:
        if opened.truncated:
            say_cut(recording, "its pictures end early")
    pictures = pictures_of(recording, nation)
    try:
        rows = save(at_times(pictures, times_ns) if times_ns else pictures, out, covariance=covariance)
    except OutsideError as error:
        raise click.BadParameter(str(error), param_hint="--at") from None
    click.echo(f"{out}: {rows} rows", err=True)
