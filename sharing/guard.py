"""One nation's gateway: takes in its own feed and lets out what the arrangement releases, when it does.

Rules of this module:

- What leaves is decided by `sharing.release` alone; this process only waits until it may leave.
- Every recipient the arrangement could ever serve has a PUB and a backfill endpoint of its own, to which
  only that recipient's key is admitted. For others no endpoint exists.
- Releases are computed from the items' available times, not from their arrival here: a live exercise and
  its simulation give the same stamps. An item that is due already leaves at once.
- The policy can change while it runs, at an epoch in scenario time. Who loses the right gets nothing that
  would leave after it, and is cut; the others keep their connections and their numbers.
- The guard subscribes to its own nation's feed once all its recipients have subscribed to it, so that an
  exercise starts when the whole chain stands.
"""

import asyncio
import heapq
import signal
from collections import Counter
from functools import partial
from typing import Annotated

import msgspec

from sharing.audit import AuditLog
from sharing.changes import load_changes
from sharing.clock import Clock, ClockConfig, monotonic_ns, started
from sharing.daemon import Status, note, run, until
from sharing.feeds import Inlet, Outlet, Own
from sharing.keys import KeysConfig, load_directory, load_pair
from sharing.messages import NATIONS, RECIPIENTS, Heartbeat, Message, S, topic_of_release
from sharing.policy import Policy, PolicyError
from sharing.release import Release, check_runnable
from sharing.settings import SettingsError, load, load_policy
from sharing.terms import Reciprocal
from sharing.transport import Hub
from sharing.wire import encode

TEND_S = 0.25
"""Longest wait, wall seconds, between looks at requests and subscribers."""
LAST_NS = S // 5
"""Wall time for the last item to go before a connection is cut; nothing is sent on it meanwhile."""
MAX_HELD = 100_000
"""Items that may wait for their release at one time."""


class Recipient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One recipient: its nation, its process, and the two endpoints that the guard binds for it."""

    nation: str
    peer: str
    feed: str
    backfill: str


class GuardConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A guard's TOML. `policy` is the path of the arrangement, `seed` keys its delays.

    Endpoints of recipients that the arrangement never serves stay closed; one that it serves and that is
    not listed here gets nothing. After its end the guard stays `linger_s` while somebody is subscribed.
    `audit` is the log of its decisions (`sharing.audit`), `changes` the file into which
    `sharedsky policy apply` puts other arrangements: it is read at the start and on SIGHUP, like the keys.
    """

    nation: str
    policy: str
    clock: ClockConfig
    keys: KeysConfig
    own: Own
    recipients: tuple[Recipient, ...] = ()
    seed: int = 0
    audit: str | None = None
    changes: str | None = None
    status: str | None = None
    linger_s: Annotated[float, msgspec.Meta(ge=0)] = 30.0


def main(config: str, check: bool = False) -> int:
    """Run the guard of the TOML file `config`. The exit code."""

    async def work(stop: asyncio.Event) -> None:
        settings = load(config, GuardConfig)
        policy = load_policy(settings.policy)
        check_live(policy)
        check_names(settings, config)
        directory = load_directory(settings.keys.public)
        directory.require([settings.own.peer, *(recipient.peer for recipient in settings.recipients)])
        hub = Hub(load_pair(settings.keys.secret), directory)
        if check:
            print(f"{config}: ok")
            return
        async with hub:
            guard = Guard(settings, policy, hub)
            try:
                await guard.run(stop)
            finally:
                guard.close()

    return run("guard", work)


def entitled(policy: Policy, nation: str, t_ns: int | None = None) -> tuple[str, ...]:
    """The recipients that `policy` gives anything of `nation` at `t_ns`, whatever its sensors are called.

    Without a time: those that it may ever give anything.
    """
    named = {sensor for rule in policy.rules for sensor in rule.sensors}
    return tuple(r for r in RECIPIENTS if any(policy.decide(nation, s, r, t_ns) is not None for s in named))


def check_live(policy: Policy) -> None:
    """Raises PolicyError for a rule that a session can run but no guard yet."""
    check_runnable(policy)
    for rule in policy.rules:
        where = f"{policy.name}: rule {rule.id!r}"
        if rule.via is not None:
            raise PolicyError(
                f"{where}: via = {rule.via!r}: there is no live hub yet; simulate and replay can"
            )
        if rule.product != "detections":
            raise PolicyError(
                f"{where}: product = {rule.product!r}: no live node makes any for others yet"
            )
        if rule.trigger == "request":
            raise PolicyError(f"{where}: trigger = 'request': nobody can ask a live guard yet")
        if rule.held == "purge":
            raise PolicyError(f"{where}: held = 'purge': no guard can tell a live node to forget yet")
        if isinstance(rule.quota, Reciprocal):
            raise PolicyError(f"{where}: quota.kind = 'reciprocal': a live guard does not see what comes in")


