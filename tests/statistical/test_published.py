"""Published problems: Jacobians, draws, and errors against bounds; few runs here, hundreds when slow."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fusion.command import invoke
from fusion.metrics import mean_bounds, nees
from fusion.study.filters import EKF, UKF
from fusion.study.published import __main__ as command
from fusion.study.published import falling, farina, pair, pair_core, reentry, report
from fusion.study.published.cases import bounds_of, judge, solve

MODELS = {
    "farina": (farina.MODEL, farina.START),
    "julier": (reentry.MODEL, reentry.START),
    "athans": (falling.MODEL, np.array([1.5e5, 1.8e4, 1e-3])),
    "nrl": (pair.model(8.0), np.array([-5.4e6, 5.3e5, 5.2e6, -500.0, -4100.0, -760.0])),
}


@pytest.mark.parametrize("name", MODELS)
def test_jacobians_are_derivatives(name):
    model, x = MODELS[name]
    steps = np.diag(1e-6 * np.maximum(np.abs(x), 1e-3))
    for function, by in ((model.move, model.by_move), (model.measure, model.by_measure)):
        want = np.stack([(function(x + h) - function(x - h)) / 2 for h in steps], axis=-1)
        got = by(x) @ steps
        assert np.abs(want - got).max() < 1e-6 * np.abs(got).max()


def test_runs_do_not_depend_on_how_many_there_are():
    few, many = farina.case(3, 5), farina.case(8, 5)
    assert (few.truths == many.truths[:3]).all()
    assert (few.measured == many.measured[:3]).all()
    flown = pair.flown()
    assert (pair.drawn(flown, 2, 5).plots == pair.drawn(flown, 4, 5).plots[:2]).all()
    assert not np.array_equal(few.measured, farina.case(3, 6).measured)


def test_farinas_object_falls_as_in_the_paper():
    """From 88 km nearly to the ground in two minutes, slowed down below 30 km."""
    path = farina.case(2, 1).truths[0]
    assert path[0, 2] == 88e3
    assert 0 < path[-1, 2] < 10e3
    speed = np.hypot(path[:, 1], path[:, 3])
    assert speed[30] > 2200
    assert speed[-1] < 800


def test_the_pair_is_seen_from_ten_degrees_up_and_stays_fifty_metres_apart():
    flown = pair.flown()
    z = pair.measure(flown.states)
    assert flown.states.shape == (100, 2, 6)
    assert z[:, 0, 2].min() > np.radians(10)
    assert z[:, 1, 0] - z[:, 0, 0] == pytest.approx(50, abs=1e-6)
    assert z[:, 1, 1:] == pytest.approx(z[:, 0, 1:], abs=1e-12)
    drift = np.diff(flown.states[:, 1, :3], axis=0) / 8 - flown.states[:-1, 1, 3:]
    first = np.diff(flown.states[:, 0, :3], axis=0) / 8 - flown.states[:-1, 0, 3:]
    assert drift == pytest.approx(first, abs=0.05)


def test_the_pair_keeps_its_energy():
    """The Jacobi integral: energy in the rotating frame, J2's potential included."""
    x = pair.flown().states[:, 0]
    r = np.linalg.norm(x[:, :3], axis=1)
    s2 = (x[:, 2] / r) ** 2
    potential = -pair.GM / r * (1 - pair.J2 * (pair.A / r) ** 2 * (1.5 * s2 - 0.5))
    spin = 0.5 * pair.OMEGA**2 * (x[:, 0] ** 2 + x[:, 1] ** 2)
    energy = 0.5 * np.sum(x[:, 3:] ** 2, axis=1) + potential - spin
    assert np.ptp(energy) < 1e-9 * abs(energy[0])


def test_clutter_has_its_density():
    flown = pair.flown()
    counts = [len(pair.clutter(flown, run, 10, 1)) for run in range(400)]
    mean = pair.CLUTTER * 2 * pair.HALF_RANGE_M * (2 * pair.HALF_ANGLE_RAD) ** 2
    assert abs(np.mean(counts) - mean) < 4 * np.sqrt(mean / 400)
    assert abs(np.var(counts) / mean - 1) < 4 * np.sqrt(2 / 400)
    assert len(pair.clutter(flown, 0, 1, 1)) == 0
    assert pair.left_by_clutter() == pytest.approx(1, abs=1e-3)


def bounded(outcome, worst=3.5):
    """No error lies further below the bound than chance allows in a few dozen comparisons."""
    assert [short for *_, short in outcome.below() if short > worst] == []


def test_farina_small():
    outcome = solve(farina.case(60, 1), farina.FILTERS)
    bounded(outcome)
    best = outcome.judged[2]
    assert best.name == "UKF"
    assert (best.rmse < 1.5 * outcome.bound).all()
    assert outcome.judged[0].nees[0].mean > best.nees[0].mean


def test_athans_small_shows_where_the_ekf_is_not_enough(monkeypatch):
    monkeypatch.setattr(falling, "SUBSTEPS", 8)
    outcome = solve(falling.case(30, 1), (EKF, UKF))
    ekf, ukf = outcome.judged
    bounded(outcome)
    assert ekf.rmse[2, 3] > 5 * ukf.rmse[2, 3]
    assert ekf.nees[3].mean > 100
    assert ukf.nees[3].mean < 2


