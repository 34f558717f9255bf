"""Keys and identities: who a process is, and whose public keys it knows.

Rules of this module:

- A process has a name, ``NATION.role`` (``KOR.guard``), and one CURVE key pair under that name.
- The secret lies in ``NAME.key``, readable by its owner only; a file that others can read is refused.
- Public keys lie in a directory, one ``NAME.pub`` each: copying a file there is how a peer gets known.
- Keys are Z85 text of 40 characters, as ZeroMQ writes them. Making them is `sharing.transport`'s work.
"""

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
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
    """The public keys a process knows, by name."""

    keys: dict[str, bytes]

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
    return Directory({_name(file): _public(file) for file in files})


def _public(path: Path) -> bytes:
    key = read_text(path).strip().encode()
    if not KEY.fullmatch(key):
        raise SettingsError(f"{path}: not a public key: 40 Z85 characters are needed")
    return key


def _name(path: Path) -> str:
    if not NAME.fullmatch(path.stem):
        raise SettingsError(f"{path}: a key file is named NATION.role, such as KOR.guard{path.suffix}")
    return path.stem
