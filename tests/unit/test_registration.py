"""Two radars with biases and one object in free fall, through the core's entrance."""

import numpy as np
import pymap3d
import pytest
from msgspec.structs import replace

from ext.motion import step
from fusion.arms import run_arm
from fusion.core.engine import Core, CoreConfig
from fusion.core.events import Bias, Picture, Received, Tick
from fusion.core.registration import MEANS, SIGMAS, Registration, RegistrationRules
from fusion.core.tracker import TrackerRules
from fusion.session import Item, Session, SessionError
from fusion.verify import verify
from sensors.draws import identity
from sharing.messages import Detections, S, Site, floats, topic_of_feed, topic_of_picture
from sharing.policy import Policy
from sharing.recording import Recording
from sharing.wire import encode
from tests.unit.synthetic import Sensor

PRIOR = np.array([60.0, 2e-3, 2e-3])
BIAS = {"a": np.array([45.0, 1.5e-3, -1e-3]), "b": np.array([-30.0, -2.5e-3, 0.5e-3])}
SIGMA = (20.0, 5e-4, 5e-4)
SENSORS = (Sensor("a", 37.0, 129.0, sigma=SIGMA), Sensor("b", 39.0, 139.0, sigma=SIGMA))
LAST_S = 100


@pytest.fixture(scope="module")
def messages():
    """Sites and scans of both radars, one a second, in the order of sending."""
    rng = np.random.default_rng(5)
    r = pymap3d.geodetic2ecef(39.0, 132.0, 180e3)
    x = np.array([*r, *pymap3d.enu2uvw(2800.0, -300.0, 1300.0, 39.0, 132.0)])
    found = [sited(sensor) for sensor in SENSORS]
    for t_s in range(LAST_S + 1):
        for sensor in SENSORS:
            found += [biased(m, sensor.name) for m in sensor.look(t_s, t_s, x[None, :3], rng)]
        x = step(x.reshape(1, 6), np.zeros(1), 1.0)[0][0]
    return found


def sited(sensor):
    names = ("bias_sigma_range_m", "bias_sigma_azimuth_rad", "bias_sigma_elevation_rad")
    site = replace(sensor.site(), **dict(zip(names, PRIOR.tolist(), strict=True)))
    return named(replace(site, t_sent_ns=-10 * S, t_available_ns=-10 * S, t_valid_ns=-10 * S))


def biased(message, name):
    if isinstance(message, Detections):
        columns = ("range_m", "azimuth_rad", "elevation_rad")
        wrong = {c: floats(getattr(message, c) + b) for c, b in zip(columns, BIAS[name], strict=True)}
        message = replace(message, **wrong)
    return named(replace(message, t_available_ns=message.t_sent_ns))


def named(message):
    return replace(message, item_id=identity(message.sensor, type(message).__name__, message.t_sent_ns))


def drive(messages, how, delays_s=None):
    """A core, its biases, and its pictures as bytes by kind."""
    core = Core(CoreConfig("COALITION", tracker=TrackerRules.of("missiles", registration=how)))
    delays_s = np.zeros(len(messages)) if delays_s is None else delays_s
    numbered = enumerate(zip(messages, delays_s, strict=True))
    arrivals = [(m.t_sent_ns + round(d * S), i) for i, (m, d) in numbered]
    queue, biases, pictures = sorted(arrivals), [], {"as-known": [], "settled": []}
    for t_s in range(-10, LAST_S + 41):
        while queue and queue[0][0] <= t_s * S:
            t_ns, i = queue.pop(0)
            core.handle(Received(messages[i], t_ns))
        for effect in core.handle(Tick(t_s * S)):
            if isinstance(effect, Picture):
                pictures[effect.picture].append(encode(topic_of_picture("COALITION"), effect))
            elif isinstance(effect, Bias):
                biases.append(effect)
    return core, biases, pictures


@pytest.fixture(scope="module")
def relative(messages):
    return drive(messages, "relative")


def last_of(biases, sensor):
    bias = [b for b in biases if b.subject == f"JPN/{sensor}"][-1]
    return bias, *(np.array([getattr(bias, name) for name in names]) for names in (MEANS, SIGMAS))


