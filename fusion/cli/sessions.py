"""``demo``, ``simulate``, ``replay``, ``score``: sessions run, again and compared."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusion.cli.options import (
    FILE,
    LONGEST_S,
    RECIPIENTS,
    backend_option,
    change_option,
    changes_of,
    filters_of,
    json_option,
    named_policy,
    nation_option,
    out_option,
    policy_option,
    print_json,
    regions_of,
    registered,
    registration_option,
    seed_option,
    session_at,
    withhold_option,
    without,
)
from fusion.cli.root import cli
from fusion.command import Number, check_out

if TYPE_CHECKING:
    from fusion.session import Changes, Result, Session
    from sensors.scenario import Scenario
    from sharing.policy import Policy
    from sharing.release import Judged


@cli.command(epilog="Example: sharedsky demo 009 --seed 3 --out demo-out")
@click.argument("scenario", default="009")
@policy_option
@change_option
@click.option("--against", default="withheld-kor", show_default=True, metavar="NAME", help="The other arm.")
@click.option(
    "--speed", type=Number(float, 0.1, 100), default=20.0, show_default=True, metavar="X",
    help="Times real time, 0.1 to 100.",
)  # fmt: skip
@seed_option
@click.option("--out", type=FILE, default=Path("demo-out"), show_default=True, metavar="DIR")
@json_option
def demo(
    scenario: str, policy: str, change: tuple[str, ...], against: str, speed: float, seed: int | None,
    out: Path, as_json: bool,
) -> None:  # fmt: skip
    """A live exercise, then what withholding would have cost in it.

    Every nation's radars, guard and node run as processes of their own over ZeroMQ on loopback. The
    session is then replayed under both arrangements. Writes DIR/session.mcap and DIR/summary.json.
    """
    from fusion.demo import run

    changes = changes_of(change)
    summary = run(scenario, policy, against, speed, seed, out, quiet=as_json, changes=changes)
    if as_json:
        print_json(summary)


@cli.command(epilog="Example: sharedsky simulate 009 -o session.mcap --seed 3 --json")
@click.argument("scenario")
@out_option
@seed_option
@policy_option
@change_option
@withhold_option
@registration_option
@click.option("--audit", type=FILE, metavar="LOG", help="Log every decision on what leaves a nation.")
@backend_option
@json_option
def simulate(
    scenario: str, out: Path, seed: int | None, policy: str, change: tuple[str, ...], withhold: str | None,
    registration: str | None, audit: Path | None,
    backend: str, as_json: bool,
) -> None:  # fmt: skip
    """Run SCENARIO without sockets or waiting, and record it whole.

    SCENARIO is a number, slug or path. The recording holds every nation's raw feeds, what was
    released, the policy, the truth and all pictures.
    """
    from fusion.stated import sensors_of
    from sensors.scenario import load_scenario

    check_out(out, scenario, policy)
    named = named_policy(policy)
    flown = load_scenario(scenario)
    sensors = sensors_of(flown)
    arrangement = without(named, withhold, sensors)
    changes = [(t_ns, without(changed, withhold, sensors)) for t_ns, changed in changes_of(change)]
    if audit is not None and audit.exists():
        raise click.ClickException(f"{audit}: is there already and stays as it is; choose another --audit")
    simulate_scenario(flown, out, seed, arrangement, backend, as_json, registration, audit, changes)


@cli.command(epilog="Example: sharedsky replay session.mcap --withhold KOR --nation JPN -o japan.mcap")
@click.argument("session_file", metavar="S.mcap", type=FILE)
@nation_option
@click.option("--policy", default=None, metavar="NAME", help="Another arrangement than the recorded one.")
@change_option
@withhold_option
@registration_option
@backend_option
@click.option(
    "--speed", type=Number(float, 0.01, LONGEST_S), metavar="X", help="Times real time [default: no pause]."
)
@click.option("-o", "out", type=FILE, metavar="FILE", help="Record what the nation received and knew.")
@click.option("--judgements", is_flag=True, help="Record how every plot was judged too; needs -o.")
@click.option("--verify", "verified", is_flag=True, help="Compare the recorded pictures, byte for byte.")
@json_option
def replay(
    session_file: Path,
    nation: str,
    policy: str | None,
    change: tuple[str, ...],
    withhold: str | None,
    registration: str | None,
    backend: str,
    speed: float | None,
    out: Path | None,
    judgements: bool,
    verified: bool,
    as_json: bool,
) -> None:
    """What a nation would have known under another arrangement.

    --verify instead replays what each nation's node received, under the recorded arrangement, and names
    time, track and field of the first byte that differs (exit 1).
    """
    if verified:
        if (policy, change, withhold, registration, out, judgements) != (None, (), None, None, None, False):
            options = "--policy, --change, --withhold, --registration, --judgements, -o"
            raise click.BadParameter(f"--verify goes with none of {options}")
        _verify(session_file, backend, as_json)
        return
    if judgements and out is None:
        raise click.BadParameter("--judgements needs -o, where they are recorded")
    if out is not None:
        check_out(out, session_file, policy or "")
    from fusion.arms import run_arm
    from fusion.tables import Progress, arm_table, bias_table, newest, show
    from sharing.clock import monotonic_ns

    session, digest = registered(session_at(session_file), registration).hashed()
    if judgements:
        session = judged(session)
    base = session.policy if policy is None else named_policy(policy)
    arrangement = without(base, withhold, session.sensors)
    asked = changes_of(change) if change or policy is not None else session.changes
    changes = [(t_ns, without(changed, withhold, session.sensors)) for t_ns, changed in asked]
    begun_ns = monotonic_ns()
    with Progress("replay", session, speed) as progress:
        arm = run_arm(
            session, arrangement, (nation,), changes=changes, regions=regions_of(session),
            filters=filters_of(backend), record=out, progress=progress,
        )  # fmt: skip
    result = arm.results[nation]
    refused = {k: v for k, v in result.counters.items() if k.startswith("refused_")}
    answer = {
        "session_sha256": digest.hexdigest(),
        "nation": nation,
        "policy": base.name,
        "withheld": list(arrangement.withheld),
        "changes": [{"at_s": t_ns / 1e9, "policy": changed.name} for t_ns, changed in changes],
        "picture_sha256": result.picture_sha256,
        "events": result.counters.get("accepted", 0) + sum(refused.values()),
        "late": refused.get("refused_late", 0),
        "refused": sum(refused.values()),
        "wall_s": (monotonic_ns() - begun_ns) / 1e9,
        "sim_s": session.seconds,
        "metrics": arm.scores[nation].metrics if arm.scores else None,
        **biases_of(arm.results, (nation,)),
    }
    if as_json:
        print_json(answer)
        return
    if arm.scores:
        metrics = {n: s.metrics for n, s in arm.scores.items()}
        show(arm_table(f"{session.name}, {nation}, {arrangement.name}", metrics))
    else:
        click.echo(f"{session.name}, {nation}, {arrangement.name}: no truth to score against")
    counts = f"{answer['events']} events, {answer['refused']} refused"
    if result.biases:
        show(bias_table(f"{session.name}, {nation}: sensor biases", newest(result.biases)))
    click.echo(f"picture {result.picture_sha256[:16]}, {counts}")


def judged(session: "Session") -> "Session":
    """The session, told to record judgements as far as a message holds them."""
    from sharing.wire import MAX_ROWS

    return replace(session, metadata={**session.metadata, "judgements_per_s": str(MAX_ROWS)})


def _verify(path: Path, backend: str, as_json: bool) -> None:
    from fusion.verify import verify

    session = session_at(path)
    result = verify(path, regions=regions_of(session), filters=filters_of(backend))
    if as_json:
        different = None if result.difference is None else str(result.difference)
        print_json({"verified": not different, "compared": result.compared, "difference": different})
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

    session = session_at(recording)
    if not scored(session):
        raise click.ClickException(f"{recording}: no truth in this recording: nothing to score against")
    metrics = {n: s.metrics for n, s in score_recording(recording, session, regions_of(session)).items()}
    if as_json:
        print_json(metrics)
        return
    show(arm_table(f"{session.name}, {session.policy.name}", metrics))


def biases_of(results: "Mapping[str, Result]", nations: Sequence[str]) -> dict[str, Any]:
    """For a JSON document: what each nation knows of the sensors' biases in the end, if it estimates them."""
    from fusion.tables import newest, plain_bias

    found = {n: {b.subject: plain_bias(b) for b in newest(results[n].biases)} for n in nations}
    return {"biases": found} if any(found.values()) else {}


