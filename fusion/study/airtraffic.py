"""Real air traffic before a notional 2-D radar: how well known aircraft are held, by their identities.

``python -m fusion.study.airtraffic STATES.csv --seeds 5``

STATES.csv has ADS-B states as OpenSky publishes them (``icao24, lat, lon, geoaltitude, lastposupdate,
onground``). A position counts at the time at which it was sent, once; between positions an aircraft flies a
cubic with the slopes of its neighbours (Catmull and Rom 1974) in ECEF, and gaps longer than `LONGEST_GAP_S`
are not flown at all. A NOTIONAL radar near London looks at that every `SCAN_S`; its plots, with their keyed
noise and misses, become the CSV of ``sharedsky import plots``, are read as such, and tracked.

Every plot has a known aircraft. A track has *used* a plot when its last update has the plot's very time at
the next tick of the settled picture; only confirmed tracks count. Of each aircraft: *completeness* is the
share of its plots that were used, *tracks* the different tracks that used them, *breaks* the times that a
track unknown so far follows another, *swaps* the times that a track follows which had used another
aircraft's plots before.
"""

import csv
import io
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicHermiteSpline

from configs import resolve
from fusion.command import invoke
from fusion.imported import session_of
from fusion.session import run
from fusion.tables import markdown_table, plain_table, show
from sensors import geodesy
from sensors.draws import normals, uniforms
from sensors.readers.plots import NEEDED, read_plots
from sensors.readers.recorded import RecordedFeed
from sharing.messages import COALITION, Detections, Picture, Polar, S
from sharing.settings import SettingsError, load_policy, read_text

Array = npt.NDArray[np.float64]

LAT_DEG, LON_DEG, ALT_M = 51.47, -0.46, 60.0
"""The radar: NOTIONAL, near London, as are the figures below."""
SCAN_S = 5.0
SIGMA_RANGE_M, SIGMA_AZIMUTH_RAD = 70.0, 1.5e-3
DETECTION = 0.9
REACH_M = 250e3
ELEVATIONS_DEG = (0.3, 40.0)
LONGEST_GAP_S = 25.0
FEWEST_FIXES = 4
SILENCE_S = 30.0
SENSOR = "london"
STATE_COLUMNS = ("icao24", "lat", "lon", "geoaltitude", "lastposupdate", "onground")
COLUMNS = (*NEEDED, "sigma_azimuth_deg", "sigma_range_m", "object")


@dataclass(frozen=True, slots=True)
class Flight:
    """A stretch of one aircraft's flight without a gap: position in ECEF m over s."""

    name: str
    start_s: float
    end_s: float
    path: CubicHermiteSpline


@dataclass(frozen=True, slots=True)
class Held:
    """How the aircraft of one run were held; sequences are by aircraft."""

    seed: int
    plots: tuple[int, ...]
    used: tuple[int, ...]
    tracks: tuple[int, ...]
    breaks: int
    breaks_after_silence: int
    """Those of them after `SILENCE_S` without a plot, as of an aircraft that nobody saw."""
    swaps: int
    first: tuple[int, ...]
    """Plots until a confirmed track used one, of those aircraft of which any was used."""
    unknown_tracks: int
    """Confirmed tracks that never used a plot of a known aircraft."""

    @property
    def completeness(self) -> float:
        """Share of all plots that were used."""
        return sum(self.used) / sum(self.plots)

    @property
    def completeness_once_held(self) -> float:
        """The same of the plots from the first used one of each aircraft on."""
        started = sum(p - f for p, f in zip(self._of_held(self.plots), self.first, strict=True))
        return sum(self.used) / started if started else 0.0

    def _of_held(self, values: Sequence[int]) -> list[int]:
        return [v for v, used in zip(values, self.used, strict=True) if used]


# ------------------------------------------------------------------------------------------- flights


def flights(path: Path) -> list[Flight]:
    """The aircraft in a file of states, in flight, by name and time. Raises SettingsError."""
    fixes: dict[str, dict[float, tuple[float, float, float]]] = {}
    reader = csv.DictReader(read_text(path).splitlines())
    for name in STATE_COLUMNS:
        if name not in (reader.fieldnames or ()):
            raise SettingsError(f"{path}:1: no column {name}; needed are {', '.join(STATE_COLUMNS)}")
    for row in reader:
        cells = [row[name] for name in ("lat", "lon", "geoaltitude", "lastposupdate")]
        if row["onground"] == "True" or not all(cells):
            continue
        try:
            lat, lon, height, sent = map(float, cells)
        except ValueError:
            raise SettingsError(f"{path}:{reader.line_num}: not four numbers: {', '.join(cells)}") from None
        fixes.setdefault(row["icao24"], {}).setdefault(sent, (lat, lon, height))
    return [flight for name in sorted(fixes) for flight in _flown(name, fixes[name])]


