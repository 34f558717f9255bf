"""The audit log: every decision on what leaves, in a chain that shows what was edited, cut or reordered.

Rules of this module:

- One line a record: the chain's hash after it, a space, JSON. The hash covers the hash before it and the
  JSON's bytes: a record cannot be changed, left out or moved without breaking every hash behind it.
- Records are numbered from 0 and only ever appended. A log that was closed in order ends with an ``end``.
- Its size is bounded: a full file is renamed ``NAME.1`` (and so on, older files one further), and the oldest
  beyond ``keep`` goes; the first record of a file says so, and the chain runs through.
- Whoever can write the file can write a whole new chain. Against that helps only a *head* (number and hash
  of the last record) kept elsewhere: a guard writes it into its status file, `verify` holds a log to one.
- What was flushed survives the process. A torn last line is taken off, and told, when a log goes on.
"""

import os
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgspec

from sharing.messages import Message
from sharing.release import Decision
from sharing.settings import SettingsError

HASH_BYTES: Final = 32
BEFORE_ALL: Final = bytes(HASH_BYTES)
"""What the first record's hash covers instead of a hash before it."""
MAX_BYTES: Final = 64 << 20
KEEP: Final = 7
"""Full files that stay beside the current one, unless configured otherwise."""
MAX_LINE: Final = 1 << 16


class AuditError(SettingsError):
    """A log that is not what was written: file, record, what is wrong, in one line."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last record of a log: how many there are, and the chain's hash."""

    records: int = 0
    digest: bytes = BEFORE_ALL

    def __str__(self) -> str:
        return f"{self.records}:{self.digest.hex()}"

    @classmethod
    def read(cls, text: str) -> "Head":
        """The head that `str` gave as a text. Raises SettingsError."""
        count, _, digest = text.partition(":")
        if not count.isdigit() or len(digest) != 2 * HASH_BYTES or set(digest) - set("0123456789abcdef"):
            raise SettingsError(
                f"head = {text!r}: expected RECORDS:HASH, {2 * HASH_BYTES} hexadecimal digits"
            )
        return cls(int(count), bytes.fromhex(digest))

    def after(self, body: bytes) -> "Head":
        """The head once `body` is appended."""
        return Head(self.records + 1, blake2b(self.digest + body, digest_size=HASH_BYTES).digest())


