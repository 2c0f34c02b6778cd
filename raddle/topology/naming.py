"""Names of the devices that an intent makes."""

from __future__ import annotations

from collections.abc import Mapping

from raddle.topology.yaml.fields import TEMPLATE_FIELD


def name_of(template: str, fields: Mapping[str, int]) -> str:
    """`pod{pod}-leaf{n:02}` and its fields' values -> `pod1-leaf03`; a field without a value is 0."""
    return TEMPLATE_FIELD.sub(lambda match: f"{fields.get(match[1], 0):0{match[2] or 1}}", template)
