"""Typed TOML: one loader for every configuration file, with errors an operator can act on.

A file is parsed by `tomllib` and converted by msgspec into a frozen, typed structure; unknown keys are
refused. Every refusal is one line: file, dotted key, value, what is allowed.
"""

import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class SettingsError(ValueError):
    """An operator's mistake, said in one line."""


def read_text(path: Path | str) -> str:
    """The text of a file. Raises SettingsError when it is missing or unreadable."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise SettingsError(f"{path}: cannot be read: {reason.lower()}") from None


def load(path: Path | str, kind: type[T]) -> T:
    """The TOML file at `path` as a `kind`. Raises SettingsError."""
    return parse(read_text(path), kind, str(path))


def parse(text: str, kind: type[T], name: str) -> T:
    """TOML `text` as a `kind`; `name` is used in messages. Raises SettingsError."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name}: not TOML: {error}") from None
    try:
        return msgspec.convert(raw, kind, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(_explain(str(error), raw, name)) from None


def _explain(message: str, raw: dict[str, Any], name: str) -> str:
    """``file: dotted.key = value: what is allowed`` from msgspec's ``what is allowed - at `$.dotted.key` ``."""
    allowed, _, path = message.partition(" - at `$")
    key = path.rstrip("`").lstrip(".")
    if not key:
        return f"{name}: {allowed}"
    value = _lookup(raw, key)
    shown = "" if value is None else f" = {value!r}"
    return f"{name}: {key}{shown}: {allowed}"


def _lookup(raw: Any, key: str) -> Any:
    """The raw value at msgspec's path `key` (``a.b[0].c``), or None."""
    for part in key.replace("[", ".[").split("."):
        try:
            raw = raw[int(part[1:-1])] if part.startswith("[") else raw[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return raw
