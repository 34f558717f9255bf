"""The threat table: every class is a rocket that can leave its pad, and says where its numbers come from."""

import tomllib

import pytest

import configs
from sensors.reach import ideal_mps, launch_mass_kg
from sensors.threats import load_threat

NAMES = [path.stem for path in configs.available("threats") if load_threat(path.stem).stages]
G = 9.80665


def test_the_classes_of_the_scenarios_and_of_the_published_flights_are_there():
    assert {
        "scud-b", "scud-c", "scud-er", "scud-marv", "nodong", "hwasong12", "hwasong14", "hwasong15",
        "hwasong17", "kn23", "kn23-heavy", "kn25", "pukguksong3", "unha3",
    } <= set(NAMES)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_it_rises_from_its_pad(name):
    threat = load_threat(name)
    ratio = threat.stages[0].thrust_sea_kn * 1e3 / (launch_mass_kg(threat) * G)
    assert 1.2 < ratio < 5.0


@pytest.mark.parametrize("name", NAMES)
def test_its_stages_are_those_of_real_rockets(name):
    for stage in load_threat(name).stages:
        assert stage.thrust_sea_kn < stage.thrust_vacuum_kn
        assert 220.0 < stage.isp_vacuum_s < 320.0
        assert 0.05 < stage.dry_kg / (stage.dry_kg + stage.propellant_kg) < 0.25
        assert 20.0 < stage.burn_s < 250.0


@pytest.mark.parametrize("name", NAMES)
def test_upper_stages_are_lighter_and_their_sum_has_the_speed_for_the_range(name):
    threat = load_threat(name)
    masses = [stage.propellant_kg + stage.dry_kg for stage in threat.stages]
    assert masses == sorted(masses, reverse=True)
    assert 2300.0 < ideal_mps(threat) < 12_000.0


@pytest.mark.parametrize("name", NAMES)
def test_every_number_has_a_comment_with_its_source_or_the_word_notional(name):
    text = configs.resolve("threats", name).read_text()
    assert "NOTIONAL" in tomllib.loads(text)["title"]
    commented = False
    for line in text.splitlines():
        if line.startswith("#"):
            commented = True
        elif not line:
            commented = False
        elif " = " in line and not line.startswith(("title", "kind", "counts", "part")):
            assert commented, line


def test_bigger_bodies_have_bigger_cross_sections():
    sides = {name: load_threat(name).rcs.boost.side_m2 for name in NAMES}
    assert sides["kn25"] < sides["scud-b"] < sides["hwasong12"] < sides["hwasong17"]