class AuditLog:
    """An open log; a context manager that ends it in order. `about` goes into its first record.

    Raises AuditError when there is a log at `path` already that is not whole, OSError for what the disk
    refuses. `judged` is what `sharing.release.Release` tells its decisions to.
    """

    def __init__(
        self, path: Path | str, about: Mapping[str, Any], *, max_bytes: int = MAX_BYTES, keep: int = KEEP
    ) -> None:
        self.path = Path(path)
        self.head = Head()
        self._max_bytes, self._keep = max(max_bytes, 2 * MAX_LINE), keep
        torn = self._take_up() if self.path.exists() else 0
        self._file = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
        self._size = self._file.tell()
        self.note("start", keep=keep, **({"torn_bytes": torn} if torn else {}), **about)

    def __enter__(self) -> "AuditLog":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def judged(self, item: Message, t_ns: int, decisions: Mapping[str, Decision]) -> None:
        """One record for an item that came at scenario time `t_ns`: what was decided for each recipient."""
        outcomes = {
            recipient: [d.outcome, d.rule, d.t_out_ns] if d.rule else [d.outcome]
            for recipient, d in decisions.items()
        }
        epoch = next((d.epoch for d in decisions.values()), 0)
        self.note(
            "item", t_ns=t_ns, item=item.item_id.hex(), of=f"{item.originator}/{item.sensor}",
            type=type(item).__name__.lower(), epoch=epoch, to=outcomes,
        )  # fmt: skip

    def note(self, kind: str, **fields: Any) -> None:
        """Append a record of a `kind`, such as ``policy`` for a change of it."""
        body = _body({"n": self.head.records, "kind": kind, **fields})
        if self._size + len(body) > self._max_bytes:
            self._turn_over()
            body = _body({"n": self.head.records, "kind": kind, **fields})
        self._append(body)

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """End the log in order."""
        if not self._file.closed:
            self.note("end")
            self._file.close()

    def _append(self, body: bytes) -> None:
        self.head = self.head.after(body)
        self._size += self._file.write(self.head.digest.hex().encode() + b" " + body + b"\n")

    def _turn_over(self) -> None:
        """Begin a new file; the oldest beyond what is kept goes."""
        self._file.close()
        _numbered(self.path, self._keep).unlink(missing_ok=True)
        for number in range(self._keep, 0, -1):
            older = _numbered(self.path, number - 1)
            if older.exists():
                older.rename(_numbered(self.path, number))
        if not self._keep:
            self.path.unlink(missing_ok=True)
        self._file = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._size = 0
        after = self.head.digest.hex()
        self._append(_body({"n": self.head.records, "kind": "file", "keep": self._keep, "after": after}))

    def _take_up(self) -> int:
        """Go on behind a log that is there; bytes of a torn last line, which is taken off."""
        data = self.path.read_bytes()
        torn = len(data) - (data.rfind(b"\n") + 1)
        if torn:
            os.truncate(self.path, len(data) - torn)
        for record in records(self.path):
            self.head = record.head
        return torn


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its fields, and the head once it is written."""

    fields: dict[str, Any]
    head: Head


@dataclass(frozen=True, slots=True)
class Verdict:
    """A log that is whole: its head, its first record (0 unless some were dropped), whether it ended."""

    head: Head
    first: int
    ended: bool


def records(path: Path | str) -> Iterator[Record]:
    """The records of a log, older files first. Raises AuditError at the first that was not written so."""
    files = _files(Path(path))
    head, begun = Head(), False
    for place, file in enumerate(files):
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                where = f"{file}:{number}"
                digest, body = _split(line, where)
                fields = _fields(body, where)
                if not begun:
                    head = _beginning(fields, len(files), where)
                    begun = True
                if fields.get("n") != head.records:
                    raise AuditError(f"{where}: record {fields.get('n')} where {head.records} should stand")
                head = head.after(body)
                if head.digest.hex().encode() != digest:
                    raise AuditError(f"{where}: record {head.records - 1} is not what was written")
                yield Record(fields, head)
        if file.stat().st_size == 0 and place:
            raise AuditError(f"{file}: is empty")
    if not begun:
        raise AuditError(f"{path}: is empty")


def verify(path: Path | str, head: Head | None = None) -> Verdict:
    """Hold a log to its chain, to its end, and to a `head` that was kept elsewhere.

    Raises AuditError for what was edited, reordered or cut, OSError for what cannot be read. Without an
    ``end`` and without a head nobody can tell a log that is being written from one that was cut: that is
    said in the verdict.
    """
    last, first, met = None, None, head is None or head == Head()
    for record in records(path):
        first = record.head.records - 1 if first is None else first
        met = met or record.head == head
        last = record
    assert last is not None and first is not None
    if not met:
        assert head is not None
        what = "has other records before it" if head.records <= last.head.records else "is cut before it"
        raise AuditError(f"{path}: does not hold the head {head.records}: the log {what}")
    return Verdict(last.head, first, last.fields.get("kind") == "end")


def query(
    path: Path | str,
    *,
    of: str | None = None,
    to: str | None = None,
    item: str | None = None,
    outcome: str | None = None,
    rule: str | None = None,
    from_ns: int | None = None,
    until_ns: int | None = None,
) -> Iterator[dict[str, Any]]:
    """The decisions of a log, one for each item and recipient, that fit everything asked.

    `of` is a nation or NATION/sensor, `item` the beginning of an item id.

    Keys: ``t_ns``, ``item``, ``of``, ``type``, ``epoch``, ``to``, ``outcome``, ``rule``, ``t_out_ns``.
    """
    for record in records(path):
        fields = record.fields
        if fields["kind"] != "item" or not _within(fields["t_ns"], from_ns, until_ns):
            continue
        names = (None, fields["of"], fields["of"].partition("/")[0])
        if of not in names or not fields["item"].startswith(item or ""):
            continue
        for recipient, decided in fields["to"].items():
            given = dict(zip(("outcome", "rule", "t_out_ns"), [*decided, "", None][:3], strict=True))
            fits = to in (None, recipient) and outcome in (None, given["outcome"])
            if fits and rule in (None, given["rule"]):
                about = {name: fields[name] for name in ("t_ns", "item", "of", "type", "epoch")}
                yield {**about, "to": recipient, **given}


def _within(t_ns: int, from_ns: int | None, until_ns: int | None) -> bool:
    return (from_ns is None or t_ns >= from_ns) and (until_ns is None or t_ns < until_ns)


def _body(fields: Mapping[str, Any]) -> bytes:
    body = msgspec.json.encode(fields)
    if len(body) > MAX_LINE:
        raise AuditError(f"a record of {len(body)} bytes; at most {MAX_LINE}")
    return body


def _split(line: bytes, where: str) -> tuple[bytes, bytes]:
    """Hash and JSON of a line."""
    if len(line) > MAX_LINE + 2 * HASH_BYTES + 2 or not line.endswith(b"\n"):
        raise AuditError(f"{where}: a line that is cut or was never written here")
    digest, _, body = line[:-1].partition(b" ")
    return digest, body


def _fields(body: bytes, where: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise AuditError(f"{where}: not a record") from None


def _beginning(fields: dict[str, Any], files: int, where: str) -> Head:
    """What stands before the first record that is there: nothing, or what was dropped at the bound."""
    if fields.get("n") == 0:
        return Head()
    try:
        before = Head(int(fields["n"]), bytes.fromhex(fields["after"]))
        kept = int(fields["keep"])
    except (KeyError, TypeError, ValueError):
        raise AuditError(f"{where}: the records before {fields.get('n')} are missing") from None
    if files <= kept:
        raise AuditError(f"{where}: {files} files, but {kept} full ones are kept: some are missing")
    return before


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path


def _files(path: Path) -> list[Path]:
    """The files of a log, oldest first. Raises OSError when there is none."""
    numbers = [int(p.suffix[1:]) for p in path.parent.glob(f"{path.name}.*") if p.suffix[1:].isdigit()]
    found = deque([path])
    for number in range(1, max(numbers, default=0) + 1):
        found.appendleft(_numbered(path, number))
    return list(found)
