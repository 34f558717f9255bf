"""Every command in docs/tutorials is run: each page in an empty folder, in order; all must succeed.

In a page, a block ``console`` holds commands after ``$ ``; a block ``python NAME`` is written to file NAME.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).resolve().parents[2] / "docs" / "tutorials").glob("*.md"))
BLOCK = re.compile(r"^```(console|python \S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.integration


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Info string and content of a page's blocks that take part."""
    for found in BLOCK.finditer(text):
        yield found[1], found[2]


def commands(block: str) -> list[str]:
    """The lines of a console block that a reader types."""
    return [line[2:] for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture
def environment() -> dict[str, str]:
    """The reader's environment: the virtual environment that runs this test is active."""
    binaries = Path(sys.executable).parent
    if not (binaries / "sharedsky").exists():
        pytest.skip("sharedsky is not installed in this environment (make test installs it)")
    return {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_tutorial_runs(
    page: Path, tmp_path: Path, environment: dict[str, str], request: pytest.FixtureRequest
) -> None:
    text = page.read_text(encoding="utf-8")
    if "$ASCENTS" in text:
        environment["ASCENTS"] = str(request.getfixturevalue("data_dir") / "rocket-ascents")
    ran = 0
    for info, block in blocks(text):
        if info.startswith("python "):
            (tmp_path / info.split()[1]).write_text(block, encoding="utf-8")
            continue
        for command in commands(block):
            done = subprocess.run(
                ["bash", "-euc", command], cwd=tmp_path, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
            ran += 1
    assert ran, "the page has no command"
