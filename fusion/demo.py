"""``sharedsky demo``: one live exercise, then what withholding a feed would have cost in that very event.

The live part runs as processes over ZeroMQ (`fusion.exercise`). Its recordings are merged into one session,
and both arrangements are run on that session from its stamps, so that this machine's jitter costs nobody
anything. The live settled pictures must be those of the first run; where items came too late for that, they
must come out of each nation's recorded arrivals. It is one draw: intervals need many seeds
(`fusion.study.seeds`).
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table

from configs import resolve
from fusion.arms import by_recipient, entries, run_arm
from fusion.exercise import Exercise, ExerciseError, Plan, planned
from fusion.node.latency import Latency
from fusion.regions import load_regions
from fusion.scoring import cost
from fusion.session import Changes, Regions, Session
from fusion.tables import arm_table, number, plain_table, show
from fusion.verify import verify
from sensors.scenario import load_scenario
from sharing.changes import load_changes
from sharing.clock import monotonic_ns
from sharing.daemon import end_with
from sharing.messages import COALITION, NATIONS, RECIPIENTS, Picture, S
from sharing.policy import Policy
from sharing.recording import Recording, merge
from sharing.release import check_runnable
from sharing.settings import SettingsError, load_policy
from sharing.wire import encode

SESSION, SUMMARY = "session.mcap", "summary.json"
SLOWEST, FASTEST = 0.1, 100.0
LOOK_S = 0.5
"""Wall seconds between looks at the processes."""
PLAIN_EVERY = 20
"""Looks between two lines where there is no terminal."""
COLUMNS = ("node", "own", "others'", "released", "tracks", "to go s", "warned", "lost", "refused", "p99 ms")
Summary = dict[str, Any]

COST_COLUMNS = {
    "first_detection_later_s": ("seen later, s", ".0f"),
    "first_track_later_s": ("tracked later, s", ".0f"),
    "warning_lead_lost_s": ("lead lost, s", ".0f"),
    "impact_ellipse_ratio": ("ellipse, ×", ".2f"),
    "custody_lost": ("custody lost", ".3f"),
    "raid_fraction_lost": ("raid lost", ".3f"),
}
"""What the printed table shows of `cost`: heading and format."""


def run(
    scenario: str,
    policy: str,
    against: str,
    speed: float,
    seed: int | None,
    out: Path,
    quiet: bool = False,
    changes: Changes = (),
) -> Summary:
    """Exercise `scenario` under `policy` and compare with `against`: session.mcap and summary.json in `out`.

    The policy `changes` in mid-event, that of `against` does not. `seed` is the scenario's own unless
    given; the cost table is printed unless `quiet`. Raises SettingsError for whatever cannot be used,
    ExerciseError when a process fails or the live pictures are
    not those of their replay.
    """
    if not SLOWEST <= speed <= FASTEST:
        raise SettingsError(f"speed = {speed:g}: {SLOWEST:g} to {FASTEST:g} times real time")
    path = resolve("scenarios", scenario)
    arrangement, other = (load_policy(resolve("policies", name)) for name in (policy, against))
    check_runnable(other)
    flown = load_scenario(str(path))
    regions = tuple(resolve("regions", name) for name in flown.regions)
    draw = flown.seed_default if seed is None else seed
    about = {"code_version": _version(), "backend": "compiled", "machine": platform.machine()}
    plan = planned(flown, path, arrangement, draw, speed, regions, about, changes)
    with _signals_raise(), claimed(out):
        session = out / SESSION
        with tempfile.TemporaryDirectory(prefix="sharedsky-") as folder:
            with Exercise(plan, Path(folder)) as exercise:
                statuses, wall_s = _watch(exercise, Console(stderr=True))
                changes = load_changes(exercise.changes)
            merge(exercise.recordings(), session, plan.metadata, _exercise_only(plan, changes))
            _keep_audits(exercise.audits(), out)
        judged = _judge(session, arrangement.name, other.text)
        summary = _summary(plan, other.name, wall_s, statuses, judged)
        part = out / f"{SUMMARY}.part"
        part.write_text(json.dumps(summary, indent=1, allow_nan=False) + "\n")
        part.replace(out / SUMMARY)
    if not quiet:
        _show(summary, arrangement.name, other.name, out)
    return summary


def _keep_audits(logs: Sequence[Path], out: Path) -> None:
    """Copy the guards' audit logs into `out`, instead of those of an earlier demo."""
    for nation in NATIONS:
        for old in out.glob(f"{nation}.audit*"):
            old.unlink()
    for log in logs:
        shutil.copyfile(log, out / log.name)


# ------------------------------------------------------------------------------------------ the live part


