"""``import``: recorded real sensors and flights, as sessions."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusion.cli.options import (
    FILE,
    LONGEST_S,
    backend_option,
    json_option,
    named_policy,
    out_option,
    policy_option,
    print_json,
    seed_option,
)
from fusion.cli.root import Group, cli
from fusion.cli.sessions import simulate_scenario
from fusion.command import Number, check_out

if TYPE_CHECKING:
    from sensors.readers.recorded import Assumed, RecordedFeed

MODEL_SETS = ("missiles", "air", "mixed")


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


ASSUMPTIONS = (
    click.option("--no-looks", is_flag=True, help="No miss counts against a track."),
    click.option(
        "--until-s",
        type=Number(float, -LONGEST_S, LONGEST_S),
        metavar="T",
        help="Go on after the last plot.",
    ),
    click.option(
        "--max-range-km",
        type=Number(float, 0.1, 1e6),
        metavar="D",
        help="[default: farthest plot + 10 %]",
    ),
    click.option(
        "--clutter",
        type=Number(float, 0, 1e6),
        default=1.0,
        show_default=True,
        metavar="N",
        help="False plots per scan.",
    ),
    click.option(
        "--bias-fraction",
        type=Number(float, 0, 100),
        default=0.3,
        show_default=True,
        metavar="X",
        help="Of the sigmas.",
    ),
    click.option(
        "--sigma-elevation-deg", type=Number(float, 1e-5, 90), default=0.2, show_default=True, metavar="D"
    ),
    click.option(
        "--sigma-azimuth-deg", type=Number(float, 1e-5, 90), default=0.08, show_default=True, metavar="D"
    ),
    click.option(
        "--sigma-range-m",
        type=Number(float, 0.01, 1e6),
        default=70.0,
        show_default=True,
        metavar="D",
        help="Where a plot states none; likewise:",
    ),
    click.option("--scan-s", type=Number(float, 0.01, 3600), metavar="T", help="[default: from the plots]"),
    click.option(
        "--models",
        type=click.Choice(MODEL_SETS),
        default="mixed",
        show_default=True,
        help="Motion models.",
    ),
    click.option(
        "--nation",
        type=click.Choice(["JPN", "KOR", "USA"]),
        default="JPN",
        show_default=True,
        help="Whose, if not said.",
    ),
)
"""The options that replace what is assumed of recorded radars, from the last to the first of the help."""


def _assumptions(command: Callable[..., None]) -> Callable[..., None]:
    """The options of `ASSUMPTIONS`."""
    for option in ASSUMPTIONS:
        command = option(command)
    return command


def _assumed(options: dict[str, Any]) -> "Assumed":
    from sensors.readers.recorded import Assumed

    longest_km = options["max_range_km"]
    return Assumed(
        sigma_range_m=options["sigma_range_m"],
        sigma_azimuth_rad=math.radians(options["sigma_azimuth_deg"]),
        sigma_elevation_rad=math.radians(options["sigma_elevation_deg"]),
        bias_fraction=options["bias_fraction"],
        clutter_per_scan=options["clutter"],
        range_max_m=None if longest_km is None else 1e3 * longest_km,
        scan_s=options["scan_s"],
        looks=not options["no_looks"],
    )


def _recorded(
    feed: "RecordedFeed",
    source: Path,
    out: Path,
    policy: str,
    models: str,
    until_s: float | None,
    as_json: bool,
) -> None:
    """Record an imported feed, up to `until_s` if that is later, and say what became of it."""
    from fusion.imported import record, session_of

    session = session_of(feed.until(until_s), named_policy(policy), models)
    record(out, feed, session)
    for note in feed.notes:
        click.echo(f"sharedsky: {source}: {note}", err=True)
    if as_json:
        print_json({**feed.report, "session_sha256": session.sha256(), "notes": feed.notes})
        return
    for name, about in feed.report["sensors"].items():
        click.echo(f"{name}: {about['plots']} plots, {about['scans']} scans of {about['scan_s']:.3g} s")
    click.echo(
        f"{out}: {session.seconds:.0f} s from {feed.t_zero_s:.0f} s on: session {session.sha256()[:16]}"
    )


@import_.command(
    epilog="Example: sharedsky import plots radars.csv -o session.mcap --nation KOR --models air"
)
@click.argument("plots_file", metavar="F.csv", type=FILE)
@out_option
@_assumptions
@policy_option
@json_option
def plots(
    plots_file: Path, out: Path, policy: str, models: str, nation: str, as_json: bool, **options: Any
) -> None:
    """Plots of real radars, from CSV: time_s, sensor, lat_deg, lon_deg, alt_m, azimuth_deg,
    elevation_deg (empty: 2-D), range_m; optional nation, sigma_azimuth_deg, sigma_elevation_deg,
    sigma_range_m, range_rate_mps, snr_db, object.
    """
    from sensors.readers.plots import read_plots

    check_out(out, plots_file, policy)
    feed = read_plots(plots_file, nation, _assumed(options))
    _recorded(feed, plots_file, out, policy, models, options["until_s"], as_json)


def _sites(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> dict[tuple[int, int], tuple[float, float, float]]:
    """Places of radars, from SAC/SIC=LAT,LON,ALT. Raises BadParameter."""
    found = {}
    for text in texts:
        match = re.fullmatch(r"(\d{1,3})/(\d{1,3})=([^,]+),([^,]+),([^,]+)", text)
        try:
            if match is None:
                raise ValueError
            sac, sic = int(match[1]), int(match[2])
            lat, lon, alt = (float(match[i]) for i in (3, 4, 5))
            right = max(sac, sic) < 256 and abs(lat) <= 90 and abs(lon) <= 180 and abs(alt) <= 1e5
        except ValueError:
            right = False
        if not right:
            raise click.BadParameter(
                f"{text!r}: SAC/SIC=LAT,LON,ALT in degrees and metres, as 25/12=43.57,16.41,780"
            )
        found[sac, sic] = (lat, lon, alt)
    return found


@import_.command(
    epilog="Example: sharedsky import asterix radars.pcap -o session.mcap --site 25/12=43.57,16.41,780"
)
@click.argument("asterix_file", metavar="F", type=FILE)
@out_option
@click.option(
    "--site",
    "sites",
    multiple=True,
    callback=_sites,
    metavar="SAC/SIC=LAT,LON,ALT",
    help="Where a radar stands, m.",
)
@click.option("--system-tracks", is_flag=True, help="Take tracks (CAT062) for plots.")
@_assumptions
@policy_option
@json_option
def asterix(
    asterix_file: Path,
    out: Path,
    sites: dict[tuple[int, int], tuple[float, float, float]],
    system_tracks: bool,
    policy: str,
    models: str,
    nation: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Plots of real radars, from ASTERIX in pcap, pcapng or raw files.

    CAT048 and 001 with the marks of 034 and 002, CAT020. Exact duplicates are dropped.
    """
    from sensors.readers.radars import read_asterix

    check_out(out, asterix_file, policy)
    feed = read_asterix(asterix_file, nation, _assumed(options), sites, system_tracks=system_tracks)
    _recorded(feed, asterix_file, out, policy, models, options["until_s"], as_json)
