"""What flies: salvos, stages, debris, failures, orbits, signatures of parts; what is refused."""

import math

import msgspec
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from sensors import atmosphere, geodesy, objects, parts
from sensors.forces import free_fall, height_m
from sensors.geodesy import GM, RADIUS_M, ROTATION_RADPS
from sensors.objects import ThreatEntry, planned
from sensors.scenario import load_scenario
from sensors.threats import load_threat, signature, split
from sensors.trajectory import TrajectoryError, apogee_for, fly
from sharing.messages import PHASES, S
from sharing.settings import SettingsError, parse

BASE = {"class": "nodong", "name": "n", "lat_deg": 38.7, "lon_deg": 125.7}
SHOT = {"bearing_deg": 74.0, "range_km": 1000.0, "apogee_km": 300.0}
ORBIT = {
    "class": "unha3", "name": "u", "lat_deg": 39.66, "lon_deg": 124.7,
    "orbit": {"altitude_km": 500.0, "inclination_deg": 97.4},
}  # fmt: skip


def entry(**fields):
    return msgspec.convert({**BASE, **fields}, ThreatEntry)


def flown(**fields):
    return objects.fly(entry(**fields))


def states(truth):
    return truth.state_ecef.reshape(-1, 6)


def heights(truth):
    return geodesy.geodetic(states(truth)[:, :3])[2]


def test_a_salvos_member_is_the_flight_from_its_own_place():
    one, two, three = flown(**SHOT, count=3, every_s=20, spacing_m=2000.0, liftoff_s=5)
    assert [t.name for t in (one, two, three)] == ["n-1", "n-2", "n-3"]
    assert three.liftoff_t_ns == three.t_valid_ns[0] == 45 * S
    lat, lon, _ = geodesy.geodetic(states(three)[0, :3])
    apart, toward = geodesy.geodesic(38.7, 125.7, float(lat), float(lon))
    assert apart == pytest.approx(4000.0, abs=0.1) and toward == pytest.approx(90.0, abs=0.1)
    # The same programme flown from there, by the integrator and not by turning. Rounding chooses other steps
    # where the air's layers bend: 0.4 mm/s at burn-out, 0.25 m at the end.
    other = fly(load_threat("nodong"), (float(lat), float(lon)), planned(entry(**SHOT)).programme)
    assert np.abs(other.state(np.arange(0, 600, 50)) - states(three)[:600:50]).max() < 0.5
    assert three.impact[0] - three.liftoff_t_ns == pytest.approx(other.impact_s * 1e9, abs=1e6)
    assert three.impact[1:] == pytest.approx((other.impact_lat_deg, other.impact_lon_deg), abs=1e-5)
    assert one.impact[2] < two.impact[2] < three.impact[2]


def test_large_salvos_share_one_flight():
    raid = flown(**SHOT, count=2000, spacing_m=50.0)
    assert len({t.name for t in raid}) == 2000
    assert all(len(t.t_valid_ns) == len(raid[0].t_valid_ns) for t in raid)


def test_a_shape_chooses_the_apogee():
    (truth,) = flown(bearing_deg=74.0, range_km=900.0, shape="lofted")
    assert heights(truth).max() == pytest.approx(apogee_for("lofted", 900e3), rel=1e-3)


@pytest.fixture(scope="module")
def icbm():
    return objects.fly(
        msgspec.convert(
            {
                **BASE, "class": "hwasong17", "bearing_deg": 70.0, "range_km": 1000.0, "apogee_km": 3000.0,
                "stages": True, "debris": 6,
            },
            ThreatEntry,
        )
    )  # fmt: skip


