"""The command ``sharedsky``: thin, and everything heavy is imported by the command that needs it.

Exit codes are those of `fusion.command`: 0 done, 2 unknown command or option, 1 everything else.
With ``--json`` one JSON document goes to stdout and nothing else does; progress goes to stderr.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusion.command import Number, check_out
from fusion.command import invoke as run_command

if TYPE_CHECKING:
    from fusion.core.filters import FilterFactory
    from fusion.session import Regions, Session
    from sensors.scenario import Scenario
    from sharing.policy import Policy

RECIPIENTS = ("JPN", "KOR", "USA", "COALITION")
FILE = click.Path(path_type=Path)
LONGEST_S = 1_000_000
"""Scenario times beyond this are a slip of the hand."""

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
seed_option = click.option(
    "--seed", type=Number(int, 0, 2**62), metavar="N", help="[default: the scenario's]"
)
backend_option = click.option(
    "--backend", type=click.Choice(["compiled", "reference"]), default="compiled", show_default=True,
    help="reference: filterpy, slow.",
)  # fmt: skip
policy_option = click.option(
    "--policy", default="full-mesh", show_default=True, metavar="NAME", help="Arrangement: slug or path."
)
withhold_option = click.option("--withhold", metavar="WHO[,WHO]", help="NATION or NATION/sensor.")
out_option = click.option("-o", "out", type=FILE, required=True, metavar="FILE", help="File to write.")
nation_option = click.option(
    "--nation", type=click.Choice(RECIPIENTS), default="COALITION", show_default=True, help="Whose picture."
)
config_option = click.option("--config", required=True, metavar="F", help="TOML file.")
check_option = click.option("--check", is_flag=True, help="Only check the configuration.")


class Group(click.Group):
    """Commands in the order of use, and epilogs as they are written."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In order of definition."""
        return list(self.commands)


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog='Example: sharedsky demo. Completion: eval "$(_SHAREDSKY_COMPLETE=bash_source sharedsky)"',
)
@click.version_option(package_name="sharedsky")
def cli() -> None:
    """Real-time missile-tracking data fusion between nations. SIMULATED, NOTIONAL.

    Early warning and information sharing: what sharing sensor feeds gives, what withholding them costs.
    """


# ------------------------------------------------------------------------------------------- sessions


@cli.command(epilog="Example: sharedsky demo 009 --seed 3 --out demo-out")
@click.argument("scenario", default="009")
@policy_option
@click.option("--against", default="withheld-kor", show_default=True, metavar="NAME", help="The other arm.")
@click.option(
    "--speed", type=Number(float, 0.1, 100), default=20.0, show_default=True, metavar="X",
    help="Times real time, 0.1 to 100.",
)  # fmt: skip
@seed_option
@click.option("--out", type=FILE, default=Path("demo-out"), show_default=True, metavar="DIR")
@json_option
def demo(
    scenario: str, policy: str, against: str, speed: float, seed: int | None, out: Path, as_json: bool
) -> None:
    """A live exercise, then what withholding would have cost in it.

    Every nation's radars, guard and node run as processes of their own over ZeroMQ on loopback. The
    session is then replayed under both arrangements. Writes DIR/session.mcap and DIR/summary.json.
    """
    from fusion.demo import run

    summary = run(scenario, policy, against, speed, seed, out, quiet=as_json)
    if as_json:
        _print_json(summary)


@cli.command(epilog="Example: sharedsky simulate 009 -o session.mcap --seed 3 --json")
@click.argument("scenario")
@out_option
@seed_option
@policy_option
@withhold_option
@backend_option
@json_option
def simulate(
    scenario: str, out: Path, seed: int | None, policy: str, withhold: str | None, backend: str, as_json: bool
) -> None:
    """Run SCENARIO without sockets or waiting, and record it whole.

    SCENARIO is a number, slug or path. The recording holds every nation's raw feeds, what was
    released, the policy, the truth and all pictures.
    """
    from fusion.session import sensors_of
    from sensors.scenario import load_scenario

    check_out(out, scenario, policy)
    flown = load_scenario(scenario)
    arrangement = _without(_policy(policy), withhold, sensors_of(flown))
    _simulate(flown, out, seed, arrangement, backend, as_json)


