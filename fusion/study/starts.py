"""Ways to start a track, side by side: does the second plot deserve a formula of its own?

``python -m fusion.study.starts 003 --runs 5``
``python -m fusion.study.starts 009 --sensors USA/opir-east,USA/opir-west --runs 20``

Every way drives the core's tracker over the same plots, in data order; only the filter bank differs:

- *one-point* (the core's): the first plot's position, at rest with a wide velocity; what a line of sight or a
  2-D plot leaves out is filled in from an assumed height
- *two-point*: the first two plots that are complete give position and velocity anew (Bar-Shalom, Li and
  Kirubarajan 2001, section 5.5.3); the formula has no place for biases, motion and modes
- *diffuse*: the same with all of these: the first plot again, with a velocity of which nothing is known, and
  the second one as an update. Likewise lines of sight, once two sensors have given some: with a range of
  which nothing is known, so that the position is where the lines come closest (Blackman and Popoli 1999)

A track is an object's as long as all its plots lie within 10 km of it.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

import click
import numpy as np

from configs import resolve
from ext.bank import TrackBank
from fusion.command import invoke
from fusion.core.filters import FilterBank, Models, Slots, arguments
from fusion.core.ordering import Buffer
from fusion.core.runs import Run
from fusion.core.tracker import Tracker, TrackerRules
from fusion.metrics import mean_bounds, nees
from fusion.session import RULES, Session
from fusion.tables import plain_table, show
from fusion.truths import Sky
from sensors.scenario import load_scenario
from sharing.messages import MEASUREMENTS, Floats, S, Scan, Site
from sharing.settings import load_policy

NEAR_M = 10_000.0
Sight = Sequence[float] | None

DIFFUSE_MPS, DIFFUSE_M = 1e5, 1e6
SENSORS, TRACKS = 64, 512
PLOTS = 10**6
HITS = (2, 3, 4, 5)
LATER = (0, 10, 30)


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot of a track: time, sensor, measured values and sigmas (3, infinite: not measured)."""

    t_ns: int
    sensor: int
    z: Floats
    sigma: Floats


@dataclass(frozen=True, slots=True)
class Hit:
    """An object's track after some plots, the newest of them the first by a second sensor or not."""

    plots: int
    joined: bool
    error: Floats
    covariance: Floats

    def nees(self) -> float:
        """By its six degrees of freedom."""
        return float(nees(np.zeros((1, 6)), self.error[None], self.covariance[None])[0])


def joins(plots: Sequence[Plot]) -> list[int]:
    """Which of a track's plots are the first by another sensor than all before."""
    return [i for i in range(1, len(plots)) if plots[i].sensor not in [p.sensor for p in plots[:i]]]