def test_a_lost_run_is_counted_and_taken_out():
    case = farina.case(12, 1)
    case.x[4] = np.nan
    found = judge(case, UKF)
    assert found.lost == 1
    assert np.isfinite(found.rmse).all()
    assert found.nees[0].count == 11


def test_the_core_follows_the_first_object_alone():
    flown = pair.flown()
    followed = pair_core.follow(flown, pair.drawn(flown, 1, 1), 0, "alone", 1)
    assert (followed.track[40:, 0] >= 0).all()
    assert len(np.unique(followed.track[40:, 0])) == 1
    assert (followed.track[:, 1] == -1).all()
    error = np.linalg.norm(followed.state[-1, 0, :3] - flown.states[-1, 0, :3])
    assert error < 2000


def test_command_prints_one_document(capsys, tmp_path):
    arguments = ["--runs", "5", "--only", "farina", "--json", "--figures", str(tmp_path)]
    assert invoke(command.main, arguments, "published") == 0
    document = json.loads(capsys.readouterr().out)
    problem = document["problems"][0]
    assert (problem["problem"], problem["runs"], len(problem["filters"])) == ("farina", 5, 4)
    assert (tmp_path / "published-farina.svg").stat().st_size > 10_000
    assert invoke(command.main, ["--runs", "5", "--only", "farina", "--markdown"], "published") == 0
    page = capsys.readouterr().out
    assert page.count("| position, m |") == 4
    assert "NEES EKF" in page


def test_tables_say_what_is_missing_and_what_is_below():
    case = farina.case(20, 1)
    outcome = solve(case, (UKF,))
    low = outcome.judged[0]
    low.rmse[:] = outcome.bound
    assert report.notes(outcome) == [] == outcome.below()
    low.rmse[0, 0] = outcome.bound[0, 0] - 5 * low.error[0, 0]
    low.rmse[1, 1] = np.nan
    wrong = replace(outcome, judged=(replace(low, lost=2),))
    assert report.notes(wrong) == [
        "UKF: 2 of 20 runs lost", "UKF: position at 30 s is 5.0 standard errors below the bound"
    ]  # fmt: skip
    rows = report.tables(wrong)[0][2]
    assert rows[0][3].endswith("↓")
    assert rows[5][3] == "–"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["farina", "julier", "julier-matched", "athans", "nrl"])
def test_published_problems_with_two_hundred_runs(name):
    runs = 200
    outcome = command.solved(name, runs, 0, 2)
    bounded(outcome)
    judged = {one.name: one for one in outcome.judged}
    assert judged["UKF"].lost <= 4
    assert all(c.low <= c.mean <= 1.5 * c.high for c in judged["UKF"].nees if name != "julier")
    if name in ("farina", "nrl"):
        assert (judged["UKF"].rmse < 1.3 * outcome.bound).all()
    if name == "julier-matched":
        low, high = mean_bounds(runs, 5, 0.999)
        assert all(low < c.mean < high for c in judged["EKF"].nees)


def test_least_squares_over_the_whole_fall_attains_athans_bound(monkeypatch):
    """The filters stay above the bound; a Gauss–Newton fit of all measurements and the prior does not."""
    monkeypatch.setattr(falling, "SUBSTEPS", 8)
    case = falling.case(200, 3)
    prior = np.linalg.inv(falling.PRIOR)
    x0 = np.tile(falling.START, (200, 1))
    for _ in range(4):
        x, f = x0, np.tile(np.eye(3), (200, 1, 1))
        information, slope = np.tile(prior, (200, 1, 1)), (case.x - x0) @ prior
        for k in range(1, falling.STEPS + 1):
            f = falling.by_move(x) @ f
            x = falling.move(x)
            h = falling.by_measure(x) @ f
            off = case.measured[:, k] - falling.measure(x)
            information = information + np.swapaxes(h, 1, 2) @ h / 1e4
            slope = slope + h[:, 0] * off / 1e4
        x0 = x0 + np.linalg.solve(information, slope[..., None])[..., 0]
    error = (x - case.truths[:, -1]) ** 2
    rmse = np.sqrt(error.mean(axis=0))
    bound = bounds_of(case.information, case.quantities)[:, -1] / [1, 1, 1e6]
    sigma = error.std(axis=0) / np.sqrt(200) / (2 * rmse)
    assert (np.abs(rmse - bound) < 3.5 * sigma).all()


@pytest.mark.parametrize(("module", "rows"), [(farina, (0, 2)), (pair, (0, 1, 2))])
def test_two_point_starts_begin_with_honest_positions(module, rows):
    """NEES of the position that one plot gives: 1; to the first order it would be a tenth more and above."""
    truth = farina.START if module is farina else pair.flown().states[0, 0]
    model = module.MODEL if module is farina else pair.model(8.0)
    noise = np.random.default_rng(8).normal(size=(40_000, len(rows))) * np.sqrt(np.diagonal(model.r))
    positions, covariances = module.located(model.measure(truth) + noise)
    values = nees(np.tile(truth[list(rows)], (len(noise), 1)), positions, covariances)
    assert values.mean() == pytest.approx(1, abs=0.02)
