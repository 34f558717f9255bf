"""Biased sensors: are their biases found, how well could they be, and is the picture better for it?

``python -m fusion.study.registration 007 --sensors USA/tpy2-kyogamisaki,JPN/fps5-sado --runs 100``

Every seed draws the biases anew. One core sees all the sensors, once with registration and once without, and
is held to the truth: the biases in the end, and the picture at every tick at which both hold the object.

The bound is the posterior Cramér–Rao bound of the joint problem: the object's state, with the same unknown
acceleration, and all biases, with their priors, from every plot of the object above the air after its burn.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import click
import numpy as np
import numpy.typing as npt

from configs import resolve
from fusion.command import invoke
from fusion.core.engine import Core
from fusion.core.events import Received, Tick
from fusion.core.registration import BIASES, SIGMAS, RegistrationRules
from fusion.metrics import Consistency, bound, consistency, nees, pcrlb
from fusion.session import Session, core_config, run
from fusion.tables import newest, plain_table, show
from fusion.truths import is_of, states_at
from sensors.scans import errors
from sensors.scenario import Scenario, load_scenario
from sharing.messages import COALITION, NATIONS, Bias, Detections, Message, Picture, S, Site, Truth
from sharing.settings import load_policy

Floats = npt.NDArray[np.float64]

RULES = RegistrationRules()
GM, OMEGA, RADIUS_M = 3.986004418e14, 7.292115e-5, 6.371e6
NEAR_M = 10_000.0
UPPER = np.triu_indices(6)
UNITS = ("range, m", "azimuth, mrad", "elevation, mrad", "clock, ms")
SCALES = np.array([1.0, 1e3, 1e3, 1e3])


@dataclass(frozen=True, slots=True)
class Found:
    """One seed. Biases of all used sensors, four each: error, sigma, bound's sigma (n), covariance (n, n).

    `picture_m` (ticks, 2): errors of position without and with registration; `picture_nees` the same.
    """

    sensors: tuple[str, ...]
    error: Floats
    covariance: Floats
    bound_sigma: Floats
    picture_m: Floats
    picture_nees: Floats

    @property
    def sigma(self) -> Floats:
        """Sigmas (n) of the estimates."""
        return np.sqrt(np.diagonal(self.covariance))


def find(scenario: Scenario, seed: int) -> Found:
    """One seed of a scenario with one object that counts."""
    session = Session.generate(scenario, seed, load_policy(resolve("policies", "full-mesh")))
    messages = sorted(
        (m for _, m in session.feed()), key=lambda m: (m.t_available_ns, m.originator, m.item_id)
    )
    (target,) = [t for t in scenario.truth if t.counts]
    _, without = _pictures(session, messages, target, None)
    core, having = _pictures(session, messages, target, RULES)
    both = sorted(without.keys() & having.keys())
    registration = core.tracker.registration
    assert registration is not None
    used = list(registration.biases())
    by_name = {f"{s.nation}/{s.id}": s for s in scenario.sensors}
    names = [core.tracker.name_of(known.sensor) for known in used]
    drawn = [errors(by_name[name], seed) for name in names]
    true = np.concatenate([np.append(bias, clock_ns / S) for bias, clock_ns in drawn])
    rows = np.concatenate([np.arange(BIASES) + BIASES * known.sensor for known in used])
    mean, covariance = registration.joint()
    prior = np.concatenate([known.prior_sigma for known in used])
    return Found(
        tuple(names),
        mean[rows] - true,
        covariance[np.ix_(rows, rows)],
        np.sqrt(np.diagonal(best(messages, target, names, prior))),
        np.array([[arm[t][0] for arm in (without, having)] for t in both]),
        np.array([[arm[t][1] for arm in (without, having)] for t in both]),
    )


def _pictures(
    session: Session, messages: Sequence[Message], target: Truth, rules: RegistrationRules | None
) -> tuple[Core, dict[int, tuple[float, float]]]:
    """A core that has seen everything, and by tick the error (m) and NEES of the track nearest the target."""
    config = core_config(COALITION, {}, session.horizon_s(session.policy), session.metadata)
    core = Core(replace(config, tracker=replace(config.tracker, registration=rules)))
    found, next_ = {}, 0
    for t_ns in range(-(-session.t_start_ns // S) * S, session.t_end_ns + S, S):
        while next_ < len(messages) and messages[next_].t_available_ns <= t_ns:
            core.handle(Received(messages[next_], messages[next_].t_available_ns))
            next_ += 1
        (picture,) = [
            e for e in core.handle(Tick(t_ns)) if isinstance(e, Picture) and e.picture == "as-known"
        ]
        if target.t_valid_ns[0] <= t_ns <= target.t_valid_ns[-1] and len(picture.track_id):
            judged = _judge(picture, states_at(target, np.array([t_ns]))[0])
            if judged[0] < NEAR_M:
                found[t_ns] = judged
    return core, found


def _judge(picture: Picture, truth: Floats) -> tuple[float, float]:
    """Error of position and NEES of the track that is nearest to the truth (6)."""
    states = picture.state_ecef.reshape(-1, 6)
    off = np.linalg.norm(states[:, :3] - truth[:3], axis=1)
    row = int(np.argmin(off))
    covariance = np.zeros((6, 6))
    covariance[UPPER] = picture.covariance.reshape(-1, 21)[row]
    covariance += np.triu(covariance, 1).T
    return float(off[row]), float(nees(truth[None], states[row][None], covariance[None])[0])


# ------------------------------------------------------------------------------------------------ bound


def best(messages: Sequence[Message], target: Truth, names: Sequence[str], prior: Floats) -> Floats:
    """The bound (n, n) on the covariance of all biases of the sensors `names`, four each, priors (n)."""
    looks = sorted(_looks(messages, target, names), key=lambda look: look[0])
    n = 6 + len(prior)
    gained: list[Floats] = []
    times: list[int] = []
    for t_ns, sensor, jacobian, sigma in looks:
        state = states_at(target, np.array([t_ns]))[0]
        rows = np.zeros((3, n))
        rows[:, :3] = jacobian
        own = 6 + BIASES * sensor
        rows[:, own : own + 3] = np.eye(3)
        rows[:, own + 3] = -jacobian @ state[3:]
        times.append(t_ns)
        gained.append(rows.T @ (rows / sigma[:, None] ** 2))
    steps, noises = [], []
    for before, after in pairwise(times):
        h = (after - before) / S
        f, q = np.eye(n), np.zeros((n, n))
        f[:6, :6] = _transition(states_at(target, np.array([before]))[0], h)
        q[:6, :6] = RULES.q * np.kron(np.array([[h**3 / 3, h**2 / 2], [h**2 / 2, h]]), np.eye(3))
        steps.append(f)
        noises.append(q)
    begun = np.repeat([RULES.position_sigma_m, RULES.velocity_sigma_mps], 3)
    information = np.diag(np.concatenate((begun, prior)) ** -2.0)
    known = pcrlb(information, np.array(steps), np.array(noises), np.array(gained))[-1]
    return bound(known)[6:, 6:]


def _looks(
    messages: Sequence[Message], target: Truth, names: Sequence[str]
) -> Iterator[tuple[int, int, Floats, Floats]]:
    """Every plot of the target in free fall above the air: time, sensor, ∂z/∂r (3, 3), sigmas (3)."""
    sites: dict[str, Site] = {}
    for message in messages:
        name = f"{message.originator}/{message.sensor}"
        if isinstance(message, Site):
            sites[name] = message
        if not isinstance(message, Detections) or name not in names:
            continue
        site, sensor = sites[name], names.index(name)
        for row, t_ns in enumerate(message.t_valid_ns.tolist()):
            if not _falls(target, t_ns) or not is_of(_row(message, row), site, target):
                continue
            state = states_at(target, np.array([t_ns]))[0]
            sigma = [message.sigma_range_m, message.sigma_azimuth_rad, message.sigma_elevation_rad]
            yield t_ns, sensor, _jacobian(site, t_ns, state[:3]), np.array([s[row] for s in sigma])


def _row(plots: Detections, row: int) -> Detections:
    """One plot of a scan."""
    columns = [name for name in plots.__struct_fields__ if isinstance(getattr(plots, name), np.ndarray)]
    fields = {name: getattr(plots, name) for name in plots.__struct_fields__}
    return Detections(**fields | {name: fields[name][row : row + 1] for name in columns})


def _falls(target: Truth, t_ns: int) -> bool:
    """Whether the target is in free fall above the air, as long after its burn as registration waits."""
    if not target.t_valid_ns[0] <= t_ns <= target.t_valid_ns[-1]:
        return False
    burning = target.t_valid_ns[target.phase == 0]
    after = not len(burning) or t_ns >= burning[-1] + round(RULES.settle_s * S)
    radius = np.linalg.norm(states_at(target, np.array([t_ns]))[0][:3])
    return bool(after and radius >= RADIUS_M + RULES.lowest_m)


def _jacobian(site: Site, t_ns: int, position: Floats) -> Floats:
    """∂(range, azimuth, elevation)/∂position (3, 3) at an ECEF position, by central differences of 1 m."""
    axes = np.array(site.enu_ecef).reshape(3, 3)
    stands = np.array(site.position_ecef_m) + (t_ns - site.t_valid_ns) / S * np.array(site.velocity_ecef_mps)

    def measure(r: Floats) -> Floats:
        e, n, u = axes @ (r - stands)
        return np.array([np.sqrt(e * e + n * n + u * u), np.arctan2(e, n), np.arctan2(u, np.hypot(e, n))])

    return np.array([(measure(position + d) - measure(position - d)) / 2 for d in np.eye(3)]).T


def _transition(state: Floats, h: float) -> Floats:
    """∂x(t + h)/∂x(t) (6, 6) by central gravity in the rotating frame, to the third order of h."""
    r = state[:3]
    d = float(np.linalg.norm(r))
    a = np.zeros((6, 6))
    a[:3, 3:] = np.eye(3)
    a[3:, :3] = GM / d**3 * (3 * np.outer(r, r) / d**2 - np.eye(3)) + OMEGA**2 * np.diag([1.0, 1.0, 0.0])
    a[3, 4], a[4, 3] = 2 * OMEGA, -2 * OMEGA
    step = a * h
    return np.eye(6) + step + step @ step / 2 + step @ step @ step / 6


# ------------------------------------------------------------------------------------------------ figures


def bias_consistency(runs: Sequence[Found]) -> Consistency:
    """NEES of all biases jointly, by their number, one sample a run."""
    values = [float(f.error @ np.linalg.solve(f.covariance, f.error)) / len(f.error) for f in runs]
    return consistency(np.array(values), len(runs[0].error))


def rms(values: Floats) -> Floats:
    """Root of the mean square over the first axis."""
    return np.sqrt(np.mean(values**2, axis=0))


def known(scenario: Scenario, seed: int, policy: str) -> dict[str, list[Bias]]:
    """What each nation knows in the end of the biases of its own sensors, under an arrangement."""
    arrangement = load_policy(resolve("policies", policy))
    session = Session.generate(scenario, seed, arrangement)
    session = replace(session, metadata={**session.metadata, "registration": "relative"})
    results = run(session, nations=NATIONS, keep=False)
    return {
        nation: [b for b in newest(result.biases) if b.subject.startswith(nation)]
        for nation, result in results.items()
    }


def compare(scenario: Scenario, policies: Sequence[str], runs: int) -> None:
    """Print how well each nation knows its own sensors under each arrangement."""
    rows = []
    for policy in policies:
        seeds = [known(scenario, seed, policy) for seed in range(1, runs + 1)]
        for nation in NATIONS:
            mine = [bias for seed in seeds for bias in seed[nation]]
            sigma = [[getattr(b, name) for name in SIGMAS[:3]] for b in mine]
            middle = np.median(np.reshape(sigma, (-1, 3)), axis=0) * SCALES[:3] if mine else []
            sure = sum(bias.applied & 2 > 0 for bias in mine) / runs
            cells = [f"{len(mine) / runs:.1f}", f"{sure:.1f}", *(f"{value:.3g}" for value in middle)]
            rows.append([f"{policy}, {nation}", *cells, *["–"] * (5 - len(cells))])
    title = f"{scenario.name}, {runs} seeds: each nation's own sensors, median σ of their biases"
    show(plain_table(title, ["", "seen", "azimuth sure", *UNITS[:3]], rows))


@click.command()
@click.argument("scenario")
@click.option("--sensors", help="NATION/sensor[,…] [default: the scenario's]")
@click.option("--runs", type=click.IntRange(1), default=10, show_default=True, help="Seeds 1 … N.")
@click.option("--policies", help="NAME[,…]: only what each nation knows under these arrangements.")
def main(scenario: str, sensors: str | None, runs: int, policies: str | None) -> None:
    """Estimate the sensors' biases in SCENARIO and print what became of them."""
    loaded = load_scenario(scenario)
    if sensors is not None:
        loaded = loaded.with_sensors(sensors.split(","))
    if policies is not None:
        compare(loaded, policies.split(","), runs)
        return
    report(loaded, [find(loaded, seed) for seed in range(1, runs + 1)])


