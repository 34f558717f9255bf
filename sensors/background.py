"""What flies anyway: airliners on notional airways, satellites on circular orbits. None of it counts.

Everything is drawn by ("background", kind, number), not by a scenario's seed, and is anchored to scenario
time zero: the same traffic in every scenario and run, whatever part of the day is looked at.

Samples stand on multiples of 10 s. Cubic Hermite interpolation between them is below a millimetre off for a
satellite (h⁴/384 · ω⁴ r) and a few metres where an airliner begins or ends a turn.
"""

import functools
import math
from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.integrate import solve_ivp

import configs
from sensors import draws
from sensors.flight import SCALE
from sensors.forces import free_fall
from sensors.geodesy import FLATTENING, GM, MEAN_RADIUS_M, RADIUS_M, ROTATION_RADPS
from sensors.threats import Latitude, Longitude, Positive, Spec
from sharing import settings
from sharing.messages import COALITION, PHASES, S, Truth, floats, ints

Array = npt.NDArray[np.float64]

STEP_S = 10
WARM_UP_S = 21_600
"""Traffic begins this long before scenario time zero, so that it has spread out."""
REGION_DEG, REGION_M, LOWEST_DEG = (37.0, 133.0), 2_500e3, 3.0
"""Satellites are objects while some point of this region sees them above this elevation."""
_OTHER = PHASES.index("other")
_FINE_S = 2
_BATCH = 64
_INCLINATIONS_DEG = (51.6, 53.0, 65.0, 74.0, 82.5, 86.4, 97.8, 98.6)
"""Inclinations at which many satellites fly (NOTIONAL in their shares)."""
_LOW_SHARE, _LOW_KM, _HIGH_KM = 0.8, (400.0, 1200.0), (1200.0, 8000.0)
"""Share of satellites between the first two altitudes; the others lie between the second two: NOTIONAL."""


class Background(Spec, frozen=True, kw_only=True):
    """How much of it there is."""

    airliners: Annotated[int, msgspec.Meta(ge=0, le=2000)] = 0
    """In the air at once, at any time."""
    satellites: Annotated[int, msgspec.Meta(ge=0, le=5000)] = 0
    """In orbit; a few per cent of them pass over at a time."""


class Place(Spec, frozen=True, kw_only=True):
    """A point of the airways."""

    name: str
    lat_deg: Latitude
    lon_deg: Longitude


class Airways(Spec, frozen=True, kw_only=True):
    """`configs/background/airways.toml`: where airliners fly, and how."""

    cruise_m: tuple[Positive, Positive]
    cruise_mps: tuple[Positive, Positive]
    climb_mps: Positive
    descent_mps: Positive
    runway_mps: Positive
    turn_s: Positive
    """A turn, a take-off and a levelling are spread over this time."""
    shortest_km: Positive
    airports: tuple[Place, ...]
    gates: tuple[Place, ...]
    """Where flights enter and leave the region at cruising height."""
    waypoints: tuple[Place, ...]


@functools.cache
def airways() -> Airways:
    """The airways that ship with the project. Raises SettingsError."""
    return settings.load(configs.resolve("background", "airways"), Airways)


def background(spec: Background, t_start_ns: int, t_end_ns: int) -> tuple[Truth, ...]:
    """The truth of all background that exists between two scenario times, clipped to them."""
    start, end = t_start_ns // S // STEP_S * STEP_S, -(-t_end_ns // S // STEP_S) * STEP_S
    airliners = (t for slot in range(spec.airliners) for t in _airliners(slot, start, end))
    return (*airliners, *_satellites(spec.satellites, start, end))


def _truth(name: str, kind: str, t_s: npt.NDArray[np.int64], states: Array) -> Truth:
    return Truth(
        originator=COALITION,
        name=name,
        kind=kind,
        counts=False,
        t_valid_ns=ints(t_s * S),
        state_ecef=floats(states),
        phase=ints(np.full(len(t_s), _OTHER)),
        liftoff_t_ns=int(t_s[0]) * S,
        impact=None,
    )


# Airliners


def normal_of(lat_deg: npt.ArrayLike, lon_deg: npt.ArrayLike) -> Array:
    """Unit normal (..., 3) of the ellipsoid (n-vector: Gade, The Journal of Navigation 63, 2010)."""
    lat, lon = np.radians(lat_deg), np.radians(lon_deg)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def above(normal: Array, height_m: Array) -> Array:
    """ECEF position (n, 3) at heights above the ellipsoid; normals (n, 3) of any length."""
    unit = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    ratio2 = (1.0 - FLATTENING) ** 2
    radius = RADIUS_M / np.sqrt(1.0 - (1.0 - ratio2) * unit[:, 2] ** 2)
    return np.asarray(unit * (radius[:, None] * [1.0, 1.0, ratio2] + height_m[:, None]))


