"""The terms of rules: what can be written, what is refused and how, and what each does to a release."""

import re

import numpy as np
import pytest

from configs import available, resolve
from sharing.coarsening import coarsened
from sharing.draws import at_quantile, uniforms
from sharing.guard import check_live
from sharing.marking import marked, read
from sharing.matrix import diff, matrix
from sharing.messages import Detections, Heartbeat, Message, S, Scan, floats, ints
from sharing.policy import Policy, PolicyError
from sharing.release import Decision, Release
from sharing.settings import SettingsError, load_policy
from sharing.terms import Precision
from sharing.wire import decode, encode

RULE = """
[[rule]]
id = "one"
originator = "KOR"
recipient = "JPN"
product = "detections"
delay_s = 1.0
marking = "SIMULATED//REL JPN"
"""


def policy(*more: str) -> Policy:
    return Policy.parse(RULE + "\n".join(more), "p.toml")


def plots(t_ns: int, ranges: list[float], scan: int = 0, originator: str = "KOR") -> Detections:
    n = len(ranges)
    ones, angles = floats([1e-3] * n), floats([0.5] * n)
    return Detections(
        originator=originator, sensor="greenpine-c", sequence=scan, item_id=scan.to_bytes(16, "little"),
        t_sent_ns=t_ns, t_available_ns=t_ns, scan=scan, t_valid_ns=ints([t_ns] * n), range_m=floats(ranges),
        azimuth_rad=angles, elevation_rad=angles, sigma_range_m=floats([30.0] * n), sigma_azimuth_rad=ones,
        sigma_elevation_rad=ones, snr_db=floats([13.0] * n),
    )  # fmt: skip


def look(scan: int, t_s: float, originator: str = "KOR") -> list[Message]:
    """A scan and its plots, as a sensor sends them."""
    t_ns = round(t_s * S)
    start = Scan(
        originator=originator, sensor="greenpine-c", sequence=2 * scan,
        item_id=(scan + 10**6).to_bytes(16, "little"),
        t_sent_ns=t_ns, t_available_ns=t_ns, scan=scan, t_start_ns=t_ns - S, t_end_ns=t_ns,
        azimuth_center_rad=0.0, azimuth_width_rad=1.0, elevation_min_rad=0.0, elevation_max_rad=1.0,
        range_max_m=1e6,
    )  # fmt: skip
    return [start, plots(t_ns, [2e5], scan, originator)]


def through(release: Release, items: list[Message]) -> list[Message]:
    """What JPN gets of the items."""
    out = [r for item in items for r in release.handle(item, item.t_available_ns)]
    return [message for _, recipient, message in out if recipient == "JPN"]


def scans(messages: list[Message]) -> list[int]:
    return [m.scan for m in messages if isinstance(m, Scan)]


