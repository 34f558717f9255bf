"""The score of the tracker over scenarios and seeds, in one command and one page of tables.

``python -m fusion.study.table 001-015 --seeds 50 --jobs 2 --markdown > docs/tracker-table.md``

Every run of a scenario leaves one file in --out, written beside and renamed, in a folder named after the
commit; what is there is not run again, so that an interrupted table goes on where it stopped. The tables are
made of all files of that commit, the scenarios and the seeds asked for. `fusion.study.judging` says what is
measured. Seeds run from 1 to --seeds.
"""

import multiprocessing
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import click
import msgspec

from configs import resolve
from fusion.command import invoke
from fusion.study.judging import Judged, judge
from fusion.study.tabled import LEGEND, Sheet, sheets
from fusion.tables import markdown_table, plain_table, show

ALL = tuple(f"{number:03d}" for number in range(1, 16))
_RANGE = re.compile(r"(\d{3})-(\d{3})")
Run = tuple[str, int]
"""A scenario and a seed."""


def named(arguments: Sequence[str]) -> tuple[str, ...]:
    """Scenarios of the command line, ``001-015`` written out; all of the table where none is named."""
    found: list[str] = []
    for argument in arguments:
        span = _RANGE.fullmatch(argument)
        first, last = (int(n) for n in span.groups()) if span else (0, 0)
        found += [f"{number:03d}" for number in range(first, last + 1)] if span else [argument]
    return tuple(found) or ALL


def as_of() -> str:
    """The commit that runs, ``-dirty`` where the code differs from it; without git, the package's version."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return f"version {version('sharedsky')}"
    return done.stdout.strip()


def path_of(folder: Path, run: Run) -> Path:
    """Where the result of a run is kept; `folder` is that of the commit."""
    return folder / f"{Path(resolve('scenarios', run[0])).stem}-{run[1]:05d}.json"


def perform(job: tuple[str, int, str, Path]) -> tuple[Run, float]:
    """Run one seed and keep what it says; gives the run and how many seconds it took."""
    name, seed, commit, folder = job
    begun = perf_counter()
    result = msgspec.json.encode(judge(name, seed, commit))
    path = path_of(folder, (name, seed))
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(result)
    part.replace(path)
    return (name, seed), perf_counter() - begun


def performed(jobs: Sequence[tuple[str, int, str, Path]], workers: int) -> Iterator[tuple[Run, float]]:
    """All runs, as they are done."""
    if workers == 1 or len(jobs) < 2:
        yield from map(perform, jobs)
        return
    with multiprocessing.get_context("forkserver").Pool(workers) as pool:
        yield from pool.imap_unordered(perform, jobs)


def kept(folder: Path, runs: Sequence[Run]) -> list[Judged]:
    """The results that are there, in the order of `runs`."""
    paths = [path_of(folder, run) for run in runs]
    return [msgspec.json.decode(path.read_bytes(), type=Judged) for path in paths if path.exists()]


@click.command()
@click.argument("scenarios", nargs=-1)
@click.option("--seeds", type=click.IntRange(1), default=50, show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=multiprocessing.cpu_count(), show_default=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("table-runs"),
              show_default=True, help="One file a run, by commit.")  # fmt: skip
@click.option("--markdown", is_flag=True, help="A page instead of tables for a terminal.")
@click.option("--only-kept", is_flag=True, help="Run nothing: tables of what --out has.")
def main(
    scenarios: tuple[str, ...], seeds: int, jobs: int, out: Path, markdown: bool, only_kept: bool
) -> None:
    """Score the tracker on SCENARIOS (numbers, slugs, 001-015; default those) over seeds 1 … --seeds.

    Example: python -m fusion.study.table 007 009 --seeds 20 --jobs 2
    """
    runs = [(name, seed) for seed in range(1, seeds + 1) for name in named(scenarios)]
    commit = as_of()
    folder = out / commit.replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    todo = [(*run, commit, folder) for run in runs if not path_of(folder, run).exists()]
    if not only_kept:
        for count, (run, seconds) in enumerate(performed(todo, jobs), 1):
            click.echo(f"{run[0]} seed {run[1]}: {seconds:.1f} s ({count} of {len(todo)})", err=True)
    found = kept(folder, runs)
    if not found:
        raise click.ClickException(f"{folder}: no result of these scenarios and seeds")
    if markdown:
        click.echo(page(found, commit))
        return
    for sheet in sheets(found):
        show(plain_table(sheet.title, sheet.columns, sheet.rows))
    click.echo(LEGEND)


def page(found: Sequence[Judged], commit: str) -> str:
    """Everything as Markdown."""
    seeds = sorted({one.seed for one in found})
    lines = [
        "# The tracker over scenarios",
        "",
        f"SIMULATED, NOTIONAL. Made by `python -m fusion.study.table --markdown`, as of {commit}:",
        f"{len(found)} runs, seeds {seeds[0]} to {seeds[-1]}; COALITION's as-known picture in the full mesh.",
        "",
        LEGEND,
    ]
    return "\n".join([*lines, *(text for sheet in sheets(found) for text in ("", _markdown(sheet)))])


def _markdown(sheet: Sheet) -> str:
    return f"## {sheet.title}\n\n{markdown_table(sheet.columns, sheet.rows)}"


if __name__ == "__main__":
    sys.exit(invoke(main, sys.argv[1:], "python -m fusion.study.table"))
