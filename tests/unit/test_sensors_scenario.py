"""The stream of a scenario: order, envelopes, keyed draws, what an operator may get wrong."""

import dataclasses
from itertools import pairwise

import msgspec
import numpy as np
import pytest

import configs
from sensors.scans import interpolate, schedule
from sensors.scenario import detections, feed, load_scenario, who_sees
from sensors.threats import load_threat
from sensors.trajectory import solve
from sharing import wire
from sharing.messages import PHASES, Detections, Los, S, Scan, Site, ints, topic_of_feed
from sharing.settings import SettingsError


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("007")


@pytest.fixture(scope="module")
def stream(scenario):
    return list(feed(scenario, 5))


def frames(messages):
    return [wire.encode(topic_of_feed(m.originator, m.sensor), m) for m in messages]


def test_scenarios_are_found_by_number_and_slug():
    assert load_scenario("7").name == load_scenario("nodong-akita").name == "007-nodong-akita"
    with pytest.raises(configs.UnknownName, match="no configuration '999'"):
        load_scenario("999")


def test_truth_stands_on_whole_seconds_from_liftoff_to_impact(scenario):
    (truth,) = scenario.truth
    assert (np.diff(truth.t_valid_ns) == S).all()
    assert truth.t_valid_ns[0] == truth.liftoff_t_ns == 0
    assert 0 <= truth.impact[0] - truth.t_valid_ns[-1] < S
    assert truth.impact[0] + 10 * S <= scenario.t_end_ns < truth.impact[0] + 11 * S
    assert scenario.t_end_ns % S == 0 and scenario.t_start_ns == -10 * S
    states = truth.state_ecef.reshape(-1, 6)
    assert np.linalg.norm(states[0, 3:]) == 0.0
    assert PHASES[truth.phase[0]] == "boost" and PHASES[truth.phase[-1]] == "reentry"


def test_the_stream_is_ordered_and_every_link_is_numbered_without_gaps(scenario, stream):
    keys = [(m.t_sent_ns, m.originator, m.sensor, m.sequence) for m in stream]
    assert keys == sorted(keys) and len(set(keys)) == len(keys)
    assert len({m.item_id for m in stream}) == len(stream)
    assert len({m.boot_id for m in stream}) == 1
    for radar in scenario.sensors:
        mine = [m for m in stream if (m.originator, m.sensor) == (radar.nation, radar.id)]
        assert [m.sequence for m in mine] == list(range(len(mine)))
        assert isinstance(mine[0], Site) and mine[0].t_sent_ns == scenario.t_start_ns
        assert all(a.t_available_ns <= b.t_available_ns for a, b in pairwise(mine))
        assert [m.t_valid_ns for m in mine if isinstance(m, Site)] == list(
            range(scenario.t_start_ns, scenario.t_end_ns + 1, 60 * S)
        )


def test_every_scan_is_followed_by_its_plots_which_lie_inside_it(scenario, stream):
    for radar in scenario.sensors:
        mine = [m for m in stream if (m.originator, m.sensor) == (radar.nation, radar.id)]
        items = [m for m in mine if not isinstance(m, Site)]
        for scan, plots in zip(items[::2], items[1::2], strict=True):
            assert isinstance(scan, Scan) and isinstance(plots, Detections | Los) and scan.scan == plots.scan
            assert scan.t_sent_ns == plots.t_sent_ns == scan.t_end_ns
            delay = plots.t_available_ns - plots.t_sent_ns
            assert radar.station.delay_min_s * S <= delay <= radar.station.delay_max_s * S
            if len(plots.t_valid_ns):
                assert scan.t_start_ns < plots.t_valid_ns[0] and plots.t_valid_ns[-1] < scan.t_end_ns
                assert (np.diff(plots.t_valid_ns) >= 0).all()
        assert items[-1].t_sent_ns <= scenario.t_end_ns


def test_every_message_passes_the_wire(stream):
    for message in (
        stream[:400] + [m for m in stream if isinstance(m, Detections) and len(m.range_m) > 1][:100]
    ):
        topic = topic_of_feed(message.originator, message.sensor)
        name, back = wire.decode(wire.encode(topic, message))
        assert name == topic and frames([back]) == frames([message])


def test_same_seed_same_bytes_another_seed_others(scenario, stream):
    assert frames(feed(scenario, 5)) == frames(stream)
    assert frames(feed(scenario, 6)) != frames(stream)


def test_dropping_a_nation_or_a_sensor_changes_nothing_else(scenario, stream):
    korea = [m for m in stream if m.originator == "KOR"]
    assert frames(feed(scenario, 5, ("KOR",))) == frames(korea)
    kept = scenario.with_sensors(("JPN/fps5-sado", "USA/tpy2-shariki"))
    expected = [m for m in stream if m.sensor in ("fps5-sado", "tpy2-shariki")]
    assert frames(feed(kept, 5)) == frames(expected)
    assert [m for m in frames(detections(scenario, 5))] == frames(
        m for m in stream if isinstance(m, Detections)
    )