def _simulate(
    scenario: "Scenario", out: Path, seed: int | None, policy: "Policy", backend: str, as_json: bool,
    **more: Any,
) -> None:  # fmt: skip
    """Generate, run, record and report; `more` is what the JSON document says besides."""
    from fusion.arms import run_arm
    from fusion.session import Session
    from fusion.tables import Progress, arm_table, show
    from sharing.clock import monotonic_ns

    begun_ns = monotonic_ns()
    session = Session.generate(scenario, scenario.seed_default if seed is None else seed, policy)
    with Progress("simulate", session) as progress:
        arm = run_arm(
            session, policy, regions=_regions(session), filters=_filters(backend), record=out,
            progress=progress,
        )  # fmt: skip
    answer: dict[str, Any] = {
        "scenario": session.name,
        "seed": session.seed,
        "policy": policy.name,
        "withheld": list(policy.withheld),
        "session_sha256": session.sha256(),
        "picture_sha256": {n: r.picture_sha256 for n, r in arm.results.items()},
        "metrics": {n: s.metrics for n, s in arm.scores.items()},
        "sim_s": session.seconds,
        "wall_s": (monotonic_ns() - begun_ns) / 1e9,
        **more,
    }
    if as_json:
        _print_json(answer)
        return
    show(arm_table(f"{session.name}, seed {session.seed}, {policy.name}", answer["metrics"]))
    click.echo(f"{out}: session {answer['session_sha256'][:16]}")


@cli.command(epilog="Example: sharedsky replay session.mcap --withhold KOR --nation JPN -o japan.mcap")
@click.argument("session_file", metavar="S.mcap", type=FILE)
@nation_option
@click.option("--policy", default=None, metavar="NAME", help="Another arrangement than the recorded one.")
@withhold_option
@backend_option
@click.option(
    "--speed", type=Number(float, 0.01, LONGEST_S), metavar="X", help="Times real time [default: no pause]."
)
@click.option("-o", "out", type=FILE, metavar="FILE", help="Record what the nation received and knew.")
@click.option("--verify", "verified", is_flag=True, help="Compare the recorded pictures, byte for byte.")
@json_option
def replay(
    session_file: Path,
    nation: str,
    policy: str | None,
    withhold: str | None,
    backend: str,
    speed: float | None,
    out: Path | None,
    verified: bool,
    as_json: bool,
) -> None:
    """What a nation would have known under another arrangement.

    --verify instead replays what each nation's node received, under the recorded arrangement, and names
    time, track and field of the first byte that differs (exit 1).
    """
    if verified:
        if (policy, withhold, out) != (None, None, None):
            raise click.BadParameter("--verify goes with neither --policy, --withhold nor -o")
        _verify(session_file, backend, as_json)
        return
    if out is not None:
        check_out(out, session_file, policy or "")
    from fusion.arms import run_arm
    from fusion.tables import Progress, arm_table, show
    from sharing.clock import monotonic_ns

    session = _session(session_file)
    base = session.policy if policy is None else _policy(policy)
    arrangement = _without(base, withhold, session.sensors)
    begun_ns = monotonic_ns()
    with Progress("replay", session, speed) as progress:
        arm = run_arm(
            session, arrangement, (nation,), regions=_regions(session), filters=_filters(backend),
            record=out, progress=progress,
        )  # fmt: skip
    result = arm.results[nation]
    refused = {k: v for k, v in result.counters.items() if k.startswith("refused_")}
    answer = {
        "session_sha256": session.sha256(),
        "nation": nation,
        "policy": base.name,
        "withheld": list(arrangement.withheld),
        "picture_sha256": result.picture_sha256,
        "events": result.counters.get("accepted", 0) + sum(refused.values()),
        "late": refused.get("refused_late", 0),
        "refused": sum(refused.values()),
        "wall_s": (monotonic_ns() - begun_ns) / 1e9,
        "sim_s": session.seconds,
        "metrics": arm.scores[nation].metrics if arm.scores else None,
    }
    if as_json:
        _print_json(answer)
        return
    metrics = {n: s.metrics for n, s in arm.scores.items()}
    show(arm_table(f"{session.name}, {nation}, {arrangement.name}", metrics))
    counts = f"{answer['events']} events, {answer['refused']} refused"
    click.echo(f"picture {result.picture_sha256[:16]}, {counts}")


def _verify(path: Path, backend: str, as_json: bool) -> None:
    from fusion.verify import verify

    session = _session(path)
    result = verify(path, regions=_regions(session), filters=_filters(backend))
    if as_json:
        different = None if result.difference is None else str(result.difference)
        _print_json({"verified": not different, "compared": result.compared, "difference": different})
    elif result.difference is None:
        count = sum(result.compared.values())
        click.echo(f"{path}: {count} pictures and warnings are the same, byte for byte")
    if result.difference is not None:
        raise click.ClickException(str(result.difference))


