"""An import-linter contract that reads the table of rooms: each line says what a room may import.

A line is ``room [room …] -> allowed [allowed …]``; ``*`` allows everything. A module belongs to the most
specific room that holds it; rooms on one line share a room and may import each other. What a line does not
allow is forbidden, and so is a module that no line holds: a new room is entered in the table first.
Imports inside functions and under ``TYPE_CHECKING`` count like any other.
"""

from dataclasses import dataclass

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    rooms: tuple[str, ...]
    allowed: tuple[str, ...]


def parse_row(line: str) -> Row:
    """``a b -> c d`` as a Row. Raises ValueError when there is no arrow or no room."""
    rooms, arrow, allowed = line.partition("->")
    if not arrow or not rooms.split():
        raise ValueError(f"a line of the table is 'room -> allowed': {line!r}")
    return Row(tuple(rooms.split()), tuple(allowed.split()))


def holds(package: str, module: str) -> bool:
    """Whether `module` is `package` or lies in it."""
    return module == package or module.startswith(package + ".")


def row_of(rows: list[Row], module: str) -> Row | None:
    """The line whose room holds `module` most specifically, or None."""
    fits = [(len(room), row) for row in rows for room in row.rooms if holds(room, module)]
    return max(fits, key=lambda fit: fit[0])[1] if fits else None


def breaches(rows: list[Row], imports: list[tuple[str, str]], modules: list[str]) -> list[str]:
    """What the table forbids: one text per module without a room and per import that no line allows."""
    found = [f"{module} is in no room of the table" for module in modules if row_of(rows, module) is None]
    for importer, imported in imports:
        row = row_of(rows, importer)
        if row is None or row is row_of(rows, imported) or "*" in row.allowed:
            continue
        if not any(holds(allowed, imported) for allowed in row.allowed):
            found.append(f"{importer} must not import {imported}")
    return found


class RoomsContract(Contract):
    """The table as an import-linter contract: option ``table``, a list of lines."""

    table = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Compare every import between our own modules with the table."""
        rows = [parse_row(line) for line in self.table]
        ours = sorted(m for m in graph.modules if not graph.is_module_squashed(m))
        seen = {module: graph.find_modules_directly_imported_by(module).intersection(ours) for module in ours}
        imports = [(importer, imported) for importer in ours for imported in sorted(seen[importer])]
        found = breaches(rows, imports, ours)
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print one line per breach."""
        for text in check.metadata["found"]:
            output.print_error(text)