def report(loaded: Scenario, found: Sequence[Found]) -> None:
    """Print what became of the biases and of the picture."""
    rows, runs = [], len(found)
    for sensor in sorted({name for f in found for name in f.sensors}):
        seeds = [f for f in found if sensor in f.sensors]
        mine = [(f, np.arange(BIASES) + BIASES * f.sensors.index(sensor)) for f in seeds]
        error = rms(np.array([f.error[s] for f, s in mine])) * SCALES
        sigma = np.median([f.sigma[s] for f, s in mine], axis=0) * SCALES
        least = np.median([f.bound_sigma[s] for f, s in mine], axis=0) * SCALES
        cells = [f"{e:.3g} / {s:.3g} / {b:.3g}" for e, s, b in zip(error, sigma, least, strict=True)]
        rows.append([sensor, str(len(mine)), *cells])
    title = f"{loaded.name}, {runs} seeds: RMS error / median σ / median σ of the bound"
    show(plain_table(title, ["sensor", "seeds", *UNITS], rows))
    if len({f.sensors for f in found}) == 1:
        c = bias_consistency(found)
        click.echo(f"bias NEES {c.mean:.3f}, right is {c.low:.3f} … {c.high:.3f}")
    picture = np.array([rms(f.picture_m) for f in found])
    values = np.array([f.picture_nees.mean(axis=0) for f in found])
    for i, arm in enumerate(("without", "with registration")):
        click.echo(f"{arm}: position RMSE {rms(picture)[i]:.1f} m, mean NEES {values[:, i].mean():.2f}")
    better = np.count_nonzero(picture[:, 1] < picture[:, 0])
    click.echo(f"better with registration in {better} of {runs} seeds")


if __name__ == "__main__":
    sys.exit(invoke(main, sys.argv[1:], "python -m fusion.study.registration"))
