"""Prints the hash of all that the kernels compute in a long random scenario; run for each instruction set."""

import hashlib

import numpy as np

from ext import motion
from ext.bank import TrackBank
from ext.kalman import ekf_step
from ext.lanes import isa
from tests.conformance.world import Radar, S, site, state


def run() -> str:
    digest = hashlib.sha256()
    rng = np.random.default_rng(2024)
    ground = site(rng)
    rates = [[0, 0.02, 0.001, 0.01], [0.01, 0, 0.02, 0.01], [0.01, 0.03, 0, 0.01], [0.01, 0.01, 0.01, 0]]
    q, beta, start = [900.0, 0.01, 20.0, 1.0], [0.0, 5000.0, 500.0, 0.0], [0.4, 0.3, 0.2, 0.1]
    turn = [None, None, None, 0.02]
    bank = TrackBank(40, 4, q, beta, rates, start, 10.0, 0.01, 5.0, turn=turn)
    radars = [Radar.random(rng, ground) for _ in range(4)]
    truth = np.array([state(rng, ground, (1e4, 3e5)) for _ in range(37)])
    sigma = np.tile([30.0, 1e-3, 1e-3], (37, 1))
    partial = sigma.copy()
    partial[::3, 0] = partial[1::3, 2] = np.inf
    for i, radar in enumerate(radars):
        radar.place(bank, sensor=i)
    for slot, x in enumerate(truth):
        bank.start(slot, 0, radars[0].measure(x[:3], 0.0), sigma[0], 0, 2500.0)
    t_ns = 0
    for step in range(120):
        t_ns += int(rng.integers(S // 10, 12 * S))
        slots = np.sort(rng.permutation(37)[: rng.integers(1, 38)]).astype(np.int32)
        z = np.array([radars[step % 4].measure(x[:3] + rng.normal(0, 2e3, 3), 0.0) for x in truth])
        known = partial if step > 30 and step % 4 < 2 else sigma
        for part in bank.gate(slots, slots, z, known, step % 4, t_ns):
            digest.update(part.tobytes())
        bank.predict(slots, t_ns)
        digest.update(bank.update(slots, slots, z, known, step % 4).tobytes())
        for part in bank.reach(t_ns, truth[:, :3].copy(), np.full(37, 1e4)):
            digest.update(part.tobytes())
    everyone = np.arange(37, dtype=np.int32)
    for part in bank.estimate_at(everyone, t_ns + 20 * S):
        digest.update(part.tobytes())
    for part in motion.fall(truth, np.full(37, 1e-4), 1.0, 900.0, 0.0, 10):
        digest.update(part.tobytes())
    x, p = rng.normal(7e6, 1e3, (12, 8)), np.tile(np.eye(6).reshape(36, 1) * 1e4, (2, 8))
    z = np.tile([[4e5], [1.0], [0.5]], (2, 8))
    ekf_step(x, p, z, sigma[0], radars[0].position, radars[0].enu.ravel(), 1.0, 1.0)
    digest.update(x.tobytes() + p.tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    print(isa(), run())
