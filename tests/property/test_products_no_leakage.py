"""No leakage through what nations make for others: what is withheld changes no byte, time or picture.

Whole sessions: every line of the recipient's log (what it gets, its pictures, its warnings) is compared after
the withheld plots were left out or altered. That this can fail is shown too: not withheld, they show.
"""

import pytest
from msgspec.structs import replace

from configs import resolve
from fusion.session import Entry, run
from sharing.messages import Detections, Message, Track, Warning, floats
from sharing.policy import Policy
from sharing.settings import load_policy
from tests.unit.nations import REGIONS, feed, session_of

LAST_S = 60
PRODUCTS = ("tracks", "warning-2023", "careless-relay", "region-filtered")
Line = tuple[str, int, bytes]


def arrangement(name: str) -> Policy:
    return load_policy(resolve("policies", name))


def log(policy: Policy, messages: list[Message], recipient: str, kind: type = Entry) -> list[Line]:
    """Every line of the recipient's log; those that hold a message of `kind`, where one is given."""
    lines: list[Line] = []

    def sink(entry: Entry) -> None:
        if kind is Entry or isinstance(entry.message, kind):
            lines.append((entry.topic, entry.t_ns, entry.bytes()))

    run(session_of(messages, policy, 1, LAST_S), nations=(recipient,), regions=REGIONS, sink=sink, keep=False)
    return lines


def altered(message: Message) -> Message:
    """The same look, a kilometre farther away."""
    if not isinstance(message, Detections):
        return message
    return replace(message, range_m=floats(message.range_m + 1000.0))


def changes(sensor: str) -> list[list[Message]]:
    """The feed without that sensor's looks, and with others."""
    messages = feed(1, LAST_S)
    return [
        [m for m in messages if m.sensor != sensor],
        [altered(m) if m.sensor == sensor else m for m in messages],
    ]


@pytest.mark.parametrize("name", PRODUCTS)
def test_what_a_nation_withholds_shows_in_nothing_that_it_makes(name: str) -> None:
    policy = arrangement(name).withhold(("KOR/two",))
    before = log(policy, feed(1, LAST_S), "JPN")
    assert all(log(policy, messages, "JPN") == before for messages in changes("two"))


@pytest.mark.parametrize("name", ("tracks", "warning-2023", "careless-relay"))
def test_what_is_not_withheld_shows(name: str) -> None:
    policy = arrangement(name)
    before = log(policy, feed(1, LAST_S), "JPN")
    assert all(log(policy, messages, "JPN") != before for messages in changes("two"))


def test_a_rules_sensors_are_all_that_its_tracks_hold() -> None:
    policy = arrangement("tracks")
    rules = tuple(replace(rule, sensors=("one", "three", "four")) for rule in policy.rules)
    policy = Policy(policy.name, policy.title, rules)
    before = log(policy, feed(1, LAST_S), "JPN", Track)
    assert before and all(log(policy, messages, "JPN", Track) == before for messages in changes("two"))


def test_tracks_of_unknown_origin_stay_at_home_under_a_filter() -> None:
    assert log(arrangement("region-filtered"), feed(1, LAST_S), "JPN", Track) == []
    assert log(arrangement("tracks"), feed(1, LAST_S), "JPN", Track) != []


def heard(name: str, recipient: str) -> dict[str, set[tuple[str, int]]]:
    """Lineages and track ids that the recipient hears from each nation."""
    found: dict[str, set[tuple[str, int]]] = {}

    def sink(entry: Entry) -> None:
        if isinstance(entry.message, Track):
            track = entry.message
            found.setdefault(track.originator, set()).add((track.lineage, int(track.track_id[0])))

    session = session_of(feed(1, LAST_S), arrangement(name), 1, LAST_S)
    run(session, nations=(recipient,), sink=sink, keep=False)
    return found


def test_no_nations_own_data_come_back_but_through_a_careless_relay() -> None:
    direct = heard("tracks", "JPN")
    assert {nation: {lineage for lineage, _ in said} for nation, said in direct.items()} == {
        "KOR": {"KOR"},
        "USA": {"USA"},
    }
    relayed = heard("careless-relay", "JPN")
    assert {nation: {lineage for lineage, _ in said} for nation, said in relayed.items()} == {"USA": {""}}
    # What the hub has passed on does not come back to it: each partner tells of its own one track.
    assert heard("careless-relay", "USA") == heard("tracks", "USA")


def test_a_partners_warning_reaches_the_recipient_with_its_maker() -> None:
    policy = arrangement("warning-2023")
    found = run(session_of(feed(1), policy, 1), nations=("JPN",), regions=REGIONS)["JPN"].warnings
    assert {w.originator for w in found} == {"JPN", "KOR", "USA"}
    assert all(w.t_available_ns > w.t_valid_ns for w in found if w.originator != "JPN")
    assert all(isinstance(w, Warning) and "SIMULATED" in w.marking for w in found)
