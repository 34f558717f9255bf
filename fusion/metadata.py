"""What a recording says of the session in it: names of its metadata, and whether they can be. Pure."""

import re
from collections.abc import Mapping

from fusion.core.engine import LATE
from fusion.core.tracker import TrackerRules
from sharing.wire import MAX_ROWS

RULES = ("models", "association", "proof", "registration")  # metadata of trackers
LONGEST_HORIZON_S = 100_000  # a day, the longest delay of an arrangement, and what lies around it
MOST = {"max_tracks": MAX_ROWS, "horizon_s": LONGEST_HORIZON_S, "judgements_per_s": MAX_ROWS}


class SessionError(ValueError):
    """A recording that is no session, said in one line."""


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
