"""One missile in free flight and unbiased radars of three nations: a cheap session of all that is shared."""

from functools import cache

import numpy as np
from msgspec.structs import replace as changed

from ext.motion import step
from fusion.core.regions import Region
from fusion.session import Item, Session
from sharing.messages import RECIPIENTS, Message, S, topic_of_feed
from sharing.policy import Policy
from tests.unit.synthetic import Sensor

LAST_S, EVERY_S = 100, 4
SIGMA = (150.0, 2e-3, 2e-3)
RADARS = {
    "JPN": (Sensor("one", 39.0, 140.0, sigma=SIGMA, scan_s=4.0),),
    "KOR": (
        Sensor("two", 37.5, 127.0, sigma=SIGMA, scan_s=4.0),
        Sensor("three", 35.5, 128.0, sigma=SIGMA, scan_s=4.0),
    ),
    "USA": (Sensor("four", 41.0, 141.0, sigma=SIGMA, scan_s=4.0),),
}
START_ECEF_M = np.array([-3.06e6, 3.84e6, 4.35e6])
WIDE = ((25.0, 115.0), (25.0, 160.0), (55.0, 160.0), (55.0, 115.0))
REGIONS = {nation: (Region("wide", nation, "land", WIDE, 10.0),) for nation in RECIPIENTS}
"""A region of every recipient that the missile comes down in."""


@cache
def flight() -> np.ndarray:
    """States (LAST_S + 1, 6) of a missile that rises to the east, 40 km above its start."""
    up = START_ECEF_M / np.linalg.norm(START_ECEF_M)
    east = np.cross([0.0, 0.0, 1.0], up)
    east /= np.linalg.norm(east)
    states = [np.concatenate([START_ECEF_M + 40e3 * up, 2200.0 * east + 1500.0 * up])]
    for _ in range(LAST_S):
        states.append(step(states[-1][None, :], np.zeros(1), 1.0)[0][0])
    return np.array(states)


def feed(seed: int, last_s: int = LAST_S) -> list[Message]:
    """Looks of all radars, in the order of sending."""
    rng = np.random.default_rng(seed)
    messages: list[Message] = []
    for nation, radars in RADARS.items():
        for radar in radars:
            looks = [radar.site()]
            for number, t_s in enumerate(range(EVERY_S, last_s, EVERY_S)):
                looks += radar.look(number, float(t_s), flight()[t_s, :3], rng)
            messages += [
                changed(m, originator=nation, sequence=i, item_id=m.item_id.ljust(16, b"\0"),
                        t_sent_ns=max(m.t_sent_ns, 0), t_available_ns=max(m.t_sent_ns, 0))
                for i, m in enumerate(looks)
            ]  # fmt: skip
    return sorted(messages, key=lambda m: (m.t_sent_ns, m.originator, m.sensor, m.sequence))


def session_of(messages: list[Message], policy: Policy, seed: int, last_s: int = LAST_S) -> Session:
    """The session of those looks."""
    items = [Item(topic_of_feed(m.originator, m.sensor), m) for m in messages]
    return Session("flight", seed, policy, (), 0, last_s * S, lambda: items)
