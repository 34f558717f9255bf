"""``plot``: pictures of the world, of a scenario and of a session, as PNG or SVG."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusion.cli.options import FILE, RECIPIENTS, out_option, seed_option
from fusion.cli.root import Group, cli
from fusion.command import Number, check_out

if TYPE_CHECKING:
    from sensors.scenario import Scenario

HIGHEST_KM = 40_000
MOST_ALTITUDES = 6
SUFFIXES = (".png", ".svg")

sensors_option = click.option(
    "--sensors", metavar="WHO[,WHO]", help="Only these: NATION or NATION/sensor [default: the scenario's]."
)


def _altitudes_km(context: click.Context, parameter: click.Parameter, text: str) -> list[float]:
    """Altitudes in km, with commas between. Raises BadParameter."""
    number = Number(float, 0, HIGHEST_KM)
    altitudes = [number.convert(part.strip(), parameter, context) for part in text.split(",")]
    if len(altitudes) > MOST_ALTITUDES:
        raise click.BadParameter(f"{text!r}: at most {MOST_ALTITUDES} altitudes", param=parameter)
    return sorted(set(altitudes))


@cli.group(cls=Group, epilog="Example: sharedsky plot scenario 009 -o aomori.png")
def plot() -> None:
    """Pictures, PNG or SVG: who can see what, who sees when, what a nation knew."""


@plot.command(epilog="Example: sharedsky plot coverage 009 --altitude-km 10,100 --sensors KOR -o korea.svg")
@click.argument("scenario")
@click.option(
    "--altitude-km", "altitudes_km", default="10,50,100", show_default=True, metavar="A[,A]",
    callback=_altitudes_km, help="One row of maps each.",
)  # fmt: skip
@sensors_option
@out_option
def coverage(scenario: str, altitudes_km: list[float], sensors: str | None, out: Path) -> None:
    """Maps of which radars can see which altitude where, by nation."""

    def drawn() -> Any:
        from fusion.figures import coverage as figures

        return figures.draw(_only(_loaded(scenario), sensors), altitudes_km)

    write_picture(drawn, out, scenario)


@plot.command(epilog="Example: sharedsky plot scenario 001 -o wonsan.png --seed 3")
@click.argument("scenario")
@sensors_option
@seed_option
@out_option
def scenario(scenario: str, sensors: str | None, seed: int | None, out: Path) -> None:
    """Where it flies, how high and when, and which sensor sees it when."""

    def drawn() -> Any:
        from fusion.figures import scenario as figures

        chosen = _only(_loaded(scenario), sensors)
        return figures.draw(figures.tell(chosen, chosen.seed_default if seed is None else seed))

    write_picture(drawn, out, scenario)


@plot.command(epilog="Example: sharedsky plot session session.mcap --nation JPN -o japan.png")
@click.argument("session_file", metavar="S.mcap", type=FILE)
@click.option("--nation", type=click.Choice(RECIPIENTS), help="Only this one's picture [default: all].")
@out_option
def session(session_file: Path, nation: str | None, out: Path) -> None:
    """What each nation saw and knew in a recording, against the truth where there is one."""

    def drawn() -> Any:
        from fusion.figures import session as figures

        return figures.draw(figures.read(session_file, nation))

    write_picture(drawn, out, session_file)


def write_picture(drawn: Callable[[], Any], out: Path, *inputs: Path | str) -> None:
    """Draw and write a figure, after checking `out`. Raises ClickException for what cannot be drawn."""
    if out.suffix.lower() not in SUFFIXES:
        raise click.BadParameter(f"{out}: a figure is written as {' or '.join(SUFFIXES)}", param_hint="-o")
    check_out(out, *inputs)
    try:
        from fusion.figures import style
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("matplotlib", "PIL"):
            raise
        raise click.ClickException(
            f"plot needs the package {error.name}: install sharedsky[view], which brings it"
        ) from None
    try:
        style.save(drawn(), out)
    except style.NothingToDraw as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{out}: {out.stat().st_size // 1000} kB", err=True)


def _loaded(name: str) -> "Scenario":
    from sensors.scenario import load_scenario

    return load_scenario(name)


def _only(scenario: "Scenario", who: str | None) -> "Scenario":
    """The scenario with some of its sensors. Raises BadParameter for a name that fits none."""
    if who is None:
        return scenario
    there = [f"{s.nation}/{s.id}" for s in scenario.sensors]
    chosen: list[str] = []
    for name in (part.strip() for part in who.split(",")):
        fits = [full for full in there if name in (full, full.partition("/")[0])]
        if not fits:
            known = ", ".join(there)
            raise click.BadParameter(f"{name!r}: in this scenario there are: {known}", param_hint="--sensors")
        chosen.extend(fits)
    return scenario.with_sensors(chosen)
