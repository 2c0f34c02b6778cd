"""Access lists of CONFIG_DB: which are active, what they become, and what an operator sees of them."""

from __future__ import annotations

from typing import Any

import pytest

from raddle.nos.db.schema import read_config
from raddle.nos.orch import derive
from raddle.nos.orch.acl import read_acl
from raddle.nos.show import show
from raddle.nos.switch import BootConfig, SimulatedSwitch
from raddle.state import AclMatch, AclTable, SwitchCounters, SwitchState

PORTS = frozenset({"Ethernet0", "Ethernet8", "Ethernet16", "Ethernet24"})
IPV4_BITS = (1 << 128) - (1 << 32)
DATA: dict[str, Any] = {"type": "L3", "policy_desc": "tenants", "ports": ["Ethernet8", "Ethernet0"]}
CUSTOM = {
    "MATCHES": ["SRC_IP", "IN_PORTS", "OUT_PORTS", "DSCP", "TC", "BTH_OPCODE", "AETH_SYNDROME"],
    "ACTIONS": ["PACKET_ACTION"],
    "BIND_POINTS": ["PORT"],
}  # fmt: skip


def with_rules(four_ports: dict[str, Any], rules: dict[str, Any], table: Any = None) -> dict[str, Any]:
    entries = {f"T|{name}": {"PRIORITY": "10", **entry} for name, entry in rules.items()}
    types = {"ACL_TABLE_TYPE": {"ROCE": CUSTOM}}
    return {**four_ports, **types, "ACL_TABLE": {"T": table or DATA}, "ACL_RULE": entries}


def derived(document: dict[str, Any]) -> SwitchState:
    config, malformed = read_config(document)
    assert not malformed
    ports = {name: {"oper_status": "up"} for name in PORTS}
    return derive(config, {"PORT_TABLE": ports})


def statuses(document: dict[str, Any]) -> dict[str, str | None]:
    (table,) = read_acl(read_config(document)[0])
    return {rule.name: rule.status for rule in table.rules}


def table_of(document: dict[str, Any]) -> AclTable:
    (table,) = derived(document).acl_tables
    return table


def test_rule_becomes_its_conditions_on_the_ports_of_its_table(four_ports: dict[str, Any]) -> None:
    rule = {"SRC_IP": "10.0.0.0/8", "IP_PROTOCOL": "17", "L4_DST_PORT": "4791", "PACKET_ACTION": "DROP"}
    table = table_of(with_rules(four_ports, {"R": rule}))
    assert (table.name, table.is_egress, table.ports) == ("T", False, (0, 1))
    assert table.rules[0].drops
    assert set(table.rules[0].matches) == {
        AclMatch("src_ip", 0xFFFF_0A00_0000, IPV4_BITS | 0xFF000000),
        AclMatch("ip_protocol", 17, 0xFF),
        AclMatch("l4_dst_port", 4791, 0xFFFF),
    }


def test_rules_act_in_the_order_of_their_priority_then_of_their_names(four_ports: dict[str, Any]) -> None:
    rule = {"SRC_IP": "10.0.0.0/8", "PACKET_ACTION": "DROP"}
    rules = {"B": rule, "A": rule, "FIRST": {**rule, "PRIORITY": "9999"}, "LAST": {**rule, "PRIORITY": "9"}}
    assert [each.name for each in table_of(with_rules(four_ports, rules)).rules] == [
        "FIRST",
        "A",
        "B",
        "LAST",
    ]


def test_ipv6_rules_are_for_ipv6_packets_alone(four_ports: dict[str, Any]) -> None:
    rule = {"IP_PROTOCOL": "17", "PACKET_ACTION": "FORWARD"}
    table = table_of(with_rules(four_ports, {"R": rule}, {**DATA, "type": "L3V6", "stage": "EGRESS"}))
    assert table.is_egress
    assert not table.rules[0].drops
    assert AclMatch("ether_type", 0x86DD, 0xFFFF) in table.rules[0].matches


@pytest.mark.parametrize(
    "rule",
    [
        {"PACKET_ACTION": "DROP"},
        {"SRC_IP": "10.0.0.0/8", "PACKET_ACTION": "ACCEPT"},
        {"SRC_IP": "10.0.0.0/8", "PACKET_ACTION": "REDIRECT"},
        {"SRC_IP": "10.0.0.0/8", "PACKET_ACTION": "DISABLE_TRIM"},
        {"SRC_IPV6": "fd00::/8", "PACKET_ACTION": "DROP"},
        {"DSCP": "26", "PACKET_ACTION": "DROP"},
        {"IN_PORTS": "Ethernet0", "PACKET_ACTION": "DROP"},
        {"BTH_OPCODE": "0x81/0xff", "PACKET_ACTION": "DROP"},
        {"IP_TYPE": "IPV4", "PACKET_ACTION": "DROP"},
        {"L4_DST_PORT_RANGE": "200-100", "PACKET_ACTION": "DROP"},
    ],
)
def test_rule_that_aclorch_cannot_use_is_inactive_and_does_nothing(
    four_ports: dict[str, Any], rule: dict[str, str]
) -> None:
    good = {"SRC_IP": "10.0.0.0/8", "PACKET_ACTION": "DROP"}
    document = with_rules(four_ports, {"BAD": rule, "GOOD": good})
    assert statuses(document) == {"BAD": "Inactive", "GOOD": "Active"}
    assert [each.name for each in table_of(document).rules] == ["GOOD"]