# ---------------------------------------------------------------------------------------- the language


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('threats = ["kn23"]', "rule[0].threats = ['kn23']: a plot has no class of threat"),
        ('origins = ["north"]', "rule[0].origins = ['north']: a plot has no launch region"),
        ('via = "JPN"', "rule[0].via = 'JPN': a hub is neither the originator nor the recipient"),
        ('via = "CHN"', "rule[0].via = 'CHN': Invalid enum value 'CHN', expected one of JPN, KOR, USA"),
        ('consent = "hub"', "rule[0].consent = 'hub': Invalid enum value 'hub'"),
        ('consent = { kind = "hub" }', "rule[0].consent = hub: needs via, the hub that decides"),
        ('consent = { kind = "per-item", granted = 1.5 }', "consent.granted = 1.5: Expected `float` <= 1.0"),
        ('valid = [{ from_s = 2, until_s = 1 }]', "valid[0].until_s = 1.0: Expected a time after from_s"),
        ('quota = { kind = "count", looks = -1 }', "rule[0].quota.looks = -1: Expected `int` >= 0"),
        ("precision = { sigma_km = 1 }", "rule[0].precision: Object contains unknown field `sigma_km`"),
        ('held = "burn"', "rule[0].held = 'burn': Invalid enum value 'burn', expected one of keep, purge"),
        ('trigger = "pull"', "rule[0].trigger = 'pull': "),
        ('onward = ["KOR"]', "rule[0].marking = 'SIMULATED//REL JPN': REL must name KOR"),
        ('colour = "red"', "rule[0]: Object contains unknown field `colour`"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_file_key_value_and_what_is_allowed(more: str, said: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        policy(more)
    assert said in str(refusal.value)
    assert str(refusal.value).startswith("p.toml: rule[0]") and "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('recipient = "JPN"', 'recipient = "KOR"', "rule[0].recipient = 'KOR': another than the originator"),
        ('recipient = "JPN"', 'recipient = "*"\nquota = { kind = "reciprocal", free = 1 }', "needs a nation"),
        ("delay_s = 1.0", 'delay_s = { kind = "quantiles", s = [2, 1] }', "delay_s.s = [2.0, 1.0]: Expected"),
        ("delay_s = 1.0", "delay_s = 90000", "rule[0].delay_s = up to 90000: for a push at most 86400 s"),
        ("REL JPN", "REL USA", "rule[0].marking = 'SIMULATED//REL USA': REL must name JPN"),
        ("REL JPN", "REL MARS", "rule[0].marking = 'SIMULATED//REL MARS': REL MARS: one of JPN"),
    ],
)
def test_contradictions_are_refused(old: str, new: str, said: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        Policy.parse(RULE.replace(old, new), "p.toml")
    assert said in str(refusal.value)


def test_the_template_has_every_term_and_works_as_it_stands() -> None:
    text = resolve("templates", "policy").read_text()
    assert all(f"{name} = " in text for name in Policy.parse(text, "t").rules[0].__struct_fields__)
    rule = text[text.index("[[rule]]") : text.rindex("[[rule]]")]
    rule = rule.replace('"SIMULATED//NOTIONAL//REL JPN"', '"SIMULATED"')
    options = [line.removeprefix("# ") for line in rule.splitlines() if re.match(r"# \w+ = ", line)]
    assert len(options) == 12
    for option in options:
        key = option.partition(" = ")[0]
        of_tracks = key in ("threats", "origins")
        base = rule.replace('"detections"', '"tracks"') if of_tracks else rule
        kept = "\n".join(line for line in base.splitlines() if not line.startswith(f"{key} = "))
        chosen = Policy.parse(f"{kept}\n{option}\n", "t").rules[0]
        assert getattr(chosen, key) != getattr(Policy.parse(base, "t").rules[0], key), key


@pytest.mark.parametrize("path", available("policies"), ids=lambda p: p.stem)
def test_what_cannot_be_run_yet_is_refused_aloud_and_all_else_runs(path) -> None:
    arrangement = load_policy(path)
    assert arrangement.title and all(r.marking.startswith("SIMULATED//NOTIONAL") for r in arrangement.rules)
    Release(arrangement)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (('product = "tracklets"',), "product = 'tracklets': cannot be run yet"),
        (('product = "tracks"', 'trigger = "request"'), "trigger: cannot be run yet with tracks"),
        (
            ('product = "tracks"', 'quota = { kind = "count", looks = 1 }'),
            "quota: cannot be run yet with tracks",
        ),
        (('product = "warnings"', 'origins = ["north"]'), "origins: cannot be run yet with warnings"),
    ],
)
def test_what_no_product_has_yet_is_refused(more: tuple[str, ...], said: str) -> None:
    text = RULE.replace('product = "detections"\n', "") + "\n".join(more)
    with pytest.raises(PolicyError, match=said):
        Release(Policy.parse(text, "p.toml"))


