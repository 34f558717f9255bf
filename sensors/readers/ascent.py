"""A webcast's telemetry of a real ascent (CSV) -> a truth that a scenario's radars can observe.

The file gives time s, altitude km and downrange distance km once a second; its `downrange_distance` is the
integral of the horizontal speed along the flown path, not a distance on the ground. Webcast speeds are
relative to the Earth. Altitudes are read off a screen and noisy by some tens of metres, so both columns are
smoothed: least-squares cubic splines with a knot every 8 s, and with acceleration free to jump where the
events file (``NAME.events.json`` beside it) says that an engine started or stopped.

The path starts at the asked point and bearing and runs along a geodesic; where no engine burns it also turns
as the Coriolis force turns it, because a body in free fall does. What remains of the real site's Coriolis
force in height and along the track is below 0.1 m/s².
"""

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.integrate import solve_ivp
from scipy.interpolate import BSpline, make_lsq_spline

from sensors import geodesy
from sharing.messages import COALITION, PHASES, S, Truth, floats, ints
from sharing.settings import SettingsError, read_text

Array = npt.NDArray[np.float64]

THREAT = "falcon9"
COLUMNS = ("time", "velocity", "altitude", "downrange_distance")
KNOT_EVERY_S = 8.0
_DEGREE = 3
_BURNS = (
    ("ses1", "seco1"),
    ("boostback_start", "boostback_end"),
    ("entry_start", "entry_end"),
    ("landing_start", ""),
)
_REENTRY_HEIGHT_M = 100_000.0