def check_names(settings: GuardConfig, config: str) -> None:
    """Raises SettingsError where the file `config` names a nation that is none, or a recipient twice."""
    if settings.nation not in NATIONS:
        raise SettingsError(f"{config}: nation = {settings.nation!r}: one of {', '.join(NATIONS)}")
    names = [recipient.nation for recipient in settings.recipients]
    others = [name for name in RECIPIENTS if name != settings.nation]
    for name in names:
        if name not in others or names.count(name) > 1:
            raise SettingsError(f"{config}: recipients.nation = {name!r}: each of {', '.join(others)} once")


class Guard:
    """A guard once its configuration is good; `hub` must be open when it runs."""

    def __init__(self, settings: GuardConfig, policy: Policy, hub: Hub) -> None:
        self._nation = settings.nation
        self._settings = settings
        self._hub = hub
        self._held: list[tuple[int, int, str, Message]] = []
        self._taken = 0
        self._counters: Counter[str] = Counter()
        self._audit: AuditLog | None = None
        if settings.audit is not None:
            about = {"nation": settings.nation, "policy": policy.text, "seed": settings.seed}
            self._audit = AuditLog(settings.audit, about)
        # Another start is another boot: recipients would take numbers that begin anew for duplicates.
        judged = None if self._audit is None else self._audit.judged
        self._release = Release(policy, settings.seed, start=monotonic_ns(), judged=judged)
        self._status = Status(settings.status, nation=settings.nation, role="guard")
        self._told = asyncio.Event()
        self._changed = 0
        self._take_changes(None)
        own, nation = settings.own, settings.nation
        ingress = hub.ingress(own.ingress, f"ingress/{nation}", [own.peer])
        self._inlet = Inlet(ingress, hub.client(own.backfill, own.peer), nation, nation, own.peer)
        served = {name for p in self._release.policies for name in entitled(p, nation)}
        self._outlets = {r.nation: self._outlet(r) for r in settings.recipients if r.nation in served}
        self._shut: dict[str, Outlet] = {}
        self._lost_ns: dict[str, int] = {}
        self._end_ns = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until the configured end and while anybody is subscribed after it, or until told to stop."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._told.set)
        try:
            await self._serve(stop)
        finally:
            loop.remove_signal_handler(signal.SIGHUP)

    async def _serve(self, stop: asyncio.Event) -> None:
        while (awaited := self._awaited()) and not stop.is_set():
            if self._status.due():
                self._status.write("waiting", waiting_for=awaited)
            await self._hub.wait(TEND_S)
        self._inlet.subscribe()
        self._status.write("ready")
        clock = await until(started(self._settings.clock), stop, self._hub, self._status.beat)
        if clock is None:
            return
        self._told.set()  # what has changed while nobody's clock ran
        while not stop.is_set() and not self._ended(clock):
            due = min(TEND_S, clock.wall_s_until(self._held[0][0])) if self._held else TEND_S
            await self._hub.wait(due)
            now_ns = clock.now_ns()  # one for both, so that no heartbeat is of a time whose rights nobody saw
            self._listen(now_ns)
            self._keep_rights(now_ns)
            self._take()
            self._let_out(clock.now_ns())
            self._tend(now_ns)
        self._say("ended", clock.now_ns())

    def close(self) -> None:
        """End the audit log in order, whatever ended the guard."""
        if self._audit is not None:
            self._audit.close()

    def _awaited(self) -> list[str]:
        """The recipients' processes that have not subscribed."""
        missing = {nation for nation, outlet in self._outlets.items() if not outlet.subscribed()}
        return [r.peer for r in self._settings.recipients if r.nation in missing]

    def _ended(self, clock: Clock) -> bool:
        """Whether the end has come and everybody has gone, or has had time to go."""
        until_ns = self._settings.clock.until_ns
        if until_ns is None or clock.now_ns() < until_ns:
            self._end_ns = monotonic_ns() + round(self._settings.linger_s * S)
            return False
        return monotonic_ns() > self._end_ns or not any([o.watched() for o in self._outlets.values()])

    def _outlet(self, recipient: Recipient) -> Outlet:
        label = f"released/{self._nation}/{recipient.nation}"
        egress = self._hub.egress(recipient.feed, label, [recipient.peer])
        server = self._hub.server(recipient.backfill, f"backfill/{label}", [recipient.peer])
        return Outlet(self._nation, [egress], server)

    # ------------------------------------------------------------------------------------------ changes

    def _listen(self, now_ns: int) -> None:
        """After a SIGHUP: what is new. What cannot be is told and counted, and changes nothing."""
        if not self._told.is_set():
            return
        self._told.clear()
        try:
            self._take_keys()
            self._take_changes(now_ns)
        except SettingsError as error:
            self._counters["reload-refused"] += 1
            note("guard", f"not taken in: {error}")

    def _take_changes(self, now_ns: int | None) -> None:
        """Changes of the policy that are new in their file; none of them may begin in the past.

        Raises SettingsError at the first that cannot be.
        """
        if self._settings.changes is None:
            return
        for t_ns, policy in load_changes(self._settings.changes)[self._changed :]:
            check_live(policy)
            if now_ns is not None and t_ns <= now_ns:
                late = f"it is {now_ns / S:g} s already"
                raise PolicyError(f"{policy.name}: a change at {t_ns / S:g} s: {late}")
            self._release.change(policy, t_ns)
            self._changed += 1
            if self._audit is not None:
                self._audit.note("policy", t_ns=t_ns, epoch=self._changed, policy=policy.text)
            waiting = [(t, r, item) for t, _, r, item in sorted(self._held, key=lambda held: held[:2])]
            standing = self._release.stand(waiting)
            self._counters["withdrawn"] += len(waiting) - len(standing)
            self._held = [(t, number, r, item) for number, (t, r, item) in enumerate(standing, self._taken)]
            self._taken += len(standing)

    def _take_keys(self) -> None:
        """The public keys as they are now; who is connected with a key that has gone is cut."""
        before, now = self._hub.directory, load_directory(self._settings.keys.public)
        self._hub.reload(now)
        for recipient in self._settings.recipients:
            outlet = self._outlets.get(recipient.nation)
            if outlet is not None and before.keys_of(recipient.peer) - now.keys_of(recipient.peer):
                outlet.shut()
                outlet.reopen()

    def _keep_rights(self, now_ns: int) -> None:
        """Cut who has no right any more, and nobody else; let in again who has one again."""
        if not self._release.changing:
            return
        policy = self._release.in_force(now_ns)[1]
        served = entitled(policy, self._nation, now_ns)
        for recipient in self._settings.recipients:
            name = recipient.nation
            if name in served:
                self._lost_ns.pop(name, None)
                outlet = self._outlets.get(name) or self._let_in(recipient)
                outlet.forget(partial(self._lost, policy, name, now_ns))
            elif name in self._outlets:
                since_ns = self._lost_ns.setdefault(name, monotonic_ns())
                if monotonic_ns() - since_ns >= LAST_NS:
                    self._shut[name] = self._outlets.pop(name)
                    self._shut[name].shut()

    def _lost(self, policy: Policy, recipient: str, now_ns: int, sensor: str) -> bool:
        """Whether a recipient has no right to a sensor's items now."""
        return policy.decide(self._nation, sensor, recipient, now_ns) is None

    def _let_in(self, recipient: Recipient) -> Outlet:
        """Open the endpoints of a recipient that has got a right, for the first time or again."""
        outlet = self._shut.pop(recipient.nation, None)
        if outlet is None:
            outlet = self._outlet(recipient)
        else:
            outlet.reopen()
        self._outlets[recipient.nation] = outlet
        return outlet

    # -------------------------------------------------------------------------------------------- items

    def _take(self) -> None:
        """Take in what the own emulator has sent, and hold what is to be released."""
        for arrival in self._inlet.drain():
            message = arrival.message
            if message is None or isinstance(message, Heartbeat):
                continue
            for t_out_ns, recipient, item in self._release.handle(message, message.t_available_ns):
                if recipient not in self._outlets:
                    self._counters["unlisted"] += 1
                elif len(self._held) == MAX_HELD:
                    self._counters["held-full"] += 1
                else:
                    heapq.heappush(self._held, (t_out_ns, self._taken, recipient, item))
                    self._taken += 1

    def _let_out(self, now_ns: int) -> None:
        """Publish what is due."""
        while self._held and self._held[0][0] <= now_ns:
            t_out_ns, _, recipient, item = heapq.heappop(self._held)
            topic = topic_of_release(item.originator, recipient, item.sensor)
            outlet = self._outlets.get(recipient)
            if outlet is None:
                self._counters["cut"] += 1
            else:
                outlet.publish(topic, item, encode(topic, item), t_out_ns)

    def _tend(self, now_ns: int) -> None:
        """Answer requests; once a second, heartbeats and status."""
        for name, outlet in self._outlets.items():
            if name not in self._lost_ns:
                outlet.serve()
            outlet.watched()
        if self._status.due():
            self._say("running", now_ns)

    def _say(self, state: str, now_ns: int) -> None:
        for name, outlet in self._outlets.items():
            if name not in self._lost_ns:
                outlet.heartbeat(now_ns)
        self._log_refusals(now_ns)
        self._status.write(
            state,
            t_ns=now_ns,
            received=dict(self._inlet.received),
            links=dict(self._inlet.gaps.counters),
            refused=dict(self._inlet.refused),
            released={name: dict(outlet.published) for name, outlet in self._outlets.items()},
            requests={name: dict(outlet.counters) for name, outlet in self._outlets.items()},
            counters={**self._counters, "links-refused": self._release.refused},
            gate=dict(self._hub.gatekeeper.counters),
            sockets=self._hub.counters(),
            audit=None if self._audit is None else str(self._audit.head),
        )

    def _log_refusals(self, now_ns: int) -> None:
        """Write down who was not let in: the latest of each second, the gate's counters count all."""
        refusals = self._hub.gatekeeper.refusals()
        if self._audit is None:
            return
        for r in refusals:
            self._audit.note(
                "refusal", t_ns=now_ns, cause=r.cause, label=r.label, address=r.address, name=r.name
            )
        self._audit.flush()
