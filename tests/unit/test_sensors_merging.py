"""Resolution: which objects make one plot, and what that plot is."""

import dataclasses

import msgspec
import numpy as np
import pytest

from sensors import geodesy, radar, scans
from sensors.merging import Echoes, merge, pairs
from sensors.stations import catalogue
from sensors.threats import CrossSection, Signature
from sharing.messages import S, Truth, floats, ints

CELL = np.array([100.0, 5e-3, 5e-3])


def echoes(rows):
    """Echoes of (scan, source, range, azimuth, elevation, snr)."""
    scan, source, far, azimuth, elevation, snr = np.array(rows, dtype=float).T
    measurement = np.stack([far, azimuth, elevation], axis=1)
    whole = np.int64
    return Echoes(scan.astype(whole), scan.astype(whole) * S, source.astype(whole), measurement, snr)


def close(one, other, cell):
    """Whether two echoes cannot be told apart."""
    off = np.abs(one - other)
    off[1] = abs(float(geodesy.wrap(off[1]))) * np.cos(0.5 * (one[2] + other[2]))
    return bool((off < cell).all())


def brute(found, cell):
    """Scan, leader and total power, by going from peak to peak and asking every echo."""
    left = sorted(range(len(found.scan)), key=lambda k: (-found.snr[k], found.source[k]))
    expected = []
    while left:
        top = left[0]
        mine = [
            k
            for k in left
            if found.scan[k] == found.scan[top] and close(found.measurement[k], found.measurement[top], cell)
        ]
        total = sum(found.snr[mine])
        expected.append((int(found.scan[top]), int(found.source[top]), pytest.approx(total)))
        left = [k for k in left if k not in mine]
    return sorted(expected, key=lambda row: row[:2])


@pytest.mark.parametrize("cell", [CELL, np.array([np.inf, 5e-3, 5e-3])])
def test_merging_is_what_going_from_peak_to_peak_gives(cell, monkeypatch):
    monkeypatch.setattr("sensors.merging.BLOCK_ROWS", 30)
    rng = np.random.default_rng(3)
    for _ in range(20):
        scan = rng.integers(0, 5, 120)
        angles = rng.uniform(-0.01, 0.01, (120, 2)) + np.array([np.pi, 0.3])
        far = rng.uniform(1e5, 1e5 + 1000.0, 120)
        table = Echoes(
            scan, scan * S, np.arange(120), np.column_stack([far, geodesy.wrap(angles)]),
            np.round(rng.uniform(1, 9, 120)),
        )  # fmt: skip
        one, other = pairs(scan, table.measurement, cell)
        every = {
            frozenset((i, j))
            for i in range(120)
            for j in range(i)
            if scan[i] == scan[j] and close(table.measurement[i], table.measurement[j], cell)
        }
        assert {frozenset(p) for p in zip(one.tolist(), other.tolist(), strict=True)} == every and every
        found = merge(table, cell)
        ours = zip(found.scan.tolist(), found.source.tolist(), found.snr.tolist(), strict=True)
        assert sorted(ours, key=lambda row: row[:2]) == brute(table, cell)


def test_two_in_one_cell_give_one_echo_at_the_mean_place():
    pair = echoes([(0, 7, 1000.0, 0.100, 0.2, 10.0), (0, 3, 1060.0, 0.103, 0.2, 30.0)])
    one = merge(pair, CELL)
    assert one.source.tolist() == [3] and one.snr.tolist() == [40.0]
    assert one.measurement[0] == pytest.approx([1045.0, 0.10225, 0.2])


def test_the_mean_place_does_not_break_at_the_end_of_the_circle():
    pair = echoes([(0, 0, 1000.0, np.pi - 1e-3, 0.2, 20.0), (0, 1, 1000.0, -np.pi + 1e-3, 0.2, 20.0)])
    one = merge(pair, CELL)
    assert abs(geodesy.wrap(one.measurement[0, 1] - np.pi)) < 1e-12 and len(one.scan) == 1


