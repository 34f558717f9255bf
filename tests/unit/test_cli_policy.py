"""``policy`` and ``init policy`` on the command line, and what is refused before anything runs."""

import json
from pathlib import Path

import pytest

import configs
from fusion.cli import invoke
from sharing.changes import load_changes
from sharing.guard import check_live
from sharing.policy import Policy, PolicyError
from sharing.settings import load_policy


@pytest.fixture
def sharedsky(capsys):
    """Run a command; gives exit code, stdout, stderr."""

    def run(*arguments):
        code = invoke([str(a) for a in arguments])
        return (code, *capsys.readouterr())

    return run


def test_explain_names_the_rule_and_why_the_others_do_not_decide(sharedsky):
    asked = ("policy", "explain", "hub-outage", "--item", "KOR/greenpine-c", "--to", "JPN", "--at", 300)
    code, out, err = sharedsky(*asked)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("KOR/greenpine-c to JPN: released by rule 'kor-to-jpn-direct' of hub-outage")
    assert lines[1:] == [
        "  kor-to-jpn-hub: fits, but is not valid at 300 s",
        "  jpn-to-kor-hub: does not fit: is of what JPN makes",
        "  kor-to-jpn-direct: decides: 5 to 15 s later, one look in 10 s",
        "  jpn-to-kor-direct: does not fit: is of what JPN makes",
        "  mesh: fits, but kor-to-jpn-direct came first",
    ]
    code, out, _ = sharedsky(*asked, "--json")
    answer = json.loads(out)
    assert (code, answer["released"], answer["rule"]) == (0, True, "kor-to-jpn-direct")
    assert len(answer["rules"]) == 5


@pytest.mark.parametrize(
    ("name", "item", "told"),
    [
        ("national-only", "KOR/x", "default deny"),
        ("withheld-kor", "KOR/x", "withholds KOR"),
        ("lapsed", "KOR/x", "has ended at 0 s"),
        ("full-mesh", "JPN/x", "its own item"),
    ],
)
def test_explain_says_why_not(sharedsky, name, item, told):
    code, out, _ = sharedsky("policy", "explain", name, "--item", item, "--to", "JPN")
    assert code == 0 and told in out


def test_diff_and_matrix_show_who_gets_what(sharedsky, tmp_path):
    code, out, _ = sharedsky("policy", "diff", "full-mesh", "withheld-kor", "--json")
    rows = json.loads(out)["differences"]
    assert code == 0
    assert [(r["originator"], r["recipient"]) for r in rows] == [
        ("KOR", r) for r in ("JPN", "USA", "COALITION")
    ]
    assert [r["b"]["told"] for r in rows] == ["withheld: KOR"] * 3
    code, out, err = sharedsky("policy", "diff", "full-mesh", "full-mesh")
    assert (code, out) == (0, "") and "release the same" in err
    code, out, _ = sharedsky("policy", "matrix", "tisa-hub", "--json", "-o", tmp_path / "m.svg")
    assert code == 0 and len(json.loads(out)["cells"]) == 9
    assert (tmp_path / "m.svg").stat().st_size > 10_000


@pytest.mark.parametrize(
    "arguments",
    [
        ("explain", "full-mesh", "--item", "CHN/x", "--to", "JPN"),
        ("explain", "none", "--item", "KOR/x", "--to", "JPN"),
        ("matrix", "full-mesh", "-o", "a.txt"),
        ("diff", "full-mesh", "none"),
    ],
)
def test_mistakes_are_one_line(sharedsky, arguments):
    code, out, err = sharedsky("policy", *arguments)
    assert (code, out, err.count("\n")) == (1, "", 1)


def test_apply_writes_what_a_guard_will_read(sharedsky, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = configs.resolve("daemon", "guard").read_text()
    (tmp_path / "guard.toml").write_text(text)
    code, _, err = sharedsky("policy", "apply", "coarse", "--at", 300, "--config", "guard.toml")
    assert (code, err) == (0, "KOR.changes.toml: coarse from 300 s on; no guard runs now\n")
    ((t_ns, policy),) = load_changes("KOR.changes.toml")
    assert (t_ns, policy.rules) == (300 * 10**9, load_policy(configs.resolve("policies", "coarse")).rules)
    assert sharedsky("policy", "apply", "lapsed", "--at", 300, "--config", "guard.toml")[0] == 1
    assert sharedsky("policy", "apply", "tisa-hub", "--at", 400, "--config", "guard.toml")[0] == 1
    (tmp_path / "guard.toml").write_text(text.replace("changes = ", "# changes = "))
    code, _, err = sharedsky("policy", "apply", "lapsed", "--at", 400, "--config", "guard.toml")
    assert code == 1 and "guard.toml: changes: is missing" in err
    status = {"role": "guard", "state": "running", "t_ns": 500 * 10**9, "pid": 0}
    (tmp_path / "guard.toml").write_text(text)
    (tmp_path / "KOR.guard.json").write_text(json.dumps(status))
    code, _, err = sharedsky("policy", "apply", "lapsed", "--at", 400, "--config", "guard.toml")
    assert code == 1 and "it is 500 s already" in err


@pytest.mark.parametrize("command", [(), ("explain",), ("diff",), ("matrix",), ("apply",)])
def test_help_fits_a_screen_and_ends_with_an_example(sharedsky, command):
    code, out, _ = sharedsky("policy", *command, "--help")
    assert code == 0 and len(out.splitlines()) <= 24
    assert "Example: sharedsky policy" in out.splitlines()[-1]


def test_a_new_policy_is_the_commented_template(sharedsky, tmp_path):
    path = tmp_path / "mine.toml"
    assert sharedsky("init", "policy", "-o", path)[0] == 0
    assert path.read_text() == configs.resolve("templates", "policy").read_text()
    code, out, _ = sharedsky("check", path)
    assert code == 0 and out == f"{path}: ok: policy: mine, 2 rules\n"


def test_what_cannot_be_run_is_refused_before_anything_is_written(sharedsky, tmp_path):
    path = tmp_path / "later.toml"
    tracks: str = load_policy(configs.resolve("policies", "tracks")).text
    path.write_text(tracks.replace('product = "tracks"', 'product = "tracklets"'))
    code, out, err = sharedsky("simulate", "001", "--policy", path, "-o", tmp_path / "s.mcap")
    assert (code, out) == (1, "")
    refused = "tracks: rule 'tracks': product = 'tracklets': cannot be run yet: nodes make none"
    assert err == f"sharedsky: {refused}\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tisa-hub", "via = 'USA': there is no live hub yet"),
        ("gsomia-request", "trigger = 'request': nobody can ask a live guard yet"),
        ("reciprocity-quota", "a live guard does not see what comes in"),
        ("tracks", "product = 'tracks': no live node makes any for others yet"),
        ("coarse", ""),
        ("revoked-mid-event", ""),
    ],
)
def test_what_no_live_guard_can_do_is_refused_aloud(name: str, said: str) -> None:
    policy: Policy = load_policy(configs.resolve("policies", name))
    if said:
        with pytest.raises(PolicyError, match=said):
            check_live(policy)
    else:
        check_live(policy)


def test_every_arrangement_names_its_sources_or_says_that_it_has_none() -> None:
    for path in configs.available("policies"):
        head: str = Path(path).read_text().partition("title")[0]
        assert "NOTIONAL" in head, path.name
        if "facts" in head.lower():
            assert "Facts:" in head and "Assumed:" in head, path.name
