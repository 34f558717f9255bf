"""One run of a scenario, looked at once for everything that the score table says.

A `Notebook` reads the log of one nation beside its `Scorer` and keeps what the score leaves out. Definitions,
all from the as-known picture, objects being those that count:

- NEES: one sample a run and flight phase, at the tick in the middle of the phase of the first object that is
  held then, and at the last tick of the burn; also its mean over every tick held.
- NIS: that of each update of a paired track by a complete plot (3), a 2-D plot or a line of sight (2), by the
  type of the sensor that made it. One sample a run and type: the middle one of the first object's updates.
- *free flight*: seconds from the first tick after the burn to the first of three in a row at which the paired
  track's most probable mode is coast or re-entry; none where that does not come while the object flies so.
- *break*: a track so far unknown follows another on an object; *swap*: one that was another object's before.
- *retracted*: warnings taken back otherwise than because what was warned of had passed.
- launch: the last launch point that a paired track gave, against the truth's first place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from pymap3d import ecef2geodetic

from configs import resolve
from fusion.arms import by_recipient
from fusion.regions import load_regions
from fusion.scoring import Score, Scorer, judge_point
from fusion.session import Entry, Session, run
from fusion.study.seeds import phase_middles
from sensors.scenario import Scenario, load_scenario
from sharing.messages import (
    COALITION,
    MEASUREMENTS,
    MODES,
    PHASES,
    Detections,
    Floats,
    Ints,
    Picture,
    S,
    Truth,
    Warning,
)
from sharing.settings import load_policy

BOOST, BURN_OUT = "boost", "burn-out"
FREE = ("coast", "reentry")
"""Phases of the truth, and modes of the tracker, without engine and without manoeuvre."""
SURE_TICKS = 3
PASSED = "passed"


class Nis(msgspec.Struct, frozen=True):
    """Updates by one type of sensor, as the module says; `dimension` of the first of them."""

    sample: float | None
    mean: float
    count: int
    dimension: int


class Point(msgspec.Struct, frozen=True):
    """A predicted place on the ground, `to_go_s` before impact (0: a launch): was it inside the ellipse?"""

    to_go_s: int
    error_km: float
    ellipse_km2: float
    contained: bool


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What one run says. `free_s` has one value an object with a burn, None where it never came."""

    scenario: str
    seed: int
    as_of: str
    metrics: dict[str, Any]
    breaks: int
    swaps: int
    retracted: int
    nees: dict[str, float]
    nees_held: dict[str, float]
    nis: dict[str, Nis]
    free_s: list[float | None]
    impacts: list[Point]
    launches: list[Point]


@dataclass(frozen=True, slots=True)
class Tick:
    """The confirmed and coasting tracks of one picture; launch points by track id."""

    track_id: Ints
    mode: Ints
    t_update_ns: Ints
    nis: Floats
    launches: Mapping[int, tuple[float, float, Floats]]

    @classmethod
    def of(cls, picture: Picture) -> "Tick":
        """Of an as-known picture."""
        rows = np.flatnonzero(picture.status >= 1)
        launches = {
            int(picture.track_id[row]): (
                float(picture.launch_lat_deg[k]),
                float(picture.launch_lon_deg[k]),
                picture.launch_covariance_m2[3 * k : 3 * k + 3],
            )
            for k, row in enumerate(picture.launch_row.tolist())
        }
        return cls(
            picture.track_id[rows], picture.mode[rows], picture.t_update_ns[rows], picture.nis[rows], launches
        )


class Notebook:
    """What a score leaves out of a nation's log."""

    def __init__(self, scenario: Scenario) -> None:
        self._types = {(s.nation, s.id): s.station.type for s in scenario.sensors}
        self.ticks: dict[int, Tick] = {}
        self.plots: dict[int, tuple[str, int] | None] = {}
        """By the time of a plot: the type of its sensor, its components; None where two types share it."""
        self.retracted = 0

    def take(self, entry: Entry) -> None:
        """The next line of the nation's log."""
        message = entry.message
        if isinstance(message, Picture):
            if message.picture == "as-known":
                self.ticks[message.t_valid_ns] = Tick.of(message)
        elif isinstance(message, MEASUREMENTS):
            kind = (
                self._types[message.originator, message.sensor],
                3 if isinstance(message, Detections) else 2,
            )
            for t_ns in message.t_valid_ns.tolist():
                self.plots[t_ns] = kind if self.plots.get(t_ns, kind) == kind else None
        elif isinstance(message, Warning):
            taken_back = getattr(message, "action", "declare") == "retract"
            self.retracted += taken_back and getattr(message, "reason", "") != PASSED


def judge(scenario_name: str, seed: int, as_of: str) -> Judged:
    """Run COALITION's core over one draw of a scenario in the full mesh."""
    scenario = load_scenario(scenario_name)
    regions = by_recipient([r for n in scenario.regions for r in load_regions(resolve("regions", n))])
    session = Session.generate(scenario, seed, load_policy(resolve("policies", "full-mesh")))
    span = session.t_start_ns, session.t_end_ns
    scorer, notebook = Scorer(COALITION, session.truth, regions[COALITION], *span), Notebook(scenario)

    def sink(entry: Entry) -> None:
        scorer.take(entry)
        notebook.take(entry)

    run(session, nations=(COALITION,), regions=regions, sink=sink, keep=False)
    return judged(session, scorer.score(), notebook, as_of)


