"""The shape of what a fabric file says of switches besides the fabric: management, base configuration.

Fields have the names of the YAML keys, as in `raddle.topology.yaml.schema_devices`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from raddle.topology.yaml.fields import Gateway, Interface, Mac, Serial, SwitchPattern
from raddle.topology.yaml.rules import refuse
from raddle.topology.yaml.schema_devices import Spec


def _config_value(value: Any) -> Any:
    """A text, or a list of texts."""
    texts = value if isinstance(value, list) else [value]
    if any(isinstance(each, dict | list) for each in texts):
        raise refuse(
            "bad-config-value",
            "a field of CONFIG_DB is a text or a list of texts",
            "write TABLE: {KEY: {field: value}}",
        )
    return value


ConfigValue = Annotated[
    str | list[str], BeforeValidator(_config_value, json_schema_input_type=str | int | bool | list[str])
]
ConfigTables = dict[str, dict[str, dict[str, ConfigValue]]]
"""CONFIG_DB: table, key, field."""


class BaseSpec(Spec):
    """Entries of CONFIG_DB that switches boot with besides those of the plan: NTP, syslog, AAA, SNMP."""

    switches: SwitchPattern = "*"
    """Whose: a name, with * and ?."""
    tables: ConfigTables
    """TABLE: {KEY: {field: value}}, as in config_db.json."""


class ManagedSwitchSpec(Spec):
    """How a switch is managed, and by what it is known before it has a name."""

    address: Interface
    """Of its management port, with the length of the prefix: `192.0.2.10/24`."""
    mac: Mac | None = None
    """MAC address of its management port, by which DHCP knows it."""
    serial: Serial | None = None
    """Serial number, by which ZTP may know it."""


class ManagementSpec(Spec):
    """Management addresses, which switches boot with."""

    gateway: Gateway | None = None
    """Gateway of the management ports."""
    switches: dict[str, ManagedSwitchSpec] = Field(default_factory=dict)
    """By name of the switch."""
