"""Tracks between nations: an honest covariance stays honest, a careless relay's does not.

The whole way: makers, release, fusion. NEES at the end of the flight, one sample a run. A covariance may be
too wide (intersection is, on purpose), never too narrow. The quick test runs on every change with fixed
seeds; the slow one is the claim of the documentation.
"""

from dataclasses import replace

import numpy as np
import pytest
from msgspec.structs import replace as changed

from configs import resolve
from fusion.metrics import mean_bounds, nees
from fusion.session import run
from sharing.messages import S
from sharing.policy import Policy
from sharing.settings import load_policy
from sharing.terms import Precision
from tests.unit.nations import LAST_S, feed, flight, session_of
from tests.unit.synthetic import covariances

STATE = 6


def with_terms(name: str, **terms: object) -> Policy:
    """An arrangement with other terms in every rule."""
    policy = load_policy(resolve("policies", name))
    return replace(policy, rules=tuple(changed(rule, **terms) for rule in policy.rules))


ARRANGEMENTS = {
    "national-only": with_terms("national-only"),
    "warning-2023": with_terms("warning-2023"),
    "tracks": with_terms("tracks"),
    "tracks, 30 s late": with_terms("tracks", delay_s=30.0),
    "tracks, coarse": with_terms("tracks", precision=Precision(sigma_m=1000.0, grid_m=500.0)),
    "careless-relay": with_terms("careless-relay"),
}


def sample(policy: Policy, seed: int) -> tuple[float, float, int]:
    """NEES and position error in m of JPN's nearest track at the end, and how many tracks it shows."""
    pictures = run(session_of(feed(seed), policy, seed), nations=("JPN",))["JPN"].as_known
    (picture,) = [p for p in pictures if p.t_valid_ns == LAST_S * S]
    state = picture.state_ecef.reshape(-1, 6)
    errors = np.linalg.norm(state[:, :3] - flight()[-1, :3], axis=1)
    nearest = int(np.argmin(errors))
    value = nees(flight()[-1:], state[nearest : nearest + 1], covariances(picture)[nearest : nearest + 1])
    return float(value[0]), float(errors[nearest]), len(errors)


def table(names: list[str], runs: int) -> dict[str, float]:
    """Mean NEES of each arrangement, printed with the bounds."""
    means = {}
    low, high = mean_bounds(runs, STATE)
    for name in names:
        values = np.array([sample(ARRANGEMENTS[name], seed) for seed in range(1, runs + 1)])
        means[name] = float(values[:, 0].mean())
        rms = float(np.sqrt((values[:, 1] ** 2).mean()))
        split = int((values[:, 2] > 1).sum())
        print(
            f"{name}: NEES {means[name]:.2f} ({low:.2f} … {high:.2f}), {rms:.0f} m RMS, "
            f"more than one track in {split}, seeds 1 … {runs}"
        )
    return means


def test_fused_tracks_are_honest_and_a_careless_relays_are_not() -> None:
    runs = 6
    means = table(["tracks", "careless-relay"], runs)
    _, high = mean_bounds(runs, STATE)
    assert means["tracks"] < high < means["careless-relay"]


@pytest.mark.slow
def test_every_arrangement_but_the_careless_one_is_honest_over_100_runs() -> None:
    runs = 100
    means = table(list(ARRANGEMENTS), runs)
    _, high = mean_bounds(runs, STATE)
    assert means.pop("careless-relay") > high
    assert all(mean < high for mean in means.values()), means
