"""The score table: what one run says, what runs add up to, and that a run is done once."""

from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from fusion.command import invoke
from fusion.scoring import Scorer
from fusion.session import Entry
from fusion.study import table, tabled
from fusion.study.judging import Judged, Nis, Notebook, Point, changes, judged
from sharing.messages import Detections, S, Warning, floats, ints, topic_of_picture
from tests.unit.test_scoring import END_S, picture, truth


def plots(t_s):
    """One complete plot at a time, by sensor JPN/a."""
    columns = ("range_m", "azimuth_rad", "elevation_rad", "sigma_range_m", "sigma_azimuth_rad",
               "sigma_elevation_rad", "snr_db")  # fmt: skip
    values = {name: floats([1.0]) for name in columns}
    return Detections(originator="JPN", sensor="a", scan=t_s, t_valid_ns=ints([t_s * S]), **values)


def run_of(pictures, objects, extra=()):
    """What one run with these as-known pictures says."""
    station = SimpleNamespace(type="kind")
    sensors = [SimpleNamespace(nation="JPN", id="a", station=station)]
    notebook = Notebook(SimpleNamespace(sensors=sensors))
    scorer = Scorer("JPN", objects, (), -10 * S, (END_S + 10) * S)
    for one in extra:
        notebook.take(Entry("JPN", "", 0, one))
    for one in pictures:
        entry = Entry("JPN", topic_of_picture("JPN"), one.t_sent_ns, one)
        scorer.take(entry)
        notebook.take(entry)
    session = SimpleNamespace(name="test", seed=3, truth=objects)
    return judged(session, scorer.score(), notebook, "today")


def test_breaks_and_swaps():
    # Object 0: track 5, then 6 (a break), then 5 again (neither). Object 1: track 7, then 6 (a swap).
    objects = np.array([0, 1, 0, 1, 0, 1])
    tracks = np.array([5, 7, 6, 7, 5, 6])
    assert changes(objects, tracks) == (1, 1)


def test_a_run_by_hand():
    """In boost to 99 s and held from 50 s; the mode is coast from 106 s on, but for one tick."""
    made = []
    for t in range(50, END_S):
        coasting = t >= 106 or t == 102
        one = picture(t, [(5, 100.0, 1)])
        changed = {"mode": ints([1 if coasting else 0]), "nis": floats([0.5 + t % 2])}
        if t == 60:
            changed |= {
                "launch_row": ints([0]),
                "launch_t_ns": ints([0]),
                "launch_lat_deg": floats([38.0]),
                "launch_lon_deg": floats([130.0]),
                "launch_covariance_m2": floats([1e6, 0.0, 1e6]),
            }
        made.append(msgspec.structs.replace(one, **changed))
    found = run_of(made, [truth()], [plots(t) for t in range(60, 80)])
    assert (found.scenario, found.seed, found.as_of) == ("test", 3, "today")
    assert found.free_s == [6.0]
    assert found.nees == dict.fromkeys(("boost", "burn-out", "coast"), pytest.approx(1 / 6))
    assert found.nis == {"kind": Nis(0.5, 1.0, 20, 3)}
    (launch,) = found.launches
    assert launch.contained
    assert launch.error_km == pytest.approx(0.0, abs=1e-6)
    assert launch.ellipse_km2 == pytest.approx(np.pi * 5.991, rel=1e-3)
    assert (found.breaks, found.swaps, found.retracted, found.metrics["tracked"]) == (0, 0, 0, 1)


def test_what_never_comes_is_none():
    found = run_of([picture(t, []) for t in range(END_S)], [truth()])
    assert found.free_s == [None]
    assert (found.nees, found.nis, found.launches, found.impacts) == ({}, {}, [], [])


def test_two_types_at_one_time_are_neither_and_warnings_by_default_are_declared():
    notebook = Notebook(SimpleNamespace(sensors=[
        SimpleNamespace(nation="JPN", id=name, station=SimpleNamespace(type=name)) for name in "ab"
    ]))  # fmt: skip
    notebook.take(Entry("JPN", "", 0, plots(1)))
    notebook.take(Entry("JPN", "", 0, msgspec.structs.replace(plots(1), sensor="b")))
    assert notebook.plots == {S: None}
    told = Warning(originator="JPN", t_valid_ns=0, region="r", kind="impact", track_id=1, probability=1.0,
                   t_impact_ns=S)  # fmt: skip
    notebook.take(Entry("JPN", "", 0, told))
    assert notebook.retracted == 0


def a_run(seed, nees=1.0, free=(5.0,), contained=True):
    """A result as a file holds it."""
    ones = ("custody_fraction", "false_tracks", "false_warnings", "position_rmse_m", "velocity_rmse_mps")
    metrics = {**dict.fromkeys((*ones, "gospa_m", "tracked", "objects"), 1), "warning_lead_s": None}
    return Judged(
        scenario="007-x", seed=seed, as_of="c", metrics=metrics, breaks=seed % 2, swaps=0, retracted=0,
        nees={"coast": nees}, nees_held={"coast": 2.0}, nis={"tpy2": Nis(1.0, 1.5, 10, 3)},
        free_s=list(free), impacts=[Point(120, 1.0, 2.0, contained)], launches=[],
    )  # fmt: skip


def test_sheets_hold_means_to_their_intervals():
    runs = [a_run(1), a_run(2, contained=False), a_run(3, free=(None,))]
    picture_, nees, nis, free, ellipses = tabled.sheets(runs)
    assert picture_.rows[0][:6] == ["007-x", "3", "1.0 of 1", "1.000", "0.67", "0.00"]
    assert nees.rows[0][2] == "1.00 (0.46–1.75); 2.00"
    assert nis.rows[0][2] == "1.00 (0.30–2.11); 1.50"
    assert free.rows[0][2:] == ["5", "5", "5", "1 of 3"]
    assert ellipses.rows[0][3] == "2/3 (0.21–0.94); 1.0 km"
    assert tabled.sheets([a_run(1, nees=9.0)])[1].rows[0][2].startswith("9.00* (")


def test_ranges_are_written_out():
    assert table.named(["001-003", "my.toml"]) == ("001", "002", "003", "my.toml")
    assert len(table.named([])) == 15


def test_a_run_is_done_once_and_half_files_do_not_count(monkeypatch, tmp_path, capsys):
    done = []
    monkeypatch.setattr(table, "as_of", lambda: "abc")
    monkeypatch.setattr(table, "judge", lambda name, seed, commit: done.append((name, seed)) or a_run(seed))
    common = ["007", "--jobs", "1", "--out", str(tmp_path)]
    assert invoke(table.main, [*common, "--seeds", "2"], "table") == 0
    (tmp_path / "abc" / "007-nodong-akita-00003.json.part").write_text("half")
    assert invoke(table.main, [*common, "--seeds", "3", "--markdown"], "table") == 0
    assert done == [("007", 1), ("007", 2), ("007", 3)]
    out = capsys.readouterr()
    assert "as of abc:\n3 runs, seeds 1 to 3" in out.out
    assert "007 seed 3" in out.err
    assert not list(tmp_path.glob("abc/*.part"))
    assert invoke(table.main, ["009", "--out", str(tmp_path), "--only-kept"], "table") == 1


def test_the_commit_is_named():
    assert table.as_of()
