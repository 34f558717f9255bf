"""`sharedsky plot scenario`: where it flies, how high and when, and who sees it when."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Wedge
from matplotlib.patheffects import withStroke

import configs
from fusion.figures import maps, strips, style
from fusion.figures.flown import BACKGROUND, MOST_DRAWN, OBJECT, PART, Sights, Way, sights, ways
from fusion.figures.labels import Label, place
from fusion.figures.observed import NOBODY, Observed, observe
from fusion.figures.projection import Array, View, around
from fusion.figures.strips import Strip
from fusion.figures.style import BODY, FAINT, INK, NATION, PHASE, PHASE_NAME, SMALL, SOFT, look, sheet
from fusion.regions import load_regions
from sensors import geodesy
from sensors.radar import Radar
from sensors.scenario import Scenario, feed
from sharing.messages import S

LONGEST_S, QUIET_S = 7200, 3600
"""With and without a launch, this much is shown at most; the figure says when the scenario goes on."""
_LINE = 185
"""Characters of a footnote's line."""
_NOTE_IN, _NOTE_LINE_IN = 0.55, 0.15
"""Below the strips: the time axis, and each line of the footnote."""
_WIDE = 0.15
"""Margin of a map without launches: false plots stand around the radars."""
_FLAG, _FLAG_WIDE = 0.09, 0.11
"""Height of a flag's text, and how wide it is at most, as parts of the axes."""
FEW = 8
"""Up to this many launch sites are named."""
_TOP_IN, _MAP_WIDTH_IN, _TIME_IN = 0.85, 7.4, 1.75
_MAP_HEIGHTS_IN = (3.4, 5.2)
_LEFT_IN, _RIGHT_IN = 1.7, 0.95


@dataclass(frozen=True)
class Story:
    """Everything that the figure shows, as numbers."""

    scenario: Scenario
    seed: int
    cut: bool
    """Whether the scenario goes on after what is shown."""
    ways: list[Way]
    sights: Sights
    observed: list[Observed]
    groups: tuple[str, ...]
    """Group of every object of the truth."""


def tell(scenario: Scenario, seed: int) -> Story:
    """Fly and observe the scenario once."""
    longest_s = LONGEST_S if any(t.counts for t in scenario.truth) else QUIET_S
    end_ns = min(scenario.t_end_ns, scenario.t_start_ns + longest_s * S)
    there = [t for t in scenario.truth if t.t_valid_ns[0] < end_ns and t.t_valid_ns[-1] > scenario.t_start_ns]
    shown = replace(scenario, t_end_ns=end_ns, truth=tuple(there))
    drawn = ways(shown.truth)
    by_name = {way.truth.name: way.group for way in drawn}
    return Story(
        scenario=shown,
        seed=seed,
        cut=end_ns < scenario.t_end_ns,
        ways=drawn,
        sights=sights(shown),
        observed=observe(feed(shown, seed), shown.truth),
        groups=tuple(by_name.get(t.name, BACKGROUND) for t in shown.truth),
    )


def strips_of(story: Story) -> list[Strip]:
    """One strip a sensor: what it could see, what it saw; without a launch its false plots stand for that."""
    groups = np.array([*story.groups, "none"])  # NOBODY is the last
    seen = {o.name: o for o in story.observed}
    counting = OBJECT in story.groups
    made = []
    for sensor in story.scenario.sensors:
        name = f"{sensor.nation}/{sensor.id}"
        plots = seen.get(name)
        group = groups[plots.object_number] if plots else np.empty(0, groups.dtype)
        t_s = plots.t_s if plots else np.empty(0)
        false = group == "none"
        count = int(np.count_nonzero(group == OBJECT if counting else false))
        made.append(
            Strip(
                sensor.nation,
                sensor.id,
                story.sights.t_s if counting else np.empty(0),
                story.sights.probability[name] if counting else np.empty(0),
                of_objects_s=t_s[group == OBJECT] if counting else t_s[false],
                of_parts_s=t_s[group == PART],
                of_others_s=t_s[group == BACKGROUND],
                off_s=sensor.station.outages_s,
                note=f"{count} plot{'' if count == 1 else 's'}" if count else "",
            )
        )
    return made


