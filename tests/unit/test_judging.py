"""Judgements: each pair of the settled run once, with what spoke for it, and no picture changed."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from ext.bank import TrackBank
from fusion.core.engine import Core, CoreConfig, Received, Tick
from fusion.core.tracker import TrackerRules
from fusion.reference import FilterpyBank
from fusion.session import products
from sharing.messages import DECISIONS, Judgements, Picture, S
from sharing.wire import decode
from tests.conformance.world import Radar, site, state
from tests.unit.test_shared_tracks import crossing

CONFIG = CoreConfig("JPN", horizon_s=5, tracker=TrackerRules.of("air"), judgements_per_s=100)


def run(config, late_s=0.0):
    """Judgements and pictures' frames of two crossing aircraft; every third message comes late."""
    core, judged, frames = Core(config), [], []
    messages = [with_whole_id(m) for m in crossing(np.random.default_rng(3))]
    arrivals = [(m.t_sent_ns + round(late_s * S) * (i % 3 == 2), i, m) for i, m in enumerate(messages)]
    arrivals.sort(key=lambda a: a[:2])
    for t_s in range(72):
        while arrivals and arrivals[0][0] <= t_s * S:
            t_ns, _, message = arrivals.pop(0)
            core.handle(Received(message, t_ns))
        for topic, effect, frame in products("JPN", core.handle(Tick(t_s * S))):
            if isinstance(effect, Judgements):
                assert topic == "judgement/JPN" and decode(frame)[1].row.tolist() == effect.row.tolist()
                judged.append(effect)
            elif isinstance(effect, Picture) and effect.picture == "settled":
                frames.append(frame)
    return core, judged, frames


def with_whole_id(message):
    """The message with an item id of the wire's length."""
    return msgspec.structs.replace(message, item_id=message.item_id.ljust(16, b"."))


def column(judged, name):
    return np.concatenate([getattr(j, name) for j in judged])


def test_every_plot_is_judged_once_and_the_figures_agree():
    _, judged, _ = run(CONFIG)
    items = [(j.of_item, row) for j in judged for row in sorted(set(j.row.tolist()))]
    assert len(items) == len(set(items)) == 2 * 61
    decision, share = column(judged, "decision"), column(judged, "share")
    began = decision == DECISIONS.index("started")
    assert np.count_nonzero(began) == 2
    assert np.count_nonzero(decision == DECISIONS.index("assigned")) == 2 * 60
    assert ((share == 1.0) == (decision == DECISIONS.index("assigned"))).all()
    nu = column(judged, "innovation").reshape(-1, 3)[~began]
    s = np.zeros((len(nu), 3, 3))
    s[:, *np.triu_indices(3)] = column(judged, "innovation_covariance").reshape(-1, 6)[~began]
    s += np.transpose(np.triu(s, 1), (0, 2, 1))
    d2 = np.einsum("ni,nij,nj->n", nu, np.linalg.inv(s), nu)
    assert (d2 >= column(judged, "d2")[~began] - 1e-9).all()  # of the likeliest mode; d2 is the smallest
    assert np.median(d2 / column(judged, "d2")[~began]) < 1.5


def test_late_data_changes_no_judgement_and_judging_changes_no_picture():
    _, judged, frames = run(CONFIG)
    _, again, late = run(CONFIG, late_s=3.0)
    _, none, plain = run(replace(CONFIG, judgements_per_s=0))
    assert frames == late == plain and not none
    for name in ("row", "track_id", "innovation", "d2", "log_ratio", "decision"):
        assert column(judged, name).tobytes() == column(again, name).tobytes()


def test_shares_are_written_down():
    _, judged, _ = run(replace(CONFIG, tracker=TrackerRules.of("air", "jpda")))
    shared = column(judged, "decision") == DECISIONS.index("shared")
    share = column(judged, "share")[shared]
    assert np.count_nonzero(shared) > 100 and share.max() > 0.9 and share.min() < 0.9


def test_a_second_with_too_many_rows_is_counted_and_left_out():
    core, judged, _ = run(replace(CONFIG, judgements_per_s=1))
    assert not judged
    assert core.counters["judgements_dropped"] >= 2 * 61


@pytest.mark.parametrize("left_out", [None, 0, 2])
def test_the_two_banks_judge_alike(left_out) -> None:
    rng = np.random.default_rng(4)
    ground = site(rng)
    q, beta, rates = [900.0, 0.01], [0.0, 5000.0], [[0.0, 0.1], [0.1, 0.0]]
    banks = [kind(4, 1, q, beta, rates, [0.6, 0.4]) for kind in (TrackBank, FilterpyBank)]
    radar, x = Radar.random(rng, ground), state(rng, ground, (2e4, 2e5))
    radar.place(*banks)
    sigma = np.array([[30.0, 1e-3, 1e-3]])
    for bank in banks:
        bank.start(2, 0, radar.measure(x[:3], 0.0), sigma[0], 0, 2500.0, 100.0, -1)
    if left_out is not None:
        sigma[0, left_out] = np.inf
    z, pair = radar.measure(x[:3] + x[3:], 1.0)[None], (np.array([2], np.int32), np.zeros(1, np.int32))
    (nu, s), (want_nu, want_s) = (bank.judge(*pair, z, sigma, 0, S) for bank in banks)
    assert nu == pytest.approx(want_nu, rel=1e-7, abs=1e-9)
    assert s == pytest.approx(want_s, rel=1e-7, abs=1e-9)
    assert (nu[0, left_out] if left_out is not None else 0.0) == 0.0
