"""Recorded real sensors as a session: what a reader has made, under an arrangement.

The session has no truth: nobody knows it. Known identities of plots (Mode-S addresses, say) are recorded on
topics of their own, ``identity/<NATION>/<sensor>``, which no core, guard or replay looks at: one JSON object
beside each message that has any, with its type, its scan and one text a row.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fusion.session import Item, Session
from fusion.stated import horizon_of
from sensors.readers.recorded import Given, RecordedFeed
from sharing.messages import Detections, Polar, topic_of_feed
from sharing.policy import Policy
from sharing.recording import Recorder, Recording
from sharing.wire import encode


class Identities(NamedTuple):
    """Whose rows a message's plots are: ``kind`` is ``detections`` or ``polar``; "" is nobody known."""

    originator: str
    sensor: str
    kind: str
    scan: int
    objects: tuple[str, ...]


def session_of(feed: RecordedFeed, policy: Policy, models: str) -> Session:
    """The session of a recorded feed; `models` names the trackers' motion models."""
    horizon_s = horizon_of(policy, feed.lag_s)
    return Session(
        name=feed.name,
        seed=0,
        policy=policy,
        truth=(),
        t_start_ns=feed.t_start_ns,
        t_end_ns=feed.t_end_ns,
        items=lambda: (_item(given) for given in feed.items),
        metadata={
            "scenario": feed.name,
            "title": "recorded sensors",
            "seed": "0",
            "t_start_ns": str(feed.t_start_ns),
            "t_end_ns": str(feed.t_end_ns),
            "t_zero_s": repr(feed.t_zero_s),
            "regions": "",
            "models": models,
            "policy": policy.name,
            "feed_lag_s": str(feed.lag_s),
            "horizon_s": str(horizon_s),
            "marking": "SIMULATED, NOTIONAL",
        },
        sensors=feed.sensors,
    )


def _item(given: Given) -> Item:
    return Item(topic_of_feed(given.message.originator, given.message.sensor), given.message)


def record(path: Path, feed: RecordedFeed, session: Session) -> None:
    """Write the session to `path`, complete or not at all; pictures are for `replay` to make.

    Raises RecordingError.
    """
    target = Recorder(path, session.metadata)
    try:
        with target:
            target.write("policy", session.policy.text.encode(), session.t_start_ns)
            for given in feed.items:
                m = given.message
                topic = topic_of_feed(m.originator, m.sensor)
                target.write(topic, encode(topic, m), m.t_available_ns)
                if given.objects:
                    known = f"identity/{m.originator}/{m.sensor}"
                    target.write(known, _identity_body(given), m.t_available_ns)
    except BaseException:
        target.part.unlink(missing_ok=True)
        raise


def _identity_body(given: Given) -> bytes:
    message = given.message
    assert isinstance(message, Detections | Polar)
    kind = type(message).__name__.lower()
    return json.dumps({"kind": kind, "scan": message.scan, "object": given.objects}).encode()


def identities(path: Path) -> Iterator[Identities]:
    """The known identities in the recording at `path`, in order."""
    with Recording.open(path) as recording:
        for record in recording:
            kind, *rest = record.topic.split("/")
            if kind == "identity":
                body = json.loads(record.data)
                yield Identities(rest[0], rest[1], body["kind"], body["scan"], tuple(body["object"]))
