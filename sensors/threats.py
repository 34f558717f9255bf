"""Threat classes: typed TOML of `configs/threats/`, one file a class. Numbers are sourced or NOTIONAL.

A kind of object is ``CLASS`` or ``CLASS/PART``; `signature` gives what a radar sees of either. The part is
``stage-N``, ``shroud``, ``debris`` or ``whole`` (a missile that failed and falls in one piece).
"""

import functools
import math
import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
import numpy.typing as npt

import configs
from sharing import settings

Array = npt.NDArray[np.float64]
Positive = Annotated[float, msgspec.Meta(gt=0.0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0.0)]
Latitude = Annotated[float, msgspec.Meta(ge=-89.0, le=89.0)]
Longitude = Annotated[float, msgspec.Meta(ge=-180.0, le=180.0)]
Degrees = Annotated[float, msgspec.Meta(ge=-360.0, le=360.0)]

PROPELLANT_KGPM3 = 1250.0
"""Mean density of loaded propellant, between storable liquids (about 1180) and solids (1750): NOTIONAL."""
TANK_SHARE = 0.8
"""Share of a stage's length that propellant fills: NOTIONAL."""
DIFFUSE_SHARE = 0.1
"""Cross-section of a tumbling part away from its flashes, over the mean with them: NOTIONAL."""
DEBRIS_M2 = 0.03
"""Cross-section of a fragment of some decimetres: NOTIONAL (UCS, Countermeasures, 2000, appendix C)."""

BACKGROUND = ("airliner", "satellite")
"""Kinds of the background: files of `configs/background/`."""
GLIDING = ("quasi-ballistic", "boost-glide")
"""Kinds that use lift: the one pulls up and holds its height, the other glides and skips."""

_PART = re.compile(r"(.+)/(stage-[1-9]|shroud|debris|whole)")


class Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every typed table of a configuration: unknown keys are refused."""


class Stage(Spec, frozen=True, kw_only=True):
    """One propulsion stage; `dry_kg` is what falls away with it."""

    thrust_vacuum_kn: Positive
    thrust_sea_kn: Positive
    isp_vacuum_s: Positive
    propellant_kg: Positive
    dry_kg: NotNegative
    diameter_m: Positive
    length_m: Positive | None = None
    """Length of the empty stage; without it, that of its propellant's volume over `TANK_SHARE`."""

    @property
    def cylinder_m(self) -> tuple[float, float]:
        """Diameter and length of the empty stage."""
        filled = self.propellant_kg / PROPELLANT_KGPM3 / self.area_m2
        return self.diameter_m, self.length_m or filled / TANK_SHARE

    @property
    def flow_kgps(self) -> float:
        """Propellant flow."""
        return self.thrust_vacuum_kn * 1e3 / (self.isp_vacuum_s * 9.80665)

    @property
    def burn_s(self) -> float:
        """Longest burn."""
        return self.propellant_kg / self.flow_kgps

    @property
    def area_m2(self) -> float:
        """Cross-section that drag refers to."""
        return math.pi / 4 * self.diameter_m**2


class Glide(Spec, frozen=True, kw_only=True):
    """Aerodynamic lift after the apogee: what a missile pulls up and glides with.

    The whole ratio of lift to drag is smaller than `lift_to_drag`: drag without lift comes on top, by
    `reentry_beta_kg_m2`.
    """

    lift_to_drag: Positive
    """Lift over the drag that the lift itself costs."""
    lift_coefficient: Positive
    area_m2: Positive
    mass_kg: Positive
    limit_mps2: Positive
    """Structural limit of the lift acceleration."""
    skip_damping: NotNegative = 0.0
    """Damping ratio of the skips of a boost-glide vehicle; 0 leaves them to themselves."""
    dive_deg: Annotated[float, msgspec.Meta(ge=0.0, le=85.0)] = 0.0
    """Steepness to which a boost-glide vehicle pushes over when its glide ends."""


class CrossSection(Spec, frozen=True, kw_only=True):
    """Radar cross-section from the nose (or tail) and from the side, m²."""

    nose_m2: Positive
    side_m2: Positive

    def at(self, aspect_cos: npt.ArrayLike) -> Array:
        """Mean cross-section in m² when the cosine between axis and line of sight is `aspect_cos`."""
        along = np.square(aspect_cos)
        return self.nose_m2 * along + self.side_m2 * (1.0 - along)


class PartSection(CrossSection, frozen=True, kw_only=True):
    """Cross-section of a part that tumbles on its own."""

    part: Annotated[str, msgspec.Meta(pattern="^(stage-[1-9]|shroud|debris)$")]