def draw(story: Story) -> Figure:
    """The figure of a story."""
    scenario = story.scenario
    shown, unseen = strips.ordered(strips_of(story))
    beside = any(way.group == OBJECT for way in story.ways)
    map_in = _MAP_WIDTH_IN if beside else style.WIDTH_IN - 0.5
    view = _view(story, {s.sensor for s in unseen}, map_in)
    map_high_in = map_in * (view.top_km - view.bottom_km) / (view.right_km - view.left_km)
    strips_in = max(len(shown), 1) * strips.ROW_IN
    time_in = _TIME_IN if story.ways else 0.0
    note = _footnote(story, [s.sensor for s in unseen])
    note_in = _NOTE_IN + _NOTE_LINE_IN * (note.count("\n") + 1)
    height_in = _TOP_IN + map_high_in + 0.6 + time_in + 0.1 + strips_in + note_in
    with look():
        figure = sheet(height_in, scenario.title, _caption(story))
        _map(style.box(figure, 0.25, _TOP_IN, map_in, map_high_in), view, story)
        if beside:
            left = 0.25 + map_in + 0.75
            box = style.box(figure, left, _TOP_IN + 0.1, style.WIDTH_IN - left - 0.3, map_high_in - 0.1)
            _profile(box, story)
        top = _TOP_IN + map_high_in + 0.6
        wide = style.WIDTH_IN - _LEFT_IN - _RIGHT_IN
        if story.ways:
            heights = style.box(figure, _LEFT_IN, top, wide, time_in)
            _limits(heights, story)
            _heights(heights, story)
        lines = style.box(figure, _LEFT_IN, top + time_in + 0.1, wide, strips_in)
        _limits(lines, story)
        strips.draw(lines, shown)
        style.quiet(lines, "bottom")
        lines.set_xlabel("minutes after the first liftoff" if beside else "minutes", color=SOFT)
        figure.text(0.02, 0.12 / height_in, note, size=SMALL, color=SOFT, va="bottom")
    return figure


def _caption(story: Story) -> str:
    scenario = story.scenario
    counted = [w for w in story.ways if w.group == OBJECT]
    if not counted:
        return f"What it shows: {scenario.shows}."
    parts = len([t for t in scenario.truth if not t.counts])
    also = f" and {parts} other{'' if parts == 1 else 's'}" if parts else ""
    objects = f"{len(counted)} object{'' if len(counted) == 1 else 's'}{also}"
    return f"What it shows: {scenario.shows}. {objects}; detections of seed {story.seed}."


def _limits(axes: Axes, story: Story) -> None:
    axes.set_xlim(story.scenario.t_start_ns / S / 60, story.scenario.t_end_ns / S / 60)


# ---------------------------------------------------------------------------------------------- the map


def _view(story: Story, unseen: set[str], map_in: float) -> View:
    """A view of the ways and of the radars that have something to see, as high as these ask for."""
    flown = [w for w in story.ways if w.group == OBJECT]
    sensors = [s for s in story.scenario.sensors if isinstance(s, Radar) and s.id not in unseen]
    lat = [*(s.lat_deg for s in sensors), *(v for w in flown for v in w.lat_deg)] or [38.0]
    lon = [*(s.lon_deg for s in sensors), *(v for w in flown for v in w.lon_deg)] or [132.0]
    x, y = around(lat, lon, 1.0).project(lat, lon)
    natural = map_in * float(np.ptp(y)) / max(float(np.ptp(x)), 1.0)
    shape = map_in / float(np.clip(natural, *_MAP_HEIGHTS_IN))
    return around(lat, lon, shape) if flown else around(lat, lon, shape, _WIDE)


def _map(axes: Axes, view: View, story: Story) -> None:
    bar = maps.draw(axes, view)
    _regions(axes, view, story.scenario.regions)
    avoid = [bar, *_tracks(axes, view, story.ways)]
    if OBJECT not in story.groups:
        _false_plots(axes, view, story)
    labels = _sensors(axes, view, story.scenario)
    place(axes, [*_ends(axes, view, story.ways), *labels], avoid)


