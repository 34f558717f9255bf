"""What a session's recording says of itself (its metadata), and whether that can be."""

import math
import re
from collections.abc import Mapping

from fusion.core.engine import LATE
from fusion.core.tracker import TrackerRules
from sensors.scenario import Scenario
from sharing.policy import Policy
from sharing.wire import MAX_ROWS

RULES = ("models", "association", "proof", "registration")  # metadata of trackers
HORIZON_S = 30  # seconds by which the settled picture follows, at least
FEED_LAG_S = 11.0  # of recordings that do not state theirs: the longest scan there was, and its transport
LONGEST_HORIZON_S = 100_000  # a day, the longest delay of an arrangement, and what lies around it
MOST = {"max_tracks": MAX_ROWS, "horizon_s": LONGEST_HORIZON_S, "judgements_per_s": MAX_ROWS}


class SessionError(ValueError):
    """A recording that is no session, said in one line."""


def sensors_of(scenario: Scenario) -> tuple[str, ...]:
    """The scenario's sensors as ``NATION/sensor``, sorted."""
    return tuple(sorted(f"{radar.nation}/{radar.id}" for radar in scenario.sensors))


def feed_lag_of(scenario: Scenario) -> float:
    """Seconds from a scan's first beam to its arrival at the nation's own guard, at most."""
    return max((sensor.lag_s for sensor in scenario.sensors), default=0.0)


def horizon_of(policy: Policy, feed_lag_s: float) -> int:
    """Seconds by which the settled picture follows: what was seen then has come, by the slowest push.

    A second is added, since pictures are settled at whole seconds and sensors' clocks are not exact.
    """
    return max(HORIZON_S, math.ceil(policy.longest_delay_s + feed_lag_s + 1))


def describe(scenario: Scenario, seed: int, policy: Policy) -> dict[str, str]:
    """What a recording of `scenario` must say of itself, so that `Session.load` understands it."""
    return {
        "scenario": scenario.name,
        "title": scenario.title,
        "seed": str(seed),
        "t_start_ns": str(scenario.t_start_ns),
        "t_end_ns": str(scenario.t_end_ns),
        "regions": " ".join(scenario.regions),
        **{name: getattr(scenario, name) for name in ("models", "association", "proof")},
        "max_tracks": str(scenario.max_tracks),
        "objects": str(len(scenario.truth)),
        "policy": policy.name,
        "feed_lag_s": str(feed_lag_of(scenario)),
        "horizon_s": str(horizon_of(policy, feed_lag_of(scenario))),
        "marking": "SIMULATED, NOTIONAL",
    }


def whole(metadata: Mapping[str, str], key: str) -> int:
    """A whole number of 64 bits in the metadata. Raises SessionError."""
    text = metadata.get(key)
    if text is None:
        raise SessionError(f"metadata {key!r} is missing")
    if not re.fullmatch("-?[0-9]{1,18}", text):
        raise SessionError(f"metadata {key} = {text!r} is no whole number")
    return int(text)


def check(metadata: Mapping[str, str]) -> None:
    """Raise SessionError for a nameless scenario, and for a lag, a horizon or trackers that cannot be."""
    if "scenario" not in metadata:
        raise SessionError("metadata 'scenario' is missing")
    try:
        TrackerRules.of(**{name: metadata[name] for name in RULES if name in metadata})
    except ValueError as error:
        raise SessionError(f"metadata {error}") from None
    if metadata.get("late", LATE[0]) not in LATE:
        raise SessionError(f"metadata late = {metadata['late']!r}: one of {', '.join(LATE)}")
    for key, most in MOST.items():
        if key in metadata and not 0 < whole(metadata, key) <= most:
            raise SessionError(f"metadata {key} = {metadata[key]}: a whole number from 1 to {most}")
    text = metadata.get("feed_lag_s", "0")
    try:
        right = 0 <= float(text) <= LONGEST_HORIZON_S
    except ValueError:
        right = False
    if not right:
        raise SessionError(f"metadata feed_lag_s = {text!r}: seconds from 0 to {LONGEST_HORIZON_S}")
