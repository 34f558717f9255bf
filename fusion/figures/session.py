"""`sharedsky plot session`: what each nation saw and knew, against the truth where there is one."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fusion.figures import maps, strips, style
from fusion.figures.flown import BACKGROUND, OBJECT, PART, Way, group_of, ways
from fusion.figures.known import Knowledge, Log, read, shown_first
from fusion.figures.labels import Label, place
from fusion.figures.observed import NOBODY, Observed
from fusion.figures.projection import Array, around
from fusion.figures.strips import Strip
from fusion.figures.style import BODY, FAINT, INK, NATION, SMALL, SOFT, NothingToDraw, look, sheet
from sensors import geodesy
from sharing.messages import S

__all__ = ["draw", "read"]

_TOP_IN, _MAP_IN, _NATION_IN, _GAP_IN = 1.0, (7.4, 4.3), 0.85, 0.34
_LEFT_IN, _RIGHT_IN = 1.7, 0.95
_MOST_WARNINGS, _MOST_NAMES = 4, 8
_ERROR_M = (10.0, 1e5)


def draw(log: Log) -> Figure:
    """The figure of a recording. Raises NothingToDraw for one without plots and pictures."""
    if not log.observed and not log.known:
        raise NothingToDraw(f"{log.session.name}: neither plots nor pictures for {log.nation or 'anybody'}")
    rows, unseen = strips.ordered(_strips(log))
    strips_in = max(len(rows), 1) * strips.ROW_IN
    panels_in = len(log.known) * (_NATION_IN + _GAP_IN)
    top = _TOP_IN + _MAP_IN[1] + 0.75
    height_in = top + panels_in + strips_in + 0.85
    flown = ways(log.session.truth)
    with look():
        figure = sheet(height_in, log.session.metadata.get("title", log.session.name), _caption(log))
        shown = shown_first(log)
        _map(style.box(figure, 0.25, _TOP_IN, *_MAP_IN), log, flown, shown)
        left = 0.25 + _MAP_IN[0] + 0.75
        beside = style.box(figure, left, _TOP_IN + 0.1, style.WIDTH_IN - left - 0.3, _MAP_IN[1] - 0.1)
        _heights(beside, log, flown, shown)
        wide = style.WIDTH_IN - _LEFT_IN - _RIGHT_IN
        for number, known in enumerate(log.known):
            at = top + number * (_NATION_IN + _GAP_IN)
            axes = style.box(figure, _LEFT_IN, at, wide, _NATION_IN)
            _limits(axes, log)
            _errors(axes, known, bool(flown), first=number == 0)
        lines = style.box(figure, _LEFT_IN, top + panels_in, wide, strips_in)
        _limits(lines, log)
        strips.draw(lines, rows)
        style.quiet(lines, "bottom")
        lines.set_xlabel("minutes of scenario time", color=SOFT)
        _footnote(figure, height_in, bool(flown), [s.sensor for s in unseen])
    return figure


def _caption(log: Log) -> str:
    whose = f"What {log.nation} saw and knew" if log.nation else "What each nation saw and knew"
    return f"{whose} as it happened. Arrangement {log.session.policy.name}, seed {log.session.seed}."


def _limits(axes: Axes, log: Log) -> None:
    axes.set_xlim(log.session.t_start_ns / S / 60, log.session.t_end_ns / S / 60)


def _strips(log: Log) -> list[Strip]:
    """One strip a sensor whose plots came: of objects, of parts, of others; without a truth all."""
    groups = np.array([*(group_of(t) for t in log.session.truth), "none"])  # NOBODY is the last
    made = []
    for plots in log.observed:
        group = groups[plots.object_number]
        first = group == OBJECT if OBJECT in groups else group == "none"
        count = int(np.count_nonzero(first))
        made.append(
            Strip(
                plots.nation,
                plots.sensor,
                of_objects_s=plots.t_s[first],
                of_parts_s=plots.t_s[group == PART],
                of_others_s=plots.t_s[~first & (group != PART) & (group != "none")],
                note=f"{count} plot{'' if count == 1 else 's'}" if count else "",
            )
        )
    return made


def _placed(observed: Observed, true_only: bool) -> tuple[Array, Array, Array, Array]:
    """Time s, latitude, longitude and height km of plots that have a place (known objects' or all)."""
    chosen = np.isfinite(observed.position_ecef_m[:, 0])
    if true_only:
        chosen &= observed.object_number != NOBODY
    lat, lon, alt = geodesy.geodetic(observed.position_ecef_m[chosen])
    return observed.t_s[chosen], lat, lon, alt / 1e3


def _map(axes: Axes, log: Log, flown: Sequence[Way], shown: Knowledge | None) -> None:
    """Truth, tracks and plots over ground."""
    plots = {o.name: _placed(o, bool(flown)) for o in log.observed}
    objects = [w for w in flown if w.group == OBJECT]
    trails = shown.trails if shown else []
    held = objects or trails
    lat = [v for w in held for v in w.lat_deg] or [v for p in plots.values() for v in p[1]] or [38.0]
    lon = [v for w in held for v in w.lon_deg] or [v for p in plots.values() for v in p[2]] or [132.0]
    view = around(lat, lon, _MAP_IN[0] / _MAP_IN[1])
    bar = maps.draw(axes, view)
    for observed in log.observed:
        _, plot_lat, plot_lon, _ = plots[observed.name]
        x, y = view.project(plot_lat, plot_lon)
        axes.plot(
            x, y, "o", color=NATION[observed.nation], markersize=1.6, markeredgewidth=0, alpha=0.6,
            rasterized=True, zorder=2.5,
        )  # fmt: skip
    for way in flown:
        x, y = view.project(way.lat_deg, way.lon_deg)
        axes.plot(x, y, color=INK if way.group == OBJECT else FAINT, linewidth=0.7, zorder=1)
    lines = []
    for trail in trails:
        x, y = view.project(trail.lat_deg, trail.lon_deg)
        axes.plot(x, y, color=_ink(shown), linewidth=1.4, zorder=2)
        lines.append(np.stack([x, y], axis=1))
    labels = []
    for way in objects[:_MOST_NAMES]:
        x, y = view.project(way.lat_deg[:1], way.lon_deg[:1])
        labels.append(Label(float(x[0]), float(y[0]), way.truth.name, INK, BODY, "bold"))
    place(axes, labels, [bar, *lines])
    axes.set_title(_words(shown, bool(flown)), loc="left", size=SMALL, color=SOFT, pad=3)


def _ink(shown: Knowledge | None) -> str:
    return NATION[shown.nation] if shown else INK


def _words(shown: Knowledge | None, truth: bool) -> str:
    """What the marks of the map are."""
    parts = ["dots: plots with a place, in the nation's colour"]
    if shown:
        parts.append(
            f"thick: {shown.nation}'s {len(shown.trails)} track{'' if len(shown.trails) == 1 else 's'}"
        )
    if truth:
        parts.append("thin: truth")
    return "; ".join(parts)


def _heights(axes: Axes, log: Log, flown: Sequence[Way], shown: Knowledge | None) -> None:
    """Height against time: plots, tracks, truth."""
    style.quiet(axes, "left", "bottom")
    axes.set_title("height, km", loc="left", size=SMALL, color=SOFT, pad=3)
    axes.set_xlabel("minutes", color=SOFT)
    _limits(axes, log)
    tops = [1.0]
    for observed in log.observed:
        t_s, _, _, alt_km = _placed(observed, bool(flown))
        axes.plot(
            t_s / 60, alt_km, "o", color=NATION[observed.nation], markersize=1.6, markeredgewidth=0,
            alpha=0.6, rasterized=True, zorder=2.5,
        )  # fmt: skip
        tops.append(float(np.percentile(alt_km, 98)) if len(alt_km) else 0.0)
    for way in flown:
        if way.group != BACKGROUND:
            axes.plot(way.t_s / 60, way.alt_km, color=INK if way.group == OBJECT else FAINT, linewidth=0.7)
            tops.append(float(way.alt_km.max()))
    for trail in shown.trails if shown else ():
        axes.plot(trail.t_s / 60, trail.alt_km, color=_ink(shown), linewidth=1.4, zorder=2)
        tops.append(float(trail.alt_km.max()) if not flown else 0.0)
    axes.set_ylim(0, 1.1 * max(tops))


def _errors(axes: Axes, known: Knowledge, truth: bool, first: bool) -> None:
    """One nation's position error and 95 % semi-axis on a logarithmic scale, and its warnings."""
    style.quiet(axes, "left")
    colour = NATION[known.nation]
    axes.set_yscale("log")
    axes.set_ylim(*_ERROR_M)
    axes.set_yticks([10, 100, 1e3, 1e4, 1e5], ["10 m", "", "1 km", "", "100 km"])
    axes.minorticks_off()
    axes.grid(axis="y", color=FAINT, linewidth=0.3)
    times, axis_m = (known.held_t_s, known.held_axis_m) if truth else (known.tracks_t_s, known.tracks_axis_m)
    axes.plot(times / 60, axis_m, "o", color=style.tint(colour, 0.35), markersize=2.2, markeredgewidth=0)
    if truth:
        axes.plot(times / 60, known.held_error_m, "o", color=colour, markersize=1.5, markeredgewidth=0)
    at = np.array([t_s for t_s, _, _ in known.warned]) / 60
    axes.plot(at, np.full(len(at), 0.55 * _ERROR_M[1]), "v", color=INK, markersize=4, markeredgewidth=0)
    axes.text(
        -0.155, 1.06, known.nation, transform=axes.transAxes, size=BODY, weight="bold", color=colour,
        va="bottom",
    )  # fmt: skip
    axes.text(0.0, 1.06, _warned(known), transform=axes.transAxes, size=SMALL, color=SOFT, va="bottom")
    if first:
        what = "dark: error\nlight: 95 %" if truth else "95 %, median"
        axes.text(1.006, 0.5, what, transform=axes.transAxes, size=SMALL, color=SOFT, va="center")


def _warned(known: Knowledge) -> str:
    """The warnings in words."""
    if not known.warned:
        return "no warning"
    few = ", ".join(f"{region} ({kind}) {t_s:.0f} s" for t_s, region, kind in known.warned[:_MOST_WARNINGS])
    more = len(known.warned) - _MOST_WARNINGS
    return f"▼ warned of {few}{f' and {more} more' if more > 0 else ''}"


def _footnote(figure: Figure, height_in: float, truth: bool, unseen: Sequence[str]) -> None:
    """What the panels and rows mean, and whose plots never came."""
    lines = [
        "Rows: ticks, plots as they were measured" + (" (below the line: of parts). " if truth else ". ")
    ]
    if truth:
        lines[0] += "Errors: nearest confirmed track within 10 km of an object; 95 %: its largest semi-axis."
    if unseen:
        lines.append("No such plots: " + ", ".join(unseen) + ".")
    figure.text(0.02, 0.12 / height_in, "\n".join(lines), size=SMALL, color=SOFT, va="bottom")
