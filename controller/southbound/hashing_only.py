"""What is refused on switches whose groups can only hash."""

from __future__ import annotations

from raddle.controller.plan.model import SwitchPlan
from raddle.errors import InputError


def refuse_adaptive(switch: SwitchPlan, interface: str) -> None:
    """Adaptive groups must not become hashed ones in silence.

    Raises:
        InputError: `adaptive-not-supported`.
    """
    if switch.adaptive:
        raise InputError.of(
            "adaptive-not-supported",
            f"{switch.name} is to route adaptively, which {interface} cannot say",
            "set 'routing: {adaptive: none}', or program it over gNMI",
        )