@dataclass(frozen=True)
class Ascent:
    """A smoothed ascent: splines of altitude and path length in m over s, and when engines burn."""

    name: str
    end_s: float
    altitude: BSpline
    path: BSpline
    burns: tuple[tuple[float, float], ...]
    altitude_rms_m: float
    """Smoothing error: root mean square of recorded minus smoothed altitude."""
    speed_rms_mps: float
    """The same of the speed, which the smoothing has not seen."""

    def powered(self, t_s: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether an engine burns at times (n,)."""
        times = np.atleast_1d(np.asarray(t_s, dtype=float))
        return np.any([(times >= start) & (times < end) for start, end in self.burns], axis=0)


def read_ascent(path: Path | str) -> Ascent:
    """Read and smooth a telemetry file, with its events where they are given. Raises SettingsError."""
    table = _table(Path(path))
    time, speed, altitude, distance = (np.array(column) for column in zip(*table, strict=True))
    burns = _burns(Path(path), float(time[-1]))
    jumps = sorted({t for burn in burns for t in burn if time[0] < t < time[-1]})
    knots = _knots(time, jumps)
    smooth = [make_lsq_spline(time, 1e3 * column, knots, k=_DEGREE) for column in (altitude, distance)]
    speeds = np.hypot(smooth[0].derivative()(time), smooth[1].derivative()(time))
    return Ascent(
        name=Path(path).stem,
        end_s=float(time[-1]),
        altitude=smooth[0],
        path=smooth[1],
        burns=burns,
        altitude_rms_m=float(np.sqrt(np.mean((1e3 * altitude - smooth[0](time)) ** 2))),
        speed_rms_mps=float(np.sqrt(np.mean((speed - speeds) ** 2))),
    )


def ascent_truth(path: Path | str, lat_deg: float, lon_deg: float, bearing_deg: float) -> Truth:
    """The ascent recorded in a file, as `placed`. Raises SettingsError."""
    return placed(read_ascent(path), lat_deg, lon_deg, bearing_deg)


def placed(ascent: Ascent, lat_deg: float, lon_deg: float, bearing_deg: float) -> Truth:
    """The ascent launched from a point and bearing, on the 1 Hz grid. Raises SettingsError."""
    for name, value, limit in (
        ("lat", lat_deg, 89.0),
        ("lon", lon_deg, 360.0),
        ("bearing-deg", bearing_deg, 360.0),
    ):
        if not abs(value) <= limit:
            raise SettingsError(f"{name} = {value!r}: at most {limit:g} degrees either way")
    times = np.arange(math.floor(ascent.end_s) + 1, dtype=float)
    lat, lon, heading = _course(ascent, times, lat_deg, lon_deg, bearing_deg)
    height, climb, level = (
        ascent.altitude(times),
        ascent.altitude.derivative()(times),
        ascent.path.derivative()(times),
    )
    local = np.stack([level * np.sin(heading), level * np.cos(heading), climb], axis=1)
    velocity = np.einsum("nij,ni->nj", geodesy.enu_axes(lat, lon), local)
    phase = np.full(len(times), PHASES.index("coast"))
    phase[(climb < 0.0) & (height < _REENTRY_HEIGHT_M)] = PHASES.index("reentry")
    phase[ascent.powered(times)] = PHASES.index("boost")
    return Truth(
        originator=COALITION,
        name=ascent.name,
        kind=THREAT,
        counts=True,
        t_valid_ns=ints(times.astype(np.int64) * S),
        state_ecef=floats(np.concatenate([geodesy.ecef(lat, lon, height), velocity], axis=1)),
        phase=ints(phase),
        liftoff_t_ns=0,
        impact=None,
    )


def _course(
    ascent: Ascent, times: Array, lat_deg: float, lon_deg: float, bearing_deg: float
) -> tuple[Array, ...]:
    """Latitude and longitude in degrees and heading in radians at times (n,).

    Motion over the ellipsoid with its two radii of curvature; the heading follows the geodesic, and in free
    fall turns by 2 ω (sin φ - cos φ cos ψ climb / level) as well (Vinh, Hypersonic and Planetary Entry
    Flight Mechanics, ch. 2).
    """
    climb, level = ascent.altitude.derivative(), ascent.path.derivative()
    eccentricity2 = geodesy.FLATTENING * (2.0 - geodesy.FLATTENING)

    def slope(t: float, y: Sequence[float]) -> list[float]:
        lat, _, heading = y
        height, speed = float(ascent.altitude(t)), float(level(t))
        w = math.sqrt(1.0 - eccentricity2 * math.sin(lat) ** 2)
        across = geodesy.RADIUS_M / w + height
        along = geodesy.RADIUS_M * (1.0 - eccentricity2) / w**3 + height
        turn = speed * math.sin(heading) * math.tan(lat) / across
        if speed > 1.0 and not ascent.powered(t)[0]:
            steep = float(climb(t)) / speed
            free = math.sin(lat) - math.cos(lat) * math.cos(heading) * steep
            turn += 2.0 * geodesy.ROTATION_RADPS * free
        return [speed * math.cos(heading) / along, speed * math.sin(heading) / (across * math.cos(lat)), turn]

    start = np.radians([lat_deg, lon_deg, bearing_deg])
    flown = solve_ivp(slope, (0.0, times[-1]), start, t_eval=times, max_step=1.0, rtol=1e-10, atol=1e-12)
    lat, lon, heading = flown.y
    return np.degrees(lat), np.degrees(lon), heading


def _table(path: Path) -> list[tuple[float, ...]]:
    """Rows of `COLUMNS` as numbers. Raises SettingsError naming file, line and column."""
    rows = csv.DictReader(read_text(path).splitlines())
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise SettingsError(f"{path}: no column {missing[0]}; needed are {', '.join(COLUMNS)}")
    table: list[tuple[float, ...]] = []
    for row in rows:
        try:
            values = tuple(float(row[name]) for name in COLUMNS)
        except (TypeError, ValueError):
            raise SettingsError(f"{path}:{rows.line_num}: not four numbers: {', '.join(COLUMNS)}") from None
        if not all(map(math.isfinite, values)) or (table and values[0] <= table[-1][0]):
            raise SettingsError(f"{path}:{rows.line_num}: numbers must be finite and times rise")
        table.append(values)
    if len(table) < 60 or table[0][0] != 0.0:
        raise SettingsError(f"{path}: an ascent needs a minute of rows, the first at time 0")
    return table


def _burns(path: Path, end_s: float) -> tuple[tuple[float, float], ...]:
    """When engines burn, from the events beside the file; without events, all the time."""
    events_path = path.with_name(path.stem + ".events.json")
    if not events_path.exists():
        return ((0.0, end_s + 1.0),)
    try:
        events = json.loads(read_text(events_path))
        known = {name: float(value) for name, value in events.items() if value is not None}
    except (ValueError, AttributeError, TypeError):
        raise SettingsError(f"{events_path}: not a JSON object of event times in seconds") from None
    after = end_s + 1.0
    later = [(known[start], known.get(end, after)) for start, end in _BURNS if start in known]
    return ((0.0, known.get("meco", after)), *later)


def _knots(time: Array, jumps: Sequence[float]) -> Array:
    """Knots: repeated at the ends, twofold at jumps of the acceleration, single between them."""
    edges = [float(time[0]), *jumps, float(time[-1])]
    knots = [edges[0]] * (_DEGREE + 1)
    for start, end in pairwise(edges):
        pieces = max(round((end - start) / KNOT_EVERY_S), 1)
        knots += np.linspace(start, end, pieces + 1)[1:-1].tolist()
        knots += [end] * (_DEGREE - 1 if end != edges[-1] else _DEGREE + 1)
    return np.array(knots)
