"""The example configurations are read by the daemons that they are for."""

import configs
from fusion.node.config import NodeConfig
from sensors.emulator import EmulatorConfig
from sharing.guard import GuardConfig, entitled
from sharing.settings import load, load_policy

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


def test_who_is_entitled_follows_from_the_policy():
    mesh = load_policy(configs.resolve("policies", "full-mesh"))
    assert entitled(mesh, "KOR") == ("JPN", "USA", "COALITION")
    assert entitled(mesh.withhold(("KOR",)), "KOR") == ()
    assert entitled(mesh.withhold(("KOR/greenpine-c",)), "KOR") == ("JPN", "USA", "COALITION")
    assert entitled(load_policy(configs.resolve("policies", "national-only")), "KOR") == ()