def _flown(name: str, fixes: Mapping[float, tuple[float, float, float]]) -> Iterator[Flight]:
    """One aircraft's positions by time, cut at gaps."""
    t_s = np.array(sorted(fixes), dtype=float)
    at = geodesy.ecef(*np.array([fixes[t] for t in t_s.tolist()]).T)
    for part in np.split(np.arange(len(t_s)), np.flatnonzero(np.diff(t_s) > LONGEST_GAP_S) + 1):
        if len(part) >= FEWEST_FIXES:
            slopes = np.gradient(at[part], t_s[part], axis=0)
            path = CubicHermiteSpline(t_s[part], at[part], slopes)
            yield Flight(name, float(t_s[part[0]]), float(t_s[part[-1]]), path)


# --------------------------------------------------------------------------------------------- radar


def plots_csv(flown: Sequence[Flight], seed: int) -> str:
    """What the radar makes of the flights, as the CSV of ``import plots``, scan by scan."""
    start_s = min(flight.start_s for flight in flown)
    rows: list[tuple[str, ...]] = [row for flight in flown for row in _observed(flight, start_s, seed)]
    rows.sort(key=lambda row: float(row[0]))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return out.getvalue()


def _observed(flight: Flight, start_s: float, seed: int) -> Iterator[tuple[str, ...]]:
    """Rows of one flight: the beam, turning clockwise from north, meets it once a scan."""
    scans = np.arange(int((flight.start_s - start_s) / SCAN_S), int((flight.end_s - start_s) / SCAN_S) + 1)
    t_s = start_s + scans * SCAN_S
    for _ in range(3):
        azimuth = _seen(flight, np.clip(t_s, flight.start_s, flight.end_s))[1]
        t_s = start_s + SCAN_S * (scans + np.mod(azimuth, 2 * np.pi) / (2 * np.pi))
    range_m, azimuth, elevation = _seen(flight, np.clip(t_s, flight.start_s, flight.end_s))
    rows = int(scans[-1]) + 1
    name = (seed, "airtraffic", flight.name)
    low, high = np.radians(ELEVATIONS_DEG)
    seen = (t_s >= flight.start_s) & (t_s <= flight.end_s) & (range_m <= REACH_M)
    seen &= (elevation >= low) & (elevation <= high)
    seen &= uniforms(rows, 4, *name, "detection")[scans, 0] < DETECTION
    noise = normals(rows, 4, *name, "noise")[scans]
    range_m = range_m + SIGMA_RANGE_M * noise[:, 0]
    azimuth = np.degrees(np.mod(azimuth + SIGMA_AZIMUTH_RAD * noise[:, 1], 2 * np.pi))
    radar = (SENSOR, f"{LAT_DEG}", f"{LON_DEG}", f"{ALT_M}")
    sigmas = (f"{np.degrees(SIGMA_AZIMUTH_RAD):.6f}", f"{SIGMA_RANGE_M}")
    for i in np.flatnonzero(seen).tolist():
        yield (f"{t_s[i]:.6f}", *radar, f"{azimuth[i]:.6f}", "", f"{range_m[i]:.2f}", *sigmas, flight.name)


def _seen(flight: Flight, t_s: Array) -> tuple[Array, Array, Array]:
    """True range m, azimuth and elevation rad from the radar at times (n,)."""
    axes = geodesy.enu_axes(LAT_DEG, LON_DEG)
    east, north, up = axes @ (flight.path(t_s) - geodesy.ecef(LAT_DEG, LON_DEG, ALT_M)).T
    level = np.hypot(east, north)
    return np.hypot(level, up), np.arctan2(east, north), np.arctan2(up, level)


# --------------------------------------------------------------------------------------------- score


def followed(feed: RecordedFeed, seed: int = 0, models: str = "air") -> Held:
    """Track a recorded feed and judge the tracks by its known identities."""
    policy = load_policy(resolve("policies", "full-mesh"))
    result = run(session_of(feed, policy, models), nations=(COALITION,))[COALITION]
    return judged(feed, result.settled, seed)


