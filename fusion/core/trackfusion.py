"""Partners' tracks beside one's own: taken over where one has none, fused without counting twice.

Rules:

- A partner's track comes again at every tick, and its errors are those of its last ones: it is no
  measurement and never enters the filters. At every tick the newest of each partner is fused with what the
  own sensors say at that tick, and the result is only shown and flown on: nothing of it is remembered.
- How the errors of two tracks belong together is unknown (common process noise, common sensors, what others
  have fused): covariance intersection (Julier and Uhlmann 1997), right for any correlation, with the weight
  of Fränken and Hüpper 2005, "Improved fast covariance intersection", eq. 11.
- What holds the recipient's own data is passed over. A track that does not say what it holds is believed:
  each of its words counts as a new measurement, as long as `BELIEVED_NS`, and adds its information. That is
  wrong, on purpose: whoever drops the lineage makes recipients overconfident.
- Between its time and the tick a partner's track flies freely, with an acceleration unknown by mode.
"""

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ext.geodesy import geodetic
from ext.motion import step
from fusion.core.filters import COAST, LEVEL, POWERED
from fusion.core.matrices import applied, inverse, product
from sharing.messages import NATIONS, Floats, S, Track

UPPER = np.triu_indices(6)
UNKNOWN_MPS2 = {POWERED: 40.0, COAST: 0.05, LEVEL: 2.0}
"""Standard deviation of the acceleration that a flown-on track may have by mode, in every axis. NOTIONAL."""
UNKNOWN_OTHERWISE_MPS2 = 20.0
GATE = 50.0
"""Squared distance up to which two tracks are one object: χ² with six degrees reaches it once in 10⁸."""
OLDEST_NS = 120 * S
"""A track older than this is not shown."""
SILENT_NS = 15 * S
"""A track has ended when its maker has gone on without it for this long."""
BELIEVED_NS = 20 * S
"""How long a recipient counts every word of a track without lineage."""
STEP_S = 5.0
MAX_TRACKS = 4096
"""Partners' tracks that are kept; what is beyond is refused."""
MAX_WORDS = 4096
"""Messages that are kept of one of them."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """One object at a tick: ECEF `state` (6,) and `covariance` (6, 6).

    `source` is the newest message of the surest partner that tracks it, if any does; `row` is that of the own
    track, None where only partners have one.
    """

    track_id: int
    row: int | None
    state: Floats
    covariance: Floats
    source: Track | None = None


class _Flown(NamedTuple):
    """A partner's track at the tick."""

    message: Track
    state: Floats
    covariance: Floats


@dataclass(slots=True)
class Partners:
    """The tracks that partners have sent to `nation`, as long as they can matter.

    ``counters``: ``tracks_accepted``, ``tracks_own`` (passed over, since they hold own data),
    ``tracks_late`` (older than what is settled), ``tracks_future``, ``tracks_bad`` (a covariance that is
    none), ``tracks_full`` (`MAX_TRACKS`, `MAX_WORDS`).
    """

    nation: str
    counters: Counter[str] = field(default_factory=Counter)
    _kept: dict[tuple[str, int], list[Track]] = field(default_factory=dict)
    """By originator and track id, in the order of time."""

    def add(self, track: Track, t_ns: int, settled_ns: int | None) -> str:
        """Take a track in; the cause of refusal, or an empty text."""
        cause = ""
        if self.nation in track.lineage.split() or track.originator == self.nation:
            cause = "own"
        elif settled_ns is not None and track.t_valid_ns <= settled_ns:
            cause = "late"
        elif track.t_valid_ns > t_ns:
            cause = "future"
        elif not _sound(track):
            cause = "bad"
        elif len(self._kept) >= MAX_TRACKS or len(self._kept.get(_name(track), ())) >= MAX_WORDS:
            cause = "full"
        self.counters[f"tracks_{cause or 'accepted'}"] += 1
        if not cause:
            insort(self._kept.setdefault(_name(track), []), track, key=_valid)
        return cause

    def __bool__(self) -> bool:
        """Whether any track is kept."""
        return bool(self._kept)

    def forget(self, t_ns: int) -> None:
        """Nothing before `t_ns` will be asked for again."""
        for key, tracks in list(self._kept.items()):
            del tracks[: bisect_left(tracks, t_ns - OLDEST_NS, key=_valid)]
            if not tracks:
                del self._kept[key]

    def fuse(self, t_ns: int, own: list[Estimate]) -> list[Estimate]:
        """`own` tracks at `t_ns` with those of the partners, in the order of ids."""
        fused = list(own)
        for originator in NATIONS:
            told = [_told(words, t_ns) for words in self._words(originator, t_ns)]
            fused = _joined(fused, [flown for flown in told if flown is not None])
        return sorted(fused, key=lambda estimate: estimate.track_id)

    def _words(self, originator: str, t_ns: int) -> list[list[Track]]:
        """The words that count at `t_ns` of an originator's live tracks, by track id, the newest last."""
        said = []
        for key in sorted(key for key in self._kept if key[0] == originator):
            tracks = self._kept[key]
            if known := bisect_right(tracks, t_ns, key=_valid):
                oldest_ns = tracks[known - 1].t_valid_ns - (0 if tracks[known - 1].lineage else BELIEVED_NS)
                said.append(tracks[bisect_left(tracks, oldest_ns, key=_valid) : known])
        last_ns = max((words[-1].t_valid_ns for words in said), default=0)
        first_ns = max(last_ns - SILENT_NS, t_ns - OLDEST_NS)
        return [words for words in said if words[-1].t_valid_ns >= first_ns]


def _name(track: Track) -> tuple[str, int]:
    return track.originator, int(track.track_id[0])


