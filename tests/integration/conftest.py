"""Keys and hubs for tests on loopback."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from sharing.keys import Directory
from sharing.transport import Hub, Limits, free_endpoints, new_pair

NAMES = ("KOR.emulator", "KOR.guard", "KOR.node", "KOR.view", "JPN.node", "USA.node")
PATIENCE_S = 10.0
QUICK = Limits(linger_ms=50)


@pytest.fixture(scope="session")
def pairs():
    """A key pair for every process name of these tests."""
    return {name: new_pair(name) for name in NAMES}


@pytest.fixture(scope="session")
def directory(pairs):
    return Directory({name: pair.public for name, pair in pairs.items()})


@pytest.fixture
def free_port():
    """A function giving TCP endpoints that nobody listens on."""

    endpoints = iter(free_endpoints(12))
    return lambda: next(endpoints)


@pytest.fixture
async def hub_of(pairs, directory):
    """A function opening the hub of a process name; all are closed at the end."""
    async with AsyncExitStack() as stack:

        async def opened(name, limits=None):
            return await stack.enter_async_context(Hub(pairs[name], directory, limits or QUICK))

        yield opened


async def eventually(condition, *hubs):
    """Wait, on real sockets, until `condition()` gives something true, and return it."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        await asyncio.gather(*(hub.wait(0.01) for hub in hubs))
        await asyncio.sleep(0.001)
    raise AssertionError("it did not happen in time")
