"""Fusing tracks: covariance intersection against its formula and its promise; partners' tracks at a tick."""

import numpy as np
import pytest
from msgspec.structs import replace

from fusion.core.matrices import applied, inverse, product
from fusion.core.trackfusion import (
    GATE,
    OLDEST_NS,
    Estimate,
    Partners,
    added,
    intersection,
    square,
    unknown_acceleration,
)
from sharing.messages import S, Track, floats, ints

UPPER = np.triu_indices(6)
PLACE = np.array([-3.1e6, 3.9e6, 4.4e6, 1500.0, -700.0, 900.0])
GOOD = np.diag([1e4, 4e4, 9e4, 4.0, 9.0, 25.0])


def track(originator="KOR", t_s=0, track_id=7, state=PLACE, covariance=GOOD, lineage="KOR", mode=1) -> Track:
    none = {f"{end}_{name}": floats([]) for end in ("launch", "impact")
            for name in ("lat_deg", "lon_deg", "covariance_m2", "t_sigma_s")}  # fmt: skip
    whole = {f"{end}_{name}": ints([]) for end in ("launch", "impact") for name in ("row", "t_ns")}
    return Track(
        originator=originator, sensor="tracks", t_valid_ns=t_s * S, track_id=ints([track_id]),
        status=ints([1]), mode=ints([mode]), t_update_ns=ints([t_s * S]), plots=12, state_ecef=floats(state),
        covariance=floats(covariance[UPPER]), class_number=ints([1]), class_probability=floats([0.5]),
        lineage=lineage, **none, **whole,
    )  # fmt: skip


def random_covariance(rng, n=6):
    a = rng.normal(size=(n, n))
    return a @ a.T + 0.1 * np.eye(n)


def test_products_and_inverses_are_numpys():
    rng = np.random.default_rng(3)
    a, b = random_covariance(rng), rng.normal(size=(6, 4))
    inverted, determinant = inverse(a)
    assert np.allclose(inverted, np.linalg.inv(a), rtol=1e-9, atol=1e-9)
    assert determinant == pytest.approx(np.linalg.det(a), rel=1e-9)
    assert np.allclose(product(a, b), a @ b) and np.allclose(applied(a, b[:, 0]), a @ b[:, 0])


def test_the_intersection_is_its_formula():
    rng = np.random.default_rng(4)
    pa, pb, a, b = random_covariance(rng), random_covariance(rng), rng.normal(size=6), rng.normal(size=6)
    ia, ib = np.linalg.inv(pa), np.linalg.inv(pb)
    da, db, both = (np.linalg.det(m) for m in (ia, ib, ia + ib))
    weight = (both - db + da) / (2 * both)
    expected = np.linalg.inv(weight * ia + (1 - weight) * ib)
    state, covariance = intersection(a, pa, b, pb)
    assert np.allclose(covariance, expected) and 0 < weight < 1
    assert np.allclose(state, expected @ (weight * ia @ a + (1 - weight) * ib @ b))


def test_the_same_track_twice_tells_nothing_new():
    state, covariance = intersection(PLACE, GOOD, PLACE, GOOD)
    assert np.allclose(covariance, GOOD) and np.allclose(state, PLACE)
    assert np.allclose(added(PLACE, GOOD, PLACE, GOOD)[1], GOOD / 2)  # the careless way believes it


@pytest.mark.parametrize("correlation", [-0.9, -0.5, 0.0, 0.5, 0.9, 1.0])
def test_the_intersection_is_never_too_sure_whatever_the_correlation(correlation):
    """P - E[e eᵀ] has no negative eigenvalue, for any correlation of the two errors."""
    rng = np.random.default_rng(5)
    pa, pb = random_covariance(rng, 3), random_covariance(rng, 3)
    la, lb = np.linalg.cholesky(pa), np.linalg.cholesky(pb)
    cross = correlation * la @ lb.T
    _, fused = intersection(np.zeros(3), pa, np.zeros(3), pb)
    # The fusion is linear: its gains, column by column.
    ga = np.column_stack([intersection(e, pa, np.zeros(3), pb)[0] for e in np.eye(3)])
    gb = np.column_stack([intersection(np.zeros(3), pa, e, pb)[0] for e in np.eye(3)])
    actual = ga @ pa @ ga.T + gb @ pb @ gb.T + ga @ cross @ gb.T + gb @ cross.T @ ga.T
    assert np.linalg.eigvalsh(fused - actual).min() > -1e-9