def test_spent_stages_and_debris_fall_to_the_ground_and_do_not_count(icbm):
    missile, *rest = icbm
    assert [t.name for t in rest] == ["n/stage-1", "n/stage-2", *(f"n/debris-{k}" for k in range(1, 7))]
    assert [t.kind for t in rest] == ["hwasong17/stage-1", "hwasong17/stage-2", *["hwasong17/debris"] * 6]
    assert missile.counts and not any(t.counts for t in rest)
    stages = load_threat("hwasong17").stages
    for truth in rest:
        assert truth.impact is not None and truth.liftoff_t_ns == 0
        assert (np.diff(truth.t_valid_ns) == S).all() and heights(truth).min() > -1.0
        assert 0 <= truth.impact[0] - truth.t_valid_ns[-1] < S
        low = geodesy.ecef(truth.impact[1], truth.impact[2])
        assert np.linalg.norm(states(truth)[-1, :3] - low) < np.linalg.norm(states(truth)[-1, 3:]) * 1.2 + 1.0
        assert PHASES[truth.phase[0]] == "coast" and PHASES[truth.phase[-1]] == "reentry"
    first = rest[0]
    assert first.t_valid_ns[0] == math.ceil(stages[0].burn_s) * S
    # It comes off where the missile is, two metres a second slower, and never comes up to it again.
    k = int(first.t_valid_ns[0] // S)
    assert np.linalg.norm(states(first)[0, :3] - states(missile)[k, :3]) < 60.0
    assert heights(first).max() < 0.5 * heights(missile).max()


def test_a_tumbling_stage_falls_as_an_independent_integration_says(icbm):
    stage = icbm[1]
    diameter, length = load_threat("hwasong17").stages[0].cylinder_m
    mean_area = (math.pi * diameter * length + math.pi / 2 * diameter**2) / 4.0
    beta = load_threat("hwasong17").stages[0].dry_kg / (1.2 * mean_area)
    air = atmosphere.standard()

    def slope(_t, y):
        speed = math.sqrt(y[3] ** 2 + y[4] ** 2 + y[5] ** 2)
        drag = 0.5 * air.at(height_m(*y[:3].tolist()))[0] * speed / beta
        ax, ay, az = free_fall(*y[:5].tolist())
        return [*y[3:], ax - drag * y[3], ay - drag * y[4], az - drag * y[5]]

    own = states(stage)
    run = solve_ivp(slope, (0.0, len(own) - 1.0), own[0], "Radau", rtol=1e-9, atol=1e-4)
    assert np.linalg.norm(run.y[:3, -1] - own[-1, :3]) < 1.0
    # Terminal speed near the ground: weight equals drag.
    assert np.linalg.norm(own[-1, 3:]) == pytest.approx(math.sqrt(2 * beta * 9.81 / 1.225), rel=0.05)


def test_debris_is_drawn_by_entry_and_piece():
    flight = planned(entry(**SHOT))
    few, many = (parts.fragments("n", flight, 200.0, number, 5.0) for number in (3, 9))
    for a, b in zip(few, many[:3], strict=True):
        assert np.array_equal(a.state, b.state) and a.beta_kg_m2 == b.beta_kg_m2
    other = parts.fragments("m", flight, 200.0, 3, 5.0)
    assert not np.array_equal(other[0].state, few[0].state)
    big = parts.fragments("n", flight, 200.0, 2000, 5.0)
    speeds = np.array([p.state[3:] for p in big]) - flight.state([200.0])[0, 3:]
    assert speeds.std(axis=0) == pytest.approx(np.full(3, 5.0), rel=0.06)
    assert np.median([p.beta_kg_m2 for p in big]) == pytest.approx(parts.FRAGMENT_BETA, rel=0.1)


def test_a_missile_that_stays_whole_keeps_its_last_stage():
    truths = flown(**{**SHOT, "class": "kn23", "range_km": 500.0, "apogee_km": 50.0}, stages=True)
    assert [t.name for t in truths] == ["n"]


def test_without_thrust_the_whole_missile_falls_short_and_counts():
    (good,), (failed,) = flown(**SHOT), flown(**SHOT, failure={"t_s": 70.0, "kind": "cut-off"})
    assert failed.kind == "nodong/whole" and failed.counts and failed.impact is not None
    assert np.allclose(states(failed)[:70], states(good)[:70], rtol=0, atol=1e-6)
    far = geodesy.geodesic(38.7, 125.7, failed.impact[1], failed.impact[2])[0]
    assert 20e3 < far < 300e3
    phases = [PHASES[p] for p in dict.fromkeys(failed.phase.tolist())]
    assert phases == ["boost", "coast", "reentry"]
    assert (failed.phase[:70] == PHASES.index("boost")).all() and failed.phase[71] == PHASES.index("coast")


def test_a_break_up_ends_the_missile_and_its_pieces_fly_on():
    missile, *pieces = flown(**SHOT, failure={"t_s": 90.5, "kind": "break-up", "pieces": 40})
    assert missile.counts and missile.impact is None and missile.t_valid_ns[-1] == 90 * S
    assert len(pieces) == 40 and not any(t.counts for t in pieces)
    assert all(t.t_valid_ns[0] == 91 * S and t.impact is not None for t in pieces)
    begin = np.array([states(t)[0, 3:] for t in pieces]) - states(missile)[-1, 3:]
    assert begin.std(axis=0) == pytest.approx(np.full(3, parts.BREAK_UP_MPS), rel=0.4)


@pytest.fixture(scope="module")
def launched():
    return objects.fly(msgspec.convert({**ORBIT, "stages": True}, ThreatEntry), 7200)


def test_a_space_launch_reaches_its_orbit_and_flies_on(launched):
    craft, *stages = launched
    assert craft.counts and craft.impact is None and craft.t_valid_ns[-1] == 7200 * S
    assert [t.name for t in stages] == ["u/stage-1", "u/stage-2", "u/stage-3"]
    assert [t.impact is None for t in stages] == [False, False, True]
    free = states(craft)[np.asarray(craft.phase) == PHASES.index("coast")]
    radius = np.linalg.norm(free[:, :3], axis=1)
    assert np.abs(radius - (RADIUS_M + 500e3)).max() < 15e3
    velocity = free[0, 3:] + np.cross([0.0, 0.0, ROTATION_RADPS], free[0, :3])
    assert np.linalg.norm(velocity) == pytest.approx(math.sqrt(GM / (RADIUS_M + 500e3)), abs=5.0)
    momentum = np.cross(free[0, :3], velocity)
    assert math.degrees(math.acos(momentum[2] / np.linalg.norm(momentum))) == pytest.approx(97.4, abs=0.02)
    assert heights(craft)[0] == pytest.approx(0.0, abs=1.0) and velocity[2] < 0.0


def test_a_space_launch_may_fail():
    craft, *pieces = objects.fly(
        msgspec.convert(
            {**ORBIT, "stages": False, "failure": {"t_s": 135.0, "kind": "break-up", "pieces": 5}},
            ThreatEntry,
        )
    )
    assert craft.impact is None and len(craft.t_valid_ns) == 136 and len(pieces) == 5
    assert all(t.impact for t in pieces)


@pytest.mark.parametrize(
    "fields,problem",
    [
        ({}, "bearing_deg and range_km are needed, or orbit"),
        ({"bearing_deg": 70.0, "range_km": 500.0}, "one of apogee_km and shape is needed"),
        ({**SHOT, "shape": "lofted"}, "one of apogee_km and shape is needed"),
        ({**SHOT, "orbit": ORBIT["orbit"]}, "orbit: stands instead of"),
        ({**SHOT, "count": 0}, "count"),
        ({**SHOT, "spacing_m": -1.0}, "spacing_m"),
        ({**SHOT, "failure": {"t_s": 5.0, "kind": "lost"}}, "expected one of break-up, cut-off"),
        ({"orbit": {"altitude_km": 50.0, "inclination_deg": 90.0}}, "altitude_km"),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused_in_one_line(fields, problem):
    text = _toml({**BASE, **fields})
    with pytest.raises(SettingsError, match=problem) as said:
        parse(text, ThreatEntry, "own.toml")
    assert str(said.value).startswith("own.toml: ") and "\n" not in str(said.value)


def _toml(value):
    def shown(v):
        if isinstance(v, dict):
            return "{" + ", ".join(f'"{k}" = {shown(x)}' for k, x in v.items()) + "}"
        return f'"{v}"' if isinstance(v, str) else str(v)

    return "\n".join(f"{k} = {shown(v)}" for k, v in value.items())


@pytest.mark.parametrize(
    "fields,problem",
    [
        ({**SHOT, "failure": {"t_s": 150.0, "kind": "cut-off"}}, "thrust ends anyway after"),
        ({**SHOT, "failure": {"t_s": 5000.0, "kind": "break-up"}}, "flight lasts 618 s"),
        ({**ORBIT, "failure": {"t_s": 900.0, "kind": "break-up"}}, "flight lasts 549 s"),
        ({**ORBIT, "orbit": {"altitude_km": 500.0, "inclination_deg": 20.0}}, "at least 39.66 are needed"),
        ({**BASE, "orbit": ORBIT["orbit"]}, "Nodong .*the orbit needs 76"),
        ({**SHOT, "apogee_km": 9000.0}, "no trajectory of 1000 km range and 9000 km apogee"),
    ],
)
def test_what_no_class_can_fly_is_refused(fields, problem):
    with pytest.raises(TrajectoryError, match=problem) as said:
        flown(**fields)
    assert "\n" not in str(said.value)


def test_a_recorded_class_has_nothing_to_fly_with():
    with pytest.raises(SettingsError, match="class falcon9 has no stages"):
        flown(**{**SHOT, "class": "falcon9"})


def test_signatures_of_parts():
    assert split("hwasong12") == ("hwasong12", "") and split("hwasong12/debris") == ("hwasong12", "debris")
    assert split("my/own.toml") == ("my/own.toml", "") and split("own.toml/stage-2")[1] == "stage-2"
    whole = signature("hwasong12/whole")
    assert whole.boost == whole.after == load_threat("hwasong12").rcs.boost
    stage = signature("hwasong12/stage-1").after
    assert stage.nose_m2 == stage.side_m2
    # A tank of 1.65 m by 10 to 17 m, a tenth of a quarter of its surface.
    assert 0.1 * math.pi * 1.65 * 10 / 4 < stage.nose_m2 < 0.1 * math.pi * 1.65 * 18 / 4
    assert signature("hwasong12/debris").after.nose_m2 < stage.nose_m2
    for kind in ("airliner", "satellite"):
        assert signature(kind).after.side_m2 > signature(kind).after.nose_m2
    with pytest.raises(SettingsError, match="has no part 'stage-2'"):
        signature("hwasong12/stage-2")


def test_a_class_may_state_the_cross_section_of_a_part(tmp_path):
    text = """
title = "own"
kind = "recorded"
rcs = { boost = { nose_m2 = 1.0, side_m2 = 2.0 }, after = { nose_m2 = 1.0, side_m2 = 2.0 } }
parts = [{ part = "debris", nose_m2 = 3.0, side_m2 = 6.0 }]
"""
    path = tmp_path / "own.toml"
    path.write_text(text)
    assert signature(f"{path}/debris").boost.at(0.3) == pytest.approx(3.0 / 3 + 6.0 * 2 / 3)
    path = tmp_path / "bad.toml"
    path.write_text(text.replace("debris", "wing"))
    with pytest.raises(SettingsError, match="parts"):
        load_threat(str(path))


def test_a_salvos_member_may_not_have_another_entrys_name(tmp_path):
    shot = _toml({**BASE, **SHOT})
    other = _toml({**BASE, **SHOT, "name": "n-2"})
    path = tmp_path / "own.toml"
    text = 'title = "t"\nshows = "s"\nsensors = []\n[[threats]]\n'
    path.write_text(f"{text}{shot}\ncount = 2\n[[threats]]\n{other}\n")
    with pytest.raises(SettingsError, match="threats: a salvo's member has another entry's name"):
        load_scenario(str(path))
