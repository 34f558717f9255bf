"""Sessions on disk: MCAP files as docs/recording.md has them. A shell: it owns the files, nothing else.

Rules of this module:

- A recording appears under its name only when it is complete; until then it is ``NAME.part``.
- What `flush` has returned from can be read back after the process dies; at most the chunk after it is lost.
- Reading is in the order of writing, a chunk at a time. The metadata and every chunk carry check sums, and
  so does a complete file as a whole, which is tested when it is opened: damage raises, it is never returned.
- A cut recording gives everything up to its last complete chunk, and `Recording.truncated` says so.
"""

import heapq
import io
import itertools
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Final, NamedTuple, Self

import zstandard
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, Metadata
from mcap.stream_reader import get_chunk_data_stream
from mcap.writer import MCAP0_MAGIC, Writer

FORMAT: Final = "1"
PROFILE: Final = "sharedsky"
LOG_TIME_OFFSET_NS: Final = 946_684_800 * 10**9
"""Added to scenario time, which may be negative: MCAP's times are unsigned. Zero shows as 2000-01-01 UTC."""
SEQUENCE_WRAP: Final = 1 << 32
MAX_CHUNK_BYTES: Final = 64 << 20

_FRAMES: Final = ("feed", "released", "picture", "warning", "bias", "judgement", "truth")
"""Kinds of topics whose messages are wire frames; stored without the topic, which the channel has."""
_MAGIC_BYTES: Final = len(MCAP0_MAGIC)
_HEAD: Final = struct.Struct("<BQ")  # opcode, length
_HEAD_BYTES: Final = _HEAD.size
_MESSAGE: Final = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time; then the data


class RecordingError(ValueError):
    """A recording cannot be written, or is not one, or is damaged: one line with the file's name."""


class Recorded(NamedTuple):
    """One message of a recording.

    `data` is the exact wire frame for wire topics, UTF-8 TOML for ``policy``, the tick's time as 8 bytes
    little-endian for ``tick/<NATION>``. `t_ns`: scenario time of arrival; `sequence`: the recorder's.
    """

    topic: str
    data: bytes
    t_ns: int
    sequence: int


def _encoding(topic: str) -> str:
    kind = topic.partition("/")[0]
    return "msgpack" if kind in _FRAMES else {"policy": "toml", "tick": "int64"}.get(kind, "bytes")


# ---------------------------------------------------------------------------------------------- writing


class Recorder:
    """Writes one recording; a context manager. Not thread-safe.

    When the body of the ``with`` raises, what was written stays as ``NAME.part`` (nothing stays when
    nothing was written). Raises RecordingError for whatever the disk refuses.
    """

    def __init__(self, path: Path | str, metadata: Mapping[str, str], chunk_bytes: int = 1 << 20) -> None:
        self.path = Path(path)
        self.part = _part_of(self.path)
        self.count = 0
        self._disk = _Disk(self.path)
        self._channels: dict[str, int] = {}
        try:
            self._stream: IO[bytes] = self.part.open("wb")
        except OSError as error:
            raise _unwritable(self.path, error) from None
        self._writer = Writer(self._stream, chunk_size=chunk_bytes, enable_data_crcs=True)
        with self._disk:
            self._writer.start(profile=PROFILE, library=PROFILE)
            self._writer.add_metadata(PROFILE, _sealed(metadata))

    def write(self, topic: str, data: bytes, t_ns: int) -> None:
        """Adds a message that arrived at scenario time `t_ns`; on wire topics `data` is the whole frame."""
        channel = self._channels.get(topic)
        with self._disk:
            if channel is None:
                channel = self._writer.register_channel(topic, _encoding(topic), schema_id=0)
                self._channels[topic] = channel
            if _encoding(topic) == "msgpack":
                data = _without_topic(topic, data)
            time = t_ns + LOG_TIME_OFFSET_NS
            self._writer.add_message(channel, time, data, time, self.count % SEQUENCE_WRAP)
        self.count += 1

    def flush(self) -> None:
        """Ends the chunk and hands it to the operating system: what was written so far survives a kill."""
        with self._disk:
            self._writer.flush()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Writes the summary, syncs to disk and gives the file its name."""
        with self._disk:
            try:
                self._writer.finish()  # type: ignore[no-untyped-call]
                self._stream.flush()
                os.fsync(self._stream.fileno())
            finally:
                self._stream.close()
            self.part.replace(self.path)

    def abandon(self) -> None:
        """Stops without a summary: ``NAME.part`` stays when it holds a message, as a cut recording."""
        with self._disk:
            try:
                self._writer.flush()  # type: ignore[no-untyped-call]
            finally:
                self._stream.close()
                if not self.count:
                    self.part.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        elif not self._stream.closed:
            try:
                self.abandon()
            except RecordingError:
                if not isinstance(error, RecordingError):
                    raise


def set_aside(path: Path | str) -> Path | None:
    """Rename what a killed recorder of `path` left, so that the next one keeps it. The new name, or None."""
    part = _part_of(Path(path))
    if not part.exists():
        return None
    names = (part.with_name(f"{part.name}-{n}") for n in itertools.count(1))
    kept = next(name for name in names if not name.exists())
    with _Disk(Path(path)):
        part.rename(kept)
    return kept


def _part_of(path: Path) -> Path:
    """What a recording is called until it is complete."""
    return path.with_name(path.name + ".part")


class _Disk:
    """Turns the disk's refusals into RecordingError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise _unwritable(self._path, error) from None


