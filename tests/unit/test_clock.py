"""Scenario time: scaled, shared through a start file, and moved by hand."""

import asyncio
import time

import pytest

from sharing.clock import ClockConfig, ScaledClock, VirtualClock, started, write_start
from sharing.messages import S
from sharing.settings import SettingsError, parse


def test_a_scaled_clock_runs_as_many_times_as_fast():
    clock = ScaledClock(-10 * S, speed=100.0, epoch_unix_ns=time.time_ns() - S)
    assert clock.now_ns() == pytest.approx(90 * S, abs=5 * S)
    assert clock.wall_s_until(1090 * S) == pytest.approx(10.0, abs=0.05)
    assert clock.wall_s_until(0) == 0.0


def test_it_stands_still_before_its_epoch():
    clock = ScaledClock(-10 * S, speed=100.0, epoch_unix_ns=time.time_ns() + 60 * S)
    assert clock.now_ns() == -10 * S
    assert clock.wall_s_until(-10 * S) == pytest.approx(60.0, abs=0.1)


async def test_everyone_who_waits_for_a_start_file_gets_the_same_clock(tmp_path):
    path = tmp_path / "start.json"
    config = ClockConfig(t_start_s=-10.0, start_file=str(path), wait_s=5.0)
    waiting = [asyncio.ensure_future(started(config)) for _ in range(3)]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in waiting)
    write_start(path, 20.0, in_s=0.0)
    clocks = await asyncio.gather(*waiting)
    times = [clock.now_ns() for clock in clocks]
    assert max(times) - min(times) < S // 10
    assert {clock.speed for clock in clocks} == {20.0}


async def test_a_start_that_never_comes_or_makes_no_sense_is_said_in_one_line(tmp_path):
    path = tmp_path / "start.json"
    config = ClockConfig(start_file=str(path), wait_s=0.05)
    with pytest.raises(SettingsError, match="no start file"):
        await started(config)
    path.write_text('{"epoch_unix_ns": 0, "speed": -1.0}')
    with pytest.raises(SettingsError, match="not a start file"):
        await started(config)


@pytest.mark.parametrize("text", ["speed = 2.0", 'start_file = "start.json"\nepoch_unix_s = 3.0'])
def test_a_daemon_takes_its_epoch_from_exactly_one_place(text):
    with pytest.raises(SettingsError, match=r"^kor\.toml: exactly one of start_file and") as error:
        parse(text, ClockConfig, "kor.toml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["speed = nan", "t_start_s = nan", "until_s = inf", "epoch_unix_s = nan"])
def test_a_clock_without_a_number_is_refused(text):
    with pytest.raises(SettingsError, match=text):
        parse(f'start_file = "start.json"\n{text}', ClockConfig, "kor.toml")


def test_a_virtual_clock_moves_only_when_told():
    clock = VirtualClock(-S)
    assert clock.wall_s_until(0) > 0.0
    clock.advance_to(2 * S)
    assert clock.now_ns() == 2 * S
    assert clock.wall_s_until(2 * S) == 0.0
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance_to(S)
