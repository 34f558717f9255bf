"""Outcomes as tables for a terminal or a page, as JSON, and as pictures of error against bound."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fusion.metrics import Consistency
from fusion.study.published.cases import Judged, Outcome
from fusion.tables import markdown_table

Table = tuple[str, list[str], list[list[str]]]
"""Title, columns, rows."""

INKS = ("#d55e00", "#e69f00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#767676")
"""Okabe & Ito (2008), in the order of the filters."""

POINTS = 200
"""Of a line, about; more make the file longer and the picture no better."""


def tables(outcome: Outcome) -> list[Table]:
    """Two tables: errors beside the bound, and NEES and NIS beside their interval."""
    title = f"{outcome.title}; {outcome.runs} runs"
    return [
        (
            f"{title}: RMSE ± its standard error beside the bound",
            ["", "t, s", "bound", *(one.name for one in outcome.judged)],
            list(_errors(outcome)),
        ),
        (
            f"{title}: NEES and NIS, 95 % interval of a right filter; * outside",
            ["t, s", *(f"{what} {one.name}" for one in outcome.judged for what in ("NEES", "NIS"))],
            list(_ratios(outcome)),
        ),
    ]


def _errors(outcome: Outcome) -> Iterator[list[str]]:
    for q, quantity in enumerate(outcome.quantities):
        unit = f", {quantity.unit}" if quantity.unit else ""
        for t, k in enumerate(outcome.at):
            cells = [_error(one, q, t, float(outcome.bound[q, t])) for one in outcome.judged]
            yield [
                f"{quantity.name}{unit}",
                f"{outcome.times_s[k]:.0f}",
                f"{outcome.bound[q, t]:.4g}",
                *cells,
            ]


def _error(one: Judged, q: int, t: int, bound: float) -> str:
    value, error = float(one.rmse[q, t]), float(one.error[q, t])
    if not np.isfinite(value):
        return "–"
    below = " ↓" if value < bound - 2 * error else ""
    return f"{value:.4g} ± {error:.2g}{below}"


def _ratios(outcome: Outcome) -> Iterator[list[str]]:
    for t, k in enumerate(outcome.at):
        cells = [_ratio(c) for one in outcome.judged for c in (one.nees[t], one.nis[t])]
        yield [f"{outcome.times_s[k]:.0f}", *cells]


def _ratio(found: Consistency | None) -> str:
    if found is None:
        return "–"
    outside = "" if found.inside else "*"
    return f"{found.mean:.3g}{outside} ({found.low:.2f}–{found.high:.2f})"


def markdown(outcome: Outcome) -> str:
    """The tables and notes for a page."""
    lines: list[str] = []
    for title, columns, rows in tables(outcome):
        lines += ["", title, "", markdown_table(columns, rows)]
    return "\n".join([*lines, "", *(f"- {note}" for note in outcome.notes)]) + "\n"


def notes(outcome: Outcome) -> list[str]:
    """What the tables do not show: runs lost, and errors below the bound."""
    found = [f"{one.name}: {one.lost} of {outcome.runs} runs lost" for one in outcome.judged if one.lost]
    found += [
        f"{name}: {quantity} at {time:.0f} s is {short:.1f} standard errors below the bound"
        for name, quantity, time, short in outcome.below()
    ]
    return found


def document(outcome: Outcome) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "problem": outcome.name,
        "runs": outcome.runs,
        "t_s": [float(outcome.times_s[k]) for k in outcome.at],
        "quantities": [{"name": q.name, "unit": q.unit} for q in outcome.quantities],
        "bound": outcome.bound.tolist(),
        "filters": [
            {
                "name": one.name,
                "rmse": _finite(one.rmse),
                "standard_error": _finite(one.error),
                "nees": [_consistency(c) for c in one.nees],
                "nis": [_consistency(c) for c in one.nis],
                "lost": one.lost,
            }
            for one in outcome.judged
        ],
        "notes": list(outcome.notes),
    }


def _finite(values: Any) -> list[list[float | None]]:
    return [[v if np.isfinite(v) else None for v in row] for row in values.tolist()]


def _consistency(found: Consistency | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "mean": found.mean,
        "low": found.low,
        "high": found.high,
        "n": found.count,
        "inside": found.inside,
    }


def draw(outcome: Outcome, out: Path) -> None:
    """RMSE of every filter and the bound over time, one panel a quantity, as SVG (or PNG)."""
    from fusion.figures.style import INK, box, look, quiet, save, sheet

    count = len(outcome.quantities)
    with look():
        caption = f"RMSE of {outcome.runs} runs; dashed: the Cramér–Rao bound"
        figure = sheet(4.6, outcome.title, caption)
        width = (12.0 - 0.9 - 0.7 * count) / count
        for q, quantity in enumerate(outcome.quantities):
            axes = box(figure, 0.9 + q * (width + 0.7), 0.95, width, 3.0)
            quiet(axes, "left", "bottom")
            _lines(axes, outcome, q, INK)
            axes.set_xlabel("time, s")
            axes.set_title(f"{quantity.name}{f', {quantity.unit}' if quantity.unit else ''}", loc="left")
            if q == count - 1:
                axes.legend(frameon=False, fontsize=8)
        save(figure, out)


def _lines(axes: Any, outcome: Outcome, q: int, ink: str) -> None:
    some = np.arange(0, len(outcome.times_s), max(len(outcome.times_s) // POINTS, 1))
    t = outcome.times_s[some]
    for one, colour in zip(outcome.judged, INKS, strict=False):
        axes.plot(t, one.rmse_over_time[q, some], color=colour, lw=1.2, label=one.name)
    bound = outcome.bound_over_time[q, some]
    there = np.isfinite(bound)
    axes.plot(t[there], bound[there], color=ink, lw=1.4, ls="--", label="bound")
    axes.set_yscale("log")


def figures(outcomes: Sequence[Outcome], folder: Path) -> list[Path]:
    """One picture a problem in `folder`; gives their paths."""
    paths = [folder / f"published-{outcome.name}.svg" for outcome in outcomes]
    for outcome, path in zip(outcomes, paths, strict=True):
        draw(outcome, path)
    return paths
