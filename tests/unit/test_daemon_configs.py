"""The example configurations are read by the daemons that they are for."""

import configs
from fusion.node.config import NodeConfig
from sensors.emulator import EmulatorConfig
from sharing.guard import GuardConfig, entitled
from sharing.settings import load, load_policy

FOLDER = configs.ROOT / "daemon"


def test_the_examples_fit_each_other():
    node, guard = load(FOLDER / "node.toml", NodeConfig), load(FOLDER / "guard.toml", GuardConfig)
    emulator = load(FOLDER / "emulator.toml", EmulatorConfig)
    (partner,), to_node = node.partners, guard.recipients[0]
    assert (partner.peer, partner.feed, partner.backfill) == ("KOR.guard", to_node.feed, to_node.backfill)
    assert emulator.links[1].ingress == guard.own.ingress
    assert emulator.backfill == guard.own.backfill


def test_who_is_entitled_follows_from_the_policy():
    mesh = load_policy(configs.resolve("policies", "full-mesh"))
    assert entitled(mesh, "KOR") == ("JPN", "USA", "COALITION")
    assert entitled(mesh.withhold(("KOR",)), "KOR") == ()
    assert entitled(mesh.withhold(("KOR/greenpine-c",)), "KOR") == ("JPN", "USA", "COALITION")
    assert entitled(load_policy(configs.resolve("policies", "national-only")), "KOR") == ()