def _watch(exercise: Exercise, console: Console) -> tuple[dict[str, dict[str, Any]], float]:
    """Start the exercise and show it until everybody has ended; the last statuses, and its wall seconds."""
    plan = exercise.plan
    what = f"{plan.policy.name}, {plan.speed:g} times real time, seed {plan.seed}"
    console.print(f"{plan.scenario.title}: {what}", soft_wrap=True, highlight=False)
    exercise.start()
    begun_ns = monotonic_ns()
    looks = 0
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while exercise.running():
            statuses = exercise.statuses()
            if console.is_terminal:
                live.update(_view(plan, statuses), refresh=True)
            elif looks % PLAIN_EVERY == 0:
                console.print(_line(statuses), soft_wrap=True, highlight=False)
            looks += 1
            time.sleep(LOOK_S)
    statuses = exercise.statuses()
    console.print(_line(statuses), soft_wrap=True, highlight=False)
    return statuses, (monotonic_ns() - begun_ns) / 1e9


def _line(statuses: Mapping[str, Mapping[str, Any]]) -> str:
    """The exercise in one line, for logs."""
    parts = []
    for nation in RECIPIENTS:
        status = statuses[f"{nation}.node"]
        warnings = sum(status.get("warnings", {}).values())
        parts.append(f"{nation} {status.get('tracks', 0)} tracks {warnings} warnings")
    t_ns = max(statuses[f"{nation}.node"].get("t_ns", 0) for nation in RECIPIENTS)
    lost = sum(status.get("lost", 0) for status in statuses.values())
    return f"T{t_ns / S:+.0f} s  " + "  ".join(parts) + f"  lost {lost}"


def _view(plan: Plan, statuses: Mapping[str, Mapping[str, Any]]) -> Table:
    """The terminal view: one row per node."""
    begin_ns = plan.scenario.t_start_ns
    t_ns = max(statuses[f"{nation}.node"].get("t_ns", begin_ns) for nation in RECIPIENTS)
    title = f"{plan.scenario.title}   T{t_ns / S:+.0f} s of {plan.until_s:.0f}   {plan.speed:g}×"
    regions = ", ".join(statuses[f"{COALITION}.node"].get("warnings", {}))
    caption = f"warned: {regions or 'nobody'}\nSIMULATED, NOTIONAL"
    table = Table(
        title=title, caption=caption, title_justify="left", caption_justify="left", box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )  # fmt: skip
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "node" else "right", no_wrap=True)
    for nation in RECIPIENTS:
        table.add_row(nation, *_cells(nation, statuses))
    return table


def _cells(nation: str, statuses: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    node, guard = statuses[f"{nation}.node"], statuses.get(f"{nation}.guard", {})
    received: dict[str, int] = node.get("received", {})
    own = sum(n for feed, n in received.items() if feed.startswith(f"{nation}/"))
    yield str(own)
    yield str(sum(received.values()) - own)
    yield str(sum(sum(sent.values()) for sent in guard.get("released", {}).values()))
    yield str(node.get("tracks", 0))
    to_go = node.get("to_go_s")
    yield "–" if to_go is None else f"{to_go[0]:.0f} ± {to_go[1]:.1f}"
    yield str(len(node.get("warnings", {})))
    yield str(node.get("lost", 0))
    yield str(sum(node.get("refused", {}).values()))
    p99 = node.get("latency_ms", {}).get("p99")
    yield "–" if p99 is None else f"{p99:.1f}"


@contextmanager
def claimed(out: Path) -> Iterator[None]:
    """The folder `out`, made if need be, for this demo alone; at the end it holds no half-written file.

    Raises SettingsError when it cannot be written or another demo has it.
    """
    out.mkdir(parents=True, exist_ok=True)
    if not os.access(out, os.W_OK):
        raise SettingsError(f"{out}: cannot be written")
    with ExitStack() as stack:
        claim = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, claim)
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(f"{out}: another demo is writing here") from None
        for name in (SESSION, SUMMARY):
            stack.callback((out / f"{name}.part").unlink, missing_ok=True)
        yield


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the demo as Ctrl-C does, so that nothing is left, not even the keys.

    A second one does not disturb the end; one that was ignored from the beginning (nohup) stays ignored.
    """

    def stop(caught: int, frame: object) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    before = {each: handler for each, handler in handlers.items() if handler != signal.SIG_IGN}
    for each in before:
        signal.signal(each, stop)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _exercise_only(plan: Plan, changes: Changes) -> Iterator[tuple[str, bytes, int]]:
    """What the merged session holds beside the nodes' recordings: arrangement, its changes, truth."""
    t_ns = plan.scenario.t_start_ns
    for from_ns, policy in ((t_ns, plan.policy), *changes):
        yield "policy", policy.text.encode(), from_ns
    for truth in plan.scenario.truth:
        yield "truth", encode("truth", truth), t_ns


def _version() -> str:
    try:
        return version("sharedsky")
    except PackageNotFoundError:
        return "from source"


# ----------------------------------------------------------------------------------------- the judgement