def simulate_scenario(
    scenario: "Scenario", out: Path, seed: int | None, policy: "Policy", backend: str, as_json: bool,
    registration: str | None = None, audit: Path | None = None, changes: "Changes" = (), **more: Any,
) -> None:  # fmt: skip
    """Generate, run, record and report; `more` is what the JSON document says besides."""
    from fusion.arms import run_arm
    from fusion.session import Session
    from fusion.tables import Progress, arm_table, show
    from sharing.clock import monotonic_ns

    begun_ns = monotonic_ns()
    seed = scenario.seed_default if seed is None else seed
    session, digest = registered(Session.generate(scenario, seed, policy), registration).hashed()
    about = {"policy": policy.text, "seed": seed, "session": session.name}
    with Progress("simulate", session) as progress, _audited(audit, about) as judged:
        arm = run_arm(
            session, policy, changes=changes, regions=regions_of(session), filters=filters_of(backend),
            record=out, progress=progress, judged=judged,
        )  # fmt: skip
    answer: dict[str, Any] = {
        "scenario": session.name,
        "seed": session.seed,
        "policy": policy.name,
        "withheld": list(policy.withheld),
        "session_sha256": digest.hexdigest(),
        "picture_sha256": {n: r.picture_sha256 for n, r in arm.results.items()},
        "metrics": {n: s.metrics for n, s in arm.scores.items()},
        "sim_s": session.seconds,
        "wall_s": (monotonic_ns() - begun_ns) / 1e9,
        **biases_of(arm.results, RECIPIENTS),
        **more,
    }
    if as_json:
        print_json(answer)
        return
    show(arm_table(f"{session.name}, seed {session.seed}, {policy.name}", answer["metrics"]))
    click.echo(f"{out}: session {answer['session_sha256'][:16]}")


@contextmanager
def _audited(path: Path | None, about: dict[str, Any]) -> Iterator["Judged | None"]:
    """What a release tells its decisions to; without a path, nobody."""
    from sharing.audit import AuditLog

    if path is None:
        yield None
        return
    with AuditLog(path, about) as log:
        yield log.judged
