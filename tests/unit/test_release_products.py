"""What the release does with products: filters, rate, coarsening and lineage of tracks."""

import numpy as np
from msgspec.structs import replace

from sharing.messages import S, Track
from sharing.policy import Policy
from sharing.release import Release
from tests.unit.test_trackfusion import GOOD, PLACE, track

RULE = """
[[rule]]
id = "one"
originator = "KOR"
recipient = "JPN"
product = "tracks"
delay_s = 2.0
marking = "SIMULATED//REL JPN"
"""


def released(more: str, items: list[Track]) -> list[Track]:
    release = Release(Policy.parse(RULE + more, "p.toml"))
    out = []
    for number, item in enumerate(items):
        item = replace(item, item_id=number.to_bytes(16))
        out += [message for _, _, message in release.handle(item, item.t_valid_ns)]
    assert [message.sequence for message in out] == list(range(len(out)))
    return out  # type: ignore[return-value]


def test_a_track_goes_marked_delayed_and_numbered():
    (out,) = released("", [track(t_s=5)])
    assert (out.t_available_ns, out.marking, out.lineage) == (7 * S, "SIMULATED//REL JPN", "KOR")


def test_class_and_origin_choose():
    north, unknown = replace(track(), origin="north"), track()
    assert len(released('origins = ["north"]', [north, unknown])) == 1
    assert len(released('threats = ["mrbm"]', [north])) == 1  # class number 1
    assert released('threats = ["icbm", "srbm"]', [north]) == []


def test_each_track_has_its_own_rate():
    items = [track(t_s=t, track_id=i) for t in range(10) for i in (1, 2)]
    out = released("every_s = 5.0", items)
    assert [(m.t_valid_ns // S, int(m.track_id[0])) for m in out] == [(0, 1), (0, 2), (5, 1), (5, 2)]


def test_a_coarse_track_says_how_coarse_it_is_and_has_no_ends():
    out = released("precision = { sigma_m = 1000.0, grid_m = 500.0 }", [track(t_s=t) for t in range(400)])
    errors = np.array([m.state_ecef[:3] - PLACE[:3] for m in out])
    added = 1000.0**2 + 250.0**2 - np.diag(GOOD)[:3]
    assert np.allclose(out[0].covariance[[0, 6, 11]], 1000.0**2 + 250.0**2)
    assert np.allclose((errors**2).mean(axis=0) / added, 1.0, atol=0.25)
    assert not any(len(m.launch_row) or len(m.impact_row) for m in out)


def test_a_rule_may_drop_the_lineage():
    assert released('lineage = "dropped"', [track()])[0].lineage == ""


def test_the_policy_explains_what_it_does_with_a_track() -> None:
    policy = Policy.parse(RULE + 'origins = ["north"]', "p.toml")
    north = replace(track(), origin="north")
    assert "released by rule 'one'" in policy.explain(north, "JPN")
    assert "wants another class or origin" in policy.explain(track(), "JPN")
    assert "default deny" in policy.explain(north, "USA")