def _false_plots(axes: Axes, view: View, story: Story) -> None:
    """Where the plots stand that are of nothing."""
    for observed in story.observed:
        lat, lon, _ = geodesy.geodetic(observed.position_ecef_m[observed.object_number == NOBODY])
        known = np.isfinite(lat)
        x, y = view.project(lat[known], lon[known])
        ink = style.tint(NATION[observed.nation], 0.7)
        axes.plot(x, y, ",", color=ink, markeredgewidth=0, rasterized=True, zorder=1.5)


def _regions(axes: Axes, view: View, names: Sequence[str]) -> None:
    """Warning regions, as outlines in the nation's colour."""
    for name in names:
        for region in load_regions(configs.resolve("regions", name)):
            lat, lon = np.array([*region.polygon, region.polygon[0]]).T
            x, y = view.project(lat, lon)
            axes.plot(x, y, color=style.tint(NATION[region.nation], 0.35), linewidth=0.6, zorder=0.8)


def _tracks(axes: Axes, view: View, shown: Sequence[Way]) -> list[Array]:
    """Ways over ground; gives their points, for labels to keep clear of."""
    points = []
    for way in shown:
        x, y = view.project(way.lat_deg, way.lon_deg)
        if way.group == BACKGROUND:
            axes.plot(x, y, color=FAINT, linewidth=0.5, zorder=1)
            continue
        points.append(np.stack([x, y], axis=1))
        for phase, rows in way.runs():
            axes.plot(x[rows], y[rows], color=_ink(way, phase), linewidth=_weight(way), zorder=_level(way))
    return points


def _ink(way: Way, phase: str) -> str:
    return PHASE[phase] if way.group == OBJECT else SOFT


def _weight(way: Way) -> float:
    return 1.8 if way.group == OBJECT else 0.6


def _level(way: Way) -> float:
    return 3.0 if way.group == OBJECT else 1.5


def _ends(axes: Axes, view: View, shown: Sequence[Way]) -> list[Label]:
    """Marks at launch and impact, and what to write there."""
    counted = [w for w in shown if w.group == OBJECT]
    sites: list[tuple[float, float, list[str]]] = []
    labels = []
    near_km = 0.02 * (view.right_km - view.left_km)
    for way in counted:
        x, y = (float(v[0]) for v in view.project(way.lat_deg[:1], way.lon_deg[:1]))
        axes.plot([x], [y], "o", color=INK, markersize=4, markerfacecolor="white", zorder=4)
        at = [site for site in sites if np.hypot(site[0] - x, site[1] - y) < near_km]
        if at:
            at[0][2].append(way.truth.name)
        else:
            sites.append((x, y, [way.truth.name]))
        impact = way.truth.impact
        if impact:
            end_x, end_y = (float(v[0]) for v in view.project([impact[1]], [impact[2]]))
            axes.plot([end_x], [end_y], "x", color=INK, markersize=5, markeredgewidth=1.2, zorder=4)
            if len(counted) <= 2:
                minutes = (impact[0] - way.truth.liftoff_t_ns) / S / 60
                labels.append(Label(end_x, end_y, f"impact, {minutes:.1f} min", INK, BODY, must=True))
    labels += [Label(x, y, _together(names), INK, BODY, "bold") for x, y, names in sites[:FEW]]
    return labels


def _together(names: Sequence[str]) -> str:
    """One text for the objects of one site: ``a-1, b-1`` or, for many, their number and common stem."""
    if len(names) <= 2:
        return ", ".join(names)
    stems = {name.rstrip("-0123456789") for name in names}
    return f"{len(names)} × {stems.pop() if len(stems) == 1 else 'objects'}"