def _valid(track: Track) -> int:
    return track.t_valid_ns


def _sound(track: Track) -> bool:
    try:
        inverse(square(track.covariance))
    except ValueError:
        return False
    return True


def square(upper: Floats) -> Floats:
    """The symmetric matrix (6, 6) of an upper triangle (21,)."""
    full = np.zeros((6, 6))
    full[UPPER] = upper
    full.T[UPPER] = upper
    return full


def _told(words: list[Track], t_ns: int) -> _Flown | None:
    """What the words of one track say at `t_ns`: several as if each were a new measurement."""
    told = _flown(words[-1], t_ns)
    for word in words[:-1]:
        other = _flown(word, t_ns)
        if told is not None and other is not None:
            told = _Flown(told.message, *added(told.state, told.covariance, other.state, other.covariance))
    return told


def _flown(track: Track, t_ns: int) -> _Flown | None:
    """A track brought to `t_ns`; None where it would have come down by then."""
    state, covariance = np.array(track.state_ecef), square(track.covariance)
    left_s = (t_ns - track.t_valid_ns) / S
    if left_s > 0.0:
        spread = UNKNOWN_MPS2.get(int(track.mode[0]), UNKNOWN_OTHERWISE_MPS2)
        noise = unknown_acceleration(left_s, spread)
        while left_s > 0.0:
            h = min(left_s, STEP_S)
            moved, phi = step(np.ascontiguousarray(state[None, :]), np.zeros(1), h)
            state = moved[0]
            covariance = product(product(phi[0], covariance), np.ascontiguousarray(phi[0].T))
            left_s -= h
        covariance = covariance + noise
    if geodetic(np.ascontiguousarray(state[None, :3]))[2][0] < 0.0:
        return None
    return _Flown(track, state, 0.5 * (covariance + covariance.T))


def unknown_acceleration(after_s: float, sigma_mps2: float) -> Floats:
    """Covariance (6, 6) of position and velocity after an unknown, constant acceleration."""
    gain = np.array([0.5 * after_s * after_s, after_s]) * sigma_mps2
    noise = np.zeros((6, 6))
    for i in range(3):
        for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
            noise[i + 3 * a, i + 3 * b] = gain[a] * gain[b]
    return noise


def _joined(known: list[Estimate], flown: list[_Flown]) -> list[Estimate]:
    """What is known, with one partner's tracks: the nearest pairs first, each at most once."""
    ids = {estimate.track_id: at for at, estimate in enumerate(known)}
    pairs: list[tuple[float, int, int]] = []
    for j, partner in enumerate(flown):
        same = ids.get(int(partner.message.track_id[0]))
        for i, estimate in enumerate(known):
            # The same earliest plot gives the same id: this is the same object, wherever it is said to be.
            d2 = -1.0 if i == same else _distance(estimate, partner)
            if d2 <= GATE:
                pairs.append((d2, i, j))
    joined, taken = list(known), [False] * len(known)
    left = dict.fromkeys(range(len(flown)))
    for _, i, j in sorted(pairs):
        if not taken[i] and j in left:
            taken[i] = True
            del left[j]
            joined[i] = _fused(known[i], flown[j])
    new = [flown[j] for j in left if int(flown[j].message.track_id[0]) not in ids]
    return joined + [
        Estimate(int(f.message.track_id[0]), None, f.state, f.covariance, f.message) for f in new
    ]


def _distance(estimate: Estimate, partner: _Flown) -> float:
    """Squared Mahalanobis distance of two tracks, their errors taken as independent (the widest gate)."""
    apart = estimate.state - partner.state
    information, _ = inverse(estimate.covariance + partner.covariance)
    return float(applied(apart[None, :], applied(information, apart))[0])


def _fused(estimate: Estimate, partner: _Flown) -> Estimate:
    source = partner.message
    believed_new = not source.lineage
    combine = added if believed_new else intersection
    state, covariance = combine(estimate.state, estimate.covariance, partner.state, partner.covariance)
    surest = estimate.source if estimate.source is not None and _surer(estimate.source, source) else source
    return Estimate(estimate.track_id, estimate.row, state, covariance, surest)


def _surer(one: Track, other: Track) -> bool:
    """Whether the position of one track is known as well as that of the other, or better."""
    variances = [square(track.covariance).diagonal() for track in (one, other)]
    a, b = (float(v[0] + v[1] + v[2]) for v in variances)
    return a <= b


def intersection(a: Floats, pa: Floats, b: Floats, pb: Floats) -> tuple[Floats, Floats]:
    """Covariance intersection of two states (d,) and covariances (d, d), of whatever correlation.

    P⁻¹ = ω A⁻¹ + (1 - ω) B⁻¹ and ω = (|A⁻¹ + B⁻¹| - |B⁻¹| + |A⁻¹|) / (2 |A⁻¹ + B⁻¹|).
    """
    ia, da = inverse(pa)
    ib, db = inverse(pb)
    _, both = inverse(ia + ib)
    weight = min(max(0.5 * (both - 1.0 / db + 1.0 / da) / both, 0.0), 1.0)
    return _combined(a, weight * ia, b, (1.0 - weight) * ib)


def added(a: Floats, pa: Floats, b: Floats, pb: Floats) -> tuple[Floats, Floats]:
    """The information of two states (d,) with independent errors added up."""
    return _combined(a, inverse(pa)[0], b, inverse(pb)[0])


def _combined(a: Floats, ia: Floats, b: Floats, ib: Floats) -> tuple[Floats, Floats]:
    covariance, _ = inverse(ia + ib)
    return applied(covariance, applied(ia, a) + applied(ib, b)), covariance
