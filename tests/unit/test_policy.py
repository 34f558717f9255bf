"""Arrangements: default deny, first rule that fits, withholding, texts that carry all, and exact refusals."""

from pathlib import Path

import pytest

from configs import available, resolve
from sharing.messages import RECIPIENTS, Heartbeat
from sharing.policy import Policy, PolicyError, Uniform
from sharing.settings import SettingsError, load_policy

ITEM = Heartbeat(originator="KOR", sensor="greenpine-c", last_sequence=0)
RULE = """
[[rule]]
id = "{id}"
originator = "{originator}"
recipient = "{recipient}"
product = "detections"
sensors = {sensors}
delay_s = {delay}
marking = "SIMULATED"
"""


def rule(id: str = "one", originator: str = "KOR", recipient: str = "JPN", sensors: str = '["*"]',
         delay: str = "0.2") -> str:  # fmt: skip
    return RULE.format(id=id, originator=originator, recipient=recipient, sensors=sensors, delay=delay)


def shipped(name: str) -> Policy:
    return load_policy(resolve("policies", name))


def test_default_is_deny() -> None:
    policy = Policy.parse("", "empty")
    for originator in RECIPIENTS:
        assert policy.recipients(originator, "any") == ()
    assert (
        policy.explain(ITEM, "JPN")
        == "KOR/greenpine-c to JPN: not released: no rule of empty fits: default deny"
    )


def test_nobody_releases_to_itself_and_coalition_has_nothing_to_release() -> None:
    mesh = shipped("full-mesh")
    assert mesh.recipients("KOR", "x") == ("JPN", "USA", "COALITION")
    assert mesh.recipients("COALITION", "x") == ()
    assert mesh.recipients("CHN", "x") == ()
    assert "needs no release" in mesh.explain(ITEM, "KOR")


def test_first_rule_that_fits_decides() -> None:
    text = rule("slow", sensors='["greenpine-c"]', delay="30") + rule("fast", recipient="*")
    policy = Policy.parse(text, "p.toml")
    assert policy.decide("KOR", "greenpine-c", "JPN").id == "slow"  # type: ignore[union-attr]
    assert policy.decide("KOR", "greenpine-b-1", "JPN").id == "fast"  # type: ignore[union-attr]
    assert policy.recipients("JPN", "x") == ()
    assert policy.longest_delay_s == 30
    expected = "KOR/greenpine-c to JPN: released by rule 'slow' of p, 30 s later, marked SIMULATED"
    assert policy.explain(ITEM, "JPN") == expected


@pytest.mark.parametrize("path", available("policies"), ids=lambda p: p.stem)
def test_shipped_policies_carry_themselves(path: Path) -> None:
    policy = load_policy(path)
    assert policy.name == path.stem
    assert policy.title
    assert Policy.parse(policy.text, "anything") == policy


@pytest.mark.parametrize("nation", ["JPN", "KOR", "USA"])
def test_withheld_is_full_mesh_without_one(nation: str) -> None:
    mesh, withheld = shipped("full-mesh"), shipped(f"withheld-{nation.lower()}")
    asked = mesh.withhold((nation,))
    for originator in ("JPN", "KOR", "USA"):
        expected = () if originator == nation else tuple(r for r in RECIPIENTS if r != originator)
        assert withheld.recipients(originator, "x") == asked.recipients(originator, "x") == expected
    assert (withheld.rules, withheld.withheld) == (asked.rules, asked.withheld)


def test_withholding_one_sensor_hides_it_from_everyone_else() -> None:
    policy = shipped("full-mesh").withhold(("KOR/greenpine-c",))
    assert policy.recipients("KOR", "greenpine-c") == ()
    assert policy.recipients("KOR", "greenpine-b-1") == ("JPN", "USA", "COALITION")
    assert policy.explain(ITEM, "USA").endswith("withholds KOR/greenpine-c")
    assert Policy.parse(policy.text, "x") == policy
    assert policy.withhold(("KOR/greenpine-c",)) is policy


@pytest.mark.parametrize("who", ["CHN", "COALITION", "kor", "KOR/", "KOR/UPPER", "KOR/a/b", "*"])
def test_withholding_what_cannot_be(who: str) -> None:
    with pytest.raises(PolicyError, match=r"expected a nation \(JPN, KOR, USA\) or NATION/sensor"):
        shipped("full-mesh").withhold((who,))


def test_delays() -> None:
    (found,) = Policy.parse(rule(delay='{ kind = "uniform", low_s = 1, high_s = 2.5 }'), "p").rules
    assert found.delay_s == Uniform(low_s=1.0, high_s=2.5)
    assert found.bounds_s() == (1.0, 2.5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x", "p.toml: not TOML: "),
        ("x = 1", "p.toml: Object contains unknown field `x`, known are title, name"),
        (rule(originator="CHN"), "originator = 'CHN': Invalid enum value 'CHN', expected one of *, JPN"),
        (rule(recipient="X"), "rule[0].recipient = 'X': "),
        (rule(delay="-1"), "rule[0].delay_s = -1: Expected `float` >= 0.0"),
        (rule(delay='{ kind = "uniform", low_s = 2, high_s = 1 }'), "Expected high_s not below low_s"),
        (rule(delay='{ kind = "normal" }'), "rule[0].delay_s.kind = 'normal': "),
        (rule(sensors="[]"), "rule[0].sensors = []: Expected `array` of length >= 1"),
        (rule(sensors='["A"]'), "rule[0].sensors[0] = 'A': "),
        (rule().replace("SIMULATED", "SECRET"), "rule[0].marking = 'SECRET': "),
        (rule().replace("detections", "plots"), "rule[0].product = 'plots': "),
        (rule() + rule(), "p.toml: rule id 'one': is given twice"),
        ('withhold = ["CHN"]', "p.toml: withhold = 'CHN': expected a nation"),
        ('extends = "full-mesh"', "p.toml: extends = 'full-mesh': only a file can extend another"),
        (rule().replace('id = "one"', ""), "p.toml: rule[0].id: is missing"),
        ("x = " + "[" * 5000, "p.toml: not TOML"),
    ],
)  # fmt: skip
def test_refusals_say_where_what_and_what_is_allowed(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        Policy.parse(text, "p.toml")
    assert said in str(refusal.value)
    assert str(refusal.value).startswith("p.toml: ")
    assert "\n" not in str(refusal.value)


def test_file_extends_the_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('withhold = ["JPN"]' + rule("base", delay="9"))
    (tmp_path / "b.toml").write_text('extends = "a"\nwithhold = ["USA/x"]' + rule("own"))
    (tmp_path / "c.toml").write_text('extends = "b"')
    policy = load_policy(tmp_path / "c.toml")
    assert [r.id for r in policy.rules] == ["own", "base"]
    assert policy.withheld == ("JPN", "USA/x")
    assert Policy.parse(policy.text, "c") == policy


def test_files_that_cannot_be_extended(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('extends = "a"')
    with pytest.raises(PolicyError, match="extends itself"):
        load_policy(tmp_path / "a.toml")
    (tmp_path / "b.toml").write_text('extends = "missing"')
    with pytest.raises(SettingsError, match=r"missing\.toml: cannot be read: no such file"):
        load_policy(tmp_path / "b.toml")
    (tmp_path / "c.toml").write_text('extends = "../b"')
    with pytest.raises(SettingsError, match=r"c\.toml: extends = '\.\./b'"):
        load_policy(tmp_path / "c.toml")
    (tmp_path / "d.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="cannot be read: not UTF-8 text"):
        load_policy(tmp_path / "d.toml")