def test_the_strongest_takes_its_neighbours_and_what_is_apart_stays_exactly_as_it_was():
    # Five in a row, each too close to the next only; the strongest at the far end.
    rows = [(0, k, 1000.0 + 90.0 * k, 0.1, 0.2, 10.0 + k) for k in range(5)]
    apart = [(0, 5, 1700.0, 0.1, 0.2, 10.0), (0, 6, 1000.0, 0.2, 0.2, 10.0), (1, 0, 1000.0, 0.1, 0.2, 9.0)]
    found = merge(echoes(rows + apart), CELL)
    assert list(zip(found.scan.tolist(), found.source.tolist(), strict=True)) == [
        (0, 0), (0, 2), (0, 4), (0, 5), (0, 6), (1, 0)
    ]  # fmt: skip
    assert found.snr[:3].tolist() == [10.0, 23.0, 27.0]
    for row in [rows[0], *apart]:
        k = np.flatnonzero((found.source == row[1]) & (found.scan == row[0]))[0]
        assert (*found.measurement[k], found.snr[k]) == row[2:]
    alone = echoes([(0, 0, 1000.0, 0.1, 0.2, 1.0), (1, 0, 1000.0, 0.1, 0.2, 1.0)])
    assert merge(alone, CELL) is alone


def test_a_strong_object_in_the_middle_takes_both_sides():
    rows = [(0, k, 1000.0 + 90.0 * k, 0.1, 0.2, 50.0 if k == 1 else 10.0) for k in range(3)]
    found = merge(echoes(rows), CELL)
    assert found.source.tolist() == [1] and found.snr.tolist() == [70.0]
    assert found.measurement[0, 0] == pytest.approx(1090.0)


def test_a_long_line_gives_a_plot_per_cell():
    rows = [(0, k, 1e5, 1.05e-3 * k, 0.0, 10.0 + 1e-3 * k) for k in range(500)]
    found = merge(echoes(rows), CELL)
    # The strongest end first: each takes the four that are less than 5 mrad away (4.2, not 5.25).
    assert len(found.scan) == 100 and found.snr.sum() == pytest.approx(sum(r[5] for r in rows))


def test_ten_thousand_objects_are_sorted_not_compared():
    rng = np.random.default_rng(1)
    n = 10_000
    rows = np.column_stack(
        [np.zeros(n), np.arange(n), rng.uniform(5e5, 6e5, n), rng.uniform(-1, 1, n), rng.uniform(0, 1, n),
         rng.uniform(1, 50, n)]
    )  # fmt: skip
    found = merge(echoes(rows), CELL)
    assert 0.9 * n < len(found.scan) < n
    assert found.snr.sum() == pytest.approx(rows[:, 5].sum())


@pytest.fixture
def tpy2():
    entry = catalogue()["USA/tpy2-shariki"]
    kind = msgspec.structs.replace(entry[2], clutter_per_scan=0.0)
    placed = radar.place("USA/tpy2-shariki", entry, 40.9, 140.3)
    return dataclasses.replace(placed, type=kind)


def still(sensor, name, far_m, azimuth_deg=280.0):
    """An object that stands still."""
    azimuth, elevation = np.radians(azimuth_deg), 0.4
    level = np.cos(elevation)
    sight = np.array([level * np.sin(azimuth), level * np.cos(azimuth), np.sin(elevation)])
    position = sensor.position_ecef_m + far_m * sight @ sensor.axes
    states = np.tile(np.concatenate([position, np.zeros(3)]), (2, 1))
    return Truth(
        originator="COALITION", name=name, kind="nodong", counts=True, t_valid_ns=ints([0, 300 * S]),
        state_ecef=floats(states), phase=ints([1, 1]), liftoff_t_ns=0,
    )  # fmt: skip


def rows(sensor, truths):
    plan = scans.schedule(sensor, 4, 0, 300 * S)
    made = scans.plots(sensor, 4, plan, truths)
    return {(k, *m) for k, m in zip(made.scan.tolist(), made.measurement.tolist(), strict=True)}


def test_unresolved_objects_give_at_most_one_plot_a_scan_and_touch_no_others(tpy2, monkeypatch):
    side = CrossSection(nose_m2=1.0, side_m2=1.0)
    monkeypatch.setattr(scans, "signature", lambda kind: Signature(boost=side, after=side))
    a, b = still(tpy2, "a", 900e3), still(tpy2, "b", 900.05e3)
    other = still(tpy2, "other", 900e3, 290.0)
    both, single = rows(tpy2, (a, b, other)), rows(tpy2, (a, other))
    assert rows(tpy2, (other,)) <= both and rows(tpy2, (other,)) <= single
    pair, alone = both - rows(tpy2, (other,)), single - rows(tpy2, (other,))
    assert len({k for k, *_ in pair}) == len(pair) > len(alone)
    # The strongest (the nearer) lends its draws: whatever it shows alone, the pair shows as well.
    assert {k for k, *_ in alone} <= {k for k, *_ in pair}
    assert np.mean([m[1] for m in pair]) == pytest.approx(900.025e3, abs=15.0 + 3 * 20.0)
