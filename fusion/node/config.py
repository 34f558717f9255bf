"""A node's TOML, typed (see configs/daemon/node.toml)."""

from typing import Annotated, Literal

import msgspec

from sharing.clock import ClockConfig
from sharing.feeds import Own
from sharing.keys import KeysConfig


class Partner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The guard `peer` of another nation, and the two endpoints that it has bound for us."""

    nation: str
    peer: str
    feed: str
    backfill: str


class Publish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Endpoints the node binds for its pictures and for snapshots of them, and who may read."""

    feed: str
    snapshot: str
    readers: tuple[str, ...] = ()


class NodeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a node is told.

    `regions` are paths of GeoJSON files; `models` the motion models of its tracks (`fusion.core.filters`:
    missiles, aircraft, or both), of which it holds `max_tracks` at most; `association` how plots go to them
    (`fusion.core.association`), `judgements_per_s` how many judgements of that it records; `proof` what
    confirms them (`fusion.core.lifecycle`: M hits of N looks, or a log-likelihood ratio); `registration` how
    sensors' biases are estimated (``off``, ``relative``, or the reference sensors:
    `fusion.core.registration`); `late` what becomes of late plots in the as-known picture (``reprocess``:
    back and through it again; ``step``: one approximate step, `fusion.core.late`); `metadata` goes into the
    recording as it stands; `niceness` is added to the process's own (a node catches up after a pause, a
    publisher's pause is everybody's).
    """

    nation: str
    recording: str
    clock: ClockConfig
    keys: KeysConfig
    own: Own | None = None
    partners: tuple[Partner, ...] = ()
    publish: Publish | None = None
    regions: tuple[str, ...] = ()
    models: Literal["missiles", "air", "mixed"] = "missiles"
    registration: str = "off"
    association: Literal["gnn", "jpda"] = "gnn"
    proof: Literal["m-of-n", "sprt"] = "m-of-n"
    late: Literal["reprocess", "step"] = "reprocess"
    judgements_per_s: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    max_tracks: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 2048
    horizon_s: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 30
    updates: bool = True
    niceness: Annotated[int, msgspec.Meta(ge=0, le=19)] = 0
    status: str | None = None
    metadata: dict[str, str] = {}
