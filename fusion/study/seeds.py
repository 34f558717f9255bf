"""Two arms of one scenario over many seeds: what withholding costs, with intervals; are the filters honest?

``python -m fusion.study.seeds 009 --runs 50 --policy full-mesh --against withheld-kor --jobs 2 -o F.json``

Both arms of a seed see the same draws, so differences are paired. Intervals are 95 %: bootstrap for means
(10,000 resamples, fixed seed), Wilson for proportions, χ² for NEES with one sample a run at one fixed time.
Seeds run from 1 to --runs.
"""

import json
import multiprocessing
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
from fusion.metrics import mean_bounds
from fusion.regions import load_regions
from fusion.scoring import TIMES_TO_GO_S, Score
from fusion.session import Session
from fusion.tables import number, plain_table, show
from sensors.scenario import load_scenario
from sharing.messages import PHASES, RECIPIENTS
from sharing.settings import load_policy

RESAMPLES = 10_000
Z95 = 1.959963984540054
STATE_DIMENSION = 6
COMPARED = (
    "custody_fraction", "first_range_detection_s", "first_track_s", "warning_s", "warning_lead_s",
    "impact_error_km", "impact_ellipse_km2", "position_rmse_m", "velocity_rmse_mps", "gospa_m",
)  # fmt: skip
COUNTED = ("false_tracks", "false_warnings", "id_switches")


@dataclass(frozen=True, slots=True)
class Run:
    """One nation in one arm of one seed."""

    metrics: Mapping[str, Any]
    contained: Mapping[int, bool]
    nees: Mapping[str, float]
    """NEES at the middle of every flight phase in which the track was held then."""
    nees_held: Mapping[str, float]
    """Mean NEES over all ticks of every flight phase in which the track was held."""


def run_seed(
    scenario_name: str, policies: Sequence[str], nations: Sequence[str], seed: int
) -> list[dict[str, Run]]:
    """The nations' runs in every arm, on one draw of the scenario."""
    scenario = load_scenario(scenario_name)
    arms = [load_policy(resolve("policies", p)) for p in policies]
    regions = by_recipient([r for n in scenario.regions for r in load_regions(resolve("regions", n))])
    session = Session.generate(scenario, seed, arms[0]).held()
    middles = phase_middles(session)
    scores = [run_arm(session, arm, nations, regions=regions).scores for arm in arms]
    return [{nation: _run_of(score, middles) for nation, score in arm.items()} for arm in scores]


def phase_middles(session: Session) -> dict[str, float]:
    """The tick in the middle of each flight phase of the first object, seconds."""
    if not session.truth:
        return {}
    first = session.truth[0]
    middles = {}
    for phase in np.unique(first.phase).tolist():
        ticks = first.t_valid_ns[first.phase == phase]
        middles[PHASES[phase]] = float(ticks[len(ticks) // 2]) / 1e9
    return middles


def _run_of(score: Score, middles: Mapping[str, float]) -> Run:
    phases = np.array(score.nees_phase, dtype=object)
    samples = dict(zip(score.nees_t_s.tolist(), score.nees.tolist(), strict=True))
    return Run(
        metrics=score.metrics,
        contained={i.to_go_s: i.contained for i in score.impacts},
        nees={phase: samples[t] for phase, t in middles.items() if t in samples},
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


def wilson(hits: int, count: int) -> tuple[float, float, float] | None:
    """Proportion and its 95 % Wilson score interval (Wilson 1927); None of nothing."""
    if not count:
        return None
    p, z2 = hits / count, Z95**2
    middle = (p + z2 / (2 * count)) / (1 + z2 / count)
    half = Z95 / (1 + z2 / count) * np.sqrt(p * (1 - p) / count + z2 / (4 * count**2))
    return p, float(middle - half), float(middle + half)


def summarise(runs: Sequence[Sequence[Mapping[str, Run]]], policies: Sequence[str]) -> dict[str, Any]:
    """Everything the runs say, as one JSON document: arms, paired differences, containment, NEES."""
    nations = list(runs[0][0])
    return {
        nation: {
            "arms": {
                policy: _arm([run[i][nation] for run in runs]) for i, policy in enumerate(policies)
            },
            "lost": _lost([(run[0][nation], run[-1][nation]) for run in runs]),
        }
        for nation in nations
    }


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
    """How often the 95 % impact ellipse held the truth, of the runs that had one."""
    there = [r.contained[to_go_s] for r in runs if to_go_s in r.contained]
    interval = wilson(sum(there), len(there))
    return interval and {
        "fraction": interval[0], "low": interval[1], "high": interval[2], "held": sum(there), "n": len(there)
    }  # fmt: skip


def _consistency(runs: Sequence[Run], phase: str) -> dict[str, Any]:
    """Mean NEES over runs at the phase's middle, and where a right filter's mean lies 95 % of the time."""
    there = [r.nees[phase] for r in runs if phase in r.nees]
    low, high = mean_bounds(len(there), STATE_DIMENSION)
    return {"mean": float(np.mean(there)), "low": low, "high": high, "n": len(there)}


def _lost(pairs: Sequence[tuple[Run, Run]]) -> dict[str, Any]:
    """Paired differences, against minus policy, over the seeds where both exist."""
    lost = {}
    for key in COMPARED:
        both = [(a.metrics[key], b.metrics[key]) for a, b in pairs]
        lost[key] = _mean(b - a for a, b in both if a is not None and b is not None)
    return lost


# ------------------------------------------------------------------------------------------- command


@click.command()
@click.argument("scenario")
@click.option("--runs", type=click.IntRange(1), default=50, show_default=True)
@click.option("--policy", default="full-mesh", show_default=True)
@click.option("--against", default="withheld-kor", show_default=True)
@click.option("--nations", default=",".join(RECIPIENTS), show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=multiprocessing.cpu_count(), show_default=True)
@click.option("-o", "out", type=click.Path(path_type=Path), help="Also write everything as JSON.")
def main(
    scenario: str, runs: int, policy: str, against: str, nations: str, jobs: int, out: Path | None
) -> None:
    """Run both arms of SCENARIO over seeds 1 … --runs and print what they say."""
    work = partial(run_seed, scenario, (policy, against), tuple(nations.split(",")))
    done = list(track(_each(work, runs, jobs), "seeds", runs, console=Console(stderr=True), transient=True))
    summary = {
        "scenario": scenario,
        "runs": runs,
        "policy": policy,
        "against": against,
        "hours": load_hours(scenario),
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


def _each(work: "partial[list[dict[str, Run]]]", runs: int, jobs: int) -> Iterator[list[dict[str, Run]]]:
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
        show(plain_table(title, ["as known", *arms, "difference"], rows))
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
    form = ".3f" if key == "custody_fraction" else ".1f"
    cells = [_interval(found["arms"][arm][key], form, runs) for arm in arms]
    return [key, *cells, _interval(found["lost"].get(key), form, runs)]


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
    main()
