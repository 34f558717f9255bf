"""Threat classes: typed TOML of `configs/threats/`, one file a class. Numbers are sourced or NOTIONAL."""

import functools
import math
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
    """Aerodynamic lift after the apogee: what a quasi-ballistic missile pulls up and glides with."""

    lift_to_drag: Positive
    """Lift over the drag that the lift itself costs."""
    lift_coefficient: Positive
    area_m2: Positive
    mass_kg: Positive
    limit_mps2: Positive
    """Structural limit of the lift acceleration."""


class CrossSection(Spec, frozen=True, kw_only=True):
    """Radar cross-section from the nose (or tail) and from the side, m²."""

    nose_m2: Positive
    side_m2: Positive

    def at(self, aspect_cos: npt.ArrayLike) -> Array:
        """Mean cross-section in m² when the cosine between axis and line of sight is `aspect_cos`."""
        along = np.square(aspect_cos)
        return self.nose_m2 * along + self.side_m2 * (1.0 - along)


class Signature(Spec, frozen=True, kw_only=True):
    """Cross-sections by part: the whole body under power, and what is followed afterwards."""

    boost: CrossSection
    after: CrossSection


class Threat(Spec, frozen=True, kw_only=True):
    """One class of flying object. `recorded` classes have no stages: their path comes from telemetry."""

    title: str
    kind: Literal["ballistic", "quasi-ballistic", "recorded"]
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


@functools.lru_cache(maxsize=64)
def _load(path: Path) -> Threat:
    threat = settings.load(path, Threat)
    if threat.kind != "recorded" and not threat.stages:
        raise settings.SettingsError(f"{path}: stages: a {threat.kind} class needs at least one")
    if (threat.kind == "quasi-ballistic") != (threat.glide is not None):
        raise settings.SettingsError(f"{path}: glide: stands in a quasi-ballistic class and only there")
    return threat


def load_threat(name: str) -> Threat:
    """The class of a file stem in `configs/threats/`, or a path. Raises SettingsError, UnknownName."""
    return _load(configs.resolve("threats", name))
