"""``sharedsky plot session``: what is drawn equals what the recording says."""

import numpy as np
import pytest
from PIL import Image

from fusion.cli import invoke
from fusion.figures import known, session
from fusion.figures.observed import NOBODY, observe
from fusion.figures.style import NothingToDraw
from sharing.messages import RECIPIENTS, Detections, S


@pytest.fixture(scope="module")
def log(recorded) -> known.Log:
    return known.read(recorded[0], None)


def test_every_nation_is_read(log) -> None:
    assert [k.nation for k in log.known] == list(RECIPIENTS)
    assert {o.name for o in log.observed} == set(log.session.sensors)


def test_plots_are_those_of_the_feed(log, small) -> None:
    again = observe((m for _, m in small.feed()), small.truth)
    for a, b in zip(log.observed, again, strict=True):
        assert a.name == b.name and (a.object_number == b.object_number).all()
    rows = sum(len(m.t_valid_ns) for _, m in small.feed() if isinstance(m, Detections))
    assert sum(len(o.t_s) for o in log.observed) == rows
    assert sum(np.count_nonzero(o.object_number != NOBODY) for o in log.observed) > 50


def test_errors_are_those_of_the_score(log, recorded) -> None:
    """The root mean square over paired ticks, where one track is near: within a twentieth of the scorer's."""
    _, arm = recorded
    compared = 0
    for held in log.known:
        rmse = arm.scores[held.nation].metrics["position_rmse_m"]
        if rmse is not None:
            assert np.sqrt(np.mean(held.held_error_m**2)) == pytest.approx(rmse, rel=0.05)
            assert len(held.held_t_s) == pytest.approx(len(arm.scores[held.nation].t_s), rel=0.05)
            compared += 1
    assert compared >= 2


def test_tracks_and_their_axes(log) -> None:
    coalition = log.known[-1]
    assert coalition.trails
    assert (coalition.tracks_axis_m > 0).all() and (coalition.held_axis_m > 0).all()
    assert all((np.diff(trail.t_s) > 0).all() for trail in coalition.trails)
    assert len(coalition.trails[-1].t_s) == max(len(trail.t_s) for trail in coalition.trails)


def test_one_nation_sees_its_own_and_what_is_released_to_it(recorded) -> None:
    korea = known.read(recorded[0], "KOR")
    assert [k.nation for k in korea.known] == ["KOR"]
    assert {o.nation for o in korea.observed} == {"JPN", "KOR", "USA"}  # full mesh
    assert known.shown_first(korea) is korea.known[0]


def test_figure_shows_every_nations_errors(log) -> None:
    figure = session.draw(log)
    scale = [axes for axes in figure.axes if axes.get_yscale() == "log"]
    assert len(scale) == len(RECIPIENTS)
    for axes, held in zip(scale, log.known, strict=True):
        drawn = axes.lines[1].get_xydata()
        assert np.allclose(drawn[:, 0] * 60, held.held_t_s) and np.allclose(drawn[:, 1], held.held_error_m)


def test_recording_without_anything_is_refused(log) -> None:
    empty = known.Log(log.session, [], [], "JPN")
    with pytest.raises(NothingToDraw, match="neither plots nor pictures for JPN"):
        session.draw(empty)


@pytest.mark.parametrize("nation", [None, "JPN"])
def test_command_writes_a_picture(recorded, nation, tmp_path) -> None:
    out = tmp_path / "a.png"
    whose = [] if nation is None else ["--nation", nation]
    assert invoke(["plot", "session", str(recorded[0]), *whose, "-o", str(out)]) == 0
    with Image.open(out) as image:
        assert image.width == 1200 and len(image.convert("RGB").getcolors(1 << 24)) > 10


def test_command_does_not_overwrite_its_recording(recorded, tmp_path, capsys) -> None:
    link = tmp_path / "same.png"
    link.hardlink_to(recorded[0])
    assert invoke(["plot", "session", str(recorded[0]), "-o", str(link)]) == 1
    assert "would overwrite" in capsys.readouterr().err


def test_no_recording_is_one_line(tmp_path, capsys) -> None:
    assert invoke(["plot", "session", str(tmp_path / "none.mcap"), "-o", str(tmp_path / "a.png")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_seconds_are_scenario_seconds(log) -> None:
    times = np.concatenate([o.t_s for o in log.observed])
    assert log.session.t_start_ns / S <= times.min() and times.max() <= log.session.t_end_ns / S