def judged(feed: RecordedFeed, settled: Sequence[Picture], seed: int = 0) -> Held:
    """Judge settled pictures by the known identities of the plots, as the module says."""
    ticks = {picture.t_valid_ns: picture for picture in settled}
    by_object: dict[str, list[int | None]] = {}
    order: list[tuple[int, str, int | None]] = []
    for given in feed.items:
        if isinstance(given.message, Polar | Detections):
            for t_ns, name in zip(given.message.t_valid_ns.tolist(), given.objects, strict=False):
                track = _user(ticks.get(-(-t_ns // S) * S), t_ns)
                order.append((t_ns, name, track))
    owner: dict[int, str] = {}
    last: dict[str, int] = {}
    seen_ns: dict[str, int] = {}
    silent: set[str] = set()
    breaks = after_silence = swaps = 0
    for t_ns, name, track in sorted(order, key=lambda row: (row[0], row[1])):
        by_object.setdefault(name, []).append(track)
        if t_ns - seen_ns.get(name, t_ns) > SILENCE_S * S:
            silent.add(name)
        seen_ns[name] = t_ns
        if track is None:
            continue
        if name in last and last[name] != track:
            swaps += owner.get(track, name) != name
            breaks += track not in owner
            after_silence += track not in owner and name in silent
        owner.setdefault(track, name)
        last[name] = track
        silent.discard(name)
    return _held(seed, by_object, settled, (breaks, after_silence, swaps))


def _held(
    seed: int,
    by_object: Mapping[str, Sequence[int | None]],
    settled: Sequence[Picture],
    changes: tuple[int, int, int],
) -> Held:
    names = sorted(by_object)
    known = {track for tracks in by_object.values() for track in tracks}
    shown = {track for picture in settled for track in picture.track_id.tolist()}
    first = [next((i for i, t in enumerate(by_object[n]) if t is not None), None) for n in names]
    return Held(
        seed,
        plots=tuple(len(by_object[n]) for n in names),
        used=tuple(sum(t is not None for t in by_object[n]) for n in names),
        tracks=tuple(len(set(by_object[n]) - {None}) for n in names),
        breaks=changes[0],
        breaks_after_silence=changes[1],
        swaps=changes[2],
        first=tuple(i for i in first if i is not None),
        unknown_tracks=len(shown - known),
    )


def _user(picture: Picture | None, t_ns: int) -> int | None:
    """The confirmed track whose last update has that time."""
    if picture is None:
        return None
    rows = np.flatnonzero((picture.t_update_ns == t_ns) & (picture.status >= 1))
    return int(picture.track_id[rows[0]]) if len(rows) else None


# ------------------------------------------------------------------------------------------- command


def study(states: Path, seed: int, models: str = "air") -> Held:
    """One run: the radar's plots through the CSV, its reader and the tracker."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traffic.csv"
        path.write_text(plots_csv(flights(states), seed))
        return followed(read_plots(path), seed, models)


HEADS = (
    "seed", "aircraft", "plots", "held", "used", "once held", "tracks each", "breaks", "unseen",
    "swaps", "strange", "wait",
)  # fmt: skip
LEGEND = """used: share of plots that confirmed tracks took; once held: from the first such plot on;
breaks: a new track for a known aircraft, of which unseen: after half a minute without a plot;
strange: tracks of no aircraft; wait: plots until the first used one (median)"""


def row_of(held: Held) -> list[str]:
    """One run as a line of the table."""
    count = sum(used > 0 for used in held.used)
    wait = f"{np.median(held.first) + 1:.0f}" if held.first else "–"
    return [
        str(held.seed), str(len(held.plots)), str(sum(held.plots)), str(count), f"{held.completeness:.3f}",
        f"{held.completeness_once_held:.3f}", f"{sum(held.tracks) / max(count, 1):.2f}", str(held.breaks),
        str(held.breaks_after_silence), str(held.swaps), str(held.unknown_tracks), wait,
    ]  # fmt: skip


@click.command()
@click.argument("states", type=click.Path(path_type=Path))
@click.option("--seeds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--models", type=click.Choice(["missiles", "air", "mixed"]), default="air", show_default=True)
@click.option("--markdown", is_flag=True, help="A table for a page.")
def main(states: Path, seeds: int, models: str, markdown: bool) -> None:
    """Track the aircraft in STATES, seen by a notional 2-D radar, over seeds 1 … --seeds."""
    rows = [row_of(study(states, seed, models)) for seed in range(1, seeds + 1)]
    if markdown:
        click.echo(markdown_table(HEADS, rows))
        return
    show(plain_table(f"{states.name} before a 2-D radar near London, models {models}", HEADS, rows))
    click.echo(LEGEND)


if __name__ == "__main__":
    sys.exit(invoke(main, sys.argv[1:], "python -m fusion.study.airtraffic"))