def judged(session: Session, score: Score, notebook: Notebook, as_of: str) -> Judged:
    """Everything, from the score and the notebook of one run."""
    objects = [t for t in session.truth if t.counts]
    phases = np.array(score.phase, dtype=object)
    breaks, swaps = changes(score.object_number, score.track_id)
    return Judged(
        scenario=session.name,
        seed=session.seed,
        as_of=as_of,
        metrics=score.metrics,
        breaks=breaks,
        swaps=swaps,
        retracted=notebook.retracted,
        nees=_nees_samples(session, score),
        nees_held={p: float(score.nees[phases == p].mean()) for p in PHASES if (phases == p).any()},
        nis=_nis(score, notebook),
        free_s=[_free_after(one, j, score, notebook) for j, one in enumerate(objects) if _burnt(one)],
        impacts=[Point(i.to_go_s, i.error_km, i.ellipse_km2, i.contained) for i in score.impacts],
        launches=_launches(objects, score, notebook),
    )


def changes(objects: Ints, tracks: Ints) -> tuple[int, int]:
    """Breaks and swaps of paired rows in order of time."""
    owner: dict[int, int] = {}
    last: dict[int, int] = {}
    breaks = swaps = 0
    for which, track in zip(objects.tolist(), tracks.tolist(), strict=True):
        if last.get(which, track) != track:
            breaks += track not in owner
            swaps += owner.get(track, which) != which
        owner.setdefault(track, which)
        last[which] = track
    return breaks, swaps


def _nees_samples(session: Session, score: Score) -> dict[str, float]:
    """By phase: the NEES in its middle, of the first object held then; and at the end of the burn."""
    held = dict(zip(score.keys(), score.nees.tolist(), strict=True))
    found: dict[str, float] = {}
    objects = [t for t in session.truth if t.counts]
    ends = {
        (j, BURN_OUT): float(t.t_valid_ns[_burning(t)[-1]]) / S for j, t in enumerate(objects) if _burnt(t)
    }
    for (which, phase), t_s in sorted({**phase_middles(session), **ends}.items()):
        if (which, t_s) in held:
            found.setdefault(phase, held[which, t_s])
    return found


def _nis(score: Score, notebook: Notebook) -> dict[str, Nis]:
    """By type of sensor: the NIS of the updates of paired tracks, each once."""
    found: dict[tuple[str, int], list[tuple[int, float]]] = {}
    seen: set[tuple[int, int]] = set()
    rows = zip(score.object_number.tolist(), score.track_id.tolist(), score.t_s.tolist(), strict=True)
    for which, track, t_s in rows:
        tick = notebook.ticks[round(t_s * S)]
        row = int(np.searchsorted(tick.track_id, track))
        t_ns = int(tick.t_update_ns[row])
        kind = notebook.plots.get(t_ns)
        if kind is not None and (track, t_ns) not in seen:
            seen.add((track, t_ns))
            found.setdefault(kind, []).append((which, float(tick.nis[row])))
    return {name: _summed(values, dimension) for (name, dimension), values in sorted(found.items())}


def _summed(values: Sequence[tuple[int, float]], dimension: int) -> Nis:
    first = [nis for which, nis in values if which == 0]
    sample = first[len(first) // 2] if first else None
    return Nis(sample, float(np.mean([nis for _, nis in values])), len(values), dimension)


def _burnt(target: Truth) -> bool:
    """Whether the burn of an object ends in free flight."""
    return bool(len(_free_ticks(target)))


def _burning(target: Truth) -> Ints:
    """Rows of the burn."""
    return np.flatnonzero(target.phase == PHASES.index(BOOST))


def _free_ticks(target: Truth) -> Ints:
    """Rows of the free flight that follows the burn."""
    free = np.isin(target.phase, [PHASES.index(p) for p in FREE])
    burning = _burning(target)
    rows = np.arange(len(free))[burning[-1] + 1 :] if len(burning) else np.empty(0, np.int64)
    ends = np.flatnonzero(~free[rows])
    return rows[: ends[0]] if len(ends) else rows


def _free_after(target: Truth, which: int, score: Score, notebook: Notebook) -> float | None:
    """Seconds from the end of the burn until the paired track surely flies freely."""
    mine = score.object_number == which
    track_at = dict(zip(score.t_s[mine].tolist(), score.track_id[mine].tolist(), strict=True))
    ticks = target.t_valid_ns[_free_ticks(target)].tolist()
    in_a_row = 0
    for t_ns in ticks:
        track = track_at.get(t_ns / S)
        in_a_row = in_a_row + 1 if track is not None and _mode(notebook.ticks[t_ns], track) in FREE else 0
        if in_a_row == SURE_TICKS:
            return float(t_ns - ticks[0]) / S - (SURE_TICKS - 1)
    return None


def _mode(tick: Tick, track: int) -> str:
    return MODES[int(tick.mode[np.searchsorted(tick.track_id, track)])]


def _launches(objects: Sequence[Truth], score: Score, notebook: Notebook) -> list[Point]:
    """The last launch point of each object for which there was one."""
    last: dict[int, tuple[float, float, Floats]] = {}
    rows = zip(score.object_number.tolist(), score.track_id.tolist(), score.t_s.tolist(), strict=True)
    for which, track, t_s in rows:
        launch = notebook.ticks[round(t_s * S)].launches.get(track)
        if launch is not None:
            last[which] = launch
    found = []
    for which, launch in sorted(last.items()):
        lat, lon, _ = ecef2geodetic(*objects[which].state_ecef[:3])
        one = judge_point(0, float(lat), float(lon), launch)
        found.append(Point(0, one.error_km, one.ellipse_km2, one.contained))
    return found