def test_custom_table_takes_what_its_type_names(four_ports: dict[str, Any]) -> None:
    rules = {
        "CNP": {"BTH_OPCODE": "0x81/0xff", "PACKET_ACTION": "DROP"},
        "PORT": {"IN_PORTS": "Ethernet8,Ethernet0", "DSCP": "26", "PACKET_ACTION": "DROP"},
        "OUT": {"OUT_PORTS": "Ethernet8", "PACKET_ACTION": "DROP"},
        "DST": {"DST_IP": "10.0.0.0/8", "PACKET_ACTION": "DROP"},
        "NAT": {"DSCP": "26", "PACKET_ACTION": "DO_NOT_NAT"},
    }
    document = with_rules(four_ports, rules, {**DATA, "type": "ROCE"})
    assert statuses(document) == {
        "CNP": "Active", "PORT": "Active", "OUT": "Inactive", "DST": "Inactive", "NAT": "Inactive",
    }  # fmt: skip
    made = {rule.name: rule for rule in table_of(document).rules}
    assert made["CNP"].matches == (AclMatch("bth_opcode", 0x81, 0xFF),)
    assert made["PORT"].in_ports == (0, 1)


def test_traffic_class_is_the_dscps_that_the_ports_take_for_it(four_ports: dict[str, Any]) -> None:
    document = with_rules(four_ports, {"R": {"TC": "3", "PACKET_ACTION": "DROP"}}, {**DATA, "type": "ROCE"})
    (rule,) = table_of(document).rules
    assert rule.matches == (AclMatch("dscp", 26, 0x3F),)
    assert rule.in_ports == (0, 1, 2, 3)


def test_mirror_rules_and_control_plane_rules_leave_packets_alone(four_ports: dict[str, Any]) -> None:
    session = {"MIRROR_SESSION": {"s": {"type": "ERSPAN", "src_ip": "10.0.0.1", "dst_ip": "10.0.0.2"}}}
    mirror = with_rules(
        {**four_ports, **session},
        {"R": {"SRC_IP": "10.0.0.0/8", "MIRROR_INGRESS_ACTION": "s"}},
        {**DATA, "type": "MIRROR"},
    )
    assert statuses(mirror) == {"R": "Active"}
    assert derived(mirror).acl_tables == ()
    ssh = {"type": "CTRLPLANE", "services": ["SSH"]}
    control = with_rules(four_ports, {"R": {"SRC_IP": "10.0.0.0/8", "PACKET_ACTION": "DROP"}}, ssh)
    assert statuses(control) == {"R": None}
    assert derived(control).acl_tables == ()


RULES = {
    "ALLOW": {"PRIORITY": "20", "SRC_IP": "10.0.0.0/8", "L4_DST_PORT": "4791", "PACKET_ACTION": "FORWARD"},
    "DENY": {"SRC_IP": "0.0.0.0/0", "PACKET_ACTION": "DROP"},
    "ODD": {"PRIORITY": "1", "DSCP": "3", "PACKET_ACTION": "DROP"},
}


@pytest.fixture
def switch(four_ports: dict[str, Any]) -> SimulatedSwitch:
    made = SimulatedSwitch("leaf0", BootConfig(with_rules(four_ports, RULES), {}), PORTS)
    made.set_counters(SwitchCounters(acl={("T", "ALLOW"): (3, 300), ("T", "DENY"): (5, 70)}))
    return made


def test_counters_db_has_the_counters_of_active_rules(switch: SimulatedSwitch) -> None:
    counters = switch.databases.counters
    oids = counters["ACL_COUNTER_RULE_MAP"][""]
    assert sorted(oids) == ["T:ALLOW", "T:DENY"]
    assert counters["COUNTERS"][oids["T:DENY"]] == {
        "SAI_ACL_COUNTER_ATTR_PACKETS": "5",
        "SAI_ACL_COUNTER_ATTR_BYTES": "70",
    }
    assert oids["T:DENY"].startswith("oid:0x9")


def test_counters_of_rules_start_again_with_a_reboot_and_with_the_rule(switch: SimulatedSwitch) -> None:
    def packets() -> str:
        counters = switch.databases.counters
        oid = counters["ACL_COUNTER_RULE_MAP"][""]["T:DENY"]
        return counters["COUNTERS"][oid]["SAI_ACL_COUNTER_ATTR_PACKETS"]

    switch.shut_down()
    switch.start_up()
    assert packets() == "0"
    switch.set_counters(SwitchCounters(acl={("T", "DENY"): (7, 90)}))
    assert packets() == "2"
    switch.set_counters(SwitchCounters(acl={("T", "DENY"): (1, 10)}))
    assert packets() == "1"


