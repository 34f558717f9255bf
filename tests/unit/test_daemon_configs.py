"""The example configurations are read by the daemons that they are for."""

import pytest

import configs
from fusion.node.config import NodeConfig
from sensors.emulator import EmulatorConfig
from sensors.gateway import GatewayConfig
from sharing.guard import GuardConfig, entitled
from sharing.settings import SettingsError, load, load_policy

FOLDER = configs.ROOT / "daemon"


def test_the_examples_fit_each_other():
    node, japan = (load(FOLDER / f"{name}.toml", NodeConfig) for name in ("node", "node-jpn"))
    guard = load(FOLDER / "guard.toml", GuardConfig)
    emulator = load(FOLDER / "emulator.toml", EmulatorConfig)
    (partner,), (to_japan,) = japan.partners, guard.recipients
    assert (partner.peer, partner.feed, partner.backfill) == ("KOR.guard", to_japan.feed, to_japan.backfill)
    assert {link.peer: link.ingress for link in emulator.links} == {
        "KOR.node": node.own.ingress, "KOR.guard": guard.own.ingress,
    }  # fmt: skip
    assert {emulator.backfill} == {node.own.backfill, guard.own.backfill}
    assert len({config.clock.start_file for config in (node, japan, guard, emulator)}) == 1


def test_live_radars_take_the_place_of_simulated_ones():
    emulator = load(FOLDER / "emulator.toml", EmulatorConfig)
    gateway = load(FOLDER / "gateway.toml", GatewayConfig)
    assert (gateway.links, gateway.backfill, gateway.keys) == (
        emulator.links,
        emulator.backfill,
        emulator.keys,
    )
    assert gateway.sites == {"25/12": (37.5, 127.0, 780.0)}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("wait_s = 3600.0", "wait_s = 3600.0\nspeed = 2.0", "radars send in real time: 1 is allowed"),
        ('"25/12"', '"25/256"', "sites.25/256: SAC/SIC, two numbers from 0 to 255"),
    ],
)
def test_what_live_radars_cannot_do_is_refused(tmp_path, old, new, said):
    path = tmp_path / "gateway.toml"
    path.write_text((FOLDER / "gateway.toml").read_text().replace(old, new))
    with pytest.raises(SettingsError, match=said):
        load(path, GatewayConfig)


def test_who_is_entitled_follows_from_the_policy():
    mesh = load_policy(configs.resolve("policies", "full-mesh"))
    assert entitled(mesh, "KOR") == ("JPN", "USA", "COALITION")
    assert entitled(mesh.withhold(("KOR",)), "KOR") == ()
    assert entitled(mesh.withhold(("KOR/greenpine-c",)), "KOR") == ("JPN", "USA", "COALITION")
    assert entitled(load_policy(configs.resolve("policies", "national-only")), "KOR") == ()
