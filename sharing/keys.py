"""Keys and identities: who a process is, and whose public keys it knows.

Rules of this module:

- A process has a name, ``NATION.role`` (``KOR.guard``), and one CURVE key pair under that name.
- The secret lies in ``NAME.key``, readable by its owner only; a file that others can read is refused.
- Public keys lie in a directory, one ``NAME.pub`` each: copying a file there is how a peer gets known. Its
  first line is the key; a second one is that from before a rotation, admitted until the rotation is finished.
- ``NAME.revoked`` holds the keys that NAME must never use again. A directory that has one of them both ways
  is refused, so that copying an old file back readmits nobody.
- Keys are Z85 text of 40 characters, as ZeroMQ writes them. Making them is `sharing.transport`'s work.
"""

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import msgspec

from sharing.settings import SettingsError, read_text

NAME = re.compile(r"[A-Z]{2,16}\.[a-z][a-z0-9-]{0,31}")
"""A process name: nation or COALITION, a dot, its role."""
KEY = re.compile(rb"[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
"""A key in Z85."""
MAX_KEYS = 1000


class KeysConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Table ``[keys]`` of a daemon: its own secret file and the folder of everybody's public keys."""

    secret: str
    public: str


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A process's own identity; `public` and `secret` in Z85."""

    name: str
    public: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"KeyPair({self.name})"


@dataclass(frozen=True, slots=True)
class Directory:
    """The public keys a process knows, by name; `previous` are those from before a rotation."""

    keys: dict[str, bytes]
    previous: dict[str, bytes] = field(default_factory=dict)

    @property
    def names(self) -> dict[bytes, str]:
        """Who may show which key: the current ones, and those from before a rotation."""
        both = (*self.keys.items(), *self.previous.items())
        return {key: name for name, key in both}

    def keys_of(self, name: str) -> frozenset[bytes]:
        """Every key that `name` may show; none for a name that is not known."""
        return frozenset(key for key, owner in self.names.items() if owner == name)

    def key_of(self, name: str) -> bytes:
        """The public key of `name`. Raises SettingsError when it is not known."""
        try:
            return self.keys[name]
        except KeyError:
            raise SettingsError(f"keys: no public key of {name!r}; known: {', '.join(self.keys)}") from None

    def require(self, names: Iterable[str]) -> None:
        """Raises SettingsError unless the keys of all `names` are known."""
        for name in names:
            self.key_of(name)


def write_pair(secrets: Path, public: Path, pair: KeyPair) -> None:
    """Write ``NAME.key`` (mode 0600) into `secrets` and ``NAME.pub`` into `public`; neither may exist."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(secrets / f"{pair.name}.key", flags, 0o600), "wb") as file:
        file.write(pair.public + b"\n" + pair.secret + b"\n")
    with os.fdopen(os.open(public / f"{pair.name}.pub", flags, 0o644), "wb") as file:
        file.write(pair.public + b"\n")


def load_pair(path: Path | str) -> KeyPair:
    """The key pair in the file ``NAME.key``. Raises SettingsError, also when others may read the file."""
    path = Path(path)
    name = _name(path)
    lines = read_text(path).encode().split()
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise SettingsError(f"{path}: mode {mode:04o} lets others read a secret key; chmod 600 it")
    if len(lines) != 2 or not all(map(KEY.fullmatch, lines)):
        raise SettingsError(f"{path}: not a key pair: two lines of 40 Z85 characters are needed")
    return KeyPair(name, lines[0], lines[1])


def load_directory(path: Path | str) -> Directory:
    """All ``*.pub`` of a folder, in order of name. Raises SettingsError."""
    path = Path(path)
    if not path.is_dir():
        raise SettingsError(f"{path}: no such directory of public keys")
    files = sorted(path.glob("*.pub"))
    if len(files) > MAX_KEYS:
        raise SettingsError(f"{path}: {len(files)} public keys; at most {MAX_KEYS} are allowed")
    known = {_name(file): _public(file) for file in files}
    for name, keys in known.items():
        for key in keys:
            if key in revoked_keys(path, name):
                raise SettingsError(f"{path / name}.pub: holds key {fingerprint(key)}, which was revoked")
    both = {name: keys[1] for name, keys in known.items() if len(keys) > 1}
    return Directory({name: keys[0] for name, keys in known.items()}, both)


def fingerprint(key: bytes) -> str:
    """A short name of a public key, for people."""
    return blake2b(key, digest_size=6).hexdigest()


def revoked_keys(public: Path, name: str) -> list[bytes]:
    """The keys that `name` must never use again."""
    path = public / f"{name}.revoked"
    return [line.encode() for line in read_text(path).split()] if path.exists() else []


def revoke(public: Path, name: str) -> list[bytes]:
    """Take every key of `name` out of a directory for good; gives them. Raises SettingsError when unknown."""
    keys = list(_public(_known(public, name)))
    _write(public / f"{name}.revoked", [*revoked_keys(public, name), *keys], 0o644)
    (public / f"{name}.pub").unlink()
    return keys


def rotate(secrets: Path, public: Path, pair: KeyPair) -> None:
    """Make `pair` the keys of its name; the public key until now stays admitted until `finish_rotation`.

    Raises SettingsError when the name is unknown, or while an earlier rotation is not finished.
    """
    before = _public(_known(public, pair.name))
    if len(before) > 1:
        raise SettingsError(f"{public / pair.name}.pub: a rotation is under way; finish it first")
    load_pair(secrets / f"{pair.name}.key")
    _write(secrets / f"{pair.name}.key", [pair.public, pair.secret], 0o600)
    _write(public / f"{pair.name}.pub", [pair.public, before[0]], 0o644)


def finish_rotation(public: Path, name: str) -> bytes:
    """Revoke the key from before a rotation; gives it. Raises SettingsError when there is none."""
    keys = _public(_known(public, name))
    if len(keys) < 2:
        raise SettingsError(f"{public / name}.pub: no rotation is under way")
    _write(public / f"{name}.revoked", [*revoked_keys(public, name), keys[1]], 0o644)
    _write(public / f"{name}.pub", [keys[0]], 0o644)
    return keys[1]


def _known(public: Path, name: str) -> Path:
    path = public / f"{name}.pub"
    _name(path)
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in public.glob("*.pub")))
        raise SettingsError(f"{path}: no such public key; known: {known or 'none'}")
    return path


def _write(path: Path, lines: Iterable[bytes], mode: int) -> None:
    """Replace a file by `lines`, whole or not at all, and readable by those of `mode` only from the start."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(b"".join(line + b"\n" for line in lines))
    part.rename(path)


def _public(path: Path) -> tuple[bytes, ...]:
    keys = tuple(read_text(path).encode().split())
    if len(keys) not in (1, 2) or not all(map(KEY.fullmatch, keys)):
        raise SettingsError(
            f"{path}: not a public key: 40 Z85 characters are needed, and those of the key before at most"
        )
    return keys


def _name(path: Path) -> str:
    if not NAME.fullmatch(path.stem):
        raise SettingsError(f"{path}: a key file is named NATION.role, such as KOR.guard{path.suffix}")
    return path.stem
