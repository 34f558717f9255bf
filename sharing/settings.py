"""Configuration files: the shell around `sharing.typed` and `sharing.policy` that reads them from disk."""

from pathlib import Path
from typing import TypeVar

from sharing.policy import Policy, PolicyError, base_of
from sharing.typed import SettingsError, parse

__all__ = ["SettingsError", "load", "load_policy", "parse", "read_text"]

T = TypeVar("T")

MAX_EXTENDS = 8


def read_text(path: Path | str) -> str:
    """The text of a file. Raises SettingsError when it is missing or unreadable."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: cannot be read: not UTF-8 text") from None


def load(path: Path | str, kind: type[T]) -> T:
    """The TOML file at `path` as a `kind`. Raises SettingsError."""
    return parse(read_text(path), kind, str(path))


def load_policy(path: Path | str) -> Policy:
    """The arrangement in the file at `path`, with what it extends (files beside it) already in it.

    Its `text` is therefore complete: `Policy.parse(policy.text, name)` gives the same policy anywhere.
    Raises SettingsError (or its kind PolicyError).
    """
    return _load_policy(Path(path), MAX_EXTENDS)


def _load_policy(path: Path, depth: int) -> Policy:
    text = read_text(path)
    extends = base_of(text, str(path))
    if not extends:
        return Policy.parse(text, str(path))
    if not depth:
        raise PolicyError(f"{path}: extends = {extends!r}: extends itself, or more than {MAX_EXTENDS} deep")
    return Policy.parse(text, str(path), base=_load_policy(path.with_name(f"{extends}.toml"), depth - 1))
