"""Where a fabric file says what model a switch is of."""

from __future__ import annotations

from raddle.errors import Place
from raddle.topology.catalog import builtin_models
from raddle.topology.model import Fabric, Role, Switch

_TIERS: dict[Role, str] = {"leaf": "leaves", "spine": "spines", "superspine": "superspines"}


def place_of_model(fabric: Fabric, switch: Switch, key: str) -> Place:
    """The key of the file's own model; of a built-in one, which the file cannot change, where it is taken."""
    if switch.model.name not in builtin_models():
        return ("models", switch.model.name, key)
    if fabric.templates:  # only forms have these
        return ("fabric", _TIERS[switch.role], "model")
    return ("devices", switch.name, "model")
