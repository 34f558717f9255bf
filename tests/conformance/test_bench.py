"""The peers of the benchmark do the same work as the kernel, and the result has the promised form."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ext.bank import TrackBank
from ext.kalman import ekf_step
from fusion import bench, crowd
from fusion.core.lifecycle import CONFIRMED
from tests.conformance.world import offset, scaled


@pytest.fixture
def batch() -> bench.Batch:
    return bench.Batch.of(11)


def unlaned(a, width, n):
    return a.reshape(-1, width, 8).transpose(0, 2, 1).reshape(-1, width)[:n]


def ours(batch):
    x, p, z = batch.lanes()
    ekf_step(x, p, z, bench.SIGMA, batch.site, batch.enu.ravel(), bench.H, bench.Q)
    return unlaned(x, 6, 11), unlaned(p, 36, 11).reshape(-1, 6, 6)


def test_numpy_and_filterpy_do_the_same_step(batch: bench.Batch) -> None:
    x, p = ours(batch)
    got_x, got_p = bench.numpy_step(batch)
    assert got_x == pytest.approx(x, abs=1e-6)
    assert got_p == pytest.approx(p, rel=1e-7, abs=1e-4)
    for i in range(11):
        track = bench.Filterpy(batch, i)
        track.predict()
        track.update(batch.z[i])
        assert track.x == pytest.approx(x[i], abs=1e-6)
        assert np.allclose(track.P, p[i], rtol=1e-7, atol=1e-4)


def test_filterpys_imm_does_the_work_of_a_bank_of_three(batch: bench.Batch) -> None:
    """Mixing with an asymmetric matrix, prediction, update and probabilities; a vague track differs."""
    batch = replace(batch, p=np.tile(np.diag([1e4] * 3 + [1e2] * 3), (11, 1, 1)))
    bank = TrackBank(11, 1, bench.IMM_Q, [0.0] * 3, np.array(bench.IMM_RATES), bench.IMM_START)
    bank.set_site(0, 0, batch.site, np.zeros(3), batch.enu.ravel(), (0.0, 0.0, 0.0))
    slots, sigma = np.arange(11, dtype=np.int32), np.tile(bench.SIGMA, (11, 1))
    tracks = [bench.filterpy_imm(batch, i) for i in range(11)]
    for slot in slots.tolist():
        bank.start_state(slot, 0, batch.x[slot], batch.p[slot])
    rng, truth = np.random.default_rng(6), batch.x.copy()
    for second in range(1, 9):
        truth = np.array(bench.moved(truth.T)[0]).T
        e, n, u = batch.enu @ (truth[:, :3] - batch.site).T
        z = np.column_stack([np.sqrt(e**2 + n**2 + u**2), np.arctan2(e, n), np.arctan2(u, np.hypot(e, n))])
        z += rng.normal(size=(11, 3)) * bench.SIGMA
        bank.predict(slots, round(second * bench.H * 1e9))
        bank.update(slots, slots, z, sigma, 0)
        x, p, mu = bank.estimate(slots)
        for i, track in enumerate(tracks):
            track.predict(0)
            track.update(z[i])
            assert mu[i] == pytest.approx(track.mu, rel=1e-9)
            assert offset(x[i], track.x, track.P) < 1e-9
            assert scaled(p[i], track.P) < 1e-9


def test_hand_written_c_does_the_same_step(batch: bench.Batch) -> None:
    x, p, z = batch.lanes()
    enu = batch.enu.ravel()
    with bench.hand_c() as step:
        if step is None:
            pytest.skip("no gcc here to compile benchmarks/ekf_step.c with")
        step(2, *[a.ctypes.data for a in (x, p, z, bench.SIGMA, batch.site, enu)], bench.H, bench.Q)
    want_x, want_p = ours(batch)
    assert unlaned(x, 6, 11) == pytest.approx(want_x, abs=1e-7)
    assert unlaned(p, 36, 11).reshape(-1, 6, 6) == pytest.approx(want_p, rel=1e-9, abs=1e-6)


def test_result_has_the_promised_form(monkeypatch: pytest.MonkeyPatch) -> None:
    def once(work, tracks, **_) -> float:
        work()
        return 2.0

    monkeypatch.setattr(bench, "cpu_us", once)
    monkeypatch.setattr(crowd, "LIMIT_US", {20: 60.0})
    result = json.loads(json.dumps(bench.run(peers=True)))
    assert set(result) == {"machine", "rows"}
    steps = [row for row in result["rows"] if row["work"] == "ekf_step"]
    assert [row["n"] for row in steps] == [1, 100, 1000]
    assert [row["n"] for row in result["rows"] if row["work"] == "mtt_scan"] == [20]
    for row in result["rows"]:
        assert set(row) == {"work", "n", "ours_us", "peers", "ratio", "limit_us"}
        assert all(ratio == 1.0 for ratio in row["ratio"].values())
    assert {"filterpy", "numpy"} <= set(steps[0]["peers"])
    mixed = [row for row in result["rows"] if row["work"] == "imm_step"]
    assert [(row["n"], set(row["peers"])) for row in mixed] == [(n, {"filterpy"}) for n in (1, 100, 1000)]
    assert bench.table(result).row_count == len(result["rows"])


def test_cpu_time_is_per_call_and_track(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def work() -> None:
        clock[0] += 1e-3

    monkeypatch.setattr(bench.time, "process_time", lambda: clock[0])
    assert bench.cpu_us(work, 4) == pytest.approx(250.0)


def test_the_crowd_is_followed() -> None:
    """What `mtt_scan` times is tracking: nearly every target has a confirmed track, few tracks are false."""
    watch = crowd.Watch(crowd.Crowd(60))
    for _ in range(12):
        watch.step(*watch.entries())
    table = watch.tracker.table
    assert 58 <= np.count_nonzero(table.status == CONFIRMED) <= 63