def _sensors(axes: Axes, view: View, scenario: Scenario) -> list[Label]:
    """Sensors where they stand, a fan for a sector (not to scale), a line for a ship's way."""
    size = 0.028 * (view.right_km - view.left_km)
    labels = []
    for sensor in scenario.sensors:
        if not isinstance(sensor, Radar):
            continue
        x, y = (float(v[0]) for v in view.project([sensor.lat_deg], [sensor.lon_deg]))
        colour, sector = NATION[sensor.nation], sensor.type.sector_deg
        if sensor.speed_mps:
            _ship_way(axes, view, sensor, scenario)
        if sector < 360.0:
            middle = 90.0 - sensor.station.boresight_deg + _convergence_deg(view, sensor)
            fan = Wedge((x, y), size, middle - sector / 2, middle + sector / 2)
        else:
            fan = Wedge((x, y), 0.6 * size, 0.0, 360.0)
        fan.set(facecolor=colour, edgecolor=colour, alpha=0.22, linewidth=0.5, zorder=2)
        axes.add_patch(fan)
        axes.plot([x], [y], "o", color=colour, markersize=3, zorder=5)
        labels.append(Label(x, y, sensor.id, colour, SMALL - 0.5))
    return labels


def _ship_way(axes: Axes, view: View, ship: Radar, scenario: Scenario) -> None:
    """Where a ship sails during the scenario."""
    t_ns = np.linspace(scenario.t_start_ns, scenario.t_end_ns, 20).astype(np.int64)
    lat, lon, _ = geodesy.geodetic(ship.frames(t_ns).position_ecef_m)
    axes.plot(*view.project(lat, lon), color=NATION[ship.nation], linewidth=1.2, zorder=4)


def _convergence_deg(view: View, sensor: Radar) -> float:
    """How far the sensor's north is turned anticlockwise on the map, in degrees."""
    x, y = view.project([sensor.lat_deg, sensor.lat_deg + 0.1], [sensor.lon_deg, sensor.lon_deg])
    return float(np.degrees(np.arctan2(x[0] - x[1], y[1] - y[0])))


# ---------------------------------------------------------------------------------- heights and strips


def _profile(axes: Axes, story: Story) -> None:
    """Height against the distance from the launch point."""
    style.quiet(axes, "left", "bottom")
    counted = [w for w in story.ways if w.group != BACKGROUND]
    avoid = []
    for way in counted:
        for phase, rows in way.runs():
            axes.plot(
                way.downrange_km[rows], way.alt_km[rows], color=_ink(way, phase), linewidth=_weight(way),
                zorder=_level(way),
            )  # fmt: skip
        avoid.append(np.stack([way.downrange_km, way.alt_km], axis=1))
    objects = [w for w in counted if w.group == OBJECT]
    axes.set_xlim(0, 1.04 * max(w.downrange_km.max() for w in counted) + 1)
    axes.set_ylim(0, 1.12 * max(w.alt_km.max() for w in counted))
    axes.set_xlabel("km from the launch point", color=SOFT)
    axes.set_title("height, km", loc="left", size=SMALL, color=SOFT, pad=3)
    best = max(objects, key=lambda w: float(w.alt_km.max()))
    labels = [_apogee(best)]
    named = set()
    for phase, rows in best.runs():
        if phase not in named and phase != "coast":
            named.add(phase)
            middle = (rows.start + rows.stop - 1) // 2
            at = float(best.downrange_km[middle]), float(best.alt_km[middle])
            labels.append(Label(*at, PHASE_NAME.get(phase, phase), PHASE[phase], BODY, "bold"))
    place(axes, labels, avoid)


def _apogee(way: Way) -> Label:
    top = int(np.argmax(way.alt_km))
    return Label(
        float(way.downrange_km[top]),
        float(way.alt_km[top]),
        f"{way.alt_km[top]:.0f} km",
        INK,
        BODY,
        must=True,
    )


