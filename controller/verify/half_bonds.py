"""Where loops around bonds that have lost a port come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from raddle.controller.verify.finding import Finding
from raddle.topology.model import Fabric
from raddle.topology.views.uplinks import half_bonds


def placed_at_bonds(fabric: Fabric, found: Iterable[Finding]) -> Iterator[Finding]:
    """The findings; loops that a failure makes are placed at the dead link of a bond's port, if there is one.

    The route to such a bond leads over one leaf. A switch that loses its way there falls back to the block,
    which leads to the other leaf, too; and that one sends up again.
    """
    halves = half_bonds(fabric)
    for each in found:
        to = (end for end in halves if _is_destination(end.interface, each.message))
        end = next(to, None) if each.code in ("loop", "deadlock") else None
        if end and end.twin is not None and "before re-planning" in each.message:
            dead = fabric.links[fabric.endpoints[end.twin].link]
            hint = (
                "a switch that loses its way to a bond's one live port falls back to both leaves' block: "
                f"bring '{dead.a}' up, or drain '{dead.b.device}' until it is"
            )
            yield replace(each, hint=hint, place=("overrides", "links"))
        else:
            yield each


def _is_destination(bond: str, message: str) -> bool:
    """Whether the example of a finding is a flow to a bond."""
    return f" to {bond}: " in message or f" to {bond} by " in message
