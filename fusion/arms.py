"""One arm of a comparison: a session run under an arrangement, scored and, if asked, recorded."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fusion.core.filters import FilterFactory, compiled
from fusion.core.regions import Region
from fusion.scoring import Score, Scorer
from fusion.session import Changes, Entry, Regions, Result, Session, Sink, readable, run
from fusion.stated import SessionError
from sharing.messages import COALITION, NATIONS, RECIPIENTS, Picture, topic_of_picture
from sharing.policy import Policy
from sharing.recording import Recorder, Recording
from sharing.release import Judged
from sharing.wire import encode

_LOGGED = ("feed/", "picture/", "warning/", "released/")
"""Topics that are lines of some nation's log, besides ticks."""


@dataclass(frozen=True, slots=True)
class Arm:
    """What every nation knew under `policy`, and how good that was (no scores without a truth)."""

    policy: Policy
    results: dict[str, Result]
    scores: dict[str, Score]


def by_recipient(regions: Sequence[Region]) -> Regions:
    """Who warns of which regions: a nation of its own, COALITION of all."""
    return {n: tuple(r for r in regions if n in (COALITION, r.nation)) for n in RECIPIENTS}


def run_arm(
    session: Session,
    policy: Policy,
    nations: Sequence[str] = RECIPIENTS,
    *,
    changes: Changes | None = None,
    regions: Regions,
    filters: FilterFactory = compiled,
    record: Path | None = None,
    progress: Callable[[int], None] | None = None,
    judged: Judged | None = None,
) -> Arm:
    """Run `session` under `policy` and its `changes` (as `fusion.session.run` does), and score it.

    `record` is the recording to write, complete or not at all.

    Raises RecordingError when that cannot be written, and whatever the session's own recording raises.
    """
    if changes is None:
        changes = session.changes if policy == session.policy else ()
    scorers = scorers_of(session, nations, regions) if scored(session) else {}
    with ExitStack() as stack:
        write = stack.enter_context(recorder(record, session, policy, changes)) if record else None

        def sink(entry: Entry) -> None:
            if write is not None:
                write(entry)
            if entry.nation in scorers:
                scorers[entry.nation].take(entry)

        results = run(
            session, policy, nations=nations, changes=changes, regions=regions, filters=filters, sink=sink,
            keep=False, progress=progress, judged=judged,
        )  # fmt: skip
    return Arm(policy, results, {n: scorer.score() for n, scorer in scorers.items()})


def scored(session: Session) -> bool:
    """Whether the whole truth is known; where nothing was launched it is, and empty."""
    return str(len(session.truth)) == session.metadata.get("objects")


def scorers_of(session: Session, nations: Sequence[str], regions: Regions) -> dict[str, Scorer]:
    """A scorer for each nation."""
    return {
        n: Scorer(n, session.truth, regions.get(n, ()), session.t_start_ns, session.t_end_ns)
        for n in RECIPIENTS
        if n in nations
    }


@contextmanager
def recorder(path: Path, session: Session, policy: Policy, changes: Changes) -> Iterator[Sink]:
    """A sink that writes a whole session to `path`; after an error nothing of it stays."""
    horizon_s = str(session.horizon_s(policy, changes))
    metadata = {**session.metadata, "policy": policy.name, "horizon_s": horizon_s}
    target = Recorder(path, metadata)
    try:
        with target:
            for t_ns, arrangement in ((session.t_start_ns, policy), *changes):
                target.write("policy", arrangement.text.encode(), t_ns)
            for truth in session.truth:
                target.write("truth", encode("truth", truth), session.t_start_ns)
            yield lambda entry: target.write(entry.topic, entry.bytes(), entry.t_ns)
    except BaseException:
        target.part.unlink(missing_ok=True)
        raise


def score_recording(path: Path | str, session: Session, regions: Regions) -> dict[str, Score]:
    """Scores of every nation with pictures in the recording at `path`, of which `session` was loaded."""
    scorers = scorers_of(session, RECIPIENTS, regions)
    seen = dict.fromkeys(RECIPIENTS, False)
    for entry in entries(path):
        seen[entry.nation] |= entry.topic.startswith("picture/")
        scorers[entry.nation].take(entry)
    return {n: scorer.score() for n, scorer in scorers.items() if seen[n]}


def entries(path: Path | str) -> Iterator[Entry]:
    """The nations' logs in a recording; ticks and frames that the nodes refused are passed over."""
    with Recording.open(path) as recording:
        for record in recording.messages(lambda topic: topic.startswith(_LOGGED)):
            kind, *rest = record.topic.split("/")
            message = readable(record)
            nation = rest[1] if kind == "released" else rest[0]
            if message is not None and nation in RECIPIENTS:
                yield Entry(nation, record.topic, record.t_ns, message, record.data)


def pictures_of(path: Path | str, nation: str | None) -> Iterator[Picture]:
    """Recorded pictures of a nation, in order; without a name, COALITION's or else those of the only one.

    Raises SessionError when the recording has none, or when several nations leave the choice open.
    """
    name = nation or _choice(path)
    count = 0
    with Recording.open(path) as recording:
        for record in recording.messages(lambda topic: topic == topic_of_picture(name)):
            message = readable(record)
            if isinstance(message, Picture):
                count += 1
                yield message
    if not count:
        raise SessionError(f"{path}: no pictures of {name} in this recording")


def _choice(path: Path | str) -> str:
    with Recording.open(path) as recording:
        topics = {record.topic for record in recording}
    there = [n for n in (COALITION, *NATIONS) if topic_of_picture(n) in topics]
    if COALITION in there or len(there) == 1:
        return there[0]
    known = f"pictures of {', '.join(there)}: say whose" if there else "no pictures in this recording"
    raise SessionError(f"{path}: {known}")