@cli.command(epilog="Example: sharedsky score japan.mcap --json")
@click.argument("recording", metavar="P.mcap", type=FILE)
@json_option
def score(recording: Path, as_json: bool) -> None:
    """Score every nation's recorded pictures against the truth."""
    from fusion.arms import score_recording, scored
    from fusion.tables import arm_table, show

    session = _session(recording)
    if not scored(session):
        raise click.ClickException(f"{recording}: no truth in this recording: nothing to score against")
    metrics = {n: s.metrics for n, s in score_recording(recording, session, _regions(session)).items()}
    if as_json:
        _print_json(metrics)
        return
    show(arm_table(f"{session.name}, {session.policy.name}", metrics))


# ------------------------------------------------------------------------------------------ processes


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


# ------------------------------------------------------------------------------------ imports, exports


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
    _simulate(flown, out, seed, _policy(policy), backend, as_json, smoothing_rms=error)
    if not as_json:
        click.echo(
            f"{ascent_file}: smoothing error (RMS): altitude {altitude_m:.1f} m, speed {speed_mps:.1f} m/s"
        )


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
            _say_cut(recording, "its pictures end early")
    pictures = pictures_of(recording, nation)
    try:
        rows = save(at_times(pictures, times_ns) if times_ns else pictures, out, covariance=covariance)
    except OutsideError as error:
        raise click.BadParameter(str(error), param_hint="--at") from None
    click.echo(f"{out}: {rows} rows", err=True)


@cli.command(epilog="Example: sharedsky bench --peers")
@click.option("--peers", is_flag=True, help="Also time filterpy, numpy and hand-written C in the same run.")
@json_option
def bench(peers: bool, as_json: bool) -> None:
    """Time the kernels on this machine."""
    from fusion.bench import run, table

    answer = run(peers)
    if as_json:
        _print_json(answer)
        return
    from fusion.tables import show

    show(table(answer))


# ------------------------------------------------------------------------------------------- helpers


def _policy(name: str) -> "Policy":
    """The arrangement `name` (slug or path)."""
    from configs import resolve
    from sharing.settings import load_policy

    return load_policy(resolve("policies", name))


def _without(policy: "Policy", withhold: str | None, sensors: Sequence[str]) -> "Policy":
    """`policy` without what --withhold names, of `sensors`. Raises BadParameter or PolicyError."""
    names = () if withhold is None else tuple(name.strip() for name in withhold.split(","))
    arrangement = policy.withhold(names)
    for name in names:
        nation, _, sensor = name.partition("/")
        if sensor and name not in sensors:
            there = ", ".join(s for s in sensors if s.startswith(f"{nation}/")) or f"no sensor of {nation}"
            raise click.BadParameter(f"{name!r}: in this session there are: {there}", param_hint="--withhold")
    return arrangement


def _regions(session: "Session") -> "Regions":
    """The warning regions that a session names, by recipient."""
    from configs import resolve
    from fusion.arms import by_recipient
    from fusion.regions import load_regions

    names = session.metadata.get("regions", "").split()
    return by_recipient([region for name in names for region in load_regions(resolve("regions", name))])


def _filters(backend: str) -> "FilterFactory":
    """The filter bank of a backend; filterpy is imported only when it is asked for."""
    from fusion.core.filters import compiled

    if backend == "compiled":
        return compiled
    from fusion.reference import FilterpyBank

    return FilterpyBank.of


def _session(path: Path) -> "Session":
    """The session recorded at `path`; says so when that was cut."""
    from fusion.session import Session

    session = Session.load(path)
    if session.truncated:
        _say_cut(path, f"it ends at {session.t_end_ns / 1e9:g} s")
    return session


def _say_cut(path: Path, end: str) -> None:
    click.echo(f"sharedsky: {path}: the recording is cut: {end}", err=True)


def _print_json(answer: Any) -> None:
    click.echo(json.dumps(answer, indent=1, allow_nan=False))


def main() -> None:
    """Run the command line and exit."""
    sys.exit(invoke(sys.argv[1:]))


def invoke(arguments: Sequence[str]) -> int:
    """Run one command; the exit code and one line on stderr say how it went."""
    return run_command(cli, arguments, "sharedsky")


if __name__ == "__main__":
    main()
