"""What is refused on switches that are not programmed as SONiC."""

from __future__ import annotations

from raddle.controller.plan.model import SwitchPlan
from raddle.errors import InputError


def refuse_what_is_sonics(switch: SwitchPlan, interface: str) -> None:
    """Adaptive groups must not become hashed ones in silence, nor discards be left out.

    Raises:
        InputError: `adaptive-not-supported`; `external-not-supported`.
    """
    if any(not route.next_hops for route in switch.routes):
        raise InputError.of(
            "external-not-supported",
            f"{switch.name} discards what links to the outside may send round, which {interface} cannot say",
            "leave 'external' out, or program it over gNMI",
            ("external",),
        )
    if switch.adaptive:
        raise InputError.of(
            "adaptive-not-supported",
            f"{switch.name} is to route adaptively, which {interface} cannot say",
            "set 'routing: {adaptive: none}', or program it over gNMI",
            ("routing", "adaptive"),
        )
