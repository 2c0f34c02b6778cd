"""The timeline of a scenario: what goes wrong, and what the controller is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import Field

from raddle.controller.service.desired import with_drains
from raddle.controller.service.records import Drain
from raddle.errors import InputError
from raddle.lab.run.control import ControllerDelays, Order
from raddle.lab.run.faults import Fault, What, link_port, with_faults
from raddle.topology.model import Fabric
from raddle.topology.yaml.fields import Duration, Text
from raddle.topology.yaml.schema_devices import Spec
from raddle.units import parse_time_ps

Ordered = Literal["drain", "replan", "tenant"]
_ORDERS: tuple[Ordered, ...] = get_args(Ordered)
_DELAYS = ControllerDelays()


class ControllerSpec(Spec):
    """A controller that leads routes around dead links and does what it is told, one thing after the other.

    What its stages take is as of `raddle bench --controller-delay`.
    """

    repairs: bool = True
    """It leads routes around dead links by itself; else only when it is told something."""
    notification: Duration = _DELAYS.notification_ps
    """From when a switch notices that a link has died or come back until the controller knows."""
    computation: Duration = _DELAYS.computation_ps
    """What is to be written is found."""
    push: Duration = _DELAYS.push_ps
    """From the controller into the switches' databases, for each round of an update."""
    hardware: Duration = _DELAYS.hardware_ps
    """From there into the ASIC."""


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
    return (Order(start, "tenant", event.where),)


def _drain(fabric: Fabric, event: EventSpec, start_ps: int) -> tuple[Order, ...]:
    where = event.where if event.where in fabric.switch_by_name else str(link_port(fabric, event.where))
    try:
        with_drains(fabric, [Drain(where)])
    except InputError as error:
        (found,) = error.diagnostics
        raise ValueError(f"{found.message}; {found.hint}") from None
    first = Order(start_ps, "drain", where)
    if not event.until:
        return (first,)
    end_ps = parse_time_ps(event.until)
    if end_ps <= start_ps:
        raise ValueError(f"it ends at '{event.until}', not after '{event.from_}' when it begins")
    return first, Order(end_ps, "undrain", where)
