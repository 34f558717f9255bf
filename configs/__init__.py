"""The configurations that ship with sharedsky, found by number, slug or path.

``resolve("scenarios", "009")``, ``resolve("scenarios", "hwasong12-aomori")`` and
``resolve("scenarios", "my/own.toml")`` all give a path. Everything here is NOTIONAL.
"""

from pathlib import Path

SUFFIXES = (".toml", ".geojson")
ROOT = Path(__file__).parent


class UnknownName(ValueError):
    """No configuration of that name; the message lists what there is."""


def available(kind: str) -> list[Path]:
    """Files of a kind (``scenarios``, ``sensors``, ``policies``, ``regions``, ``threats``), by name."""
    return sorted(p for p in (ROOT / kind).iterdir() if p.suffix in SUFFIXES)


def resolve(kind: str, name: str) -> Path:
    """The path of configuration `name`: a path that exists, a number (``009``), a slug or a whole stem.

    Raises UnknownName when nothing, or more than one file, fits, and for a path without a file.
    """
    path = Path(name)
    if path.suffix and path.is_file():
        return path
    if path.suffix in SUFFIXES or "/" in name:
        raise UnknownName(f"{name}: there is no such file")
    fits = [p for p in available(kind) if _fits(p.stem, name)]
    if len(fits) == 1:
        return fits[0]
    names = ", ".join(p.stem for p in available(kind))
    raise UnknownName(f"{kind}: no configuration {name!r}; there are: {names}")


def _fits(stem: str, name: str) -> bool:
    number, _, slug = stem.partition("-")
    if number.isdigit() and name.isdigit():
        return int(number) == int(name)
    return name in (stem, slug if number.isdigit() else stem)