class Signature(Spec, frozen=True, kw_only=True):
    """Cross-sections by part: the whole body under power, and what is followed afterwards."""

    boost: CrossSection
    after: CrossSection


class Shroud(Spec, frozen=True, kw_only=True):
    """The fairing over the payload: two half shells that fall away together."""

    mass_kg: Positive
    diameter_m: Positive
    length_m: Positive
    t_s: Positive
    """When it is thrown off, seconds after liftoff."""


class Threat(Spec, frozen=True, kw_only=True):
    """One class of flying object. `recorded` and `background` ones have no stages: others give their path."""

    title: str
    kind: Literal["ballistic", "quasi-ballistic", "boost-glide", "recorded", "background"]
    counts: bool = True
    rcs: Signature
    payload_kg: NotNegative = 0.0
    vertical_s: NotNegative = 0.0
    """Vertical rise before the tilt begins."""
    tilt_s: Positive = 60.0
    """How long the thrust axis takes from vertical to its final elevation."""
    drag_factor: Positive = 1.0
    """Drag under power, as a multiple of the table in `sensors.trajectory`."""
    reentry_beta_kg_m2: Positive = 1.0
    """Ballistic coefficient after burn-out, at hypersonic speed."""
    stages: tuple[Stage, ...] = ()
    glide: Glide | None = None
    shroud: Shroud | None = None
    drops_stages: bool = False
    """Whether spent stages and shroud are objects where a scenario does not say (`stages`)."""
    parts: tuple[PartSection, ...] = ()
    """Cross-sections of parts; without one, by its size (`signature`)."""


@functools.lru_cache(maxsize=64)
def _load(path: Path) -> Threat:
    threat = settings.load(path, Threat)
    if threat.kind not in ("recorded", "background") and not threat.stages:
        raise settings.SettingsError(f"{path}: stages: a {threat.kind} class needs at least one")
    if (threat.kind in GLIDING) != (threat.glide is not None):
        raise settings.SettingsError(
            f"{path}: glide: stands in a {' or '.join(GLIDING)} class and only there"
        )
    return threat


def load_threat(name: str) -> Threat:
    """The class of a name (of a threat or of the background) or path. Raises SettingsError, UnknownName."""
    kind = "background" if name in BACKGROUND else "threats"
    return _load(configs.resolve(kind, name))


def split(kind: str) -> tuple[str, str]:
    """Class (a name, or the path of a file) and part of a kind of object; no part is an empty text."""
    found = _PART.fullmatch(kind)
    return (found[1], found[2]) if found else (kind, "")


def surface_m2(diameter_m: float, length_m: float) -> float:
    """Surface of a closed cylinder."""
    return math.pi * diameter_m * (length_m + diameter_m / 2)


@functools.lru_cache(maxsize=256)
def signature(kind: str) -> Signature:
    """What a radar sees of a kind of object: a class, a part of one, or a class of the background.

    Parts tumble, so theirs does not depend on aspect. Where the class says nothing it follows from size:
    over all aspects, the geometrical-optics cross-section π R1 R2 of a convex body has the mean S/4, a
    quarter of its surface (its element of surface for the solid angle dΩ of normals is R1 R2 dΩ); most of
    that is the flash of a cylinder's side, seen rarely, and `DIFFUSE_SHARE` of it remains between flashes.
    A missile that falls in one piece keeps the signature that it has under power.
    Raises SettingsError, UnknownName.
    """
    name, part = split(kind)
    threat = load_threat(name)
    if not part:
        return threat.rcs
    if part == "whole":
        return Signature(boost=threat.rcs.boost, after=threat.rcs.boost)
    mean = _tumbling_m2(threat, part)
    return Signature(
        boost=CrossSection(nose_m2=mean, side_m2=mean), after=CrossSection(nose_m2=mean, side_m2=mean)
    )


def _tumbling_m2(threat: Threat, part: str) -> float:
    """Mean cross-section of a part over all aspects."""
    for given in (section for section in threat.parts if section.part == part):
        # The mean of cos² over the sphere is one third.
        return given.nose_m2 / 3.0 + given.side_m2 * 2.0 / 3.0
    if part == "debris":
        return DEBRIS_M2
    if part == "shroud" and threat.shroud is not None:
        size = threat.shroud.diameter_m, threat.shroud.length_m
    elif part.startswith("stage-") and int(part[6:]) <= len(threat.stages):
        size = threat.stages[int(part[6:]) - 1].cylinder_m
    else:
        raise settings.SettingsError(f"{threat.title}: has no part {part!r}")
    return DIFFUSE_SHARE * surface_m2(*size) / 4.0
