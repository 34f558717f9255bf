"""Two arms of one scenario over many seeds: what withholding costs, with intervals; are the filters honest?

``python -m fusion.study.seeds 009 --runs 50 --policy full-mesh --against withheld-kor --jobs 2 -o F.json``

Both arms of a seed see the same draws, so differences are paired; a positive one is a loss by withholding
(under --against, compared with --policy), whether it is a time that comes later, an error that is greater or
a share that is missing. Rules as for `scoring.cost`: who is never warned has a lead of 0, errors are compared
over the ticks paired in both arms, areas by their ratio (above 1 is a loss).

Intervals are 95 %: bootstrap for means (10,000 resamples, fixed seed), Wilson for proportions, χ² for NEES
with one sample a run and object at one fixed time. Seeds run from 1 to --runs.
"""

import json
import multiprocessing
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import track

from configs import resolve
from fusion.arms import by_recipient, run_arm
from fusion.command import invoke
from fusion.metrics import mean_bounds, wilson
from fusion.regions import load_regions
from fusion.scoring import TIMES_TO_GO_S, Score, cost, rmse_more
from fusion.session import Session
from fusion.tables import number, plain_table, show
from sensors.scenario import load_scenario
from sharing.messages import PHASES, RECIPIENTS
from sharing.settings import load_policy

RESAMPLES = 10_000
STATE_DIMENSION = 6
PLAIN_EVERY = 5
"""Seeds between two lines where there is no terminal."""
COMPARED = {
    "tracked": ("raid_fraction_lost", "of the raid lost", ".2f"),
    "custody_fraction": ("custody_lost", "lost", ".3f"),
    "first_detection_s": ("first_detection_later_s", "later", ".1f"),
    "first_range_detection_s": ("first_range_detection_later_s", "later", ".1f"),
    "first_track_s": ("first_track_later_s", "later", ".1f"),
    "warning_s": ("warning_later_s", "later", ".1f"),
    "warning_lead_s": ("warning_lead_lost_s", "lost", ".1f"),
    "impact_error_km": ("impact_error_more_km", "more", ".1f"),
    "impact_ellipse_km2": ("impact_ellipse_ratio", "times", ".2f"),
    "position_rmse_m": ("position_rmse_more_m", "more", ".1f"),
    "velocity_rmse_mps": ("velocity_rmse_more_mps", "more", ".1f"),
    "gospa_m": ("gospa_more_m", "more", ".1f"),
}
"""Of each metric: the name of its difference, what a positive one means, and their format."""
COUNTED = ("false_tracks", "false_warnings", "id_switches")


@dataclass(frozen=True, slots=True)
class Run:
    """One nation in one arm of one seed."""

    metrics: Mapping[str, Any]
    contained: tuple[tuple[int, bool], ...]
    """Of every impact estimate judged: seconds to go, and whether the 95 % ellipse held the truth."""
    nees: Mapping[str, tuple[float, ...]]
    """NEES of every object held at the middle of a flight phase of its own."""
    nees_held: Mapping[str, float]
    """Mean NEES over all ticks of every flight phase in which an object was held."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One nation in both arms of one seed, and what it loses in the second: the differences of `COMPARED`."""

    policy: Run
    against: Run
    lost: Mapping[str, float | None]


Middles = Mapping[tuple[int, str], float]
"""By the number of an object among those that count, and flight phase: a tick, seconds."""


def run_seed(
    scenario_name: str, policies: tuple[str, str], nations: Sequence[str], seed: int
) -> dict[str, Pair]:
    """The nations under both policies, on one draw of the scenario."""
    scenario = load_scenario(scenario_name)
    arms = [load_policy(resolve("policies", p)) for p in policies]
    regions = by_recipient([r for n in scenario.regions for r in load_regions(resolve("regions", n))])
    session = Session.generate(scenario, seed, arms[0]).held()
    middles = phase_middles(session)
    policy, against = (run_arm(session, arm, nations, regions=regions).scores for arm in arms)
    return {
        nation: Pair(_run_of(a, middles), _run_of(against[nation], middles), differences(a, against[nation]))
        for nation, a in policy.items()
    }