def test_purge_is_refused_live_while_no_guard_can_tell_a_node_to_forget() -> None:
    purging = policy("revoked_s = 1.0", 'held = "purge"')
    Release(purging)
    with pytest.raises(PolicyError, match="held = 'purge': no guard can tell"):
        check_live(purging)


def test_onward_release_needs_every_originators_consent() -> None:
    free = policy().rules[0]
    both = Policy.parse(
        RULE.replace('"SIMULATED//REL JPN"', '"SIMULATED"\nonward = ["COALITION"]')
        + RULE.replace('"one"', '"two"').replace('"KOR"', '"USA"'), "p",
    )  # fmt: skip
    assert not free.onward
    assert both.may_pass_on([("KOR", "a"), ("JPN", "b")], "JPN", "COALITION")
    assert not both.may_pass_on([("KOR", "a"), ("USA", "b")], "JPN", "COALITION")
    assert not both.may_pass_on([("KOR", "a")], "JPN", "USA")
    assert both.may_pass_on([("KOR", "a")], "JPN", "KOR")


def test_markings_are_read_and_an_epoch_shows() -> None:
    assert read("SIMULATED//NOTIONAL//REL KOR JPN").releasable_to == ("JPN", "KOR")
    assert read("SIMULATED").releasable_to is None
    assert read(marked("SIMULATED//REL ALL", 3)).epoch == 3
    assert marked("SIMULATED", 0) == "SIMULATED"
    with pytest.raises(ValueError, match="at most 96"):
        marked("SIMULATED" + "X" * 80, 1)


# ------------------------------------------------------------------------------------- what they do


def test_quantiles_are_met_and_two_are_a_uniform() -> None:
    bits = [k << 54 for k in range(1024)]
    values = sorted(at_quantile((10, 20, 1000), b) for b in bits)
    assert (values[0], values[512]) == (10, 20) and 990 < values[-1] < 1000
    assert at_quantile((5,), 2**63) == 5
    assert at_quantile((0, 2**20), 2**63) == 2**19


def test_rate_keeps_whole_looks_and_leaves_no_gap() -> None:
    release = Release(policy("every_s = 10.0"))
    got = through(release, [item for n in range(31) for item in look(n, 2.0 * n)])
    assert scans(got) == list(range(7))
    assert [m.sequence for m in got] == list(range(14))
    assert [m.t_sent_ns for m in got if isinstance(m, Scan)] == [10 * n * S for n in range(7)]


