"""The timeline of a scenario: what goes wrong, and what the controller is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import Field

from raddle.lab.run.control import Order
from raddle.lab.run.faults import Fault, What, ports_at, with_faults
from raddle.topology.model import Fabric
from raddle.topology.yaml.fields import Duration, Text
from raddle.topology.yaml.schema_devices import Spec
from raddle.units import parse_time_ps

Ordered = Literal["drain", "replan", "tenant"]
_ORDERS: tuple[Ordered, ...] = get_args(Ordered)


class ControllerSpec(Spec):
    """A controller that hears of dead links and plans anew, one plan after the other."""

    hear: Duration = 0
    """From when a switch notices that a link has died or come back until the controller knows."""
    plan: Duration = 0
    """What a plan takes."""
    push: Duration = 10**9
    """What a round of its writes takes; it is written in rounds that lose nothing, as by `raddle apply`."""


class EventSpec(Spec):
    """Something that goes wrong, or that the controller is told."""

    what: Literal[What, Ordered]
    """As in a fault file of `raddle bench --faults`; or drain, replan, tenant."""
    where: Text = ""
    """A link by one of its ports or its devices, a switch, a host, an endpoint, or a tenant."""
    from_: Annotated[Text, Field(alias="from")]
    """When it begins."""
    until: Text = ""
    """When it ends; it stays without."""
    value: Text = ""
    """Period of a flap, bit error ratio, priority of a storm, rate of what is slow, a straggler's delay."""


def is_order(event: EventSpec) -> bool:
    """Whether the controller is told it."""
    return event.what in _ORDERS


def faults_with(fabric: Fabric, faults: list[Fault], event: EventSpec) -> list[Fault]:
    """The faults that there are, and those of an event.

    Raises:
        ValueError: as `with_faults`.
    """
    if not event.where:
        raise ValueError(f"'where' is missing; a '{event.what}' is somewhere")
    row = {"what": event.what, "where": event.where, "from": event.from_, "until": event.until}
    return with_faults(fabric, faults, {**row, "value": event.value})


def orders_of(fabric: Fabric, event: EventSpec, jobs_of: Mapping[str, int]) -> tuple[Order, ...]:
    """What the controller is told, and when.

    Args:
        jobs_of: how many jobs each tenant has.

    Raises:
        ValueError: it names no part of the fabric, or a key says nothing of it; behind "; " is a way out.
    """
    start = parse_time_ps(event.from_)
    if event.value:
        raise ValueError(f"'value' says nothing of a '{event.what}'; leave it out")
    if event.what == "drain":
        return _drain(fabric, event, start)
    if event.until:
        raise ValueError(f"'until' says nothing of a '{event.what}'; leave it out")
    if event.what == "replan":
        if event.where:
            raise ValueError("'where' says nothing of a 'replan', which is of all switches; leave it out")
        return (Order(start, "replan"),)
    if event.where not in {tenant.name for tenant in fabric.tenants}:
        raise ValueError(f"the fabric has no tenant '{event.where}'; name one of its 'tenants'")
    if not jobs_of.get(event.where):
        raise ValueError(f"no job is of tenant '{event.where}'; give one 'tenant: {event.where}'")
    return (Order(start, "tenant", tenant=event.where),)


def _drain(fabric: Fabric, event: EventSpec, start_ps: int) -> tuple[Order, ...]:
    links = frozenset(fabric.link_by_port[port].index for port in ports_at(fabric, event.where))
    first = Order(start_ps, "drain", links)
    if not event.until:
        return (first,)
    end_ps = parse_time_ps(event.until)
    if end_ps <= start_ps:
        raise ValueError(f"it ends at '{event.until}', not after '{event.from_}' when it begins")
    return first, Order(end_ps, "restore", links)