def _unwritable(path: Path, error: OSError) -> RecordingError:
    return RecordingError(f"{path}: cannot be written: {(error.strerror or str(error)).lower()}")


def _without_topic(topic: str, frame: bytes) -> bytes:
    head = topic.encode("ascii") + b"\0"
    if not frame.startswith(head):
        raise ValueError(f"a frame recorded on {topic} must begin with that topic")
    return frame[len(head) :]


def _sealed(metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata as written: with format, offset and a check sum of its own, since no chunk protects it."""
    full = {**metadata, "format": FORMAT, "log_time_offset_ns": str(LOG_TIME_OFFSET_NS)}
    return {**full, "crc32": _seal(full)}


def _seal(metadata: Mapping[str, str]) -> str:
    text = "\n".join(f"{key}={metadata[key]}" for key in sorted(metadata))
    return f"{zlib.crc32(text.encode()):08x}"


# ---------------------------------------------------------------------------------------------- reading


class Recording:
    """Reads one recording; a context manager and an iterable of `Recorded`, in the order of writing.

    `metadata` holds the writer's strings; `truncated` is true when the file ends before its end record.
    Iterating again starts again. Raises RecordingError when the file is damaged: a complete one when it is
    opened, a cut one at the damage; with `whole` false a complete one at the damage too.
    """

    def __init__(self, path: Path | str, whole: bool = True) -> None:
        self.path = Path(path)
        try:
            self._stream: IO[bytes] = self.path.open("rb")
            self._size = self._stream.seek(0, io.SEEK_END)
            self._stream.seek(max(_MAGIC_BYTES, self._size - _MAGIC_BYTES))
            self.truncated = self._stream.read() != MCAP0_MAGIC
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise RecordingError(f"{path}: cannot be read: {reason}") from None
        self._in_parts = self.truncated or not whole
        try:
            self.metadata = self._read_metadata()
            if not self._in_parts:
                self._test()
        except RecordingError:
            self._stream.close()
            raise

    @classmethod
    def open(cls, path: Path | str, whole: bool = True) -> "Recording":
        """Opens the recording at `path`. Raises RecordingError when it is missing or is not one."""
        return cls(path, whole)

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Recorded]:
        return self.messages(lambda _: True)

    def messages(self, wanted: Callable[[str], bool]) -> Iterator[Recorded]:
        """The messages on topics for which `wanted` is true, in the order of writing."""
        channels: dict[int, Channel] = {}
        for opcode, body in self._records():
            if opcode == Opcode.CHUNK:
                yield from self._wanted(self._chunk(body), channels, wanted)

    def _wanted(
        self, chunk: bytes, channels: dict[int, Channel], wanted: Callable[[str], bool]
    ) -> Iterator[Recorded]:
        """The wanted messages of an unpacked chunk; its channels join `channels`."""
        heads: dict[int, bytes | None] = {i: self._head(c, wanted) for i, c in channels.items()}
        position = 0
        while position < len(chunk):
            if position + _HEAD_BYTES > len(chunk):
                raise self._damaged("a record beyond the end of its chunk")
            opcode, length = _HEAD.unpack_from(chunk, position)
            start = position + _HEAD_BYTES
            position = start + length
            if position > len(chunk) or (opcode == Opcode.MESSAGE and length < _MESSAGE.size):
                raise self._damaged("a record beyond the end of its chunk")
            if opcode == Opcode.CHANNEL:
                channel = self._channel(chunk[start:position])
                channels[channel.id] = channel
                heads[channel.id] = self._head(channel, wanted)
            elif opcode == Opcode.MESSAGE:
                number, sequence, log_time, _ = _MESSAGE.unpack_from(chunk, start)
                if number not in heads:
                    raise self._damaged("a message of an unknown channel")
                head = heads[number]
                if head is not None:
                    data = head + chunk[start + _MESSAGE.size : position]
                    topic = channels[number].topic
                    yield Recorded(topic, data, log_time - LOG_TIME_OFFSET_NS, sequence)

    @staticmethod
    def _head(channel: Channel, wanted: Callable[[str], bool]) -> bytes | None:
        """What stands before a channel's data to make it the frame that was recorded; None: not wanted."""
        if not wanted(channel.topic):
            return None
        return channel.topic.encode() + b"\0" if channel.message_encoding == "msgpack" else b""

    def _channel(self, body: bytes) -> Channel:
        try:
            channel: Channel = Channel.read(ReadDataStream(io.BytesIO(body)))
            return channel
        except Exception as error:  # as in _chunk
            raise self._damaged(str(error) or type(error).__name__) from None

    def _chunk(self, body: bytes) -> bytes:
        """The records of a chunk whose check sum is right."""
        try:
            chunk = Chunk.read(ReadDataStream(io.BytesIO(body)))
            size = chunk.uncompressed_size
            if chunk.compression == "zstd":
                size = max(size, zstandard.frame_content_size(chunk.data))
            if size > MAX_CHUNK_BYTES:
                raise self._damaged(f"a chunk of {size} bytes")
            stream, length = get_chunk_data_stream(chunk, validate_crc=True)
            return bytes(stream.read(length))
        except RecordingError:
            raise
        except Exception as error:  # whatever a parser makes of bytes that are not what they were
            raise self._damaged(str(error) or type(error).__name__) from None

    def _records(self) -> Iterator[tuple[int, bytes]]:
        """Opcode and body of every record of the data section; stops where a cut file stops."""
        stream = self._stream
        stream.seek(_MAGIC_BYTES)
        position, crc = _MAGIC_BYTES, zlib.crc32(MCAP0_MAGIC)
        while True:
            head = stream.read(_HEAD_BYTES)
            length = int.from_bytes(head[1:], "little")
            position += _HEAD_BYTES + length
            if len(head) < _HEAD_BYTES or position > self._size:
                if self.truncated:
                    return
                raise self._damaged("a record beyond the end")
            opcode, body = head[0], stream.read(length)
            if opcode == Opcode.DATA_END:
                stated = int.from_bytes(body[:4], "little")
                if length != 4 or stated not in (0, crc):
                    raise self._damaged("the check sum of the data section is wrong")
                return
            if opcode in (Opcode.FOOTER, Opcode.MESSAGE):
                raise self._damaged(f"a {Opcode(opcode).name.lower()} record out of place")
            if self._in_parts and not _plausible(opcode, body):
                raise self._damaged("a record that cannot be where it is")
            crc = zlib.crc32(body, zlib.crc32(head, crc))
            yield opcode, body
            stream.seek(position)

    def _test(self) -> None:
        """One pass over a complete file, for the check sum of all of it, before anybody reads a message."""
        for _ in self._records():
            pass

    def _read_metadata(self) -> dict[str, str]:
        self._stream.seek(0)
        if self._stream.read(_MAGIC_BYTES) != MCAP0_MAGIC:
            raise RecordingError(f"{self.path}: is not a recording (MCAP)")
        for opcode, body in self._records():
            if opcode == Opcode.METADATA:
                return self._unsealed(body)
            if opcode == Opcode.CHUNK:
                break
        if self.truncated:
            raise RecordingError(f"{self.path}: is cut before its first record: nothing can be read")
        raise RecordingError(f"{self.path}: is MCAP, but has no {PROFILE!r} metadata")

    def _unsealed(self, body: bytes) -> dict[str, str]:
        try:
            record = Metadata.read(ReadDataStream(io.BytesIO(body)))
        except Exception as error:  # as in _chunk
            raise self._damaged(str(error) or type(error).__name__) from None
        metadata = dict(record.metadata)
        if record.name != PROFILE or metadata.pop("crc32", "") != _seal(metadata):
            raise self._damaged("the check sum of the metadata is wrong")
        if metadata.pop("format") != FORMAT:
            raise RecordingError(f"{self.path}: format {record.metadata['format']}, known is {FORMAT}")
        del metadata["log_time_offset_ns"]
        return metadata

    def _damaged(self, what: str) -> RecordingError:
        return RecordingError(f"{self.path}: is damaged: {what.splitlines()[0][:160]}")


def _plausible(opcode: int, body: bytes) -> bool:
    """Whether a record may stand outside a chunk where no check sum of the whole file says that it does.

    A chunk whose opcode was damaged must not be passed over. Its neighbour in number, the index of a chunk's
    messages, says its own length.
    """
    if opcode == Opcode.MESSAGE_INDEX:
        return len(body) == 6 + int.from_bytes(body[2:6], "little")
    return opcode in (Opcode.HEADER, Opcode.METADATA, Opcode.CHUNK, Opcode.ATTACHMENT)


# ------------------------------------------------------------------------------------- merge and filter


def merge(
    paths: Sequence[Path | str],
    out: Path | str,
    metadata: Mapping[str, str],
    extra: Iterable[tuple[str, bytes, int]] = (),
) -> list[Path]:
    """One session from the recordings of several nodes, given in the order of their nations.

    First come the `extra` messages (topic, data, t_ns), such as the policy and the truth; then all others
    by (time, nation, sequence). Order within a nation is kept whatever its times say. Returns those of
    `paths` that were cut. Raises RecordingError.
    """
    recordings: list[Recording] = []
    try:
        for path in paths:
            recordings.append(Recording.open(path))
        with Recorder(out, metadata) as recorder:
            for topic, data, t_ns in extra:
                recorder.write(topic, data, t_ns)
            streams = [_keyed(recording, nation) for nation, recording in enumerate(recordings)]
            for _, message in heapq.merge(*streams, key=lambda pair: pair[0]):
                recorder.write(message.topic, message.data, message.t_ns)
        return [recording.path for recording in recordings if recording.truncated]
    finally:
        for recording in recordings:
            recording.close()


def _keyed(recording: Recording, nation: int) -> Iterator[tuple[tuple[int, int, int], Recorded]]:
    """Messages with keys that never fall, so that merging keeps their order."""
    latest = None
    for index, message in zip(itertools.count(), recording, strict=False):
        latest = message.t_ns if latest is None else max(latest, message.t_ns)
        yield (latest, nation, index), message


def strip(path: Path | str, out: Path | str, drop: Callable[[str], bool]) -> int:
    """Copies a recording without the topics for which `drop` is true; returns how many messages went.

    Metadata, times and order stay; the copy numbers its messages anew. Raises RecordingError.
    """
    dropped = 0
    with Recording.open(path) as recording, Recorder(out, recording.metadata) as recorder:
        for message in recording:
            if drop(message.topic):
                dropped += 1
            else:
                recorder.write(message.topic, message.data, message.t_ns)
    return dropped
