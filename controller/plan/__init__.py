"""Fabric -> Plan: addresses, routes, pins, QoS and buffers. Pure functions."""

from controller.plan.addresses import endpoint_addresses
from controller.plan.codec import from_json, to_json
from controller.plan.diff import Change, diff_plans
from controller.plan.make import make_plan

__all__ = ["Change", "diff_plans", "endpoint_addresses", "from_json", "make_plan", "to_json"]
