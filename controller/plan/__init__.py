"""Fabric -> Plan: addresses, routes, pins, QoS and buffers. Pure functions."""

from raddle.controller.plan.addresses import endpoint_addresses
from raddle.controller.plan.codec import from_json, to_json
from raddle.controller.plan.diff import Change, diff_plans
from raddle.controller.plan.make import make_plan

__all__ = ["Change", "diff_plans", "endpoint_addresses", "from_json", "make_plan", "to_json"]
