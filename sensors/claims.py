"""Judges a published claim of range, apogee and flight time against physics. SIMULATED classes, NOTIONAL.

Rules (the strength limit of `sensors.reach` and `STEEP` were stated after a first look at depressed pairs,
the others before any):

- Lower bound: an impulsive shot without air on a sphere that rotates, with that range and apogee. A powered
  flight takes longer, since its engine needs a minute or more to give the speed.
- Model: the powered flight (`sensors.trajectory.solve`) of the class that is named, or else of the lightest
  one whose `Reach` holds range and apogee (within `TOLERANCE`, since both are published rounded).
- A time that is a multiple of 60 s was given to the minute: it may be `MINUTE_S` off, any other `SECOND_S`.
- ``too-short``: below the lower bound less rounding, or more than `TOLERANCE` and rounding below the model.
  ``too-long``: above the model by more than that. ``not-ballistic``: no class, or not the one that is named,
  flies that pair without lift. ``consistent``: everything else.
- What lies beyond the energy of the whole table is judged by the lower bound alone; so is a pair whose
  apogee is about that of the slowest shot to its range, or more (`STEEP`): that shape needs no lift, the
  table only lacks a class small enough.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

import configs
from sensors import geodesy, vacuum
from sensors.reach import (
    BEARING_DEG,
    LAUNCH,
    Reach,
    ideal_mps,
    launch_mass_kg,
    missiles,
    needed_mps,
    reach,
    without_lift,
)
from sensors.threats import GLIDING, Threat, load_threat
from sensors.trajectory import Flight, TrajectoryError, solve
from sharing.settings import SettingsError

Verdict = Literal["consistent", "too-short", "too-long", "not-ballistic"]

TOLERANCE = 0.05
MINUTE_S, SECOND_S = 30.0, 0.5
STEEP = 0.9
"""Apogee over that of the slowest vacuum shot from which on a shape is ballistic whatever the table holds."""
LONGEST_KM, HIGHEST_KM, LATEST_S = 20_000.0, 50_000.0, 100_000.0
"""Half around the Earth; beyond that apogee a flight takes half a day; no time claimed is longer."""


class ClaimError(SettingsError):
    """A claim that cannot be judged: one line."""


@dataclass(frozen=True)
class Claim:
    """What was published; places in degrees. Raises ClaimError where a value means nothing."""

    range_km: float
    apogee_km: float
    time_s: float | None = None
    lat_deg: float = LAUNCH[0]
    lon_deg: float = LAUNCH[1]
    bearing_deg: float = BEARING_DEG
    threat: str | None = None
    """Name of a class of `configs/threats/`, or its path."""

    def __post_init__(self) -> None:
        bounds = (("range_km", 0.0, LONGEST_KM), ("apogee_km", 0.0, HIGHEST_KM), ("time_s", 0.0, LATEST_S))
        for name, low, high in bounds:
            value = getattr(self, name)
            if value is not None and not low < value <= high:
                raise ClaimError(f"{name} = {value:g}: expected more than {low:g} and at most {high:g}")
        for name, most in (("lat_deg", 89.0), ("lon_deg", 180.0), ("bearing_deg", 360.0)):
            if not abs(getattr(self, name)) <= most:
                raise ClaimError(f"{name} = {getattr(self, name):g}: expected {-most:g} to {most:g}")

    @property
    def rounding_s(self) -> float:
        """How far the true time may be from the published one."""
        return SECOND_S if self.time_s is None or self.time_s % 60.0 else MINUTE_S

    @property
    def flight(self) -> str:
        """Range and apogee in words."""
        return f"{self.range_km:g} km with an apogee of {self.apogee_km:g} km"


@dataclass(frozen=True)
class Judgement:
    """What physics says of a claim. `model_time_s` is None where no class of the table flies it."""

    claim: Claim
    vacuum_time_s: float
    model_time_s: float | None
    verdict: Verdict
    reason: str
    threat: str | None
    """The class that was flown."""


def vacuum_time_s(claim: Claim) -> float:
    """Time of the impulsive shot without air, on a sphere of the mean radius that rotates."""
    lat, bearing = math.radians(claim.lat_deg), math.radians(claim.bearing_deg)
    angle = claim.range_km * 1e3 / geodesy.MEAN_RADIUS_M
    up, north, east = (
        np.array([math.cos(lat), 0.0, math.sin(lat)]),
        np.array([-math.sin(lat), 0.0, math.cos(lat)]),
        np.array([0.0, 1.0, 0.0]),
    )
    toward = math.cos(bearing) * north + math.sin(bearing) * east
    aim = math.cos(angle) * up + math.sin(angle) * toward
    shot = vacuum.impulsive_shot(
        geodesy.MEAN_RADIUS_M * up, geodesy.MEAN_RADIUS_M * aim, claim.apogee_km * 1e3
    )
    return shot[1]


def judge(claim: Claim) -> Judgement:
    """The verdict on a claim, with its reason in one sentence. Raises SettingsError, UnknownName."""
    bound = vacuum_time_s(claim)
    named = None if claim.threat is None else load_threat(claim.threat)
    if named is not None and named.kind not in ("ballistic", "quasi-ballistic", "boost-glide"):
        raise ClaimError(f"{claim.threat}: {named.kind}: is no class of missiles")
    found = _ballistic(claim)
    if found is not None:
        return _timed(claim, bound, *found)
    if named is None and outside(claim.range_km, claim.apogee_km):
        return _bounded(claim, bound)
    return _lifted(claim, bound)


def holding(range_km: float, apogee_km: float, threat: str | None = None) -> Reach | None:
    """The named class, or the lightest of all, if it flies that pair ballistically; else None."""
    return next(_holding(range_km, apogee_km, threat), None)


def outside(range_km: float, apogee_km: float) -> str:
    """Why the table says nothing of a pair that no class of it flies; empty where it says that lift did."""
    edges = (reach(name) for name, _ in reversed(missiles()))
    if all(range_km * 1e3 > edge.longest_m or apogee_km * 1e3 > edge.highest_m for edge in edges):
        return "beyond the energy of every class of the table"
    if apogee_km * 1e3 >= STEEP * vacuum.minimum_energy_apogee_m(range_km * 1e3):
        return "the shape of a slowest shot, which no class of the table flies"
    return ""


def _holding(range_km: float, apogee_km: float, threat: str | None) -> Iterator[Reach]:
    """The classes that fly that pair ballistically: of all, lightest first, or of the named one."""
    range_m, apogee_m = range_km * 1e3 / (1.0 + TOLERANCE), apogee_km * 1e3
    needed = needed_mps(range_m, apogee_m)
    classes = missiles() if threat is None else ((threat, without_lift(load_threat(threat))),)
    for name, flown in classes:
        # Far cheaper than the reach, and enough to leave out those that are too small.
        if ideal_mps(flown) > needed and reach(name).holds(range_m, apogee_m):
            yield reach(name)


def _ballistic(claim: Claim) -> tuple[str, Flight] | None:
    """The class and flight without lift that meet a claim: of the named class, or of the lightest."""
    for edge in _holding(claim.range_km, claim.apogee_km, claim.threat):
        flight = _solved(edge.threat, claim)
        if flight is not None:
            return edge.name, flight
    return None


def _solved(threat: Threat, claim: Claim) -> Flight | None:
    launch = (claim.lat_deg, claim.lon_deg)
    try:
        return solve(threat, launch, claim.bearing_deg, claim.range_km * 1e3, claim.apogee_km * 1e3)
    except TrajectoryError:
        return None


def _timed(claim: Claim, bound: float, name: str, flight: Flight) -> Judgement:
    """The verdict where a ballistic flight exists: does the time fit it?"""
    model, time, round_s = flight.impact_s, claim.time_s, claim.rounding_s
    slack = TOLERANCE * model + round_s
    verdict: Verdict = "consistent"
    if time is None:
        reason = f"{name} flies {claim.flight} in {model:.0f} s (vacuum bound {bound:.0f} s); no time given"
    elif time + round_s < bound:
        verdict = "too-short"
        reason = (
            f"{claim.flight} takes at least {bound:.0f} s even without air and engine, the published "
            f"{time:g} s (rounded to {round_s:g} s) is less"
        )
    elif abs(time - model) > slack:
        verdict = "too-short" if time < model else "too-long"
        reason = (
            f"{name} flies {claim.flight} in {model:.0f} s, from which the published {time:g} s differ by "
            f"{time - model:+.0f} s, more than {slack:.0f} s (5 % and rounding)"
        )
    else:
        reason = (
            f"{name} flies {claim.flight} in {model:.0f} s, within {slack:.0f} s (5 % and rounding) of the "
            f"published {time:g} s and above the vacuum bound of {bound:.0f} s"
        )
    return Judgement(claim, bound, model, verdict, reason, name)


def _bounded(claim: Claim, bound: float) -> Judgement:
    """The verdict where only the vacuum bound can speak."""
    time, round_s = claim.time_s, claim.rounding_s
    short = time is not None and time + round_s < bound
    told = "no time given" if time is None else f"published {time:g} s"
    reason = (
        f"{claim.flight} is {outside(claim.range_km, claim.apogee_km)}: judged by the vacuum bound of "
        f"{bound:.0f} s alone ({told})"
    )
    return Judgement(claim, bound, None, "too-short" if short else "consistent", reason, None)


def _lifted(claim: Claim, bound: float) -> Judgement:
    """The verdict where no ballistic flight exists: what lift, or more energy, would make of it."""
    who = claim.threat or "no class of the table"
    for name in _gliding() if claim.threat is None else [claim.threat]:
        threat = load_threat(name)
        flight = _solved(threat, claim) if threat.kind in GLIDING else None
        if flight is not None:
            how = "pulls up" if threat.kind == "quasi-ballistic" else "glides"
            told = "" if claim.time_s is None else f", published {claim.time_s:g} s"
            whose = "with its lift it" if claim.threat else f"{name}, which {how},"
            reason = (
                f"{_cannot(who)} {claim.flight} without lift; {whose} takes {flight.impact_s:.0f} s{told} "
                f"(vacuum shot {bound:.0f} s)"
            )
            return Judgement(claim, bound, flight.impact_s, "not-ballistic", reason, name)
    reason = f"{_cannot(who)} {claim.flight} without lift: {limit(claim.apogee_km, claim.threat)}"
    return Judgement(claim, bound, None, "not-ballistic", reason, claim.threat)


def _cannot(who: str) -> str:
    return f"{who} flies" if who.startswith("no ") else f"{who} does not fly"


def limit(apogee_km: float, threat: str | None) -> str:
    """How far a class, or the farthest of all, flies ballistically with an apogee, in words."""
    apogee_m = apogee_km * 1e3
    edges = [reach(name) for name in ([n for n, _ in missiles()] if threat is None else [threat])]
    farthest = max(edges, key=lambda edge: edge.range_at_m(apogee_m))
    if apogee_m > farthest.highest_m:
        return f"{farthest.name} climbs to {farthest.highest_m / 1e3:.0f} km at most"
    who = farthest.name if threat else f"{farthest.name}, the farthest,"
    return f"with that apogee {who} reaches {farthest.range_at_m(apogee_m) / 1e3:.0f} km at most"


def _gliding() -> list[str]:
    """The classes with lift, lightest first."""
    classes = [(path.stem, load_threat(path.stem)) for path in configs.available("threats")]
    lifted = [(launch_mass_kg(threat), name) for name, threat in classes if threat.kind in GLIDING]
    return [name for _, name in sorted(lifted)]