def test_a_partners_track_is_taken_over_where_there_is_none_and_fused_where_there_is_one():
    partners = Partners("JPN")
    assert partners.add(track(), S, None) == ""
    (alone,) = partners.fuse(0, [])
    assert (alone.track_id, alone.row) == (7, None) and np.allclose(alone.covariance, GOOD)
    (fused,) = partners.fuse(0, [Estimate(3, 0, PLACE + 10.0, 4 * GOOD)])
    assert (fused.track_id, fused.row) == (3, 0)
    assert np.trace(fused.covariance) < np.trace(4 * GOOD)
    far = Estimate(3, 0, PLACE + np.array([5e4, 0, 0, 0, 0, 0]), GOOD)
    assert [e.track_id for e in partners.fuse(0, [far])] == [3, 7]
    assert GATE < 5e4**2 / 2e4


def test_what_holds_own_data_or_is_late_or_no_covariance_is_refused():
    partners = Partners("JPN")
    assert partners.add(track(lineage="KOR JPN"), S, None) == "own"
    assert partners.add(track(originator="JPN", lineage="JPN"), S, None) == "own"
    assert partners.add(track(t_s=5), 9 * S, 5 * S) == "late"
    assert partners.add(track(t_s=5), 4 * S, None) == "future"
    assert partners.add(track(covariance=GOOD - 2 * np.diag(np.diag(GOOD))), S, None) == "bad"
    assert not partners and sum(partners.counters.values()) == 5


def test_what_came_later_is_not_known_earlier_and_what_is_silent_has_ended():
    partners = Partners("JPN")
    for t_s in (0, 1, 2):
        partners.add(track(t_s=t_s), 3 * S, None)
    partners.add(track(t_s=30, track_id=8, state=PLACE + 1e5), 30 * S, None)
    assert [e.source.t_valid_ns // S for e in partners.fuse(S, [])] == [1]
    assert [e.track_id for e in partners.fuse(30 * S, [])] == [8]
    partners.forget(2 * OLDEST_NS)
    assert not partners


def test_every_word_of_a_track_without_lineage_is_believed():
    partners, honest = Partners("JPN"), Partners("JPN")
    for t_s in range(4):
        state = np.concatenate([PLACE[:3] + t_s * PLACE[3:], PLACE[3:]])
        partners.add(track(t_s=t_s, state=state, lineage=""), 4 * S, None)
        honest.add(track(t_s=t_s, state=state), 4 * S, None)
    (believed,), (known,) = (p.fuse(3 * S, []) for p in (partners, honest))
    assert np.trace(known.covariance[:3, :3]) == pytest.approx(np.trace(GOOD[:3, :3]))
    assert np.trace(believed.covariance[:3, :3]) < 0.3 * np.trace(GOOD[:3, :3])


def test_a_track_flown_on_becomes_less_sure():
    partners = Partners("JPN")
    partners.add(track(), S, None)
    (later,) = partners.fuse(10 * S, [])
    assert np.linalg.norm(later.state[:3] - (PLACE[:3] + 10 * PLACE[3:])) < 600
    assert np.trace(later.covariance) > np.trace(GOOD)
    burning = Partners("JPN")
    burning.add(replace(track(), mode=ints([0])), S, None)
    assert np.trace(burning.fuse(10 * S, [])[0].covariance) > np.trace(later.covariance)
    assert unknown_acceleration(2.0, 3.0)[0, 0] == 36.0


def test_a_covariance_is_read_as_it_is_written():
    full = random_covariance(np.random.default_rng(6))
    assert np.array_equal(square(full[UPPER]), np.triu(full) + np.triu(full, 1).T)
