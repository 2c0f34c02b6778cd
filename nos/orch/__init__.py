"""The orchs: from the databases of a switch to what its ASIC forwards with."""

from raddle.nos.orch.derive import derive

__all__ = ["derive"]
