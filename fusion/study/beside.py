"""Six scenarios beside what was reported, and which parameter decides: the tables of docs/scenarios.md.

``python -m fusion.study.beside 001 --seeds 5``

Each row is one change of the scenario and one recipient (`fusion.study.stories`). Every cell is the median
over the seeds 1 … N that have a value, with the smallest and the largest where they differ, and how many have
one where not all do; a dash where none has.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

import click

from configs import resolve
from fusion.command import invoke
from fusion.session import Session
from fusion.study.known import Known, regions_of, watch
from fusion.study.stories import STORIES, Arm, Case, Story
from fusion.tables import plain_table, show
from sensors.scenario import Scenario, load_scenario
from sharing.settings import load_policy


def cell(values: Sequence[float | None], form: str) -> str:
    """Median and extremes of what there is."""
    there = [v for v in values if v is not None]
    if not there:
        return "–"
    low, high = format(min(there), form), format(max(there), form)
    text = format(median(there), form)
    text += "" if low == high else f" ({low} … {high})"
    return text if len(there) == len(values) else f"{text} in {len(there)} of {len(values)}"


def rows(story: Story, scenario: Scenario, seeds: Sequence[int]) -> Iterator[list[str]]:
    """The table's rows: the change and who, then a cell for each column."""
    for case in story.cases:
        found = known_in(case, scenario, seeds)
        for number, arm in enumerate(case.arms):
            known = found[arm]
            cells = [cell([column.measure(k) for k in known], column.form) for column in story.columns]
            yield [case.title if not number else "", arm.title, *cells]


def known_in(case: Case, scenario: Scenario, seeds: Sequence[int]) -> dict[Arm, list[Known]]:
    """What every arm of a case knew, seed by seed. Arms under one arrangement share a run."""
    changed = case.change(scenario)
    regions = regions_of(changed)
    found: dict[Arm, list[Known]] = {arm: [] for arm in case.arms}
    for seed in seeds:
        held = Session.generate(changed, seed, load_policy(resolve("policies", "full-mesh"))).held()
        for policy, withhold in dict.fromkeys((arm.policy, arm.withhold) for arm in case.arms):
            arms = [arm for arm in case.arms if (arm.policy, arm.withhold) == (policy, withhold)]
            arrangement = load_policy(resolve("policies", policy)).withhold(withhold)
            session = replace(held, policy=arrangement)
            known = watch(session, [arm.recipient for arm in arms], regions)
            for arm in arms:
                found[arm].append(known[arm.recipient])
    return found


@click.command()
@click.argument("scenario", type=click.Choice(tuple(STORIES)))
@click.option("--seeds", type=click.IntRange(1), default=5, show_default=True, help="Seeds 1 … N.")
@click.option("--markdown", is_flag=True, help="As docs/scenarios.md holds it.")
def main(scenario: str, seeds: int, markdown: bool) -> None:
    """Print who knew what in SCENARIO, as it is and with one thing changed."""
    story, loaded = STORIES[scenario], load_scenario(scenario)
    columns = ["change", "who", *(column.title for column in story.columns)]
    table = list(rows(story, loaded, range(1, seeds + 1)))
    if markdown:
        for line in (columns, ["---"] * len(columns), *table):
            click.echo(f"| {' | '.join(line)} |")
        return
    show(plain_table(f"{loaded.name}, seeds 1 to {seeds}", columns, table))


if __name__ == "__main__":
    sys.exit(invoke(main, sys.argv[1:], "python -m fusion.study.beside"))
