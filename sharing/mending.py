"""Recordings made from recordings: what came before a damage, and a piece of a session.

Rules of this module:

- The input is only read. The output appears under its name when it is complete (`sharing.recording`).
- Frames are copied byte for byte, in their order; the copy numbers its messages anew.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sharing.messages import S, Site
from sharing.recording import Recorded, Recorder, Recording, RecordingError
from sharing.wire import decode

MADE = ("picture", "warning", "bias", "judgement", "tick")
"""Kinds of topics that a node made of what came before: of a piece they would be untrue."""
ALWAYS = ("policy", "truth")
"""Kinds of topics that belong to all of a session."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What came back of a recording: messages, the last one's time, and what ended it (None: its end)."""

    messages: int
    t_last_ns: int | None
    stopped: str | None


def recover(path: Path | str, out: Path | str) -> Recovered:
    """A whole recording of everything complete before the damage in `path`, or before it was cut.

    Each chunk has a check sum of its own: what comes back is what was written. Raises RecordingError when
    nothing can be read, or the disk refuses.
    """
    count, last_ns, stopped = 0, None, None
    with Recording.open(path, whole=False) as recording, Recorder(out, recording.metadata) as recorder:
        messages = iter(recording)
        while True:
            try:
                message = next(messages, None)
            except RecordingError as error:
                stopped = str(error).removeprefix(f"{path}: ")
                break
            if message is None:
                stopped = "is cut" if recording.truncated else None
                break
            recorder.write(message.topic, message.data, message.t_ns)
            count, last_ns = count + 1, message.t_ns
    return Recovered(count, last_ns, stopped)


def cut(path: Path | str, out: Path | str, from_ns: int, until_ns: int) -> int:
    """The session between two scenario times, `until_ns` excluded: what was received, policy, truth.

    Every sensor's newest site before the piece stands at its beginning. What nodes made of the session is
    left out: a replay of the piece makes its own. Returns the number of messages. Raises RecordingError.
    """
    if from_ns >= until_ns:
        raise RecordingError(f"{path}: nothing lies between {from_ns / S:g} and {until_ns / S:g} s")
    with Recording.open(path) as recording:
        span = {"t_start_ns": str(from_ns), "t_end_ns": str(until_ns)}
        with Recorder(out, {**recording.metadata, **span}) as recorder:
            for message in _piece(recording, from_ns, until_ns):
                recorder.write(message.topic, message.data, message.t_ns)
            return recorder.count


def _piece(recording: Recording, from_ns: int, until_ns: int) -> Iterator[Recorded]:
    """What belongs to the piece, in order."""
    sites: dict[str, Recorded] | None = {}
    for message in recording:
        kind = message.topic.partition("/")[0]
        if kind in ALWAYS:
            yield message
        elif kind in MADE or message.t_ns >= until_ns:
            continue
        elif message.t_ns >= from_ns:
            if sites is not None:
                yield from sites.values()
                sites = None
            yield message
        elif sites is not None and _is_site(message):
            sites[message.topic] = message


def _is_site(message: Recorded) -> bool:
    """Whether it says where a sensor stands; a frame that the wire refuses does not."""
    try:
        return isinstance(decode(message.data)[1], Site)
    except ValueError:
        return False
