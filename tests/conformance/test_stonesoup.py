"""`fusion.metrics` against Stone Soup's metrics (the optional extra `peers`; `.ci/run` installs it).

Where the two define a thing alike they agree to 1e-9. Where they do not, the last tests pin the difference:

- *OSPA*: Stone Soup assigns by plain distance whatever the order, which is optimal for order 1 only
- *SIAP*: two stretches of one track on one object are one association there, whose longest time is their sum,
  and of which the fewest tracks are counted by the last end of all; a stretch of one tick is refused, and
  the count of tracks stops at one that adds a single tick to those before
- empty denominators are 0 (ambiguity 1) there, and None here
"""

from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from fusion.metrics import gospa, ospa, siap

pytest.importorskip("stonesoup", reason="Stone Soup is not installed here (pip install 'sharedsky[peers]')")

from stonesoup.measures import Euclidean
from stonesoup.metricgenerator.manager import MultiManager
from stonesoup.metricgenerator.ospametric import GOSPAMetric, OSPAMetric
from stonesoup.metricgenerator.tracktotruthmetrics import SIAPMetrics
from stonesoup.types.association import AssociationSet, TimeRangeAssociation
from stonesoup.types.groundtruth import GroundTruthPath
from stonesoup.types.state import State
from stonesoup.types.time import TimeRange
from stonesoup.types.track import Track

CASES = 150
T0 = datetime(2024, 1, 1)
STEP_S = 2.0


def moment(tick):
    return T0 + timedelta(seconds=STEP_S * int(tick))


def states(points):
    return [State(point[:, None], T0) for point in points]


def sets(rng):
    """Truth (n, d) and estimates (m, d), some near and some not; neither is empty."""
    n, m, d = rng.integers(1, 9), rng.integers(1, 9), rng.integers(1, 4)
    truth = rng.uniform(-10, 10, (n, d))
    near = truth[rng.integers(0, n, m)] + rng.normal(0, 0.5, (m, d))
    return truth, np.where(rng.random((m, 1)) < 0.7, near, rng.uniform(-10, 10, (m, d)))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_gospa_equals_stone_soups(order) -> None:
    rng = np.random.default_rng(order)
    for _ in range(CASES):
        (truth, estimates), cutoff = sets(rng), rng.uniform(0.5, 8)
        other, _ = GOSPAMetric(p=order, c=cutoff).compute_gospa_metric(states(estimates), states(truth))
        ours = gospa(truth, estimates, cutoff=cutoff, order=order)
        assert ours.distance == pytest.approx(other.value["distance"], rel=1e-9)
        assert ours.localisation == pytest.approx(other.value["localisation"], rel=1e-9, abs=1e-9)
        assert ours.missed == pytest.approx(other.value["missed"], rel=1e-9)
        assert ours.false_tracks == pytest.approx(other.value["false"], rel=1e-9)


def test_ospa_equals_stone_soups_where_its_assignment_is_optimal() -> None:
    """Always for order 1; for others it is never below ours, above where its assignment is not best."""
    rng, above = np.random.default_rng(4), 0
    for case in range(CASES):
        (truth, estimates), cutoff, order = sets(rng), rng.uniform(0.5, 8), 1 + case % 3
        metric = OSPAMetric(p=order, c=cutoff)
        other = metric.compute_OSPA_distance(states(estimates), states(truth)).value
        ours = ospa(truth, estimates, cutoff=cutoff, order=order).distance
        assert ours <= other * (1 + 1e-9)
        above += ours < other * (1 - 1e-9)
        if order == 1:
            assert ours == pytest.approx(other, rel=1e-9)
    assert 0 < above < CASES / 10


def test_ospa_differs_where_plain_distances_choose_another_assignment() -> None:
    """Of two pairs, 0 + 2.06 is less than 1 + 1.12, and the sum of the squares more."""
    truth, estimates = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [2.0, 0.5]])
    ours = ospa(truth, estimates, cutoff=10, order=2).distance
    other = OSPAMetric(p=2, c=10).compute_OSPA_distance(states(estimates), states(truth)).value
    assert ours == pytest.approx(np.sqrt(2.25 / 2))
    assert other == pytest.approx(np.sqrt(4.25 / 2))


# ------------------------------------------------------------------------------------------------- SIAP