class Watched(TrackBank):
    """The core's bank, which remembers each track's first plots and says what came of each."""

    sky: Sky

    def watch(self, sky: Sky) -> "Watched":
        """Hold the tracks to this truth; gives the bank."""
        self.sky = sky
        self.plots: dict[int, list[Plot]] = {}
        self.found: list[Hit] = []
        return self

    def start(
        self,
        slot: int,
        t_ns: int,
        z: Sequence[float] | Floats,
        sigma: Sequence[float] | Floats,
        sensor: int,
        velocity_sigma_mps: float,
        climb_sigma_mps: float | None = None,
        assumed: int = -1,
    ) -> None:
        """As the bank's."""
        super().start(slot, t_ns, z, sigma, sensor, velocity_sigma_mps, climb_sigma_mps, assumed)
        known = np.array(sigma)
        if assumed >= 0:
            known[assumed] = np.inf
        self.plots[slot] = [Plot(t_ns, sensor, np.array(z), known)]
        self.prior = velocity_sigma_mps, climb_sigma_mps or velocity_sigma_mps

    def drop(self, slot: int) -> None:
        """As the bank's."""
        super().drop(slot)
        del self.plots[slot]

    def update(
        self, slots: Slots, rows: Slots, z: Floats, sigma: Floats, sensor: int, sight: Sight = None
    ) -> Floats:
        """As the bank's; the newest plots are remembered, and the track is started anew where it is time."""
        nis = super().update(slots, rows, z, sigma, sensor, sight)
        for slot, row in zip(slots.tolist(), rows.tolist(), strict=True):
            plots = self.plots[slot]
            plots.append(Plot(int(self.times[slot]), sensor, z[row].copy(), sigma[row].copy()))
            self.renew(slot, plots, sight)
            self._judge(slot, plots)
        return nis

    def renew(self, slot: int, plots: list[Plot], sight: Sight) -> None:
        """Start the track anew from its plots, where this way of starting says so."""

    def _judge(self, slot: int, plots: list[Plot]) -> None:
        """Keep the errors of an object's track that has few plots yet, or the first by a second sensor."""
        joined = joins(plots) == [len(plots) - 1]
        if len(plots) > max(HITS) and not joined:
            return
        own = [j for j in self.sky.at(plots[0].t_ns)[0].tolist() if all(self._near(p, j) for p in plots)]
        if not own:
            return
        x, p, _ = self.estimate(np.array([slot], np.int32))
        error = x[0] - self._state(own[0], plots[-1].t_ns)
        self.found.append(Hit(len(plots), joined, error, p[0]))

    def _state(self, number: int, t_ns: int) -> Floats:
        numbers, states = self.sky.at(t_ns)
        return states[numbers.tolist().index(number)]

    def _near(self, plot: Plot, number: int) -> bool:
        """Whether the object was within 10 km of the plot, in what was measured."""
        numbers, states = self.sky.at(plot.t_ns)
        if number not in numbers.tolist():
            return False
        here = states[numbers.tolist().index(number), :3]
        z = plot.z.copy()
        if np.isinf(plot.sigma[0]):
            z[0] = np.linalg.norm(here - self.place(plot.sensor, plot.t_ns))
        return bool(np.linalg.norm(self.positions(z[None], plot.sensor, plot.t_ns)[0] - here) < NEAR_M)

    def place(self, sensor: int, t_ns: int) -> Floats:
        """Where a sensor stands (3), ECEF m."""
        return self.positions(np.zeros((1, 3)), sensor, t_ns)[0]


class TwoPoint(Watched):
    """The second plot gives position and velocity."""

    def renew(self, slot: int, plots: list[Plot], sight: Sight) -> None:
        """From the first two plots, both complete."""
        if len(plots) != 2 or not all(np.isfinite(p.sigma).all() for p in plots):
            return
        seconds = (plots[1].t_ns - plots[0].t_ns) / S
        if seconds < 0.1:
            return
        (a, ra), (b, rb) = (self.point(slot, plot) for plot in plots)
        p = np.zeros((6, 6))
        p[:3, :3], p[3:, 3:] = rb, (ra + rb) / seconds**2
        p[:3, 3:] = p[3:, :3] = rb / seconds
        TrackBank.drop(self, slot)
        self.start_state(slot, plots[1].t_ns, np.concatenate([b, (b - a) / seconds]), p)

    def point(self, slot: int, plot: Plot) -> tuple[Floats, Floats]:
        """A plot's position (3) and its covariance (3, 3), bias included."""
        TrackBank.drop(self, slot)
        TrackBank.start(self, slot, plot.t_ns, plot.z, plot.sigma, plot.sensor, *self.prior, -1)
        x, p, _ = self.estimate(np.array([slot], np.int32))
        return x[0, :3], p[0, :3, :3]


