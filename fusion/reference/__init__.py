"""The track bank over filterpy: see `fusion.reference.bank`."""

from fusion.reference.bank import FilterpyBank, Mode

__all__ = ["FilterpyBank", "Mode"]