class Airliner:
    """One flight: great-circle legs, climb, cruise, descent. Times in seconds since its beginning."""

    def __init__(self, ways: Airways, drawn: Array) -> None:
        ends = (*ways.airports, *ways.gates)
        start = ends[int(drawn[0] * len(ends))]
        far = [place for place in ends if _distance_m([start, place]) >= ways.shortest_km * 1e3]
        end = far[int(drawn[1] * len(far))]
        direct = _distance_m([start, end])
        turns = [[place] for place in ways.waypoints if _distance_m([start, place, end]) < 1.2 * direct] or [
            []
        ]
        self.route = [start, *turns[int(drawn[2] * len(turns))], end]
        self._ways = ways
        low, high = ways.cruise_m
        self.cruise_m = low + drawn[3] * (high - low)
        low, high = ways.cruise_mps
        self._speed = low + drawn[4] * (high - low)
        self._points = normal_of([p.lat_deg for p in self.route], [p.lon_deg for p in self.route])
        steps = np.arccos(np.clip(np.sum(self._points[:-1] * self._points[1:], axis=1), -1.0, 1.0))
        self._marks = np.concatenate([[0.0], np.cumsum(steps)]) * MEAN_RADIUS_M
        climbs, descends = start in ways.airports, end in ways.airports
        mean = (self._speed + ways.runway_mps) / 2.0
        need = self.cruise_m * mean * (climbs / ways.climb_mps + descends / ways.descent_mps)
        # A short hop stays lower.
        self.cruise_m *= min(1.0, 0.8 * self._marks[-1] / max(need, 1.0))
        self._climb_s = self.cruise_m / ways.climb_mps * climbs
        self._descent_s = self.cruise_m / ways.descent_mps * descends
        cruise_s = (self._marks[-1] - mean * (self._climb_s + self._descent_s)) / self._speed
        self.length_s = float(self._climb_s + cruise_s + self._descent_s)

    def _path(self, t_s: Array) -> tuple[Array, Array]:
        """Normals (n, 3) and heights (n,) of the flight without smooth turns."""
        # A flight through a gate goes on as it was: only runways stop it.
        t = t_s
        up = down = np.ones(len(t))
        if self._climb_s:
            t = np.maximum(t, 0.0)
            up = np.minimum(t / self._climb_s, 1.0)
        if self._descent_s:
            t = np.minimum(t, self.length_s)
            down = np.minimum((self.length_s - t) / self._descent_s, 1.0)
        lost = self._speed - self._ways.runway_mps
        # Speed rises evenly in the climb and falls evenly in the descent: the distance lost against cruise.
        behind = lost * self._climb_s * (up - up * up / 2.0)
        behind = behind + lost * self._descent_s * (1.0 - down) ** 2 / 2.0
        s = self._speed * t - behind
        leg = np.clip(np.searchsorted(self._marks, s, side="right") - 1, 0, len(self._marks) - 2)
        share = (s - self._marks[leg]) / (self._marks[leg + 1] - self._marks[leg])
        angle = (self._marks[leg + 1] - self._marks[leg]) / MEAN_RADIUS_M
        a, b = np.sin((1.0 - share) * angle) / np.sin(angle), np.sin(share * angle) / np.sin(angle)
        normal = a[:, None] * self._points[leg] + b[:, None] * self._points[leg + 1]
        return normal, self.cruise_m * np.minimum(up, down)

    def states(self, t_s: Array) -> Array:
        """ECEF states (n, 6): the path, averaged over `turn_s` about each time, and its derivative."""
        half = self._ways.turn_s / 2.0
        offsets = np.arange(-half, half + _FINE_S / 2, _FINE_S)
        normal, height = self._path((t_s[:, None] + offsets).reshape(-1))
        normal, height = normal.reshape(len(t_s), -1, 3), height.reshape(len(t_s), -1)
        weights = np.ones(len(offsets))
        weights[[0, -1]] = 0.5
        weights /= weights.sum()
        mean, level = np.einsum("k,nkj->nj", weights, normal), height @ weights
        turning, climbing = (
            (normal[:, -1] - normal[:, 0]) / self._ways.turn_s,
            (height[:, -1] - height[:, 0]) / self._ways.turn_s,
        )
        later = above(mean + turning / 2.0, level + climbing / 2.0)
        sooner = above(mean - turning / 2.0, level - climbing / 2.0)
        return np.concatenate([above(mean, level), later - sooner], axis=1)


def _distance_m(places: Sequence[Place]) -> float:
    """Length of the great-circle legs between places."""
    points = normal_of([p.lat_deg for p in places], [p.lon_deg for p in places])
    cosines = np.clip(np.sum(points[:-1] * points[1:], axis=1), -1.0, 1.0)
    return float(np.sum(np.arccos(cosines))) * MEAN_RADIUS_M


