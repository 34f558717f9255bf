"""Coarsening: what a policy's precision takes away from an item, and what the item then says of itself. Pure.

Rules of this module:

- A floor is reached by adding an even error of the variance that is missing; a grid by rounding with
  triangular dither, whose error has mean zero and variance grid²/4 wherever the value lies (Lipshitz,
  Wannamaker and Vanderkooy, "Quantization and dither", 1992, section 4). Errors of different rows are
  independent: rounding alone would repeat the same error from scan to scan, and a filter would believe it.
- The sigmas rise by exactly that: σ'² = max(σ, floor)² + grid²/4, so a filter's covariance stays honest.
- The draws belong to (seed, item, column, row), not to the recipient: two that compare notes gain nothing.
- A site keeps its place; the sigmas that it states rise likewise. Times and signal-to-noise ratios stay.
"""

import math
from typing import Any, TypeVar

import numpy as np
from msgspec.structs import replace

from sharing.draws import uniforms
from sharing.messages import MEASUREMENTS, Floats, Message, Site, Track, floats, ints
from sharing.terms import Precision

M = TypeVar("M", bound=Message)

COLUMNS = ("range_m", "azimuth_rad", "elevation_rad")
VARIANCES = np.array([0, 6, 11])
"""Where the variances of the position stand in the upper triangle of a track's covariance."""
ENDS = tuple(
    f"{end}_{name}"
    for end in ("launch", "impact")
    for name in ("lat_deg", "lon_deg", "covariance_m2", "t_sigma_s")
)
ENDS_WHOLE = ("launch_row", "launch_t_ns", "impact_row", "impact_t_ns")
"""Columns of a track's launch and impact, which would tell more than a coarse position."""
NEAREST_M = 1e-3
"""The wire's shortest range."""


def coarsened(item: M, precision: Precision, seed: int) -> M:
    """`item` as it may be known at `precision`; a scan, which holds no measurement, as it is."""
    if isinstance(item, Site):
        return replace(item, **{f"sigma_{name}": _raised(item, name, precision) for name in COLUMNS})
    if isinstance(item, Track):
        return replace(item, **_coarse_track(item, precision, seed))
    if not isinstance(item, MEASUREMENTS):
        return item
    changed = {}
    for name in COLUMNS:
        if hasattr(item, name):
            sigmas, values = getattr(item, f"sigma_{name}"), getattr(item, name)
            added = uniforms(seed, f"coarsen/{name}", item.item_id, 3 * len(values)).reshape(-1, 3)
            changed[f"sigma_{name}"] = floats(sigma_after(sigmas, *_limits(name, precision)))
            changed[name] = floats(_kept(name, value_after(values, sigmas, added, *_limits(name, precision))))
    return replace(item, **changed)


def _coarse_track(track: Track, precision: Precision, seed: int) -> dict[str, Any]:
    """What changes of a track: its position is coarse on each axis of ECEF, its launch and impact go."""
    added = uniforms(seed, "coarsen/position", track.item_id, 9).reshape(3, 3)
    state, covariance = np.array(track.state_ecef), np.array(track.covariance)
    sigmas = np.sqrt(covariance[VARIANCES])
    limits = precision.sigma_m, precision.grid_m
    state[:3] = value_after(state[:3], sigmas, added, *limits)
    after = sigma_after(sigmas, *limits)
    covariance[VARIANCES] = np.where(after > sigmas, after * after, covariance[VARIANCES])
    none = {name: floats([]) for name in ENDS} | {name: ints([]) for name in ENDS_WHOLE}
    return {"state_ecef": floats(state), "covariance": floats(covariance), **none}


def sigma_after(sigmas: Floats, floor: float, grid: float) -> Floats:
    """The standard deviations (n,) after a floor and a grid in the same unit."""
    raised: Floats = np.maximum(sigmas, floor)
    return np.sqrt(raised * raised + 0.25 * grid * grid) if grid else raised


def value_after(values: Floats, sigmas: Floats, added: Floats, floor: float, grid: float) -> Floats:
    """The values (n,) after a floor and a grid; `added` (n, 3) is even in [-1, 1)."""
    missing = np.maximum(floor * floor - sigmas * sigmas, 0.0)
    noisy = values + np.sqrt(3.0 * missing) * added[:, 0]
    if not grid:
        return noisy
    dither = 0.5 * (added[:, 1] + added[:, 2])
    rounded: Floats = np.floor(noisy / grid + dither + 0.5) * grid
    return rounded


def _limits(name: str, precision: Precision) -> tuple[float, float]:
    """Floor and grid of a column in its own unit."""
    if name == "range_m":
        return precision.sigma_m, precision.grid_m
    return precision.sigma_mrad * 1e-3, precision.grid_mrad * 1e-3


def _raised(site: Site, name: str, precision: Precision) -> float:
    before: float = getattr(site, f"sigma_{name}")
    return float(sigma_after(np.array([before]), *_limits(name, precision))[0])


def _kept(name: str, values: Floats) -> Floats:
    """Inside what the wire allows: an angle goes round, a range does not become negative."""
    if name == "range_m":
        return np.maximum(values, NEAREST_M)
    if name == "elevation_rad":
        return np.clip(values, -math.pi / 2, math.pi / 2)
    turned = np.where(values > math.pi, values - 2 * math.pi, values)
    return np.where(turned < -math.pi, turned + 2 * math.pi, turned)
