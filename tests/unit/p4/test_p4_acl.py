"""Access lists of P4Runtime pipelines: which packets an entry is for, at which ports."""

from __future__ import annotations

from typing import Any

from finsy import Action, Match, P4Schema, P4TableEntry
from finsy.proto import p4r

from raddle.controller.southbound.p4runtime.pipelines import fabric_pipeline, schema_of
from raddle.nos.orch.p4_acl import p4_acl_tables
from raddle.nos.p4rt.forwarding import P4Forwarding
from raddle.state import AclMatch, AclTable
from tests.unit.p4.p4_fabrics import MIDDLEBLOCK, needs_middleblock

PORTS = ("Ethernet0", "Ethernet8", "Ethernet16", "Ethernet24")
COMMIT = p4r.SetForwardingPipelineConfigRequest.VERIFY_AND_COMMIT
HOST_BITS = (1 << 128) - 1


def tables(config: p4r.ForwardingPipelineConfig, schema: P4Schema, *entries: Any) -> dict[str, AclTable]:
    switch = P4Forwarding(1)
    switch.set_pipeline(config, COMMIT)
    updates = [p4r.Update(type=p4r.Update.INSERT, entity=entry.encode(schema)) for entry in entries]
    assert switch.write(updates, p4r.WriteRequest.CONTINUE_ON_ERROR) == [None] * len(updates)
    _, held = switch.snapshot()
    return {table.name: table for table in p4_acl_tables(held, PORTS)}


def fabric_acl(*entries: Any) -> AclTable:
    config = fabric_pipeline()
    return tables(config, schema_of(config), *entries)["acl"]


def test_entry_of_the_highest_priority_comes_first_and_drops_what_it_traps() -> None:
    source = 0xFFFF_0A00_0001
    table = fabric_acl(
        P4TableEntry("acl", match=Match(src=(source, HOST_BITS)), priority=1, action=Action("drop")),
        P4TableEntry("acl", match=Match(dscp=(26, 0x3F)), priority=3, action=Action("NoAction")),
        P4TableEntry("acl", match=Match(ether_type=(0x86DD, 0xFFFF)), priority=2, action=Action("trap")),
    )
    assert (table.is_egress, table.ports) == (False, (0, 1, 2, 3))
    assert [(rule.drops, rule.matches) for rule in table.rules] == [
        (False, (AclMatch("dscp", 26, 0x3F),)),
        (True, (AclMatch("ether_type", 0x86DD, 0xFFFF),)),
        (True, (AclMatch("src_ip", source, HOST_BITS),)),
    ]


def test_ports_are_numbered_from_one_and_masked() -> None:
    def chosen(value: int, mask: int) -> tuple[int, ...] | None:
        match = Match(in_port=(value, mask))
        (rule,) = fabric_acl(P4TableEntry("acl", match=match, priority=1, action=Action("drop"))).rules
        return rule.in_ports

    assert chosen(2, 0x1FF) == (1,)
    assert chosen(1, 0x001) == (0, 2)
    assert chosen(9, 0x1FF) == ()


@needs_middleblock
def test_pins_entries_are_for_their_family_ttl_and_port_out() -> None:
    from google.protobuf import text_format

    config = p4r.ForwardingPipelineConfig()
    text_format.Parse(MIDDLEBLOCK.read_text(), config.p4info)
    found = tables(
        config,
        P4Schema(config.p4info),
        P4TableEntry(
            "acl_ingress_table",
            match=Match(is_ipv4=1, src_ip=(0x0A000000, 0xFF000000), ttl=(1, 0xFF)),
            priority=5,
            action=Action("acl_drop"),
        ),
        P4TableEntry(
            "acl_ingress_security_table",
            match=Match(is_ipv6=1, src_ipv6=(0xFD00 << 48, 0xFFFF << 48)),
            priority=5,
            action=Action("acl_deny"),
        ),
        P4TableEntry(
            "acl_egress_table", match=Match(out_port="Ethernet8"), priority=5, action=Action("acl_drop")
        ),
    )
    (ipv4,) = found["acl_ingress_table"].rules
    assert ipv4.drops
    assert set(ipv4.matches) == {
        AclMatch("ether_type", 0x0800, 0xFFFF),
        AclMatch("src_ip", 0xFFFF_0A00_0000, HOST_BITS ^ 0xFFFFFF),
        AclMatch("ttl", 1, 0xFF),
    }
    (ipv6,) = found["acl_ingress_security_table"].rules
    assert ipv6.drops
    assert set(ipv6.matches) == {
        AclMatch("ether_type", 0x86DD, 0xFFFF),
        AclMatch("src_ip", 0xFD00 << 112, 0xFFFF << 112),
    }
    egress = found["acl_egress_table"]
    assert egress.is_egress
    assert egress.rules[0].out_ports == (1,)