class Diffuse(Watched):
    """The plots alone say where and how fast the track is: the start's assumptions are as good as nothing."""

    def renew(self, slot: int, plots: list[Plot], sight: Sight) -> None:
        """From the first two plots where both are complete; from lines, once there are two sensors'."""
        lines = [bool(np.isinf(p.sigma[0])) for p in plots]
        if all(lines) and joins(plots) == [len(plots) - 1]:
            self.replay(slot, plots, sight, DIFFUSE_M, self.prior)
        elif len(plots) == 2 and all(np.isfinite(p.sigma).all() for p in plots):
            self.replay(slot, plots, sight, plots[0].sigma[0], (DIFFUSE_MPS, DIFFUSE_MPS))

    def replay(
        self, slot: int, plots: list[Plot], sight: Sight, sigma_m: float, prior: tuple[float, float]
    ) -> None:
        """The plots again, from a start with this sigma of range and these sigmas of velocity."""
        first, sigma = plots[0], plots[0].sigma.copy()
        assumed = 0 if np.isinf(sigma[0]) else -1
        sigma[0] = sigma_m
        TrackBank.drop(self, slot)
        TrackBank.start(self, slot, first.t_ns, first.z, sigma, first.sensor, *prior, assumed)
        one, row = np.array([slot], np.int32), np.zeros(1, np.int32)
        for plot in plots[1:]:
            self.predict(one, plot.t_ns)
            TrackBank.update(self, one, row, plot.z[None], plot.sigma[None], plot.sensor, sight)


WAYS: dict[str, type[Watched]] = {"one-point": Watched, "two-point": TwoPoint, "diffuse": Diffuse}


@dataclass(slots=True)
class Outcome:
    """One seed, one way; times in scenario seconds."""

    hits: list[Hit]
    """What came of every early plot of a track that is an object's."""
    held_s: float | None = None
    """The first second at which a confirmed track was within 10 km of an object."""
    later: dict[int, Hit] = field(default_factory=dict)
    """The track nearest to an object at the seconds `LATER` after that."""
    false_tracks: int = 0
    """Confirmed tracks that were never near anything."""


def until(session: Session, until_s: float) -> Session:
    """What of the session was sent up to a scenario second, its feed in memory."""
    end_ns = min(session.t_end_ns, round(until_s) * S)
    items = tuple(takewhile(lambda item: item.message.t_sent_ns <= end_ns, session.items()))
    return replace(session, items=lambda: items, t_end_ns=end_ns)


def outcome(session: Session, way: str) -> Outcome:
    """Drive a tracker over the whole feed; nothing is late, nobody withholds."""
    counting = [t for t in session.truth if t.counts]
    banks: list[Watched] = []

    def filters(capacity: int, sensors: int, models: Models) -> FilterBank:
        banks.append(WAYS[way](*arguments(capacity, sensors, models)).watch(Sky(counting or session.truth)))
        return banks[-1]

    rules = TrackerRules.of(**{name: session.metadata[name] for name in RULES if name in session.metadata})
    run, buffer = Run(Tracker(TRACKS, SENSORS, rules, filters)), Buffer(SENSORS, PLOTS)
    for _, message in session.feed():
        if isinstance(message, (Site, Scan, *MEASUREMENTS)):
            buffer.add(message, message.t_available_ns)
    run.start(buffer, session.t_start_ns)
    return _followed(run, buffer, banks[0], Sky(session.truth), session.t_end_ns)