def _judge(session: Path, policy: str, against: str) -> Summary:
    """Run both arms of the session, side by side, and hold the live pictures against the first.

    `against` is an arrangement's text. The result has a summary's ``arms`` and ``session_sha256``. Raises
    ExerciseError when the live pictures are not what the nodes' own arrivals give.
    """
    console = Console(stderr=True)
    with (
        console.status("running both arrangements on the recorded session"),
        get_context("spawn").Pool(2, end_with, (os.getpid(),)) as pool,
    ):
        running = [pool.apply_async(_arm, (session, text)) for text in (None, against)]
        recorded, digest = _live_hashes(session), Session.load(session).sha256()
        arms = dict(arm.get() for arm in running)
    late = [n for n in RECIPIENTS if recorded[n] != arms[policy][n]["picture_sha256"]]
    if late:
        difference = verify(session, regions=_regions(session)).difference
        if difference is not None:
            raise ExerciseError(f"{session}: live and replay differ: {difference}")
        console.print(
            f"note: {', '.join(late)} refused items that this machine delivered too late: the live settled "
            "pictures are those of the arrivals, the tables below are from the stamps"
        )
    return {"arms": arms, "session_sha256": digest}


def _arm(session: Path, against: str | None) -> tuple[str, dict[str, Any]]:
    """The name of an arrangement (None: the session's own) and the metrics M of every nation under it."""
    held = Session.load(session)
    policy = held.policy if against is None else Policy.parse(against, "against")
    arm = run_arm(held, policy, regions=_regions(session))
    return policy.name, {nation: score.metrics for nation, score in arm.scores.items()}


def _regions(session: Path) -> Regions:
    """The warning regions that a session names, by recipient."""
    with Recording.open(session) as recording:
        names = recording.metadata["regions"].split()
    return by_recipient([region for name in names for region in load_regions(resolve("regions", name))])


def _live_hashes(session: Path) -> dict[str, str]:
    """The hash over each nation's recorded settled pictures, in order."""
    digests = {nation: hashlib.sha256() for nation in RECIPIENTS}
    for entry in entries(session):
        if isinstance(entry.message, Picture) and entry.message.picture == "settled":
            digests[entry.nation].update(entry.bytes())
    return {nation: digest.hexdigest() for nation, digest in digests.items()}


# ------------------------------------------------------------------------------------------- the summary


def _summary(
    plan: Plan, against: str, wall_s: float, statuses: Mapping[str, Any], judged: Summary
) -> Summary:
    """The document summary.json (contract.md)."""
    arms = judged["arms"]
    return {
        "scenario": plan.scenario.name,
        "seed": plan.seed,
        "speed": plan.speed,
        "sim_s": (plan.scenario.t_end_ns - plan.scenario.t_start_ns) / S,
        "wall_s": wall_s,
        "backend": "compiled",
        "session_sha256": judged["session_sha256"],
        "feeds": _feeds(statuses),
        "arms": arms,
        "cost": {n: cost(arms[plan.policy.name][n], arms[against][n]) for n in RECIPIENTS},
        "latency_ms": _latency(statuses),
    }


def _feeds(statuses: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What became of every feed; ``lost`` counts what is missing at its own node and at its recipients."""
    feeds = {}
    for nation in NATIONS:
        own = statuses[f"{nation}.node"]["received"]
        released = statuses[f"{nation}.guard"]["released"]
        for topic, published in sorted(statuses[f"{nation}.emulator"]["published"].items()):
            feed = topic.removeprefix("feed/")
            sensor = feed.partition("/")[2]
            out = {to: sent.get(f"released/{nation}/{to}/{sensor}", 0) for to, sent in released.items()}
            arrived = sum(statuses[f"{to}.node"]["received"].get(feed, 0) for to in out)
            received = own.get(feed, 0)
            lost = published - received + sum(out.values()) - arrived
            feeds[feed] = {"published": published, "received": received, "lost": lost, "released_to": out}
    return feeds


def _latency(statuses: Mapping[str, Any]) -> dict[str, float | None]:
    """Receipt to published update, over all nodes."""
    whole = Latency()
    for nation in RECIPIENTS:
        node = statuses[f"{nation}.node"]
        whole.merge(node["latency_counts"], node["latency_ms"]["max"] or 0.0)
    return whole.summary()


def _show(summary: Summary, policy: str, against: str, out: Path) -> None:
    """The arms and the cost table on stdout."""
    for name in dict.fromkeys((policy, against)):
        show(arm_table(f"{summary['scenario']}, {name}", summary["arms"][name]))
    rows = [
        (nation, *(number(costs[key], form) for key, (_, form) in COST_COLUMNS.items()))
        for nation, costs in summary["cost"].items()
    ]
    columns = ("nation", *(name for name, _ in COST_COLUMNS.values()))
    title = f"What {against} costs, compared with {policy} (one draw, seed {summary['seed']})"
    show(plain_table(title, columns, rows))
    lost = sum(feed["lost"] for feed in summary["feeds"].values())
    print(f"{out / SESSION}, {out / SUMMARY}; {lost} messages lost")
