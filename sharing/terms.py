"""The terms of a rule: what an arrangement may ask of a release, as typed tables of its TOML. Pure.

A *look* is all that one scan of a sensor gives: its `scan` and its plots. Rate, quota and consent speak of
looks, because a scan that goes without its plots would say that nothing was there.
"""

from functools import lru_cache
from typing import Annotated, Literal

import msgspec

DAY_S = 86_400
LONGEST_S = 90 * DAY_S

Title = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=200)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
SENSOR = r"[a-z0-9][a-z0-9-]{0,31}"
Filter = Annotated[str, msgspec.Meta(pattern=rf"^(\*|{SENSOR})$")]
Filters = Annotated[tuple[Filter, ...], msgspec.Meta(min_length=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=LONGEST_S)]
Time = Annotated[float, msgspec.Meta(ge=-1e10, le=1e10)]
Step = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]

Nation = Literal["JPN", "KOR", "USA"]
Originator = Literal["JPN", "KOR", "USA", "*"]
Recipient = Literal["JPN", "KOR", "USA", "COALITION", "*"]
Product = Literal["detections", "tracklets", "tracks", "warnings"]
PRODUCTS: tuple[Product, ...] = ("detections", "tracklets", "tracks", "warnings")


class Uniform(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="uniform"):
    """A delay drawn evenly between two bounds, seconds."""

    low_s: Seconds
    high_s: Seconds

    def __post_init__(self) -> None:
        if self.high_s < self.low_s:
            raise ValueError("Expected high_s not below low_s")


class Quantiles(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="quantiles"):
    """A delay of any shape: its evenly spaced quantiles from the shortest to the longest, seconds.

    ``[60, 120, 600]``: at least a minute, half of all within two, all within ten.
    """

    s: Annotated[tuple[Seconds, ...], msgspec.Meta(min_length=2, max_length=101)]

    def __post_init__(self) -> None:
        if any(b < a for a, b in zip(self.s, self.s[1:], strict=False)):
            raise ValueError(f"s = {list(self.s)}: Expected quantiles that do not fall")


Delay = Seconds | Uniform | Quantiles


def knots_s(delay: Delay) -> tuple[float, ...]:
    """Evenly spaced quantiles of a delay."""
    if isinstance(delay, Uniform):
        return delay.low_s, delay.high_s
    return delay.s if isinstance(delay, Quantiles) else (delay,)


@lru_cache(maxsize=1024)
def knots_ns(delay: Delay) -> tuple[int, ...]:
    """The same in whole nanoseconds."""
    return tuple(round(seconds * 1e9) for seconds in knots_s(delay))


class Precision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How exact a released value may be: the covariance's floor and the grid, of ranges and of angles.

    What is more exact gets a random error up to the floor; then it is rounded to the grid with dither. The
    item's own sigmas rise by what both remove (see `sharing.coarsening`).
    """

    sigma_m: Step = 0.0
    grid_m: Step = 0.0
    sigma_mrad: Annotated[float, msgspec.Meta(ge=0, le=300)] = 0.0
    grid_mrad: Annotated[float, msgspec.Meta(ge=0, le=300)] = 0.0


class _Consent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """Somebody decides on every look. In a simulation a model answers: `granted` is the share that is
    granted, `after_s` the time until the answer.
    """

    granted: Share = 1.0
    after_s: Delay = 0.0


class PerItem(_Consent, frozen=True, tag="per-item"):
    """The originator decides on every look."""


class ByHub(_Consent, frozen=True, tag="hub"):
    """The hub decides on every look that goes through it."""


Consent = Literal["auto"] | PerItem | ByHub


class Counted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="count"):
    """At most `looks` of each sensor in every period of `per_s`, counted from scenario time 0."""

    looks: Count
    per_s: Annotated[float, msgspec.Meta(gt=0, le=LONGEST_S)] = DAY_S


class Reciprocal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="reciprocal"):
    """At most `free` looks, and `ratio` more for every look that has come from the recipient."""

    free: Count
    ratio: Annotated[float, msgspec.Meta(ge=0, le=1000)] = 1.0


Quota = Counted | Reciprocal


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From `from_s` (included) until `until_s` (excluded), scenario seconds; open where not given."""

    from_s: Time | None = None
    until_s: Time | None = None

    def __post_init__(self) -> None:
        if self.from_s is not None and self.until_s is not None and self.until_s <= self.from_s:
            raise ValueError(f"until_s = {self.until_s}: Expected a time after from_s")

    def holds(self, t_ns: int) -> bool:
        """Whether scenario time `t_ns` lies in it."""
        after = self.from_s is None or t_ns >= round(self.from_s * 1e9)
        return after and (self.until_s is None or t_ns < round(self.until_s * 1e9))


def told(delay: Delay) -> str:
    """A delay in words."""
    knots = knots_s(delay)
    return f"{knots[0]:g} s" if knots[0] == knots[-1] else f"{knots[0]:g} to {knots[-1]:g} s"


def told_precision(precision: Precision) -> str:
    """A precision in words: ``σ ≥ 500 m, grid 1000 m``; what is not limited stays unsaid."""
    parts = []
    for unit in ("m", "mrad"):
        floor, grid = getattr(precision, f"sigma_{unit}"), getattr(precision, f"grid_{unit}")
        parts += [f"σ ≥ {floor:g} {unit}"] if floor else []
        parts += [f"grid {grid:g} {unit}"] if grid else []
    return ", ".join(parts)


def told_window(window: Window) -> str:
    """A window in words."""
    start = "" if window.from_s is None else f"from {window.from_s:g} s"
    end = "" if window.until_s is None else f"until {window.until_s:g} s"
    return " ".join(filter(None, (start, end))) or "always"
