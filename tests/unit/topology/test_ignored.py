"""`ignore` takes what an entry can match, and refuses what it cannot."""

from __future__ import annotations

import pytest

from raddle.errors import InputError
from raddle.topology.load import loads

FABRIC = """\
raddle: 1
name: pod
fabric: {leaves: {count: 2}, spines: {count: 2}}
hosts: {per_leaf: 2}
"""


@pytest.mark.parametrize(
    ("pattern", "entry"),
    [
        ("CABLE_LENGTH/AZURE/Ethernet0", "CABLE_LENGTH/AZURE"),
        ("PFC_WD/GLOBAL/POLL_INTERVAL", "PFC_WD/GLOBAL"),
        ("DSCP_TO_TC_MAP/AZURE/26", "DSCP_TO_TC_MAP/AZURE"),
        ("leaf0:TC_TO_QUEUE_MAP/*/3", "leaf0:TC_TO_QUEUE_MAP/*"),
        ("ACL_RULE/T|R/PRIORITY", "ACL_RULE/T|R"),
        ("BUFFER_PROFILE/x/dyn*", "BUFFER_PROFILE/x"),
        ("BUFFER_*/*/size", "BUFFER_*/*"),
        ("PORT/Ethernet0/mtu", "PORT/Ethernet0"),
        ("*/Ethernet0/mtu", "*/Ethernet0"),
        ("STATIC_ROUTE/default|10.0.0.0/24/next*", "STATIC_ROUTE/default|10.0.0.0/24"),
        ("STATIC_ROUTE/default|2001:db8::/32/bfd", "STATIC_ROUTE/default|2001:db8::/32"),
        ("STATIC_ROUTE/*/nexthop", "STATIC_ROUTE/*"),
        ("INTERFACE/Ethernet0/3", "INTERFACE/Ethernet0"),
        ("INTERFACE/Ethernet0|10.0.0.0/129", "INTERFACE/Ethernet0|10.0.0.0"),
    ],
)
def test_a_field_is_refused_whatever_it_is_called(pattern: str, entry: str) -> None:
    with pytest.raises(InputError, match="bad-pattern") as refused:
        loads(f'{FABRIC}ignore: ["{pattern}"]')
    assert f"write '{entry}'" in str(refused.value)


@pytest.mark.parametrize(
    "pattern",
    [
        *("PORT/Ethernte0", "QUEUE/Ethernte0|3", "PFC_WD/Ethernte0", "PFC_WD/global", "PORT/global"),
        *("BUFFER_PORT_INGRESS_PROFILE_LIST/Ethernte0", "INTERFACE/etp1|*", "BREAKOUT_CFG/etp1"),
        *(
            "BUFFER_PG/Ethernet0,Ethernte4|3-4",
            "BUFFER_QUEUE/leaf0|asic0|Ethernte0|3",
            "INTERFACE/10.0.0.0/31",
        ),
    ],
)
def test_a_port_that_no_switch_can_have_is_refused(pattern: str) -> None:
    with pytest.raises(InputError, match=r"bad-pattern.: no key of [A-Z_]+ begins with"):
        loads(f'{FABRIC}ignore: ["{pattern}"]')


@pytest.mark.parametrize(
    "pattern",
    [
        *("PORT/Ethernet0", "PORT/*", "PORT/Ethernet-Rec0", "PORT/Ethernet-BP0", "PORT/Ethernet[0-3]"),
        *("PORT/Ethernet[!0]*", "PORT/Ethernet[0,4]", "PORT_QOS_MAP/global", "PFC_WD/GLOBAL"),
        "PFC_WD/Ethernet0",
        *("BUFFER_PG/Ethernet0,Ethernet4|3-4", "BUFFER_PG/*|3-4", "BUFFER_QUEUE/leaf0|asic0|Ethernet0|3"),
        *("QUEUE/leaf0|asic0|*|3", "CABLE_LENGTH/AZURE", "INTERFACE/Ethernet0", "INTERFACE/Ethernet*/31"),
        *("INTERFACE/Ethernet0|10.0.0.0/31", "INTERFACE/*|10.0.0.?/3[01]", "*/*|2001:db8:*/12?"),
        *("STATIC_ROUTE/default|0.0.0.0/0", "STATIC_ROUTE/Vrf-red|::/0", "STATIC_ROUTE/*/*", "STATIC_*/*/24"),
        *("LOOPBACK_INTERFACE/Loopback0|10.0.0.1/32", "SWITCH_TABLE/switch", "*/*", "leaf?:*/Ethernet0*"),
        *("PREFIX/mine|10.0.0.0/24|exact", "VLAN_INTERFACE/Vlan[1-9]|fc00::/64"),
    ],
)  # fmt: skip
def test_what_an_entry_can_match_is_taken(pattern: str) -> None:
    assert loads(f'{FABRIC}ignore: ["{pattern}"]').ignore == (pattern,)
