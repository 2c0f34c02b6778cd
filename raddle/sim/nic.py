"""The hosts' NICs as the engine takes them."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from raddle.errors import InputError
from raddle.sim.columns import NONE
from raddle.sim.engine import NicColumns
from raddle.state import PRIORITIES
from raddle.topology.model import Fabric
from raddle.topology.yaml.placing import refused

_IPV6_EXTRA_BYTES = 20
"""What the IPv6 header is longer than IPv4's (RFC 8200, RFC 791)."""

_MOST_TRAIN_BYTES = 65_535
"""Of the frames of a train together; see Packet in native/include/raddle/packet.hpp."""


def nic_columns(fabric: Fabric) -> NicColumns:
    """The hosts' NIC parameters, of which the engine has one set.

    Raises:
        InputError: `mixed-nics`, hosts differ in more than speed.
    """
    model, roce = fabric.hosts[0].nic_model, fabric.roce
    for host in fabric.hosts:
        same = dataclasses.replace(host.nic_model, speed_bps=model.speed_bps, bus_bps=model.bus_bps)
        if same != model:
            raise refused(
                fabric,
                "mixed-nics",
                f"{host.name}'s NICs have other parameters than {fabric.hosts[0].name}'s",
                "the engine simulates one kind of NIC; speeds and 'bus' may differ",
                ("hosts",),
            )
    extra = _IPV6_EXTRA_BYTES if fabric.addressing.families == "ipv6" else 0
    usual = NicColumns()
    return NicColumns(
        mtu_bytes=roce.mtu_bytes,
        header_bytes=usual.header_bytes + extra,
        ack_bytes=usual.ack_bytes + extra,
        cnp_bytes=usual.cnp_bytes + extra,
        pause_quanta=roce.pause_quanta,
        ack_interval=model.ack_interval,
        window_bytes=model.window_bytes,
        messages=model.messages,
        burst_packets=model.burst_packets,
        class_weights=class_weights(fabric),
        loss_recovery=model.loss_recovery,
        reorder_packets=model.reorder_packets,
        rto_ps=model.rto_ps,
        retry_count=model.retry_count,
        cnp_interval_ps=model.cnp_interval_ps,
        pfc_reaction_ps=model.pfc_reaction_ps,
        cnp_dscp=roce.cnp.dscp,
        cnp_priority=roce.cnp.priority,
        rate_control=roce.rate_control,
    )


def check_train(fabric: Fabric, train: int) -> None:
    """Refuse trains of more frames than fit into one, and those that the NICs could not send again.

    Raises:
        InputError: `no-train`.
    """
    if train == 1:
        return
    nic = nic_columns(fabric)
    if nic.loss_recovery == "selective-repeat":
        what = "selective repeat ('retransmission' of the NICs) asks for single ones"
        raise InputError.of("no-train", f"frames cannot go in trains: {what}", "take --fidelity packet")
    frame_bytes = nic.mtu_bytes + nic.header_bytes
    if (size := train * frame_bytes) > _MOST_TRAIN_BYTES:
        fits = _MOST_TRAIN_BYTES // frame_bytes
        raise InputError.of(
            "no-train",
            f"{train} frames of {frame_bytes} bytes are {size}; a train has at most {_MOST_TRAIN_BYTES}",
            f"take --fidelity train:{fits}" if fits > 1 else "take --fidelity packet",
        )


def twin_columns(fabric: Fabric) -> NDArray[np.uint32]:
    """The other port of each endpoint's bond, NONE of one that has none; empty where there are no bonds."""
    if not fabric.follower_leaves:
        return np.zeros(0, np.uint32)
    return np.array([NONE if each.twin is None else each.twin for each in fabric.endpoints], np.uint32)


def class_weights(fabric: Fabric) -> tuple[int, ...]:
    """Of each PFC priority at the hosts' NICs, 0 for strict."""
    weights = [1] * PRIORITIES
    weights[fabric.roce.cnp.priority] = 0
    for priority, weight in fabric.hosts[0].nic_model.class_weights:
        weights[priority] = weight
    return tuple(weights)


def wire_bytes(fabric: Fabric, payload_bytes: int) -> int:
    """What a data packet takes on the wire: payload, headers, FCS, preamble and gap."""
    nic = nic_columns(fabric)
    return payload_bytes + nic.header_bytes + nic.gap_bytes


def payload_rate_gbs(fabric: Fabric) -> float:
    """The payload rate of the slowest NIC's link in GB/s (1e9 bytes): its line without headers and gaps.

    At 400G and 4096 bytes of payload with 82 bytes around it, 49.02.
    """
    nic = nic_columns(fabric)
    share = nic.mtu_bytes / (nic.mtu_bytes + nic.header_bytes + nic.gap_bytes)
    return min(fabric.links[endpoint.link].speed_bps for endpoint in fabric.endpoints) / 8e9 * share
