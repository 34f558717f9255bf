"""What ``check`` finds out about one file: what it is, whether it is right, and what is in it."""

import tomllib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sharing.settings import SettingsError, read_text

if TYPE_CHECKING:
    from sharing.recording import Recording

MOST_PROBLEMS = 5
"""Of a recording's frames: as many are named, the others counted."""
RECORDING_HEAD = b"\x89MCAP"
WIRE_KINDS = ("feed", "released", "picture", "warning", "bias", "judgement", "truth")
"""Topics of a recording that hold wire frames."""


@dataclass
class Report:
    """One file: its kind, what is wrong (nothing where it is right), and in a few words what is in it."""

    file: str
    kind: str = "unknown"
    problems: list[str] = field(default_factory=list)
    summary: str = ""
    rows: list[dict[str, Any]] | None = None
    """For CSVs of published flights: what the table shows."""

    @property
    def line(self) -> str:
        """The one line that an operator reads."""
        if not self.problems:
            return f"{self.file}: ok: {self.kind}: {self.summary}"
        return "; ".join([self._placed(self.problems[0]), *self.problems[1:]])

    def _placed(self, problem: str) -> str:
        return problem if problem.startswith(f"{self.file}:") else f"{self.file}: {problem}"


def inspect(path: Path) -> Report:
    """What a file is and what is wrong with it; never raises for what the file holds."""
    report = Report(str(path))
    try:
        look = _looker(path)
        if look is None:
            raise SettingsError(
                "is neither a configuration, a recording, a capture, a known CSV nor a wire frame"
            )
        look(path, report)
    except OSError as error:
        report.problems.append(f"cannot be read: {(error.strerror or str(error)).lower()}")
    except ValueError as error:
        if not _is_told(error):
            raise
        report.problems.append(" ".join(str(error).split()))
    return report


def _is_told(error: ValueError) -> bool:
    """Whether an error is about the file, and not one of ours."""
    from configs import UnknownName
    from fusion.stated import SessionError
    from sharing.recording import RecordingError
    from sharing.wire import WireError

    return isinstance(error, UnknownName | SessionError | RecordingError | SettingsError | WireError)


def _looker(path: Path) -> Callable[[Path, Report], None] | None:
    """How to look at a file, by its suffix and its first bytes."""
    if path.suffix == ".toml":
        return _toml
    if path.suffix == ".geojson":
        return _regions
    if path.suffix == ".csv":
        return _csv
    with path.open("rb") as stream:
        head = stream.read(65)
    if path.suffix == ".mcap" or head.startswith(RECORDING_HEAD):
        return _recording
    from sensors.readers.capture import is_capture

    if is_capture(head):
        return _capture
    return _frame if b"\0" in head or path.suffix == ".bin" else None


# -------------------------------------------------------------------------------------- configurations


def _toml(path: Path, report: Report) -> None:
    """A TOML file, by the keys that only one kind of it has; by its folder where those are missing."""
    try:
        keys = set(tomllib.loads(read_text(path)))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"not TOML: {error}") from None
    folder = path.resolve().parent.name
    fits = [k for k in _KINDS if keys & k.marks] or [k for k in _KINDS if k.folder == folder]
    if not fits:
        known = ", ".join(kind.name for kind in _KINDS)
        raise SettingsError(f"is no {known} by its keys ({', '.join(sorted(keys)) or 'none'})")
    report.kind = fits[0].name
    report.summary = fits[0].look(path)


def _scenario(path: Path) -> str:
    from sensors.scenario import load_scenario

    scenario = load_scenario(str(path))
    seconds = (scenario.t_end_ns - scenario.t_start_ns) / 1e9
    return f"{len(scenario.truth)} objects, {len(scenario.sensors)} sensors, {seconds:g} s"


def _policy(path: Path) -> str:
    from sharing.settings import load_policy

    policy = load_policy(path)
    withheld = f", withholds {' '.join(policy.withheld)}" if policy.withheld else ""
    return f"{policy.name}, {len(policy.rules)} rules{withheld}"


def _threat(path: Path) -> str:
    from sensors.threats import load_threat

    threat = load_threat(str(path.resolve()))
    return f"{threat.title}, {threat.kind}, {len(threat.stages)} stages"


def _sensors(path: Path) -> str:
    from sensors.stations import load_nation

    nation = load_nation(path.resolve())
    return f"{nation.nation}, {len(nation.sensors)} sensors of {len(nation.kinds)} types"


def _airways(path: Path) -> str:
    from sensors.background import Airways
    from sharing.settings import load

    ways = load(path, Airways)
    return f"{len(ways.airports)} airports, {len(ways.waypoints)} waypoints"


def _node(path: Path) -> str:
    from fusion.node.config import NodeConfig
    from sharing.messages import RECIPIENTS
    from sharing.settings import load

    config = load(path, NodeConfig)
    if config.nation not in RECIPIENTS:
        raise SettingsError(f"nation = {config.nation!r}: one of {', '.join(RECIPIENTS)}")
    return f"{config.nation}, {len(config.partners)} partners"


def _guard(path: Path) -> str:
    from sharing.guard import GuardConfig, check_names
    from sharing.settings import load

    config = load(path, GuardConfig)
    check_names(config, str(path))
    return f"{config.nation}, {len(config.recipients)} recipients"


def _emulator(path: Path) -> str:
    from sensors.emulator import EmulatorConfig
    from sharing.settings import load

    return f"{len(load(path, EmulatorConfig).links)} links"


def _gateway(path: Path) -> str:
    from sensors.gateway import GatewayConfig
    from sharing.settings import load

    config = load(path, GatewayConfig)
    return f"{len(config.links)} links, {len(config.sites)} radars with a place"


