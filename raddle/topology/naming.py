"""Names of devices: those that an intent makes, and the order in which people read names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from raddle.topology.yaml.parsers import TEMPLATE_FIELD


def name_of(template: str, fields: Mapping[str, int]) -> str:
    """`pod{pod}-leaf{n:02}` and its fields' values -> `pod1-leaf03`; a field without a value is 0."""
    return TEMPLATE_FIELD.sub(lambda match: f"{fields.get(match[1], 0):0{match[2] or 1}}", template)


@cache
def natural(name: str) -> tuple[list[str | int], str]:
    """Sort key with numbers as numbers: Ethernet8 before Ethernet16.

    Texts and numbers alternate, so that they never meet.
    """
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name