class World:
    """Objects with a life each, tracks with a life each; who is on whom from tick to tick."""

    def __init__(self, rng, returning=False) -> None:
        births = rng.integers(0, 25, rng.integers(1, 4)).tolist()
        self.objects = [(a, a + int(rng.integers(5, 15))) for a in births]
        self.states = {j: rng.normal(size=(40, 4)) for j in range(len(self.objects))}
        self.runs = []
        self.tracks = {}
        for k in range(int(rng.integers(1, 6))):
            tick = int(rng.integers(0, 10))
            first, met = tick, set()
            while tick < 30:
                j, last = int(rng.integers(-1, len(self.objects))), tick + int(rng.integers(2, 9))
                if j >= 0:
                    a, b = max(tick, self.objects[j][0]), min(last, self.objects[j][1])
                    if b > a and (returning or j not in met):
                        self.runs.append((k, j, a, b))
                        met.add(j)
                tick = last + int(rng.integers(2, 4))  # at least a tick without
            self.tracks[k] = (first, tick, rng.normal(size=(60, 4)))

    def adds_one_tick(self):
        """Whether some track ends one tick after another on the same object."""
        ends = [(j, b) for _, j, _, b in self.runs]
        return any((j, b + 1) in ends for j, b in ends)

    def table(self):
        """The columns that `siap` takes."""
        there = [(t, j) for j, (a, b) in enumerate(self.objects) for t in range(a, b + 1)]
        on = {(t, k): j for k, j, a, b in self.runs for t in range(a, b + 1)}
        rows = [(t, k, on.get((t, k), -1)) for k, (a, b, _) in self.tracks.items() for t in range(a, b + 1)]
        errors = [
            np.abs(self.tracks[k][2][t] - self.states[j][t]) if j >= 0 else np.zeros(4) for t, k, j in rows
        ]
        position = [np.hypot(*e[:2]) for e in errors]
        velocity = [np.hypot(*e[2:]) for e in errors]
        return (*np.array(there).T, *np.array(rows).T, position, velocity)

    def ours(self):
        return siap(*self.table(), step_s=STEP_S)

    def stone_soups(self):
        """Stone Soup's numbers by our names."""
        truths = [
            GroundTruthPath([State(self.states[j][t][:, None], moment(t)) for t in range(a, b + 1)])
            for j, (a, b) in enumerate(self.objects)
        ]
        tracks = {
            k: Track([State(x[t][:, None], moment(t)) for t in range(a, b + 1)])
            for k, (a, b, x) in self.tracks.items()
        }
        told = {
            TimeRangeAssociation({tracks[k], truths[j]}, TimeRange(moment(a), moment(b)))
            for k, j, a, b in self.runs
        }
        associator = SimpleNamespace(associate_tracks=lambda *_: AssociationSet(told))
        metric = SIAPMetrics(position_measure=Euclidean((0, 1)), velocity_measure=Euclidean((2, 3)))
        manager = MultiManager([metric], associator=associator)
        manager.add_data({"groundtruth_paths": truths, "tracks": tracks.values()})
        found = {m.title: m.value for m in manager.generate_metrics()["siap_generator"].values()}
        return {name: found[f"SIAP {title}"] for name, title in TITLES.items()}


TITLES = {
    "completeness": "Completeness",
    "ambiguity": "Ambiguity",
    "spuriousness": "Spuriousness",
    "position_accuracy_m": "Position Accuracy",
    "velocity_accuracy_mps": "Velocity Accuracy",
    "track_number_rate_hz": "Rate of Track Number Change",
    "longest_segment_fraction": "Longest Track Segment",
}
BY_TICK = list(TITLES)[:5]


def agree(ours, other, names):
    for name in names:
        value = getattr(ours, name)
        if value is None:
            assert other[name] == (1 if name == "ambiguity" else 0)
        else:
            assert value == pytest.approx(other[name], rel=1e-9, abs=1e-12), name


def test_siap_equals_stone_soups() -> None:
    rng = np.random.default_rng(5)
    for _ in range(CASES // 3):
        world = World(rng)
        names = [n for n in TITLES if n != "track_number_rate_hz" or not world.adds_one_tick()]
        agree(world.ours(), world.stone_soups(), names)


def test_siap_differs_where_a_track_comes_back_to_an_object() -> None:
    """Its longest segment is then the sum of all; what is counted tick by tick stays the same."""
    rng, longer = np.random.default_rng(6), 0
    for _ in range(CASES // 3):
        world = World(rng, returning=True)
        ours, other = world.ours(), world.stone_soups()
        agree(ours, other, BY_TICK)
        assert ours.longest_segment_fraction <= other["longest_segment_fraction"] + 1e-12
        longer += ours.longest_segment_fraction < other["longest_segment_fraction"] - 1e-12
    assert longer