class _Kind(NamedTuple):
    """A kind of TOML file: keys of which any says so, its usual folder, and what looks at it."""

    name: str
    marks: set[str]
    folder: str
    look: Callable[[Path], str]


_KINDS = (
    _Kind("threat", {"rcs", "kind", "payload_kg"}, "threats", _threat),
    _Kind("sensors", {"types", "infrared"}, "sensors", _sensors),
    _Kind("scenario", {"shows", "threats", "ships", "tail_s", "duration_s"}, "scenarios", _scenario),
    _Kind("policy", {"rule", "withhold", "extends"}, "policies", _policy),
    _Kind("airways", {"airports", "waypoints"}, "", _airways),
    _Kind("guard", {"recipients", "policy"}, "", _guard),
    _Kind("node", {"recording", "partners", "publish", "horizon_s"}, "", _node),
    _Kind("live radars", {"sites", "scan_s", "range_max_km"}, "", _gateway),
    _Kind("emulator", {"links", "backfill"}, "", _emulator),
)
"""The first whose keys fit is meant."""


def _regions(path: Path, report: Report) -> None:
    from fusion.regions import load_regions

    report.kind = "regions"
    regions = load_regions(path)
    report.summary = (
        f"{len(regions)} of {', '.join(sorted({region.nation for region in regions})) or 'nobody'}"
    )


# ------------------------------------------------------------------------------- recordings and frames


def _recording(path: Path, report: Report) -> None:
    from fusion.session import Session
    from fusion.stated import SessionError
    from sharing.recording import Recording

    report.kind = "recording"
    with Recording.open(path) as recording:
        counts, last_ns = _count(recording, report)
        if recording.truncated:
            report.problems.insert(0, f"is cut: its last whole chunk ends at {last_ns / 1e9:g} s")
    try:
        session = Session.load(path)
        told = f"session {session.name} seed {session.seed}, "
    except SessionError as error:
        told = f"no whole session ({str(error).removeprefix(f'{path}: ')}), "
    report.summary = told + (", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())) or "no messages")


def _count(recording: "Recording", report: Report) -> tuple[Counter[str], int]:
    """Messages by kind of topic, and the time of the last; frames that the wire refuses become problems."""
    from sharing.wire import WireError, decode

    counts: Counter[str] = Counter()
    refused, last_ns = 0, 0
    for record in recording:
        kind = record.topic.partition("/")[0]
        counts[kind] += 1
        last_ns = max(last_ns, record.t_ns)
        if kind not in WIRE_KINDS:
            continue
        try:
            decode(record.data)
        except WireError as error:
            refused += 1
            if refused <= MOST_PROBLEMS:
                where = f"message {sum(counts.values())} at {record.t_ns / 1e9:g} s on {record.topic}"
                report.problems.append(f"{where}: {error}")
    if refused > MOST_PROBLEMS:
        report.problems.append(f"and {refused - MOST_PROBLEMS} more refused frames")
    return counts, last_ns


def _frame(path: Path, report: Report) -> None:
    from sharing.wire import decode

    report.kind = "wire frame"
    frame = path.read_bytes()
    topic, message = decode(frame)
    what = type(message).__name__.lower()
    times = getattr(message, "t_valid_ns", None)
    rows = "" if times is None or isinstance(times, int) else f", {len(times)} rows"
    report.summary = f"{what} on {topic} from {message.originator}, {len(frame)} bytes{rows}"


def _capture(path: Path, report: Report) -> None:
    from sensors.readers.radars import read_asterix

    report.kind = "capture of radars"
    feed = read_asterix(path)
    plots, duplicates = feed.report["plots"], feed.report["duplicates"]
    report.summary = f"{plots} plots of {len(feed.report['sensors'])} radars, {duplicates} duplicates"


# ------------------------------------------------------------------------------------------------ CSVs


def _csv(path: Path, report: Report) -> None:
    from sensors import published

    form = published.form_of(path)
    if form == "flight times":
        _flight_times(path, report)
    elif form == "tests":
        _tests(path, report)
    else:
        _plots(path, report)


def _plots(path: Path, report: Report) -> None:
    from sensors.readers.plots import read_plots

    report.kind = "plots"
    feed = read_plots(path)
    report.summary = f"{feed.report['plots']} plots of {len(feed.report['sensors'])} sensors"


def _flight_times(path: Path, report: Report) -> None:
    from sensors import published

    report.kind = "flight times"
    rows = published.flight_times(path)
    report.rows = [
        {
            "date": row.date,
            "missile": row.missile,
            "range_km": row.judgement.claim.range_km,
            "apogee_km": row.judgement.claim.apogee_km,
            "time_s": row.judgement.claim.time_s,
            "quality": row.quality,
            "tested": row.tested,
            "vacuum_time_s": row.judgement.vacuum_time_s,
            "model_time_s": row.judgement.model_time_s,
            "difference": row.difference,
            "verdict": row.judgement.verdict,
            "reason": row.judgement.reason,
        }
        for row in rows
    ]
    tested = [row for row in rows if row.tested]
    good = sum(row.judgement.verdict == "consistent" for row in tested)
    report.summary = f"{len(rows)} rows, {len(tested)} tested, {good} of these consistent"


def _tests(path: Path, report: Report) -> None:
    from sensors import published

    report.kind = "tests"
    found = published.tests(path)
    names = ("line", "date", "missile", "apogee_km", "distance_km", "outcome", "reason")
    report.rows = [{name: getattr(odd, name) for name in names} for odd in found.odd]
    report.summary = (
        f"{found.rows} rows, {found.judged} judged, {len(found.odd)} of these odd, {found.unknown} unknown, "
        f"{found.launchers} space launchers"
    )
