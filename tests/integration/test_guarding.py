"""The guard's bench measures what it says: every detection to three recipients, and none lost."""

import asyncio

import pytest

from fusion import guarding

pytestmark = pytest.mark.integration


def test_a_short_measurement_loses_nothing(monkeypatch):
    monkeypatch.setattr(guarding, "SECONDS", 1.0)
    found = asyncio.run(guarding._measured(10, 1000))
    assert found["lost"] == 0
    assert 0 < found["latency"]["p50"] <= found["latency"]["p99"] <= found["latency"]["max"]
    assert found["cpu_us"] > 0
    assert 0 < found["per_s"] <= 1100