def _airliners(slot: int, start_s: int, end_s: int) -> Iterator[Truth]:
    """The flights of one slot between two times: the next begins where and when another ends up elsewhere."""
    ways = airways()
    shortest = ways.shortest_km * 1e3 / ways.cruise_mps[1]
    rows = math.ceil((end_s + 2 * WARM_UP_S) / shortest) + 1
    if rows <= 0:
        return
    drawn = draws.uniforms(rows, 8, "background", "airliner", slot)
    begins = -WARM_UP_S - 7200.0 * drawn[0, 5]
    for number in range(rows):
        flight = Airliner(ways, drawn[number])
        ends = begins + flight.length_s
        first = max(math.ceil(begins / STEP_S) * STEP_S, start_s)
        times = np.arange(first, min(math.floor(ends), end_s) + 1, STEP_S, dtype=np.int64)
        if len(times) > 1:
            name = f"airliner-{slot + 1}-{number + 1}"
            yield _truth(name, "airliner", times, flight.states(times - begins))
        begins = ends
        if begins > end_s:
            return


# Satellites


def orbits(number: int) -> Array:
    """ECEF states (number, 6) at scenario time zero on circular orbits; row k is that of satellite k."""
    drawn = draws.uniforms(number, 8, "background", "satellite")
    low = drawn[:, 0] < _LOW_SHARE
    near, far = (a + drawn[:, 1] * (b - a) for a, b in (_LOW_KM, _HIGH_KM))
    r = RADIUS_M + 1e3 * np.where(low, near, far)
    inclination = np.radians(np.array(_INCLINATIONS_DEG)[(drawn[:, 2] * len(_INCLINATIONS_DEG)).astype(int)])
    node, along = 2 * np.pi * drawn[:, 3], 2 * np.pi * drawn[:, 4]
    zero = np.zeros(number)
    toward_node = np.stack([np.cos(node), np.sin(node), zero], axis=1)
    across = np.stack(
        [-np.cos(inclination) * np.sin(node), np.cos(inclination) * np.cos(node), np.sin(inclination)], axis=1
    )
    c, s = np.cos(along)[:, None], np.sin(along)[:, None]
    position = r[:, None] * (c * toward_node + s * across)
    velocity = np.sqrt(GM / r)[:, None] * (c * across - s * toward_node)
    return np.concatenate([position, velocity - np.cross([0.0, 0.0, ROTATION_RADPS], position)], axis=1)


def propagated(states: Array, times_s: Array) -> Array:
    """States (k, n, 6) at times (n,), ascending, of ECEF states (k, 6) at time zero, without air."""
    count = len(states)

    def slope(_t: float, flat: Array) -> Array:
        x, y, z, vx, vy, vz = flat.reshape(6, count)
        return np.concatenate([vx, vy, vz, *free_fall(x, y, z, vx, vy)])

    found = np.empty((count, len(times_s), 6))
    for side in (times_s < 0.0, times_s >= 0.0):
        wanted = times_s[side]
        if not len(wanted):
            continue
        far = float(wanted[0] if wanted[0] < 0.0 else max(wanted[-1], 1.0))
        order = wanted[::-1] if far < 0.0 else wanted
        run = solve_ivp(
            slope, (0.0, far), states.T.reshape(-1), "DOP853", t_eval=order, rtol=1e-10,
            atol=1e-10 * np.repeat(SCALE, count),
        )  # fmt: skip
        flown = np.moveaxis(run.y.reshape(6, count, len(order)), 0, -1)
        found[:, side] = flown[:, ::-1] if far < 0.0 else flown
    return found


def _over_region(position_ecef_m: Array) -> npt.NDArray[np.bool_]:
    """Whether satellites (..., 3) are above `LOWEST_DEG` for some point of the region, on a sphere."""
    r = np.linalg.norm(position_ecef_m, axis=-1)
    centre = normal_of(*REGION_DEG)
    away = np.arccos(np.clip(position_ecef_m @ centre / r, -1.0, 1.0))
    lowest = math.radians(LOWEST_DEG)
    reach = np.arccos(np.minimum(MEAN_RADIUS_M * math.cos(lowest) / r, 1.0)) - lowest
    return np.asarray(away <= reach + REGION_M / MEAN_RADIUS_M)


def _satellites(number: int, start_s: int, end_s: int) -> Iterator[Truth]:
    """One truth a pass of each satellite between two times."""
    times = np.arange(start_s, end_s + 1, STEP_S, dtype=np.int64)
    if number == 0 or len(times) < 2:
        return
    states = orbits(number)
    for first in range(0, number, _BATCH):
        flown = propagated(states[first : first + _BATCH], times.astype(float))
        over = _over_region(flown[:, :, :3])
        for row in range(len(flown)):
            edges = np.flatnonzero(np.diff(np.concatenate([[False], over[row], [False]])))
            for number_of, (begin, end) in enumerate(edges.reshape(-1, 2).tolist()):
                if end - begin > 1:
                    name = f"satellite-{first + row + 1}-{number_of + 1}"
                    yield _truth(name, "satellite", times[begin:end], flown[row, begin:end])
