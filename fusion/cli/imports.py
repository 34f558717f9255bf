"""``import``: recorded real sensors and flights, as sessions."""

from pathlib import Path

import click

from fusion.cli.options import (
    FILE,
    backend_option,
    json_option,
    named_policy,
    out_option,
    policy_option,
    seed_option,
)
from fusion.cli.root import Group, cli
from fusion.cli.sessions import simulate_scenario
from fusion.command import Number, check_out


@cli.group(name="import", cls=Group, epilog="Example: sharedsky import ascent --help")
def import_() -> None:
    """Recorded real sensors and flights, as sessions."""


@import_.command(
    epilog="Example: sharedsky import ascent SES_11.csv --lat 40.6 --lon 126.4 --bearing-deg 80 "
    "--scenario 009 -o ses11.mcap"
)
@click.argument("ascent_file", metavar="F.csv", type=FILE)
@click.option(
    "--lat", type=Number(float, -89, 89), required=True, metavar="D", help="Launch latitude, degrees."
)
@click.option(
    "--lon", type=Number(float, -180, 180), required=True, metavar="D", help="Launch longitude, degrees."
)
@click.option(
    "--bearing-deg", type=Number(float, 0, 360), required=True, metavar="D", help="From true north."
)
@click.option("--scenario", required=True, help="Whose sensors observe it: number, slug or path.")
@out_option
@seed_option
@policy_option
@backend_option
@json_option
def ascent(
    ascent_file: Path,
    lat: float,
    lon: float,
    bearing_deg: float,
    scenario: str,
    out: Path,
    seed: int | None,
    policy: str,
    backend: str,
    as_json: bool,
) -> None:
    """A real webcast ascent becomes the truth that a scenario's sensors observe.

    F.csv has time s, velocity m/s, altitude km and downrange km. It is smoothed; the smoothing error is
    the RMS of the altitudes' and speeds' residuals.
    """
    from sensors.readers.ascent import placed, read_ascent
    from sensors.scenario import load_scenario

    check_out(out, ascent_file, scenario, policy)
    smooth = read_ascent(ascent_file)
    flown = load_scenario(scenario).with_truth((placed(smooth, lat, lon, bearing_deg),))
    altitude_m, speed_mps = smooth.altitude_rms_m, smooth.speed_rms_mps
    error = {"altitude_m": altitude_m, "speed_mps": speed_mps}
    simulate_scenario(flown, out, seed, named_policy(policy), backend, as_json, smoothing_rms=error)
    if not as_json:
        click.echo(
            f"{ascent_file}: smoothing error (RMS): altitude {altitude_m:.1f} m, speed {speed_mps:.1f} m/s"
        )
