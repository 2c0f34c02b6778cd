"""Which kind of file a YAML file is, by the keys at its top."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from typing import Any, Literal

from raddle.topology.yaml.source import Mapping

Kind = Literal["fabric", "scenario", "sweep", "workload", "prices", "day"]

NAMES: dict[Kind, str] = {
    "fabric": "a fabric",
    "scenario": "a scenario",
    "sweep": "a campaign",
    "workload": "a workload",
    "prices": "prices",
    "day": "an elastic pool",
}

COMMANDS: dict[Kind, str] = {
    "fabric": "raddle validate {0}; a scenario names it as its 'fabric'",
    "scenario": "raddle run {0}",
    "sweep": "raddle sweep {0}",
    "workload": "raddle workload {0} FABRIC",
    "prices": "raddle cost FABRIC --prices {0}",
    "day": "raddle elastic {0} FABRIC",
}
"""What takes a file of a kind."""

_KEYS: dict[Kind, frozenset[str]] = {
    "prices": frozenset({"currency", "cables"}),
    "day": frozenset({"load", "inference", "training"}),
    "sweep": frozenset({"collective", "scenario", "workload"}),
    "scenario": frozenset({"fabric", "expect", "checks", "timeline"}),
    "workload": frozenset({"nodes", "jobs"}),
}
"""Keys that only files of a kind have, the first that fits."""


def kind_of(entries: MappingOf[str, tuple[Any, Any]]) -> Kind | None:
    """The kind of a file with these entries at its top, each a key and a value; None: no key tells."""
    if "devices" in entries or ("fabric" in entries and isinstance(entries["fabric"][1], Mapping)):
        return "fabric"
    return next((kind for kind, keys in _KEYS.items() if entries.keys() & keys), None)
