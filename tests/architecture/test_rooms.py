"""The contract behind the table of rooms finds what it should, and the table holds for the tree."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.rooms import breaches, parse_row

TABLE = [parse_row(line) for line in ("base ->", "shop -> base", "shop.back shop.side -> shop", "top -> *")]


def test_row_without_an_arrow_is_refused() -> None:
    with pytest.raises(ValueError, match="room -> allowed"):
        parse_row("base")


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("shop", "base.inner", True),
        ("shop.front", "shop", True),
        ("base", "shop", False),
        ("shop", "shop.back", False),
        ("shop.back.deep", "shop.front", True),
        ("shop.back", "shop.side", True),
        ("shop.back", "base", False),
        ("top", "shop.side", True),
        ("shop", "top", False),
    ],
)
def test_imports_are_judged_by_the_most_specific_room(importer: str, imported: str, allowed: bool) -> None:
    assert bool(breaches(TABLE, [(importer, imported)], [])) is not allowed


def test_module_without_a_room_is_named() -> None:
    assert breaches(TABLE, [], ["base", "attic.box"]) == ["attic.box is in no room of the table"]


def test_tree_keeps_the_table(repo_root: Path) -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([lint, "--no-logo", "--no-cache"], cwd=repo_root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
