"""What goes into the core and what comes out of it: data, nothing else."""

from dataclasses import dataclass

from sharing.messages import Bias, Judgements, Message, Picture, Warning

__all__ = [
    "Bias",
    "Effect",
    "Event",
    "Judgements",
    "Merged",
    "Peek",
    "Picture",
    "Purge",
    "Received",
    "Refused",
    "Renamed",
    "Tick",
    "Update",
    "Warning",
]


@dataclass(frozen=True, slots=True)
class Received:
    """A message reached this node and may be known from `t_available_ns` on (scenario time)."""

    message: Message
    t_available_ns: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Scenario time has reached `t_ns`, a multiple of one second."""

    t_ns: int


@dataclass(frozen=True, slots=True)
class Peek:
    """Somebody is watching: give an `Update` as of `t_ns`. Changes no picture; never recorded or replayed."""

    t_ns: int


@dataclass(frozen=True, slots=True)
class Purge:
    """Everything of `feeds` (``NATION/sensor``) is to be forgotten, and whatever was made with it."""

    feeds: tuple[str, ...]


Event = Received | Tick | Peek | Purge


@dataclass(frozen=True, slots=True)
class Update:
    """The newest picture between ticks, for eyes and latency figures: never hashed, never scored."""

    picture: Picture


@dataclass(frozen=True, slots=True)
class Renamed:
    """Reprocessing gave the track known as `old_id` another earliest item: it is `new_id` from now on."""

    t_ns: int
    old_id: int
    new_id: int


@dataclass(frozen=True, slots=True)
class Merged:
    """The track `ended_id` was the object of the older `kept_id`, which goes on alone."""

    t_ns: int
    kept_id: int
    ended_id: int


@dataclass(frozen=True, slots=True)
class Refused:
    """An item was not taken in.

    `cause`: ``late``, ``future``, ``duplicate``, ``unsited``, ``full`` (buffer) or ``sensors`` (too many of
    one originator).
    """

    cause: str
    originator: str
    sensor: str


Effect = Picture | Update | Renamed | Merged | Refused | Warning | Bias | Judgements
