"""Statistics of the seeds runner against published and hand-worked values."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from fusion.command import invoke
from fusion.scoring import Score
from fusion.study import ascents, holders, seeds
from fusion.study.seeds import COMPARED, COUNTED, Pair, Run, bootstrap, differences, summarise, wilson


@pytest.mark.parametrize(("hits", "count"), [(45, 50), (50, 50), (0, 7), (1, 3)])
def test_wilson_inverts_the_score_test(hits, count):
    p, low, high = wilson(hits, count)
    assert p == hits / count

    def excess(q):
        return abs(p - q) - norm.ppf(0.975) * np.sqrt(q * (1 - q) / count)

    for bound in (low, high):
        if 1e-9 < bound < 1 - 1e-9:
            assert excess(bound) == pytest.approx(0, abs=1e-9)
    if 0 < hits < count:
        assert low == pytest.approx(brentq(excess, 1e-12, p))


def test_wilson_and_bootstrap_of_nothing():
    assert wilson(0, 0) is None
    assert bootstrap([]) is None


def test_bootstrap_is_repeatable_and_near_the_normal_interval():
    values = np.random.default_rng(3).normal(10.0, 2.0, 400).tolist()
    mean, low, high = bootstrap(values)
    assert bootstrap(values) == (mean, low, high)
    half = 1.96 * np.std(values) / 20
    assert (low, high) == (pytest.approx(mean - half, abs=0.02), pytest.approx(mean + half, abs=0.02))


def a_score(errors=(), **given):
    """`errors`: (object, tick, position error m, velocity error m/s) of the paired ticks."""
    metrics = {**dict.fromkeys((*COMPARED, *COUNTED)), **dict.fromkeys(COUNTED, 0)}
    metrics |= {"objects": 2, "tracked": 2}
    rows = np.array(errors, np.float64).reshape(-1, 4)
    error = np.zeros((len(rows), 6))
    error[:, 0], error[:, 3] = rows[:, 2], rows[:, 3]
    count = len(rows)
    return Score(
        {**metrics, **given}, (), rows[:, 0].astype(np.int64), rows[:, 1], ("coast",) * count, error,
        np.ones(count), np.ones(count, np.int64),
    )  # fmt: skip


def test_a_positive_difference_is_a_loss_by_withholding():
    policy = a_score(
        [(0, 1.0, 30.0, 3.0), (0, 2.0, 40.0, 4.0), (1, 2.0, 50.0, 5.0)],
        custody_fraction=0.9, first_track_s=50.0,
        warning_s=100.0, warning_lead_s=90.0, impact_ellipse_km2=10.0, impact_error_km=2.0, gospa_m=100.0,
    )  # fmt: skip
    against = a_score(
        [(0, 2.0, 70.0, 6.0), (1, 3.0, 1e6, 1e6)], custody_fraction=0.6, first_track_s=90.0, warning_s=None,
        warning_lead_s=None, impact_ellipse_km2=25.0, impact_error_km=3.0, gospa_m=400.0, tracked=1,
    )  # fmt: skip
    assert differences(policy, against) == {
        "raid_fraction_lost": 0.5,
        "custody_lost": pytest.approx(0.3),
        "first_detection_later_s": None,
        "first_range_detection_later_s": None,
        "first_track_later_s": 40.0,
        "warning_later_s": None,
        "warning_lead_lost_s": 90.0,
        "impact_error_more_km": 1.0,
        "impact_ellipse_ratio": 2.5,
        "position_rmse_more_m": pytest.approx(30.0),  # object 0 at 2 s is all that both have
        "velocity_rmse_more_mps": pytest.approx(2.0),
        "gospa_more_m": 300.0,
    }
    assert set(differences(policy, policy)) == {key for key, _, _ in COMPARED.values()}
    assert differences(policy, a_score())["position_rmse_more_m"] is None


def a_pair(lost, *contained):
    runs = []
    for custody, judged in zip((0.9, 0.6), contained, strict=True):
        metrics = {**a_score().metrics, "custody_fraction": custody}
        runs.append(Run(metrics, judged, {"coast": (1.0, 1.0)}, {"coast": 1.2}))
    return {"JPN": Pair(*runs, {**dict.fromkeys(key for key, _, _ in COMPARED.values()), **lost})}


def test_summary_pairs_the_arms_and_counts_what_exists():
    pairs = [
        a_pair(
            {"custody_lost": 0.3, "first_track_later_s": 40.0}, ((120, True), (120, True)), ((120, False),)
        ),
        a_pair({"custody_lost": 0.2}, (), ()),
    ]
    found = summarise(pairs, ("full-mesh", "withheld-kor"))["JPN"]
    assert found["arms"]["full-mesh"]["custody_fraction"]["mean"] == pytest.approx(0.9)
    assert found["lost"]["custody_lost"]["mean"] == pytest.approx(0.25)
    later = found["lost"]["first_track_later_s"]
    assert (later["mean"], later["n"]) == (40.0, 1)
    assert found["lost"]["impact_error_more_km"] is None
    assert found["arms"]["full-mesh"]["contained"]["120"]["held"] == 2
    assert found["arms"]["withheld-kor"]["contained"]["120"]["n"] == 1
    assert found["arms"]["full-mesh"]["contained"]["60"] is None
    nees = found["arms"]["full-mesh"]["nees"]["coast"]
    assert nees["low"] < nees["mean"] == 1.0 < nees["high"]
    assert nees["n"] == 4  # two objects in each of two runs
    assert found["arms"]["full-mesh"]["nees_held"]["coast"]["mean"] == pytest.approx(1.2)


@pytest.mark.parametrize(
    ("study", "arguments", "says"),
    [
        (seeds, ["nosuch"], "nosuch"),
        (seeds, ["quiet-hour", "--runs", "1", "--nations", "JPX"], "JPX"),
        (seeds, ["quiet-hour", "--against", "nosuch"], "nosuch"),
        (holders, ["nosuch"], "nosuch"),
        (holders, ["quiet-hour"], "nothing flies"),
        (ascents, ["nosuch"], "nosuch"),
        (ascents, ["."], "no CSV"),
    ],
)
def test_bad_input_is_one_line(study, arguments, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert invoke(study.main, arguments, "study") == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert says in printed.err


def test_ascents_print_a_table_for_a_page(monkeypatch, capsys, tmp_path):
    (tmp_path / "A.csv").write_text("")
    held = ascents.Held("A", 100.0, 50, 0.98, (("boost", 50, 0.98),), 10.0, 1.0, 1.5, 1)
    monkeypatch.setattr(ascents, "ascent_truth", lambda *_: None)
    monkeypatch.setattr(ascents, "follow", lambda *_: held)
    assert invoke(ascents.main, [str(tmp_path), "--scenario", "007", "--markdown"], "ascents") == 0
    row = capsys.readouterr().out.splitlines()[2]
    assert row == "| A | 100 | 50 | 0.980 | boost 0.98 of 50 s | 10 | 1.0 | 1.50 | 1 |"


def test_progress_is_plain_where_there_is_no_terminal(capsys):
    pairs = [{}] * 7
    assert list(seeds._told(iter(pairs), 7)) == pairs
    assert capsys.readouterr().err == "5 of 7 seeds\n7 of 7 seeds\n"
