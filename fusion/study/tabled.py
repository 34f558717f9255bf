"""What the runs of the score table add up to, as rows of text."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fusion.metrics import consistency, wilson
from fusion.scoring import TIMES_TO_GO_S
from fusion.study.judging import BOOST, BURN_OUT, Judged, Point
from fusion.tables import number
from sharing.messages import PHASES

STATE_DIMENSION = 6
LEGEND = """Intervals are 95 %: of NEES and NIS, divided by their dimensions, where the mean of a right filter
lies (χ², one sample a run; * outside); of containments, Wilson's. Means are over runs. NEES is taken in the
middle of a phase and at the end of the burn, NIS once a run and type of sensor; after the semicolon stands
the mean over every tick held, or over every update. Free flight: seconds from the end of the burn until the
mode is coast or re-entry, three ticks in a row. A dash: there is none."""

Column = tuple[str, Callable[[Sequence[Judged]], str]]
"""A heading, and the cell of one scenario's runs."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table; a row a scenario."""

    title: str
    columns: list[str]
    rows: list[list[str]]


def sheets(found: Sequence[Judged]) -> list[Sheet]:
    """The five tables."""
    order = (BOOST, BURN_OUT, *(p for p in PHASES if p != BOOST))
    phases = [p for p in order if any(p in one.nees or p in one.nees_held for one in found)]
    types = sorted({name for one in found for name in one.nis})
    return [
        _sheet("Custody, identity, warnings", found, PICTURE),
        _sheet("NEES by flight phase", found, [(p, _nees(p)) for p in phases]),
        _sheet("NIS by type of sensor", found, [(name, _nis(name)) for name in types]),
        _sheet("From the end of the burn to free flight, s", found, FREE),
        _sheet("95 % ellipses that hold the truth", found, ELLIPSES),
    ]


def _sheet(title: str, found: Sequence[Judged], columns: Sequence[Column]) -> Sheet:
    names = dict.fromkeys(one.scenario for one in sorted(found, key=lambda one: one.scenario))
    groups = [(name, [one for one in found if one.scenario == name]) for name in names]
    rows = [[name, str(len(runs)), *(cell(runs) for _, cell in columns)] for name, runs in groups]
    return Sheet(title, ["scenario", "runs", *(heading for heading, _ in columns)], rows)


def _mean(values: Iterable[float | None], form: str) -> str:
    there = [v for v in values if v is not None]
    return number(float(np.mean(there)) if there else None, form)


def _metric(key: str, form: str) -> Callable[[Sequence[Judged]], str]:
    return lambda runs: _mean((one.metrics[key] for one in runs), form)


def _count(field: str) -> Callable[[Sequence[Judged]], str]:
    return lambda runs: _mean((float(getattr(one, field)) for one in runs), ".2f")


def _tracked(runs: Sequence[Judged]) -> str:
    return f"{_mean((one.metrics['tracked'] for one in runs), '.1f')} of {runs[0].metrics['objects']}"


PICTURE: list[Column] = [
    ("tracked", _tracked),
    ("custody", _metric("custody_fraction", ".3f")),
    ("breaks", _count("breaks")),
    ("swaps", _count("swaps")),
    ("false tracks", _metric("false_tracks", ".2f")),
    ("false warnings", _metric("false_warnings", ".2f")),
    ("retracted", _count("retracted")),
    ("lead, s", _metric("warning_lead_s", ".0f")),
    ("RMSE, m", _metric("position_rmse_m", ".0f")),
    ("m/s", _metric("velocity_rmse_mps", ".1f")),
    ("GOSPA, m", _metric("gospa_m", ".0f")),
]


def _nees(phase: str) -> Callable[[Sequence[Judged]], str]:
    def cell(runs: Sequence[Judged]) -> str:
        samples = [one.nees[phase] for one in runs if phase in one.nees]
        held = _mean((one.nees_held.get(phase) for one in runs), ".2f")
        return _ratio(samples, STATE_DIMENSION, held)

    return cell


def _nis(name: str) -> Callable[[Sequence[Judged]], str]:
    def cell(runs: Sequence[Judged]) -> str:
        there = [one.nis[name] for one in runs if name in one.nis]
        if not there:
            return "–"
        count = sum(one.count for one in there)
        samples = [one.sample for one in there if one.sample is not None]
        return _ratio(samples, there[0].dimension, f"{sum(o.mean * o.count for o in there) / count:.2f}")

    return cell


def _ratio(samples: Sequence[float], dimension: int, held: str) -> str:
    """Mean, interval and the mean over everything."""
    if not samples:
        return "–" if held == "–" else f"–; {held}"
    found = consistency(samples, dimension)
    return f"{found.mean:.2f}{'' if found.inside else '*'} ({found.low:.2f}–{found.high:.2f}); {held}"


def _frees(runs: Sequence[Judged]) -> list[float | None]:
    return [value for one in runs for value in one.free_s]


def _of_frees(statistic: Callable[[Any], Any]) -> Callable[[Sequence[Judged]], str]:
    def cell(runs: Sequence[Judged]) -> str:
        there = [v for v in _frees(runs) if v is not None]
        return number(float(statistic(there)) if there else None, ".0f")

    return cell


def _never(runs: Sequence[Judged]) -> str:
    values = _frees(runs)
    return f"{sum(v is None for v in values)} of {len(values)}"


FREE: list[Column] = [
    ("median", _of_frees(np.median)),
    ("90 %", _of_frees(lambda values: np.percentile(values, 90))),
    ("longest", _of_frees(max)),
    ("never", _never),
]


def _ellipse(points: Iterable[Point]) -> str:
    there = list(points)
    found = wilson(sum(p.contained for p in there), len(there))
    if found is None:
        return "–"
    error = float(np.median([p.error_km for p in there]))
    share = f"{sum(p.contained for p in there)}/{len(there)} ({found.low:.2f}–{found.high:.2f})"
    return f"{share}; {error:.1f} km"


def _impact(to_go_s: int) -> Callable[[Sequence[Judged]], str]:
    return lambda runs: _ellipse(p for one in runs for p in one.impacts if p.to_go_s == to_go_s)


def _launch(runs: Sequence[Judged]) -> str:
    return _ellipse(p for one in runs for p in one.launches)


ELLIPSES: list[Column] = [
    *((f"impact, {t} s to go; median error", _impact(t)) for t in TIMES_TO_GO_S),
    ("launch; median error", _launch),
]
