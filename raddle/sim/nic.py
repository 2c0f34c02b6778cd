"""The hosts' NICs as the engine takes them."""

from __future__ import annotations

import dataclasses

from raddle import _core
from raddle.errors import InputError
from raddle.state import PRIORITIES
from raddle.topology.model import Fabric

_IPV6_EXTRA_BYTES = 20
"""What the IPv6 header is longer than IPv4's (RFC 8200, RFC 791)."""


def nic_config(fabric: Fabric) -> _core.NicConfig:
    """The hosts' NIC parameters, of which the engine has one set.

    Raises:
        InputError: `mixed-nics`, hosts differ in more than speed.
    """
    model, roce = fabric.hosts[0].nic_model, fabric.roce
    for host in fabric.hosts:
        if dataclasses.replace(host.nic_model, speed_bps=model.speed_bps) != model:
            raise InputError.of(
                "mixed-nics",
                f"{host.name}'s NICs have other parameters than {fabric.hosts[0].name}'s",
                "the engine simulates one kind of NIC; speeds may differ",
            )
    nic = _core.NicConfig()
    if fabric.addressing.families == "ipv6":
        nic.header_bytes += _IPV6_EXTRA_BYTES
        nic.ack_bytes += _IPV6_EXTRA_BYTES
        nic.cnp_bytes += _IPV6_EXTRA_BYTES
    nic.mtu_bytes = roce.mtu_bytes
    nic.pause_quanta = roce.pause_quanta
    nic.ack_interval = model.ack_interval
    nic.window_bytes = model.window_bytes
    nic.messages = model.messages
    nic.burst_packets = model.burst_packets
    nic.class_weights = class_weights(fabric)
    nic.is_selective = model.is_selective
    nic.reorder_packets = model.reorder_packets
    nic.rto_ps = model.rto_ps
    nic.retry_count = model.retry_count
    nic.cnp_interval_ps = model.cnp_interval_ps
    nic.pfc_reaction_ps = model.pfc_reaction_ps
    nic.is_dcqcn = roce.congestion_control == "dcqcn"
    nic.cnp_dscp = roce.cnp.dscp
    nic.cnp_priority = roce.cnp.priority
    nic.set_dcqcn(
        g=roce.dcqcn.g,
        alpha_timer_ps=roce.dcqcn.alpha_timer_ps,
        rate_timer_ps=roce.dcqcn.rate_timer_ps,
        byte_counter_bytes=roce.dcqcn.byte_counter_bytes,
        fast_recovery_steps=roce.dcqcn.fast_recovery_steps,
        rate_ai_bps=roce.dcqcn.rate_ai_bps,
        rate_hai_bps=roce.dcqcn.rate_hai_bps,
        min_rate_bps=roce.dcqcn.min_rate_bps,
        clamps_target=roce.dcqcn.clamp_target_rate,
        decrease_timer_ps=roce.dcqcn.decrease_timer_ps,
    )
    return nic


def class_weights(fabric: Fabric) -> list[int]:
    """Of each PFC priority at the hosts' NICs, 0 for strict."""
    weights = [1] * PRIORITIES
    weights[fabric.roce.cnp.priority] = 0
    for priority, weight in fabric.hosts[0].nic_model.class_weights:
        weights[priority] = weight
    return weights


def wire_bytes(fabric: Fabric, payload_bytes: int) -> int:
    """What a data packet takes on the wire: payload, headers, FCS, preamble and gap."""
    nic = nic_config(fabric)
    return payload_bytes + nic.header_bytes + nic.gap_bytes


def payload_rate_gbs(fabric: Fabric) -> float:
    """The payload rate of the slowest NIC's link in GB/s (1e9 bytes): its line without headers and gaps.

    At 400G and 4096 bytes of payload with 82 bytes around it, 49.02.
    """
    nic = nic_config(fabric)
    share = nic.mtu_bytes / (nic.mtu_bytes + nic.header_bytes + nic.gap_bytes)
    return min(fabric.links[endpoint.link].speed_bps for endpoint in fabric.endpoints) / 8e9 * share
