"""Solve the published problems and print errors, bounds and consistency.

``python -m fusion.study.published --runs 500 --seed 1``; `--json` prints one document, `--markdown` the
tables of docs/published-problems.md, `--figures DIR` also draws one picture a problem.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click

from fusion.command import invoke
from fusion.study.filters import FILTERS
from fusion.study.published import falling, farina, pair, pair_core, reentry, report
from fusion.study.published.cases import Outcome, solve
from fusion.tables import plain_table, show

PLAIN_EVERY = 20
"""Runs of the core between two lines of progress."""


def nrl(runs: int, core_runs: int, seed: int, biased: bool = False) -> Outcome:
    """The pair: filters with known association, then the core in its arms (with biases in the first)."""
    case = pair.case(max(runs, core_runs), seed, biased)
    outcome = solve(case, FILTERS)
    flown, notes = pair.flown(), []
    seen = pair.drawn(flown, max(runs, core_runs), seed, biased)
    judged = list(outcome.judged)
    arms = pair_core.ARMS[:1] if biased else pair_core.ARMS
    for arm in arms if core_runs else ():
        followed = []
        for run in range(core_runs):
            followed.append(pair_core.follow(flown, seen, run, arm, seed))
            if (run + 1) % PLAIN_EVERY == 0:
                click.echo(f"{case.name}: core, {arm}: {run + 1} of {core_runs} runs", err=True)
        one, custody = pair_core.judge_core(case, followed, arm)
        judged.append(one)
        held = "; ".join(" ".join(f"{share:.2f}" for share in column) for column in custody.held.T)
        notes.append(
            f"core, {arm}: {core_runs} runs; held at the four times (first object; second): {held}; "
            f"{custody.renamed:.2f} changes of track an object, {custody.spare:.2f} spare tracks at the end"
        )
    return replace(outcome, judged=tuple(judged), notes=tuple(notes))


PROBLEMS: dict[str, Callable[[int, int, int], Outcome]] = {
    "farina": lambda runs, _, seed: solve(farina.case(runs, seed), farina.FILTERS),
    "julier": lambda runs, _, seed: solve(reentry.case(runs, seed, matched=False), FILTERS),
    "julier-matched": lambda runs, _, seed: solve(reentry.case(runs, seed, matched=True), FILTERS),
    "athans": lambda runs, _, seed: solve(falling.case(runs, seed), FILTERS),
    "nrl": nrl,
    "nrl-biased": lambda runs, core_runs, seed: nrl(runs, core_runs, seed, biased=True),
}


def solved(name: str, runs: int, core_runs: int, seed: int) -> Outcome:
    """One problem by name, with the notes that follow from its figures."""
    outcome = PROBLEMS[name](runs, core_runs, seed)
    return replace(outcome, notes=(*outcome.notes, *report.notes(outcome)))


@click.command()
@click.option("--runs", type=click.IntRange(2, 10_000), default=500, show_default=True)
@click.option(
    "--core-runs",
    type=click.IntRange(0, 10_000),
    default=100,
    show_default=True,
    help="Runs of the tracker itself on the NRL pair.",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--only", type=click.Choice(list(PROBLEMS)), multiple=True, help="Repeatable; default all.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.option("--markdown", is_flag=True, help="Tables for a page.")
@click.option("--figures", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(
    runs: int,
    core_runs: int,
    seed: int,
    only: tuple[str, ...],
    as_json: bool,
    markdown: bool,
    figures: Path | None,
) -> None:
    """Solve published filtering problems: errors beside the bound, NEES and NIS beside their intervals.

    Example: python -m fusion.study.published --only farina --runs 1000
    """
    outcomes = []
    for name in only or PROBLEMS:
        click.echo(f"{name}: {runs} runs", err=True)
        outcomes.append(solved(name, runs, core_runs, seed))
        if not as_json:
            _print(outcomes[-1], markdown)
    if as_json:
        document = {"seed": seed, "problems": [report.document(o) for o in outcomes]}
        click.echo(json.dumps(document, indent=1, allow_nan=False))
    if figures is not None:
        report.figures(outcomes, figures)


def _print(outcome: Outcome, markdown: bool) -> None:
    if markdown:
        click.echo(report.markdown(outcome))
        return
    for title, columns, rows in report.tables(outcome):
        show(plain_table(title, columns, rows))
    for note in outcome.notes:
        click.echo(note)


if __name__ == "__main__":
    sys.exit(invoke(main, sys.argv[1:], "python -m fusion.study.published"))
