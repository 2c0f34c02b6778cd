"""Packets of the controller: what it sends leaves at a port, what is trapped comes to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from finsy.proto import p4i, p4r, rpc_code

from raddle.nos.p4rt.check import UpdateError, canonical, invalid
from raddle.nos.p4rt.forwarding import P4Forwarding
from raddle.nos.p4rt.pipeline import TERNARY, Pipeline, Value
from raddle.nos.p4rt.port_ids import PortIds

_ACL_TABLES = ("acl", "acl_ingress_table")
_TRAPS = ("trap", "acl_trap", "acl_copy")


class PacketIo:
    """The packet path of one switch.

    Attributes:
        on_packet_in: takes what goes to the controller.
        transmit: takes (port, frame) of what leaves the switch.
    """

    def __init__(self, forwarding: P4Forwarding, ports: PortIds) -> None:
        self._forwarding = forwarding
        self._ports = ports
        self.on_packet_in: Callable[[p4r.PacketIn], None] = lambda packet: None
        self.transmit: Callable[[str, bytes], None] = lambda port, frame: None

    def packet_out(self, packet: p4r.PacketOut) -> None:
        """Send a controller's packet.

        Raises:
            UpdateError: there is no pipeline, or its metadata is not as the P4Info has it.
        """
        pipeline = self._forwarding.pipeline
        if pipeline is None:
            raise UpdateError(
                rpc_code.FAILED_PRECONDITION, "no forwarding pipeline config set for this device"
            )
        fields = _metadata(pipeline, "packet_out")
        values = {each.metadata_id: each.value for each in packet.metadata}
        if len(values) < len(packet.metadata):
            invalid("packet_out: metadata is given twice")
        if unknown := values.keys() - {field.id for field in fields}:
            invalid(f"packet_out: metadata {min(unknown)} is not in the P4Info")
        for field in fields:
            if field.id not in values:
                invalid(f"packet_out: metadata '{field.name}' is missing")
            canonical(values[field.id], field, "packet_out")
            if field.name == "port_event" and any(values[field.id]):
                invalid("packet_out: this switch knows its ports by itself and takes no 'port_event'")
        port_field = next((field for field in fields if field.name == "egress_port"), None)
        if port_field is None:
            invalid(f"{pipeline.name} sends no packets: its packet_out has no 'egress_port'")
        port = self._ports.name(values[port_field.id], not port_field.bits)
        if port is None:
            invalid(f"packet_out: no port 0x{values[port_field.id].hex()}")
        self.transmit(port, packet.payload)

    def receive(self, port: str, frame: bytes) -> None:
        """A frame that is not IP comes in at a port: the ACL may send it to the controller."""
        pipeline = self._forwarding.pipeline
        if pipeline is None or not self._is_trapped(pipeline, port, frame):
            return
        packet = p4r.PacketIn(payload=frame)
        for field in _metadata(pipeline, "packet_in"):
            known = self._ports.value(port, not field.bits) if field.name == "ingress_port" else b"\0"
            packet.metadata.add(metadata_id=field.id, value=known)
        self.on_packet_in(packet)

    def _is_trapped(self, pipeline: Pipeline, port: str, frame: bytes) -> bool:
        table = next(
            (pipeline.table_names[name] for name in _ACL_TABLES if name in pipeline.table_names), None
        )
        if table is None:
            return False
        values = {}
        for field in table.fields.values():
            if field.name == "ether_type":
                values[field.id] = int.from_bytes(frame[12:14], "big")
            elif field.name == "in_port" and field.bits:
                values[field.id] = int.from_bytes(self._ports.value(port, False), "big")
        asked = p4r.Entity(table_entry=p4r.TableEntry(table_id=table.id))
        entries = [found.table_entry for found in self._forwarding.read([asked])]
        hits = [entry for entry in entries if _matches(entry.match, values)]
        if not hits:
            return False
        winner = max(hits, key=lambda entry: entry.priority)
        return pipeline.actions[winner.action.action.action_id].name in _TRAPS


def _matches(match: Iterable[p4r.FieldMatch], values: dict[int, int]) -> bool:
    """Whether a frame with these values, and without those of IP, matches."""
    for each in match:
        if each.WhichOneof("field_match_type") != "ternary" or each.field_id not in values:
            return False
        mask, value = (int.from_bytes(part, "big") for part in (each.ternary.mask, each.ternary.value))
        if values[each.field_id] & mask != value:
            return False
    return True


def _metadata(pipeline: Pipeline, header: str) -> list[Value]:
    for each in pipeline.config.p4info.controller_packet_metadata:
        if each.preamble.name == header:
            return [_value(pipeline, field) for field in each.metadata]
    return []


def _value(pipeline: Pipeline, field: p4i.ControllerPacketMetadata.Metadata) -> Value:
    return Value(field.id, field.name, 0 if field.HasField("type_name") else field.bitwidth, TERNARY)