def test_biases_are_found_as_well_as_said(relative):
    core, biases, _ = relative
    registration = core.tracker.registration
    error = np.zeros(8)
    for i, sensor in enumerate(SENSORS):
        bias, mean, sigma = last_of(biases, sensor.name)
        error[4 * i : 4 * i + 4] = mean - np.append(BIAS[sensor.name], 0.0)
        assert (np.abs(error[4 * i : 4 * i + 4]) < 4 * sigma).all()
        assert (sigma[1:3] < 0.2 * PRIOR[1:]).all()
        assert bias.applied & 6 == 6
        assert bias.plots > 60
    _, covariance = registration.joint()
    assert error @ np.linalg.solve(covariance, error) < 26.1  # χ², 8 degrees, 99.9 %


def test_without_it_nothing_is_said(messages):
    core, biases, _ = drive(messages[:100], "off")
    assert core.tracker.registration is None
    assert not biases


def test_a_reference_has_no_bias_and_the_others_are_relative_to_it(messages):
    _, biases, _ = drive(messages, "JPN/a")
    _, mean, sigma = last_of(biases, "a")
    assert not mean.any() and not sigma.any()
    assert last_of(biases, "b")[2][1] < 0.2 * PRIOR[1]


def test_late_data_leaves_no_trace_in_the_settled_picture(messages, relative):
    rng = np.random.default_rng(1)
    delays_s = np.where([isinstance(m, Site) for m in messages], 0.0, rng.uniform(0, 12, len(messages)))
    core, _, pictures = drive(messages, "relative", delays_s)
    assert pictures["settled"] == relative[2]["settled"]
    joint = [c.tracker.registration.joint() for c in (core, relative[0])]
    assert all((got == want).all() for got, want in zip(*joint, strict=True))


def test_going_back_forgets_nothing(relative):
    registration = relative[0].tracker.registration
    other = Registration(registration.rules)
    other.restore(registration.checkpoint())
    assert vars(other).keys() == vars(registration).keys()
    assert [k.plots for k in other.biases()] == [k.plots for k in registration.biases()]


def test_a_recorded_session_holds_them_and_is_verified(messages, tmp_path):
    policy = Policy.parse('name = "alone"\ntitle = "NOTIONAL"', "alone")
    session = Session(
        "biased", 1, policy, (), -10 * S, LAST_S * S,
        lambda: [Item(topic_of_feed(m.originator, m.sensor), m) for m in messages],
        {"scenario": "biased", "seed": "1", "t_start_ns": str(-10 * S), "t_end_ns": str(LAST_S * S),
         "registration": "relative"},
    )  # fmt: skip
    arm = run_arm(session, policy, ("JPN",), regions={}, record=tmp_path / "s.mcap")
    assert {b.subject for b in arm.results["JPN"].biases} == {"JPN/a", "JPN/b"}
    with Recording.open(tmp_path / "s.mcap") as recording:
        count = sum(record.topic == "bias/JPN" for record in recording)
    assert count == len(arm.results["JPN"].biases)
    checked = verify(tmp_path / "s.mcap")
    assert checked.difference is None and checked.compared["JPN"] > count


def test_a_bad_name_is_refused():
    for how in ("on", "JPN", "XXX/a", "JPN/"):
        with pytest.raises(ValueError, match="registration"):
            RegistrationRules.of(how)
    assert RegistrationRules.of("JPN/a, KOR/b").reference == ("JPN/a", "KOR/b")


def test_a_recording_that_names_nonsense_is_no_session(messages, tmp_path):
    from sharing.recording import Recorder

    metadata = {"scenario": "x", "seed": "1", "t_start_ns": "0", "t_end_ns": "9", "registration": "on"}
    with Recorder(tmp_path / "s.mcap", metadata) as recorder:
        recorder.write("policy", b'name = "alone"\ntitle = "NOTIONAL"', 0)
    with pytest.raises(SessionError, match="registration = 'on'"):
        Session.load(tmp_path / "s.mcap")
