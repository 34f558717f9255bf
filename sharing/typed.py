"""Typed TOML: text -> a frozen, typed structure, with errors an operator can act on. Pure.

`tomllib` parses, msgspec converts; unknown keys are refused where the structure says so. Every refusal is
one line: file, dotted key, value, what is allowed.
"""

import re
import tomllib
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_NAMES_A_KEY = re.compile(r"[a-z_]+ = ")


class SettingsError(ValueError):
    """An operator's mistake, said in one line."""


def parse(text: str, kind: type[T], name: str) -> T:
    """TOML `text` as a `kind`; `name` is used in messages. Raises SettingsError."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name}: not TOML: {error}") from None
    except RecursionError:
        raise SettingsError(f"{name}: not TOML: nested too deep") from None
    try:
        return msgspec.convert(raw, kind, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(_explain(str(error), raw, kind, name)) from None


def _explain(message: str, raw: dict[str, Any], kind: Any, name: str) -> str:
    """``file: dotted.key = value: what is allowed`` from msgspec's ``… - at `$.dotted.key` ``."""
    problem, _, path = message.partition(" - at `$")
    key = path.rstrip("`").lstrip(".")
    _, missing, field = problem.partition("missing required field ")
    if missing:
        return f"{name}: {'.'.join(filter(None, (key, field.strip('`'))))}: is missing"
    parts = [part for part in key.replace("[", ".[").split(".") if part]
    problem += _allowed(problem, kind, parts)
    if not key:
        return f"{name}: {problem}"
    value = _lookup(raw, parts)
    if _NAMES_A_KEY.match(problem):  # what a table refuses of its own says so: "field = value: …"
        return f"{name}: {key}.{problem}"
    shown = "" if value is None or isinstance(value, dict) else f" = {value!r}"
    return f"{name}: {key}{shown}: {problem}"


def _lookup(raw: Any, parts: list[str]) -> Any:
    """The raw value at a path of keys and ``[index]``es, or None."""
    for part in parts:
        try:
            raw = raw[int(part[1:-1])] if part.startswith("[") else raw[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return raw


def _allowed(problem: str, kind: Any, parts: list[str]) -> str:
    """What msgspec leaves unsaid: the choices of a name, the fields of a table."""
    nodes = _nodes(msgspec.inspect.type_info(kind), parts)
    if problem.startswith("Invalid enum value"):
        literals = (node for node in nodes if isinstance(node, msgspec.inspect.LiteralType))
        choices = [str(value) for node in literals for value in node.values]
        return f", expected one of {', '.join(choices)}" if choices else ""
    if "unknown field" in problem:
        fields = [f.encode_name for node in nodes for f in getattr(node, "fields", ())]
        return f", known are {', '.join(fields)}" if fields else ""
    return ""


def _nodes(node: Any, parts: list[str]) -> list[Any]:
    """The types that may stand at a path below `node`: several where a union allows several."""
    if isinstance(node, msgspec.inspect.UnionType):
        return [found for option in node.types for found in _nodes(option, parts)]
    if isinstance(node, msgspec.inspect.Metadata):
        return _nodes(node.type, parts)
    if not parts:
        return [node]
    if parts[0].startswith("["):
        below = [getattr(node, "item_type", None)]
    elif isinstance(node, msgspec.inspect.DictType):
        below = [node.value_type]
    else:
        below = [f.type for f in getattr(node, "fields", ()) if f.encode_name == parts[0]]
    return [found for option in below if option is not None for found in _nodes(option, parts[1:])]
