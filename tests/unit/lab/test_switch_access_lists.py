"""The access lists of a SONiC configuration, as packet tests take them."""

from __future__ import annotations

from typing import Any

import pytest

from raddle.errors import InputError
from raddle.lab.switches.access_lists import lists_of_config

PORTS = {
    f"Ethernet{number * 8}": {"lanes": str(number), "speed": "400000", "index": str(number)}
    for number in range(2)
}


def config(**rules: dict[str, str]) -> dict[str, Any]:
    tables = {
        "EDGE": {"type": "L3", "stage": "ingress", "ports": ["Ethernet8"]},
        "DARK": {"type": "L3", "stage": "ingress"},
        "CP": {"type": "CTRLPLANE", "services": ["SSH"]},
    }
    named = {name.replace("__", "|"): {"PRIORITY": "9"} | rule for name, rule in rules.items()}
    return {"PORT": PORTS, "ACL_TABLE": tables, "ACL_RULE": named}


def test_rules_are_in_the_asic_or_have_a_reason() -> None:
    drop, source = {"PACKET_ACTION": "DROP"}, {"SRC_IP": "10.0.0.0/8"}
    found = lists_of_config(
        "leaf0",
        config(
            EDGE__R1=drop | source,
            EDGE__ODD=drop | {"DSCP": "26"},
            DARK__R1=drop | source,
            CP__R1=drop | source,
            NOWHERE__R1=drop | source,
        ),
    )
    assert found.ports == ("Ethernet0", "Ethernet8")
    ((table,),) = [found.tables]
    assert (table.name, table.ports, [rule.name for rule in table.rules]) == ("EDGE", (1,), ["R1"])
    assert dict(found.other_rules) == {
        "EDGE ODD": "SONiC makes nothing of it, it is inactive",
        "DARK R1": "its list is at no port",
        "CP R1": "it is for packets to the switch itself",
        "NOWHERE R1": "ACL_TABLE has no such list",
    }


def test_a_configuration_that_is_none_is_named() -> None:
    with pytest.raises(InputError, match=r"'leaf0': ACL_RULE EDGE\|R1: PRIORITY '' is no number"):
        lists_of_config("leaf0", {"PORT": PORTS, **_without_priority()})


def _without_priority() -> dict[str, Any]:
    whole = config(EDGE__R1={"PACKET_ACTION": "DROP", "SRC_IP": "10.0.0.0/8"})
    del whole["ACL_RULE"]["EDGE|R1"]["PRIORITY"]
    return {name: whole[name] for name in ("ACL_TABLE", "ACL_RULE")}
