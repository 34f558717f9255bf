"""How likely a sensor sees an object whose cross-section nobody knows: for the scores of looks.

Rules of this module:

- A radar's mean SNR at range R is 13 dB · σ · (R₁₃/R)⁴ for a cross-section of σ m²; it fluctuates as in
  Swerling's first case, so that Pd = Pfa^(1/(1 + SNR)) (Swerling 1954; Skolnik 2001, section 2.8).
- σ is one of `SECTIONS_M2`, unknown at first. Every look weighs them anew by Bayes' rule, hit or miss; a
  small part of them goes back to ignorance each time, because aspect and staging change σ.
- What an infrared sensor sees, a burning motor, it sees with `SIGHT`, whatever σ is. All numbers NOTIONAL.
"""

import numpy as np

from ext.elementary import exp
from sharing.messages import Floats

SECTIONS_M2 = np.array([0.01, 0.1, 1.0, 10.0])
"""From a warhead seen nose on to a rocket seen from the side."""
IGNORANCE = np.full(len(SECTIONS_M2), 0.25)
FORGOTTEN = 1e-3
"""Part of the weights that goes back to ignorance at every look."""
SNR_13DB = 19.952623149688797
LOG_FALSE_ALARM = -13.815510557964274
"""Of 1e-6."""
SIGHT = 0.7
CERTAIN = 0.99
"""No look is surer than this."""


def detection_chances(range_m: Floats, range_13db_m: float) -> Floats:
    """Chances (n, 4) that a radar sees objects of `SECTIONS_M2` at `range_m` (n,), at most `CERTAIN`."""
    nearer = range_13db_m / np.maximum(range_m, 1.0)
    snr = SNR_13DB * (nearer * nearer * nearer * nearer)[:, None] * SECTIONS_M2
    return np.minimum(exp((LOG_FALSE_ALARM / (1.0 + snr)).reshape(-1)).reshape(snr.shape), CERTAIN)


def weighed(weights: Floats, chances: Floats) -> tuple[Floats, Floats]:
    """Weights (n, 4) of the sections after something of these chances (n, 4), and its whole chance (n,)."""
    joint = weights * chances
    whole: Floats = joint[:, 0] + joint[:, 1] + joint[:, 2] + joint[:, 3]
    return (1.0 - FORGOTTEN) * (joint / whole[:, None]) + FORGOTTEN * IGNORANCE, whole
