"""The same bytes on every instruction set that this machine has, and one line for one that it has not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ext.lanes import isa

SETS = ("baseline", "avx2", "avx512")


def forced(name: str, repo_root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.conformance.scenario_hash"],
        cwd=repo_root,
        env={**os.environ, "SHAREDSKY_ISA": name},
        text=True,
        capture_output=True,
    )


def test_same_bytes_whatever_the_instruction_set(repo_root: Path) -> None:
    runs = [forced(name, repo_root) for name in SETS]
    able = {tuple(run.stdout.split()) for run in runs if run.returncode == 0}
    assert {name for name, _ in able} >= {"baseline", isa()}
    assert len({digest for _, digest in able}) == 1
    for run in runs:
        if run.returncode:
            assert "this machine has only" in run.stderr


@pytest.mark.parametrize("name", ["sse9", "AVX2"])
def test_unknown_set_is_refused(name: str, repo_root: Path) -> None:
    run = forced(name, repo_root)
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1] == (
        f"ImportError: SHAREDSKY_ISA={name}: unknown, one of avx512, avx2, baseline"
    )