def test_state_db_says_which_tables_and_rules_are_active(switch: SimulatedSwitch) -> None:
    state = switch.databases.state
    assert state["ACL_TABLE_TABLE"] == {"T": {"status": "Active"}}
    assert state["ACL_RULE_TABLE"] == {
        "T|ALLOW": {"status": "Active"},
        "T|DENY": {"status": "Active"},
        "T|ODD": {"status": "Inactive"},
    }


def test_operator_sees_tables_rules_and_counters_in_the_columns_of_sonic(switch: SimulatedSwitch) -> None:
    databases = switch.databases
    assert show(databases, ["acl", "table"]).splitlines() == [
        "Name    Type    Binding    Description    Stage    Status",
        "------  ------  ---------  -------------  -------  --------",
        "T       L3      Ethernet0  tenants        ingress  Active",
        "                Ethernet8",
    ]
    assert show(databases, ["acl", "rule"]).splitlines() == [
        "Table    Rule      Priority  Action    Match               Status",
        "-------  ------  ----------  --------  ------------------  --------",
        "T        ALLOW           20  FORWARD   L4_DST_PORT: 4791   Active",
        "                                       SRC_IP: 10.0.0.0/8",
        "T        DENY            10  DROP      SRC_IP: 0.0.0.0/0   Active",
        "T        ODD              1  DROP      DSCP: 3             Inactive",
    ]
    assert show(databases, ["acl", "counters"]).splitlines() == [
        "RULE NAME    TABLE NAME      PRIO  PACKETS COUNT    BYTES COUNT",
        "-----------  ------------  ------  ---------------  -------------",
        "ALLOW        T                 20  3                300",
        "DENY         T                 10  5                70",
        "ODD          T                  1  N/A              N/A",
    ]


def test_asic_db_leads_from_a_port_over_its_group_to_tables_entries_and_counters(
    switch: SimulatedSwitch,
) -> None:
    databases = switch.databases
    asic = databases.asic["ASIC_STATE"]
    port = databases.counters["COUNTERS_PORT_NAME_MAP"][""]["Ethernet0"]
    group = asic[f"SAI_OBJECT_TYPE_PORT:{port}"]["SAI_PORT_ATTR_INGRESS_ACL"]
    assert asic[f"SAI_OBJECT_TYPE_ACL_TABLE_GROUP:{group}"]["SAI_ACL_TABLE_GROUP_ATTR_TYPE"].endswith(
        "PARALLEL"
    )
    member = "SAI_ACL_TABLE_GROUP_MEMBER_ATTR_ACL_TABLE_"
    (table,) = (fields[f"{member}ID"] for fields in asic.values() if fields.get(f"{member}GROUP_ID") == group)
    assert f"SAI_OBJECT_TYPE_ACL_TABLE:{table}" in asic
    entries = {
        fields["SAI_ACL_ENTRY_ATTR_PRIORITY"]: fields
        for key, fields in asic.items()
        if key.startswith("SAI_OBJECT_TYPE_ACL_ENTRY:")
    }
    assert sorted(entries) == ["10", "20"]
    counter = databases.counters["ACL_COUNTER_RULE_MAP"][""]["T:ALLOW"]
    assert entries["20"] == {
        "SAI_ACL_ENTRY_ATTR_TABLE_ID": table,
        "SAI_ACL_ENTRY_ATTR_PRIORITY": "20",
        "SAI_ACL_ENTRY_ATTR_ADMIN_STATE": "true",
        "SAI_ACL_ENTRY_ATTR_ACTION_COUNTER": counter,
        "SAI_ACL_ENTRY_ATTR_ACTION_PACKET_ACTION": "SAI_PACKET_ACTION_FORWARD",
        "SAI_ACL_ENTRY_ATTR_FIELD_L4_DST_PORT": "4791&mask:0xffff",
        "SAI_ACL_ENTRY_ATTR_FIELD_SRC_IP": "10.0.0.0&mask:255.0.0.0",
    }
    assert asic[f"SAI_OBJECT_TYPE_ACL_COUNTER:{counter}"]["SAI_ACL_COUNTER_ATTR_TABLE_ID"] == table


def test_asic_db_has_a_range_of_its_own_for_ports(four_ports: dict[str, Any]) -> None:
    rule = {"L4_SRC_PORT_RANGE": "100-200", "PACKET_ACTION": "DROP"}
    switch = SimulatedSwitch("leaf0", BootConfig(with_rules(four_ports, {"R": rule}), {}), PORTS)
    asic = switch.databases.asic["ASIC_STATE"]
    (entry,) = (fields for key, fields in asic.items() if "_ACL_ENTRY:" in key)
    oid = entry["SAI_ACL_ENTRY_ATTR_FIELD_ACL_RANGE_TYPE"].removeprefix("1:")
    assert asic[f"SAI_OBJECT_TYPE_ACL_RANGE:{oid}"] == {
        "SAI_ACL_RANGE_ATTR_TYPE": "SAI_ACL_RANGE_TYPE_L4_SRC_PORT_RANGE",
        "SAI_ACL_RANGE_ATTR_LIMIT": "100,200",
    }