def _heights(axes: Axes, story: Story) -> None:
    """Height against time, and which nation sees first."""
    style.quiet(axes, "left")
    axes.set_title("height, km", loc="left", size=SMALL, color=SOFT, pad=3)
    for way in story.ways:
        if way.group == BACKGROUND:
            axes.plot(way.t_s / 60, way.alt_km, color=FAINT, linewidth=0.4, zorder=1)
            continue
        for phase, rows in way.runs():
            axes.plot(
                way.t_s[rows] / 60, way.alt_km[rows], color=_ink(way, phase), linewidth=_weight(way) - 0.3,
                zorder=_level(way),
            )  # fmt: skip
    objects = [w for w in story.ways if w.group == OBJECT]
    if objects:
        axes.set_ylim(0, 1.15 * max(float(w.alt_km.max()) for w in story.ways if w.group != BACKGROUND))
        _first_seen(axes, story, objects)
    else:  # airliners and satellites
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")


def first_seen(story: Story) -> list[tuple[float, str, Way]]:
    """Time in seconds, nation and object of every nation's first plot of an object, in order of time."""
    numbers = {t.name: j for j, t in enumerate(story.scenario.truth)}
    way_of = {numbers[w.truth.name]: w for w in story.ways if w.group == OBJECT}
    firsts = []
    for nation in NATION:
        times = [
            (float(o.t_s[k]), int(o.object_number[k]))
            for o in story.observed
            if o.nation == nation
            for k in np.flatnonzero(np.isin(o.object_number, list(way_of)))[:1]
        ]
        if times:
            t_s, number = min(times)
            firsts.append((t_s, nation, way_of[number]))
    return sorted(firsts, key=lambda first: first[:2])


def _first_seen(axes: Axes, story: Story, objects: Sequence[Way]) -> None:
    """A flag on the way where each nation first sees an object; the earliest flies highest."""
    flags = first_seen(story)
    left, right = axes.get_xlim()
    # Headroom: no way passes through a flag's text.
    high = axes.get_ylim()[1]
    for number, (t_s, _, _) in enumerate(flags):
        beside = np.abs(np.concatenate([w.t_s for w in objects]) - t_s) / 60 < _FLAG_WIDE * (right - left)
        tall = float(np.concatenate([w.alt_km for w in objects])[beside].max())
        high = max(high, tall / (0.96 - _FLAG * (number + 1)))
    axes.set_ylim(0, high)
    for number, (t_s, nation, way) in enumerate(flags):
        at, height = t_s / 60, float(np.interp(t_s, way.t_s, way.alt_km))
        top = high * (0.98 - _FLAG * number)
        late = at > left + 0.8 * (right - left)
        axes.plot([at, at], [height, top], color=NATION[nation], linewidth=0.6, zorder=5)
        axes.plot([at], [height], "o", color=NATION[nation], markersize=4, zorder=6)
        axes.annotate(
            f"{nation} first, {t_s:.0f} s", (at, top), xytext=(-4 if late else 4, 0), va="top", size=SMALL,
            textcoords="offset points", ha="right" if late else "left", color=NATION[nation], zorder=6,
            path_effects=[withStroke(linewidth=2.0, foreground="white")],
        )  # fmt: skip


def _footnote(story: Story, unseen: Sequence[str]) -> str:
    """What the strips mean, who is never in view, what is left out."""
    counted = any(w.group == OBJECT for w in story.ways)
    text = (
        "Rows: ticks, false plots; below the line, of airliners and satellites. Map: dots, false plots; fans"
    )
    if counted:
        text = "Rows: shade, probability of a detection per look; ticks, plots"
        if any(w.group == PART for w in story.ways):
            text += " (below the line: of stages and debris)"
        if story.sights.judged < sum(w.group == OBJECT for w in story.ways):
            text += f"; shade of the best seen of {story.sights.judged} objects, evenly chosen"
        text += ". Map: fans"
    lines = [text + ", sectors (not to scale); thin lines, warning regions."]
    others = sum(not t.counts for t in story.scenario.truth)
    if others > MOST_DRAWN:
        lines[0] += f" Drawn: {MOST_DRAWN} of {others} parts and background."
    if story.cut:
        minutes = (story.scenario.t_end_ns - story.scenario.t_start_ns) // (60 * S)
        lines[0] += f" The first {minutes} minutes are shown."
    if unseen:
        lines.append("Never in view: " + ", ".join(unseen) + ".")
    return "\n".join(textwrap.fill(line, _LINE) for line in lines)
