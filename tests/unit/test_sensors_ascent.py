"""Real ascents become truths: smoothing error, physical consistency, what is wrong with a file."""

import numpy as np
import pytest

from sensors import geodesy
from sensors.forces import free_fall
from sensors.readers.ascent import ascent_truth, read_ascent
from sensors.scans import interpolate
from sensors.scenario import detections, load_scenario, who_sees
from sharing import wire
from sharing.messages import PHASES, S
from sharing.settings import SettingsError

NAMES = ("DM_1", "Hispasat_30W_6", "Iridium_NEXT_3", "JCSAT_16", "SES_10", "SES_11")
LAUNCH = (40.6112, 126.4257, 80.0)


@pytest.fixture(params=NAMES)
def file(data_dir, request):
    return data_dir / "rocket-ascents" / f"{request.param}.csv"


def test_the_smoothing_error_is_small(file):
    ascent = read_ascent(file)
    assert ascent.altitude_rms_m < 30.0
    assert ascent.speed_rms_mps < 5.0


def test_the_truth_is_physically_continuous(file):
    truth = ascent_truth(file, *LAUNCH)
    grid = np.arange(10 * S, int(truth.t_valid_ns[-1]), S // 4)
    states, step = interpolate(truth, grid), 0.25
    # Trapezoid of the velocities against the positions: an acceleration may jump, a velocity may not.
    moved = 0.5 * step * (states[1:, 3:] + states[:-1, 3:])
    assert np.abs(np.diff(states[:, :3], axis=0) - moved).max() < 0.5
    assert np.linalg.norm(np.diff(states[:, 3:], axis=0), axis=1).max() < 60.0 * step


def test_speeds_heights_and_place_are_those_of_the_webcast(file):
    truth = ascent_truth(file, *LAUNCH)
    states = truth.state_ecef.reshape(-1, 6)
    table = np.genfromtxt(file, delimiter=",", names=True)
    speed, height = np.linalg.norm(states[:, 3:], axis=1), geodesy.geodetic(states[:, :3])[2]
    assert np.sqrt(np.mean((speed - table["velocity"]) ** 2)) < 5.0
    assert np.sqrt(np.mean((height - 1e3 * table["altitude"]) ** 2)) < 30.0
    distance, bearing = geodesy.geodesic(
        *LAUNCH[:2], *(float(v) for v in geodesy.geodetic(states[-1, :3])[:2])
    )
    # The path is as long as the recorded one, which was flown above the ground.
    assert 0.96 < distance / (1e3 * table["downrange_distance"][-1]) < 1.01
    assert abs(bearing - LAUNCH[2]) < 3.0


def test_a_first_stage_falls_freely_between_its_burns(data_dir):
    truth = ascent_truth(data_dir / "rocket-ascents" / "SES_11.csv", *LAUNCH)
    states = truth.state_ecef.reshape(-1, 6)
    felt = [(states[k + 1, 3:] - states[k - 1, 3:]) / 2 - free_fall(*states[k, :5]) for k in range(180, 340)]
    assert np.sqrt(np.mean(np.sum(np.square(felt), axis=1))) < 0.4
    phases = [PHASES[p] for p in dict.fromkeys(truth.phase.tolist())]
    assert phases == ["boost", "coast", "reentry"]
    assert truth.impact is None


def test_radars_of_a_scenario_observe_it(data_dir):
    truth = ascent_truth(data_dir / "rocket-ascents" / "SES_11.csv", *LAUNCH)
    scenario = load_scenario("009").with_truth((truth,))
    assert scenario.t_end_ns == (431 + 10) * S
    held = np.any([c.sight.visible & (c.sight.snr_db >= 13.0) for c in who_sees(scenario)], axis=0)
    assert held.sum() > 300
    assert sum(len(m.range_m) for m in detections(scenario, 1)) > 1000
    assert wire.decode(wire.encode("truth", truth))[1].name == "SES_11"


HEAD = "time,velocity,altitude,downrange_distance\n"


@pytest.mark.parametrize(
    "text,problem",
    [
        ("time,velocity,altitude\n0,0,0\n", "no column downrange_distance"),
        (HEAD + "0,0,0,0\n1,1,x,0\n", "a.csv:3: not four numbers"),
        (HEAD + "0,0,0,0\n1,1,nan,0\n", "a.csv:3: numbers must be finite"),
        (HEAD + "0,0,0,0\n0,1,1,0\n", "times rise"),
        (HEAD + "0,0,0,0\n1,1,1,0\n", "a minute of rows"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line(tmp_path, text, problem):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(SettingsError, match=problem) as said:
        ascent_truth(path, *LAUNCH)
    assert "\n" not in str(said.value)


def test_a_missing_file_and_a_wild_place_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        ascent_truth(tmp_path / "none.csv", *LAUNCH)
    steady = tmp_path / "steady.csv"
    steady.write_text(HEAD + "".join(f"{t},10,{t / 100},0\n" for t in range(61)))
    with pytest.raises(SettingsError, match="lat = 95"):
        ascent_truth(steady, 95.0, 0.0, 0.0)