def _followed(run: Run, buffer: Buffer, bank: Watched, everything: Sky, end_ns: int) -> Outcome:
    """The outcome of bringing the run to its end."""
    near: dict[int, bool] = {}
    result = Outcome(bank.found)
    for t_ns in range(run.reached_ns // S * S + S, end_ns + S, S):
        run.advance(buffer, t_ns)
        live = run.tracker.table.live()
        if not len(live):
            continue
        x, p, _ = bank.estimate_at(live, t_ns)
        for key, off in zip(
            run.tracker.table.track_id[live].tolist(), _off(x, everything, t_ns), strict=True
        ):
            near[key] = near.get(key, False) or bool(off.min() < NEAR_M)
        off = _off(x, bank.sky, t_ns)
        if off.min() < NEAR_M:
            result.held_s = t_ns / S if result.held_s is None else result.held_s
            i, j = divmod(int(off.argmin()), off.shape[1])
            error = x[i] - bank.sky.at(t_ns)[1][j]
            result.later[round(t_ns / S - result.held_s)] = Hit(0, False, error, p[i])
    result.false_tracks = len(near) - sum(near.values())
    return result


def _off(x: Floats, sky: Sky, t_ns: int) -> Floats:
    """Distances (n, m) of tracks (n, 6) from all objects; one infinite column where there is none."""
    states = sky.at(t_ns)[1]
    if not len(states):
        return np.full((len(x), 1), np.inf)
    distance: Floats = np.linalg.norm(x[:, None, :3] - states[None, :, :3], axis=2)
    return distance


COLUMNS = ("plots", "start", "tracks", "position, m", "velocity, m/s", "median", "NEES / 6", "right is")


def rows(found: dict[str, list[Outcome]]) -> Iterator[list[str]]:
    """What came of each way, by the number of plots."""
    hits = {way: [hit for one in runs for hit in one.hits] for way, runs in found.items()}
    for number in HITS:
        for way in found:
            yield [str(number), way, *cells([h for h in hits[way] if h.plots == number])]
    for way in found:
        yield ["second sensor", way, *cells([h for h in hits[way] if h.joined])]
    for seconds in LATER:
        for way, runs in found.items():
            held = [one.later[seconds] for one in runs if seconds in one.later]
            yield [f"held for {seconds} s", way, *cells(held)]


def cells(hits: Sequence[Hit]) -> list[str]:
    """Number, RMS errors of position and velocity, median of the latter, mean NEES, its bounds."""
    if not hits:
        return ["0"]
    error = np.array([h.error for h in hits]).reshape(-1, 2, 3)
    off = np.sqrt(np.sum(error**2, axis=2))
    position, velocity = np.sqrt(np.mean(off**2, axis=0))
    low, high = mean_bounds(len(hits), 6)
    mean, middle = np.mean([h.nees() for h in hits]), np.median(off[:, 1])
    errors = [f"{value:.0f}" for value in (position, velocity, middle)]
    return [str(len(hits)), *errors, f"{mean:.2f}", f"{low:.2f} … {high:.2f}"]


def ratio(found: dict[str, list[Outcome]], way: str, seconds: int) -> str:
    """RMS error of velocity beside one-point's, same seeds, with a 95 % interval (bootstrap over seeds)."""
    pairs = [
        [float(np.sum(one.later[seconds].error[3:] ** 2)) for one in both]
        for both in zip(found[way], found["one-point"], strict=True)
        if all(seconds in one.later for one in both)
    ]
    if not pairs:
        return "–"
    squares = np.array(pairs)
    draws = np.random.default_rng(1).integers(0, len(pairs), (2000, len(pairs)))
    sums = np.concatenate([squares.sum(axis=0)[None], squares[draws].sum(axis=1)])
    values = np.sqrt(sums[:, 0] / sums[:, 1])
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return f"{values[0]:.3f} ({low:.3f} … {high:.3f})"


@click.command()
@click.argument("scenario")
@click.option("--sensors", help="NATION/sensor[,…] [default: the scenario's]")
@click.option("--runs", type=click.IntRange(1), default=5, show_default=True, help="Seeds 1 … N.")
@click.option("--until", "until_s", type=float, default=120.0, show_default=True, help="Scenario seconds.")
def main(scenario: str, sensors: str | None, runs: int, until_s: float) -> None:
    """Start the tracks of SCENARIO in every way and print what came of it."""
    loaded = load_scenario(scenario)
    if sensors is not None:
        loaded = loaded.with_sensors(sensors.split(","))
    policy = load_policy(resolve("policies", "full-mesh"))
    found: dict[str, list[Outcome]] = {way: [] for way in WAYS}
    for seed in range(1, runs + 1):
        session = until(Session.generate(loaded, seed, policy), until_s)
        for way in WAYS:
            found[way].append(outcome(session, way))
    show(plain_table(f"{loaded.name}, {runs} seeds, until {until_s:.0f} s", list(COLUMNS), list(rows(found))))
    for way, outcomes in found.items():
        times = [one.held_s for one in outcomes if one.held_s is not None]
        mean = f"{np.mean(times):.2f}" if times else "–"
        wrong = sum(one.false_tracks for one in outcomes)
        click.echo(f"{way}: held in {len(times)} of {runs}, on average from {mean} s; false tracks: {wrong}")
        click.echo(f"  velocity beside one-point: {', '.join(ratio(found, way, s) for s in LATER)}")


if __name__ == "__main__":
    sys.exit(invoke(main, sys.argv[1:], "python -m fusion.study.starts"))