def test_dropping_an_object_changes_no_other_draw(scenario):
    (truth,) = scenario.truth
    later = ints(truth.t_valid_ns + 100 * S)  # far enough apart to be resolved
    other = msgspec.structs.replace(truth, name="another", t_valid_ns=later, liftoff_t_ns=100 * S)

    def rows(truths):
        found = {}
        for plots in detections(scenario.with_truth(truths).with_sensors(("USA/tpy2-shariki",)), 5):
            found[plots.scan] = set(zip(plots.t_valid_ns.tolist(), plots.range_m.tolist(), strict=True))
        return found

    both, first, second = rows((truth, other)), rows((truth,)), rows((other,))
    assert both.keys() == first.keys() == second.keys()
    assert all(both[k] == first[k] | second[k] for k in both)
    assert any(first[k] != second[k] for k in both)


def test_between_its_samples_the_truth_is_smooth_to_millimetres(scenario):
    (truth,) = scenario.truth
    flight = solve(load_threat("nodong"), (38.6868, 125.7020), 74.0, 1000e3, 300e3)
    middle = np.arange(150, 500) * S + S // 2
    ours, exact = interpolate(truth, middle), flight.state(middle / S)
    assert np.abs(ours[:, :3] - exact[:, :3]).max() < 1e-3
    assert np.abs(ours[:, 3:] - exact[:, 3:]).max() < 1e-2


def test_coverage_says_who_sees_what(scenario):
    seen = {f"{c.radar.nation}/{c.radar.id}": c for c in who_sees(scenario)}
    assert len(seen) == len(scenario.sensors)
    assert seen["USA/tpy2-shariki"].sight.visible.sum() > 300
    assert not seen["JPN/fps7-miyako"].sight.visible.any()
    probability = seen["USA/tpy2-shariki"].probability
    assert probability.max() > 0.9 and probability[0] == 0.0


def test_an_hour_of_clutter_has_no_object():
    scenario = load_scenario("quiet-hour")
    assert scenario.truth == () and scenario.t_end_ns == 3600 * S and who_sees(scenario) == []
    few = scenario.with_sensors(("KOR/greenpine-c",))
    plots = sum(len(m.range_m) for m in detections(few, 1))
    assert plots == pytest.approx(1200 * 0.8, rel=0.15)


def test_an_outage_leaves_a_gap_and_changes_no_other_scan(scenario):
    (radar,) = scenario.with_sensors(("KOR/greenpine-c",)).sensors
    off = msgspec.structs.replace(radar.station, outages_s=((100.0, 200.0),))
    whole = schedule(radar, 1, scenario.t_start_ns, scenario.t_end_ns)
    holed = schedule(dataclasses.replace(radar, station=off), 1, scenario.t_start_ns, scenario.t_end_ns)
    out = set(whole.number.tolist()) - set(holed.number.tolist())
    assert out and set(holed.number.tolist()) <= set(whole.number.tolist())
    starts = whole.start_ns[sorted(out)]
    assert starts.min() > 96 * S and starts.max() < 200 * S


BASE = 'title = "t"\nshows = "s"\n'
THREAT = """
[[threats]]
class = "nodong"
name = "n"
lat_deg = 38.0
lon_deg = 126.0
bearing_deg = 74.0
range_km = 80.0
apogee_km = 30.0
"""


@pytest.mark.parametrize(
    "text,problem",
    [
        (BASE + "sensors = []\n", "duration_s: needed"),
        (BASE + 'sensors = ["JPN/none"]\nduration_s = 60\n', "no sensor 'JPN/none'"),
        (BASE + 'sensors = ["JPN/asev-1"]\nduration_s = 60\n', "JPN/asev-1 is a ship"),
        (BASE + 'sensors = ["KOR/greenpine-c", "KOR/greenpine-c"]\nduration_s = 60\n', "named twice"),
        (BASE + 'sensors = []\nduration_s = 60\ncolour = "red"\n', "colour"),
        (BASE + 'sensors = []\nduration_s = "long"\n', "duration_s = 'long'"),
        (BASE + "sensors = []\n" + THREAT.replace("80.0", "-80.0"), "range_km = -80.0"),
        (BASE + "sensors = []\n" + THREAT + THREAT, "two of the same name"),
    ],
)
def test_what_an_operator_gets_wrong_is_said_in_one_line(tmp_path, text, problem):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=problem) as said:
        load_scenario(str(path))
    assert "own.toml" in str(said.value) and "\n" not in str(said.value)
