"""The track bank over filterpy: see `fusion.reference.bank`."""

from fusion.reference.bank import FilterpyBank
from fusion.reference.mode import Mode

__all__ = ["FilterpyBank", "Mode"]
