"""The peers of the benchmark do the same work as the kernel, and the result has the promised form."""

import json

import numpy as np
import pytest

from ext.kalman import ekf_step
from fusion import bench


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
        track.step(batch.z[i])
        assert track.x == pytest.approx(x[i], abs=1e-6)
        assert np.allclose(track.P, p[i], rtol=1e-7, atol=1e-4)


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
    result = json.loads(json.dumps(bench.run(peers=True)))
    assert set(result) == {"machine", "rows"}
    steps = [row for row in result["rows"] if row["work"] == "ekf_step"]
    assert [row["n"] for row in steps] == [1, 100, 1000]
    for row in result["rows"]:
        assert set(row) == {"work", "n", "ours_us", "peers", "ratio", "limit_us"}
        assert all(ratio == 1.0 for ratio in row["ratio"].values())
    assert {"filterpy", "numpy"} <= set(steps[0]["peers"])
    assert bench.table(result).row_count == len(result["rows"])


def test_cpu_time_is_per_call_and_track(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def work() -> None:
        clock[0] += 1e-3

    monkeypatch.setattr(bench.time, "process_time", lambda: clock[0])
    assert bench.cpu_us(work, 4) == pytest.approx(250.0)
