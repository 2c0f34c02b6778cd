"""Fabric -> Plan: addresses, routes, pins, QoS and buffers. Pure functions."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raddle.controller.plan.addresses import endpoint_addresses
    from raddle.controller.plan.codec import from_json, to_json
    from raddle.controller.plan.diff import Change, diff_plans
    from raddle.controller.plan.make import make_plan

__all__ = ["Change", "diff_plans", "endpoint_addresses", "from_json", "make_plan", "to_json"]

_HOMES = {
    "Change": "diff",
    "diff_plans": "diff",
    "endpoint_addresses": "addresses",
    "from_json": "codec",
    "make_plan": "make",
    "to_json": "codec",
}


def __getattr__(name: str) -> object:
    """The planner when it is first asked for: what only checks addresses and buffers starts without it."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