def phase_middles(session: Session) -> Middles:
    """The tick in the middle of each flight phase of each object that counts."""
    middles = {}
    for which, flown in enumerate(t for t in session.truth if t.counts):
        for phase in np.unique(flown.phase).tolist():
            ticks = flown.t_valid_ns[flown.phase == phase]
            middles[which, PHASES[phase]] = float(ticks[len(ticks) // 2]) / 1e9
    return middles


def differences(policy: Score, against: Score) -> dict[str, float | None]:
    """What `against` loses compared with `policy`: the differences of `COMPARED`, positive for a loss."""
    a, b = policy.metrics, against.metrics
    plain = ("first_range_detection_s", "warning_s", "impact_error_km", "gospa_m")
    return {
        **cost(a, b),
        **{COMPARED[k][0]: None if None in (a[k], b[k]) else b[k] - a[k] for k in plain},
        **rmse_more(policy, against),
    }


def _run_of(score: Score, middles: Middles) -> Run:
    phases = np.array(score.phase, dtype=object)
    samples = dict(zip(score.keys(), score.nees.tolist(), strict=True))
    held: dict[str, list[float]] = {}
    for (which, phase), t_s in middles.items():
        if (which, t_s) in samples:
            held.setdefault(phase, []).append(samples[which, t_s])
    return Run(
        metrics=score.metrics,
        contained=tuple((i.to_go_s, i.contained) for i in score.impacts),
        nees={phase: tuple(values) for phase, values in held.items()},
        nees_held={p: float(score.nees[phases == p].mean()) for p in PHASES if (phases == p).any()},
    )


# ---------------------------------------------------------------------------------------- statistics


def bootstrap(values: Sequence[float]) -> tuple[float, float, float] | None:
    """Mean and 95 % percentile interval of `values`; None when there are none."""
    if not values:
        return None
    sample = np.asarray(values, dtype=np.float64)
    rows = np.random.default_rng(1).integers(0, len(sample), (RESAMPLES, len(sample)))
    low, high = np.percentile(sample[rows].mean(axis=1), [2.5, 97.5])
    return float(sample.mean()), float(low), float(high)


def summarise(seeds: Sequence[Mapping[str, Pair]], policies: tuple[str, str]) -> dict[str, Any]:
    """Everything the seeds say, as one JSON document: arms, paired differences, containment, NEES."""
    found = {}
    for nation in seeds[0]:
        pairs = [seed[nation] for seed in seeds]
        arms = [pair.policy for pair in pairs], [pair.against for pair in pairs]
        found[nation] = {
            "arms": {name: _arm(runs) for name, runs in zip(policies, arms, strict=True)},
            "lost": {key: _mean(pair.lost[key] for pair in pairs) for key, _, _ in COMPARED.values()},
        }
    return found


def _arm(runs: Sequence[Run]) -> dict[str, Any]:
    return {
        **{key: _mean(r.metrics[key] for r in runs) for key in (*COMPARED, *COUNTED)},
        "contained": {str(t): _contained(runs, t) for t in TIMES_TO_GO_S},
        "nees": {phase: _consistency(runs, phase) for phase in PHASES if any(phase in r.nees for r in runs)},
        "nees_held": {phase: _mean(r.nees_held.get(phase) for r in runs) for phase in PHASES},
    }


def _mean(values: Iterable[float | None]) -> dict[str, Any] | None:
    """Mean over the runs in which the value exists, its interval, and how many those are."""
    there = [v for v in values if v is not None]
    interval = bootstrap(there)
    return interval and {"mean": interval[0], "low": interval[1], "high": interval[2], "n": len(there)}


def _contained(runs: Sequence[Run], to_go_s: int) -> dict[str, Any] | None:
    """How often a 95 % impact ellipse held the truth, of those that there were."""
    there = [held for r in runs for t, held in r.contained if t == to_go_s]
    interval = wilson(sum(there), len(there))
    return interval and {
        "fraction": interval[0], "low": interval[1], "high": interval[2], "held": sum(there), "n": len(there)
    }  # fmt: skip


def _consistency(runs: Sequence[Run], phase: str) -> dict[str, Any]:
    """Mean NEES over runs at the phase's middle, and where a right filter's mean lies 95 % of the time."""
    there = [value for r in runs for value in r.nees.get(phase, ())]
    low, high = mean_bounds(len(there), STATE_DIMENSION)
    return {"mean": float(np.mean(there)), "low": low, "high": high, "n": len(there)}


# ------------------------------------------------------------------------------------------- command


def _recipients(context: click.Context, parameter: click.Parameter, text: str) -> tuple[str, ...]:
    """Whose pictures. Raises BadParameter."""
    names = tuple(text.split(","))
    for name in names:
        if name not in RECIPIENTS:
            raise click.BadParameter(f"{name!r}: some of {', '.join(RECIPIENTS)}")
    return names


@click.command()
@click.argument("scenario")
@click.option("--runs", type=click.IntRange(1), default=50, show_default=True)
@click.option("--policy", default="full-mesh", show_default=True)
@click.option("--against", default="withheld-kor", show_default=True)
@click.option("--nations", default=",".join(RECIPIENTS), show_default=True, callback=_recipients)
@click.option("--jobs", type=click.IntRange(1), default=multiprocessing.cpu_count(), show_default=True)
@click.option("-o", "out", type=click.Path(path_type=Path), help="Also write everything as JSON.")
def main(
    scenario: str, runs: int, policy: str, against: str, nations: tuple[str, ...], jobs: int, out: Path | None
) -> None:
    """Run both arms of SCENARIO over seeds 1 … --runs and print what they say."""
    hours = load_hours(scenario)
    for name in (policy, against):
        load_policy(resolve("policies", name))
    work = partial(run_seed, scenario, (policy, against), nations)
    done = list(_told(_each(work, runs, jobs), runs))
    summary = {
        "scenario": scenario,
        "runs": runs,
        "policy": policy,
        "against": against,
        "hours": hours,
        "nations": summarise(done, (policy, against)),
    }
    _print(summary)
    if out is not None:
        part = out.with_name(out.name + ".part")
        part.write_text(json.dumps(summary, indent=1, allow_nan=False))
        part.replace(out)


def load_hours(scenario: str) -> float:
    """Length of a scenario in hours."""
    loaded = load_scenario(scenario)
    return (loaded.t_end_ns - loaded.t_start_ns) / 3.6e12


def _told(done: Iterator[dict[str, Pair]], runs: int) -> Iterator[dict[str, Pair]]:
    """The same, with a bar on stderr, or with a line now and then where that is no terminal."""
    console = Console(stderr=True)
    if console.is_terminal:
        yield from track(done, "seeds", runs, console=console, transient=True)
        return
    for count, seed in enumerate(done, 1):
        if count % PLAIN_EVERY == 0 or count == runs:
            click.echo(f"{count} of {runs} seeds", err=True)
        yield seed


def _each(work: "partial[dict[str, Pair]]", runs: int, jobs: int) -> Iterator[dict[str, Pair]]:
    """The results in order of seed."""
    seeds = range(1, runs + 1)
    if jobs == 1:
        yield from map(work, seeds)
        return
    with multiprocessing.get_context("forkserver").Pool(jobs) as pool:
        yield from pool.imap(work, seeds)


def _print(summary: Mapping[str, Any]) -> None:
    arms, runs = (summary["policy"], summary["against"]), summary["runs"]
    cells = {(n, a): found["arms"][a] for n, found in summary["nations"].items() for a in arms}
    for nation, found in summary["nations"].items():
        rows = [_compared(found, key, arms, runs) for key in (*COMPARED, *COUNTED)]
        title = f"{summary['scenario']}, {nation}: means of {runs} seeds and their 95 % intervals"
        show(plain_table(title, ["as known", *arms, "lost by withholding"], rows))
    heads = ["95 % impact ellipse holds the truth", *(f"{t} s to go" for t in TIMES_TO_GO_S)]
    rows = [
        [f"{n}, {arm}", *(_proportion(cell["contained"][str(t)]) for t in TIMES_TO_GO_S)]
        for (n, arm), cell in cells.items()
    ]
    show(plain_table("Containment and its 95 % interval", heads, rows))
    phases = [p for p in PHASES if any(p in cell["nees"] for cell in cells.values())]
    rows = [
        [f"{n}, {arm}", *(_interval(cell["nees"].get(p), ".2f", runs) for p in phases)]
        for (n, arm), cell in cells.items()
    ]
    show(plain_table("NEES at mid-phase, and where a right filter's mean lies", ["", *phases], rows))
    rows = [
        [f"{n}, {arm}", *(_interval(cell["nees_held"].get(p), ".2f", runs) for p in phases)]
        for (n, arm), cell in cells.items()
    ]
    show(plain_table("Mean NEES over every held tick of the phase, over runs", ["", *phases], rows))
    hours = summary["hours"]
    rows = [[f"{n}, {a}", f"{c['false_tracks']['mean'] / hours:.2f}"] for (n, a), c in cells.items()]
    show(plain_table("False tracks per hour", ["", "mean"], rows))


def _compared(found: Mapping[str, Any], key: str, arms: Sequence[str], runs: int) -> list[str]:
    difference, meaning, form = COMPARED.get(key, ("", "", ".1f"))
    cells = [_interval(found["arms"][arm][key], form, runs) for arm in arms]
    lost = found["lost"].get(difference)
    return [key, *cells, f"{_interval(lost, form, runs)} {meaning}" if lost else "–"]


def _interval(cell: Mapping[str, Any] | None, form: str, runs: int) -> str:
    """Mean and interval; how many runs had a value, where not all had."""
    if cell is None:
        return "–"
    low, high = (number(cell[k], form) for k in ("low", "high"))
    of = "" if cell["n"] == runs else f" (n={cell['n']})"
    return f"{cell['mean']:{form}}  {low} … {high}{of}"


def _proportion(cell: Mapping[str, Any] | None) -> str:
    if cell is None:
        return "–"
    return f"{cell['held']}/{cell['n']}  {cell['low']:.2f} … {cell['high']:.2f}"


if __name__ == "__main__":
    sys.exit(invoke(main, sys.argv[1:], "python -m fusion.study.seeds"))