def test_quota_counts_looks_of_a_period() -> None:
    release = Release(policy('quota = { kind = "count", looks = 2, per_s = 60 }'))
    got = through(release, [item for n in range(12) for item in look(n, 10.0 * n)])
    assert [m.t_sent_ns // S for m in got if isinstance(m, Scan)] == [0, 10, 60, 70]
    assert len(got) == 8


def test_reciprocity_gives_one_for_one() -> None:
    text = RULE.replace("delay_s", 'quota = { kind = "reciprocal", free = 3 }\ndelay_s')
    back = (
        RULE.replace('"one"', '"back"')
        .replace('"JPN"', '"X"')
        .replace('"KOR"', '"JPN"')
        .replace('"X"', '"KOR"')
    )
    release = Release(Policy.parse(text + back.replace("REL JPN", "REL KOR"), "p"))
    assert scans(through(release, [i for n in range(5) for i in look(n, n)])) == [0, 1, 2]
    for item in look(0, 10.0, "JPN"):
        release.handle(item, item.t_available_ns)
    assert scans(through(release, look(7, 10.5))) == []  # what JPN gave has not arrived before 11 s
    assert scans(through(release, [*look(8, 12.0), *look(9, 13.0)])) == [3]


def test_consent_is_drawn_per_look_and_takes_its_time() -> None:
    term = 'consent = { kind = "per-item", granted = 0.5, after_s = { kind = "quantiles", s = [60, 120] } }'
    release = Release(policy(term), seed=5)
    got = through(release, [item for n in range(400) for item in look(n, 300.0 * n)])
    assert len(got) % 2 == 0 and 160 < len(got) // 2 < 240
    assert scans(got) == list(range(len(got) // 2))
    waits = [(m.t_available_ns - m.t_sent_ns) / S for m in got]
    assert 61.0 <= min(waits) < 65 and 117 < max(waits) <= 121.0


def test_windows_and_their_fallback() -> None:
    text = RULE.replace("delay_s = 1.0", "delay_s = 1.0\nvalid = [{ until_s = 10 }, { from_s = 20 }]")
    slow = RULE.replace('"one"', '"slow"').replace("1.0", "3.0")
    for more, expected in (("", [4, 24]), (slow, [4, 12, 18, 24])):
        arrangement = Policy.parse(text + more, "p")
        got = through(
            Release(arrangement), [item for n, t in enumerate((4, 12, 18, 24)) for item in look(n, t)]
        )
        assert [m.t_sent_ns // S for m in got if isinstance(m, Scan)] == expected
    lapses = Release(Policy.parse(text, "p"))
    assert through(lapses, look(0, 9.5)) == []  # it would leave at 10.5 s, when the rule is no longer valid


def test_a_revoked_rule_ends_after_its_notice_and_no_other_stands_in() -> None:
    arrangement = policy("revoked_s = 5.0", "notice_s = 10.0", RULE.replace('"one"', '"two"'))
    got = through(Release(arrangement), [item for n in range(20) for item in look(n, n)])
    assert max(m.t_available_ns for m in got) < 15 * S
    assert scans(got) == list(range(14))
    told = arrangement.explain(
        Heartbeat(originator="KOR", sensor="x", t_available_ns=15 * S, last_sequence=0), "JPN"
    )
    assert told.endswith("not released: rule 'one' of p has ended at 15 s")


def test_on_request_only_what_was_kept_goes_and_once() -> None:
    release = Release(policy('trigger = "request"'))
    assert through(release, [item for n in range(3) for item in look(n, n)]) == []
    got = release.request("KOR", "JPN", 100 * S)
    assert scans([item for _, _, item in got]) == [0, 1, 2]
    assert {t for t, _, _ in got} == {101 * S}
    assert release.request("KOR", "JPN", 200 * S) == []


def test_change_ends_what_is_not_released_any_more_and_rewinds_its_numbers() -> None:
    release = Release(policy())
    waiting = [r for n in range(10) for item in look(n, n) for r in release.handle(item, item.t_available_ns)]
    release.change(Policy.parse("", "nothing"), 5 * S)
    standing = release.stand([r for r in waiting if r[0] >= 3 * S])
    assert [t // S for t, _, _ in standing] == [3, 3, 4, 4]
    assert through(release, look(10, 10.0)) == []
    release.change(policy(), 20 * S)
    got = through(release, look(11, 30.0))
    assert [m.sequence for m in got] == [8, 9]  # eight had left, and no gap tells of the others
    assert {m.marking for m in got} == {"SIMULATED//REL JPN//EPOCH 2"}
    with pytest.raises(PolicyError, match="a change at 20 s: expected after 20 s"):
        release.change(policy(), 20 * S)


def test_every_decision_is_told() -> None:
    told: list[tuple[str, Decision]] = []
    release = Release(policy("every_s = 10.0"), judged=lambda item, t_ns, found: told.extend(found.items()))
    for item in look(0, 0.0) + look(1, 1.0):
        release.handle(item, item.t_available_ns)
    assert [d for r, d in told if r == "JPN"] == [
        Decision("released", "one", S), Decision("released", "one", S), Decision("rate", "one"),
        Decision("rate", "one"),
    ]  # fmt: skip
    assert {d.outcome for r, d in told if r != "JPN"} == {"denied"}


# ---------------------------------------------------------------------------------------- coarsening


def test_coarse_errors_are_white_and_as_large_as_stated() -> None:
    """8000 plots of the same place: mean zero, variance as stated, no correlation from plot to plot."""
    n = 8000
    item = plots(0, [123_456.7] * n)
    out = coarsened(item, Precision(sigma_m=500.0, grid_m=800.0, sigma_mrad=4.0), seed=1)
    stated = np.hypot(500.0, 400.0)
    assert np.allclose(out.sigma_range_m, stated)
    error = out.range_m - item.range_m
    # What was removed: the floor's missing part and the dithered grid's. Bounds: 4 sigma.
    expected = stated**2 - 30.0**2
    assert abs(error.mean()) < 4 * np.sqrt(expected / n)
    assert abs(error.var() / expected - 1) < 4 * np.sqrt(2 / n)
    assert abs(np.corrcoef(error[1:], error[:-1])[0, 1]) < 4 / np.sqrt(n)
    assert np.all(out.range_m % 800.0 == 0)
    angle = out.azimuth_rad - item.azimuth_rad
    assert abs(angle.var() / (16e-6 - 1e-6) - 1) < 4 * np.sqrt(2 / n)
    assert abs(np.corrcoef(angle, error)[0, 1]) < 4 / np.sqrt(n)


def test_coarse_items_stay_on_the_wire_and_are_the_same_for_everybody() -> None:
    text = RULE.replace('"JPN"', '"*"').replace("REL JPN", "REL ALL")
    precise = Precision(sigma_m=1e5, grid_m=1e5, sigma_mrad=300.0, grid_mrad=300.0)
    release = Release(
        Policy.parse(
            text + "precision = { sigma_m = 1e5, grid_m = 1e5, sigma_mrad = 300, grid_mrad = 300 }", "p"
        )
    )
    item = plots(0, [10.0, 5e4, 9e5] * 50)
    outs = [out for _, _, out in release.handle(item, 0)]
    for out in outs:
        decode(encode(f"released/KOR/{'JPN'}/greenpine-c", out))
        assert (
            out.range_m.tobytes()
            == outs[0].range_m.tobytes()
            == coarsened(item, precise, 0).range_m.tobytes()
        )
    assert coarsened(item, Precision(), 0).range_m.tobytes() == item.range_m.tobytes()


def test_uniforms_fill_their_interval() -> None:
    values = uniforms(1, "x", b"", 9)
    assert values.tobytes() == uniforms(1, "x", b"", 17)[:9].tobytes()
    many = uniforms(1, "y", b"", 20_000)
    assert -1 <= many.min() < -0.999 and 0.999 < many.max() < 1
    assert abs(many.mean()) < 4 * np.sqrt(1 / 3 / 20_000)


# ----------------------------------------------------------------------------------- matrix and diff


def test_matrix_has_a_cell_for_every_pair_and_for_sensors_treated_otherwise() -> None:
    cells = matrix(load_policy(resolve("policies", "full-mesh")).withhold(("KOR/greenpine-c",)))
    assert len(cells) == 12
    (odd,) = {(c.originator, c.sensor, c.told) for c in cells if c.sensor != "*"}
    assert odd == ("KOR", "greenpine-c", "withheld: KOR/greenpine-c")
    assert all(not c.released for c in matrix(load_policy(resolve("policies", "national-only"))))


def test_diff_says_who_gets_something_else() -> None:
    def of(a: str, b: str) -> list[tuple[str, str]]:
        pairs = diff(*(load_policy(resolve("policies", n)) for n in (a, b)))
        return [(x.originator, x.recipient) for x, _ in pairs]

    assert of("full-mesh", "full-mesh") == []
    assert of("full-mesh", "revoked-mid-event") == [("KOR", "JPN")]
    assert of("full-mesh", "withheld-kor") == [("KOR", r) for r in ("JPN", "USA", "COALITION")]
    assert len(of("us-bilaterals", "warning-2023")) == 9
