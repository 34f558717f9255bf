"""Is a recording what its own arrivals make? Each nation's core is run again on what its node received.

The recorded arrivals, in the recorded order, and the recorded ticks go through a fresh core; every recorded
picture and warning must be what comes out, byte for byte. A file that was cut is compared as far as it goes.
"""

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from fusion.core.engine import Core
from fusion.core.events import Purge, Received, Tick
from fusion.core.filters import FilterFactory, compiled
from fusion.session import Regions, core_config, products, readable
from fusion.stated import HORIZON_S
from sharing.messages import RECIPIENTS, Judgements, Message, Picture, S
from sharing.recording import Recorded, Recording


@dataclass(frozen=True, slots=True)
class Difference:
    """The first difference: where it is, and both values."""

    nation: str
    t_ns: int
    track: int | None
    field: str
    recorded: str
    replayed: str

    def __str__(self) -> str:
        track = "" if self.track is None else f", track {self.track}"
        return (
            f"{self.nation}: at {self.t_ns / S:g} s{track}, {self.field}: "
            f"recorded {self.recorded}, replayed {self.replayed}"
        )


@dataclass
class Verification:
    """Products compared by nation, and the first difference if there is one."""

    compared: dict[str, int] = field(default_factory=dict)
    difference: Difference | None = None
    truncated: bool = False


def verify(
    path: Path | str, *, regions: Regions | None = None, filters: FilterFactory = compiled
) -> Verification:
    """Replay every nation's recorded arrivals and compare its recorded products, up to the first difference.

    Raises RecordingError or OSError when the file cannot be read.
    """
    result = Verification()
    with Recording.open(path) as recording:
        result.truncated = recording.truncated
        horizon_s = int(recording.metadata.get("horizon_s", HORIZON_S))
        configs = [core_config(n, regions, horizon_s, recording.metadata) for n in RECIPIENTS]
        nodes = {c.nation: _Replayed(Core(c, filters), c.nation) for c in configs}
        for record in recording:
            nation = _whose(record.topic)
            if nation in nodes:
                result.difference = nodes[nation].take(record)
                if result.difference is not None:
                    break
    for nation, node in nodes.items():
        result.compared[nation] = node.compared
        if result.difference is None and not result.truncated:
            result.difference = node.unrecorded()
    return result


def _whose(topic: str) -> str:
    """The nation whose node recorded this topic; empty for topics of the session itself."""
    kind, *rest = topic.split("/")
    if kind in ("feed", "tick", "purge", "picture", "warning", "bias") and rest:
        return rest[0]
    return rest[1] if kind == "released" and len(rest) > 1 else ""


class _Replayed:
    """One nation's core, run again, and what it has made that the recording has yet to show."""

    def __init__(self, core: Core, nation: str) -> None:
        self.compared = 0
        self._core = core
        self._nation = nation
        self._made: deque[tuple[Message, bytes]] = deque()
        self._has_products = False

    def take(self, record: Recorded) -> Difference | None:
        """The next line of the nation's log."""
        kind = record.topic.partition("/")[0]
        if kind == "tick":
            effects = self._core.handle(Tick(int.from_bytes(record.data, "little", signed=True)))
            made = [m for m in products(self._nation, effects) if not isinstance(m[1], Judgements)]
            self._made.extend((message, frame) for _, message, frame in made)
        elif kind == "purge":
            self._core.handle(Purge(tuple(record.data.decode().split())))
        elif kind in ("picture", "warning", "bias"):
            return self._compare(record)
        else:
            message = readable(record)
            if message is not None:
                self._core.handle(Received(message, max(message.t_available_ns, record.t_ns)))
        return None

    def _compare(self, record: Recorded) -> Difference | None:
        self._has_products = True
        message = readable(record)
        if not self._made or message is None:
            what = f"a {record.topic.partition('/')[0]}"
            return Difference(self._nation, record.t_ns, None, "the log", what, "nothing")
        self.compared += 1
        made, frame = self._made.popleft()
        return None if frame == record.data else _first_difference(self._nation, record.t_ns, message, made)

    def unrecorded(self) -> Difference | None:
        """What the replay has made beyond the recording's end, if pictures were recorded at all."""
        if not self._made or not self._has_products:
            return None
        message, _ = self._made[0]
        return Difference(
            self._nation, message.t_sent_ns, None, "the log", "nothing", f"a {type(message).__name__.lower()}"
        )


def _first_difference(nation: str, t_ns: int, recorded: Message, made: Message) -> Difference:
    """The first field, row by row where it is a column, in which two messages differ."""
    if isinstance(recorded, Picture):
        t_ns = recorded.t_valid_ns
    if type(recorded) is not type(made):
        kinds = (type(recorded).__name__, type(made).__name__)
        return Difference(nation, t_ns, None, "the kind of message", *kinds)
    for name in [f.name for f in msgspec.structs.fields(type(recorded))]:
        a, b = getattr(recorded, name), getattr(made, name)
        if not isinstance(a, np.ndarray):
            if a != b:
                return Difference(nation, t_ns, None, name, repr(a), repr(b))
        elif len(a) != len(b):
            return Difference(nation, t_ns, None, name, f"{len(a)} values", f"{len(b)} values")
        elif a.tobytes() != b.tobytes():
            i = int(np.flatnonzero(a.view(np.int64) != b.view(np.int64))[0])
            track = _track(recorded, name, i)
            return Difference(nation, t_ns, track, name, repr(a[i].item()), repr(b[i].item()))
    return Difference(nation, t_ns, None, "encoding", "other bytes", "other bytes")


def _track(message: Message, name: str, index: int) -> int | None:
    """The track to which value `index` of column `name` belongs."""
    if not isinstance(message, Picture):
        return None
    kind = name.partition("_")[0]
    leader = getattr(message, f"{kind}_row") if kind in ("launch", "impact") else message.track_id
    row = index * len(leader) // len(getattr(message, name))
    if kind in ("launch", "impact"):
        row = int(leader[row])
    return int(message.track_id[row]) if row < len(message.track_id) else None
