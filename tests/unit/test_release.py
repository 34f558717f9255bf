"""The release machine on single items; what it may not leak is in tests/property/test_no_leakage.py."""

import pytest

from configs import resolve
from sharing import release as module
from sharing.messages import RECIPIENTS, Heartbeat, Message, S, Scan
from sharing.policy import Policy
from sharing.release import Release
from sharing.settings import load_policy

MESH = load_policy(resolve("policies", "full-mesh"))


def scan(sensor: str = "greenpine-c", number: int = 0, originator: str = "KOR") -> Scan:
    return Scan(
        originator=originator, sensor=sensor, boot_id=1, sequence=number + 70, item_id=bytes([number] * 16),
        t_sent_ns=5 * S, t_available_ns=5 * S, scan=number, t_start_ns=0, t_end_ns=5 * S,
        azimuth_center_rad=0.0, azimuth_width_rad=1.0, elevation_min_rad=0.0, elevation_max_rad=1.0,
        range_max_m=1e6,
    )  # fmt: skip


def test_item_goes_to_everybody_but_its_originator() -> None:
    out = Release(MESH).handle(scan(), 6 * S)
    assert [recipient for _, recipient, _ in out] == ["JPN", "USA", "COALITION"]
    for t_out_ns, _, item in out:
        assert 6.1 * S <= t_out_ns <= 6.3 * S
        assert (item.t_available_ns, item.sequence) == (t_out_ns, 0)
        assert (item.item_id, item.t_sent_ns) == (scan().item_id, 5 * S)
        assert item.marking == "SIMULATED//NOTIONAL//REL JPN KOR USA COALITION"
    assert len({item.boot_id for _, _, item in out}) == 3


def test_same_seed_same_release_and_another_start_another_boot() -> None:
    def outs(**options: int) -> list[tuple[int, str, int]]:
        release = Release(MESH, **options)
        return [(t, r, m.boot_id) for n in range(5) for t, r, m in release.handle(scan(number=n), n * S)]

    assert outs(seed=3) == outs(seed=3)
    assert [t for t, _, _ in outs(seed=3)] != [t for t, _, _ in outs(seed=4)]
    again = outs(seed=3, start=1)
    assert [t for t, _, _ in again] == [t for t, _, _ in outs(seed=3)]
    assert not {b for _, _, b in again} & {b for _, _, b in outs(seed=3)}


def test_quick_item_does_not_overtake_a_slow_one() -> None:
    release = Release(MESH)
    times = [release.handle(scan(number=n), n)[0][0] for n in range(50)]
    assert times == sorted(times)
    assert times[0] < times[-1]


def test_delays_fill_their_range() -> None:
    release = Release(MESH)
    delays = [
        t - n * 10 * S for n in range(256) for t, _, _ in release.handle(scan(number=n % 256), n * 10 * S)
    ]
    assert min(delays) < 0.11 * S and max(delays) > 0.29 * S
    assert abs(sum(delays) / len(delays) - 0.2 * S) < 0.01 * S


@pytest.mark.parametrize(
    "item", [Heartbeat(originator="KOR", sensor="x", last_sequence=1), scan(originator="COALITION")]
)
def test_what_no_sensor_made_is_not_released(item: Message) -> None:
    assert Release(MESH).handle(item, 0) == []


@pytest.mark.parametrize("name", ["national-only", "withheld-kor"])
def test_what_no_rule_names_is_not_released(name: str) -> None:
    release = Release(load_policy(resolve("policies", name)))
    assert release.handle(scan(), 0) == []
    assert len(release.handle(scan(originator="JPN"), 0)) == (0 if name == "national-only" else 3)


def test_too_many_links_are_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LINKS", 2)
    release = Release(MESH)
    for sensor in ("a", "b"):
        assert len(release.handle(scan(sensor), 0)) == len(RECIPIENTS) - 1
    assert release.handle(scan("c"), 0) == []
    assert release.refused == 3
    assert len(release.handle(scan("c", originator="JPN"), 0)) == 3


def test_constant_delay() -> None:
    text = MESH.text.replace('{ kind = "uniform", low_s = 0.1, high_s = 0.3 }', "0.25")
    out = Release(Policy.parse(text, "constant")).handle(scan(), 0)
    assert {t for t, _, _ in out} == {S // 4}
