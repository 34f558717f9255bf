"""What comes off a flying object, and how it goes on: stages, shroud, debris, the pieces of a failure.

All of it tumbles: the drag of a body that shows every side is that of its mean projected area, a quarter of
its surface when it is convex (Cauchy 1841), here with the coefficient of a cylinder across the flow at any
speed. Falls do not depend on time, so all pieces of one flight are integrated together, each in its own time
since it came free. A piece that has landed sinks on at its terminal speed until the last one is down, and is
cut off there.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.integrate import solve_ivp

from sensors import atmosphere, draws, geodesy
from sensors.flight import LONGEST_S, SCALE, Flight, TrajectoryError
from sensors.forces import Forces, free_fall, height_m
from sensors.threats import GLIDING, Threat, surface_m2

Array = npt.NDArray[np.float64]

CROSS_FLOW_DRAG = 1.2
"""Drag coefficient of a circular cylinder across the flow (Hoerner, Fluid-Dynamic Drag, 1965, ch. 3)."""
SEPARATION_MPS = 2.0
"""How much slower a spent stage is than what it leaves: springs and retro rockets, NOTIONAL."""
SHED_MPS, BREAK_UP_MPS = 3.0, 60.0
"""Spread (one sigma an axis) of the speeds of pieces shed at burn-out, and of a break-up: NOTIONAL."""
FRAGMENT_BETA, FRAGMENT_SPREAD = 60.0, 0.8
"""Median ballistic coefficient of fragments in kg/m² and sigma of its logarithm: NOTIONAL; sheets of metal
of a few millimetres have tens, engine parts hundreds."""
LIGHTEST, HEAVIEST = 15.0, 2000.0


@dataclass(frozen=True)
class Piece:
    """Something that falls freely from a state (6,) ECEF on, `start_s` after liftoff."""

    part: str
    """What follows the name of the object: ``stage-1``, ``debris-3``; empty for the object itself."""
    kind_part: str
    start_s: float
    state: Array
    beta_kg_m2: float


@dataclass(frozen=True)
class Fall:
    """The fall of one piece: states (n, 6) ECEF at whole seconds after liftoff."""

    piece: Piece
    seconds: npt.NDArray[np.int64]
    states: Array
    impact: tuple[float, float, float] | None
    """Seconds after liftoff, latitude and longitude in degrees; None when it does not come down."""


def tumbling_beta(mass_kg: float, diameter_m: float, length_m: float) -> float:
    """Ballistic coefficient in kg/m² of a tumbling cylinder."""
    return mass_kg / (CROSS_FLOW_DRAG * surface_m2(diameter_m, length_m) / 4.0)


def spent(threat: Threat, flight: Flight, until_s: float) -> list[Piece]:
    """Burnt-out stages and shroud that came off before `until_s`.

    The last stage comes off at the end of its thrust, unless the class keeps it (a quasi-ballistic
    missile stays whole) or does not light it.
    """
    ends = np.cumsum([stage.burn_s for stage in threat.stages]).tolist()
    found = []
    for number, (stage, end) in enumerate(zip(threat.stages, ends, strict=True)):
        last = number == len(threat.stages) - 1
        off = min(end, flight.burnout_s) if last else end
        begun = off > end - stage.burn_s
        if not begun or off > min(until_s, flight.burnout_s) or (last and threat.kind == GLIDING[0]):
            continue
        state = flight.state([off])[0]
        state[3:] *= 1.0 - SEPARATION_MPS / max(float(np.linalg.norm(state[3:])), 1.0)
        name = f"stage-{number + 1}"
        found.append(Piece(name, name, off, state, tumbling_beta(stage.dry_kg, *stage.cylinder_m)))
    shroud = threat.shroud
    if shroud and shroud.t_s < min(until_s, flight.burnout_s):
        state = flight.state([shroud.t_s])[0]
        # A half shell shows on average what a flat sheet of half the surface does: a quarter of both sides.
        beta = tumbling_beta(shroud.mass_kg, shroud.diameter_m, shroud.length_m) / 2.0
        side = np.cross(state[:3], state[3:])
        side *= SEPARATION_MPS / float(np.linalg.norm(side))
        for number, sign in ((1, -1.0), (2, 1.0)):
            apart = state + sign * np.concatenate([np.zeros(3), side])
            found.append(Piece(f"shroud-{number}", "shroud", shroud.t_s, apart, beta))
    return found


def fragments(name: str, flight: Flight, t_s: float, number: int, spread_mps: float) -> list[Piece]:
    """Pieces that fly apart at a time, their speeds and weights drawn by (name of the entry, piece)."""
    drawn = draws.normals(number, 4, "debris", name)
    weights = np.clip(FRAGMENT_BETA * np.exp(FRAGMENT_SPREAD * drawn[:, 3]), LIGHTEST, HEAVIEST)
    states = np.repeat(flight.state([t_s]), number, axis=0)
    states[:, 3:] += spread_mps * drawn[:, :3]
    return [Piece(f"debris-{k + 1}", "debris", t_s, states[k], float(weights[k])) for k in range(number)]


def unpowered(threat: Threat, flight: Flight, t_s: float) -> Piece:
    """The whole missile from the moment when its thrust failed: what has not burnt and come off tumbles.

    Raises TrajectoryError for a time at which nothing burns any more.
    """
    forces = Forces(threat, (0.0, 0.0), flight.programme)
    if t_s >= flight.burnout_s:
        raise TrajectoryError(f"failure.t_s = {t_s:g}: thrust ends anyway after {flight.burnout_s:.0f} s")
    number = int(np.searchsorted(forces.starts[1:-1], t_s, side="right"))
    left = threat.stages[number:]
    size = left[0].diameter_m, sum(stage.cylinder_m[1] for stage in left)
    beta = tumbling_beta(forces.mass_kg(t_s, number), *size)
    return Piece("", "whole", t_s, flight.state([t_s])[0], beta)


def coasting(threat: Threat, flight: Flight) -> Piece:
    """What has reached an orbit."""
    end = flight.burnout_s
    return Piece("", "", end, flight.state([end])[0], threat.reentry_beta_kg_m2)


def falls(pieces: Sequence[Piece], until_s: float) -> list[Fall]:
    """All pieces flown to the ground, or to `until_s` after liftoff where they do not reach it."""
    if not pieces:
        return []
    states = np.array([piece.state for piece in pieces])
    longest = min(LONGEST_S, until_s - min(piece.start_s for piece in pieces))
    run = _integrate(states, np.array([piece.beta_kg_m2 for piece in pieces]), max(longest, 1.0))
    groups: dict[float, list[int]] = {}
    for row, piece in enumerate(pieces):
        groups.setdefault(piece.start_s, []).append(row)
    found: dict[int, Fall] = {}
    for start_s, rows in groups.items():
        last = start_s + run.end_s if run.landed else min(start_s + run.end_s, until_s)
        seconds = np.arange(math.ceil(start_s), math.floor(last) + 1, dtype=np.int64)
        flown = run.states(seconds - start_s)
        for row in rows:
            found[row] = _landed(pieces[row], seconds, flown[row], run, row)
    return [found[row] for row in range(len(pieces))]


@dataclass(frozen=True)
class _Run:
    sol: Callable[[Array], Array]
    count: int
    end_s: float
    landed: bool

    def states(self, t_s: npt.ArrayLike) -> Array:
        """States (pieces, n, 6) at times (n,) since each piece came free."""
        times = np.asarray(t_s, dtype=float)
        flat = self.sol(times).reshape(6, self.count, len(times))
        return np.moveaxis(flat, 0, -1)


def _integrate(states: Array, beta_kg_m2: Array, longest_s: float) -> _Run:
    """States (n, 6) in free fall with drag until the last is on the ground."""
    air, count = atmosphere.standard(), len(states)

    def slope(_t: float, flat: Array) -> Array:
        x, y, z, vx, vy, vz = flat.reshape(6, count)
        speed = np.sqrt(vx * vx + vy * vy + vz * vz)
        drag = 0.5 * air.density(height_m(x, y, z)) * speed / beta_kg_m2
        ax, ay, az = free_fall(x, y, z, vx, vy)
        return np.concatenate([vx, vy, vz, ax - drag * vx, ay - drag * vy, az - drag * vz])

    def all_down(_t: float, flat: Array) -> float:
        return float(np.max(height_m(*flat.reshape(6, count)[:3])))

    all_down.terminal, all_down.direction = True, -1  # type: ignore[attr-defined]
    run = solve_ivp(
        slope, (0.0, longest_s), states.T.reshape(-1), "DOP853", rtol=1e-8, dense_output=True,
        atol=1e-8 * np.repeat(SCALE, count), events=(all_down,),
    )  # fmt: skip
    return _Run(run.sol, count, float(run.t[-1]), run.status == 1)


def _landed(piece: Piece, seconds: npt.NDArray[np.int64], states: Array, run: _Run, row: int) -> Fall:
    """One piece's fall, cut off at the ground."""
    below = np.flatnonzero(height_m(*states[:, :3].T) < 0.0)
    if not len(below) and not run.landed:
        return Fall(piece, seconds, states, None)
    before = max(int(below[0]) - 1, 0) if len(below) else len(seconds) - 1
    t_s = float(seconds[before]) - piece.start_s
    for _ in range(4):
        x, y, z, vx, vy, vz = run.states([t_s])[row, 0].tolist()
        climb = (x * vx + y * vy + z * vz) / math.sqrt(x * x + y * y + z * z)
        t_s = min(max(t_s - height_m(x, y, z) / climb, 0.0), run.end_s)
    lat, lon, _ = geodesy.geodetic(run.states([t_s])[row, 0, :3])
    keep = seconds <= piece.start_s + t_s
    return Fall(piece, seconds[keep], states[keep], (piece.start_s + t_s, float(lat), float(lon)))
