"""What an Open vSwitch needs before OpenFlow can program it: a bridge, numbered ports, and egress queues.

OpenFlow itself makes neither ports nor queues. Source: ovs-vswitchd.conf.db(5), tables Bridge, Interface,
Controller, QoS and Queue.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from raddle.controller.plan.model import PortPlan, SwitchPlan
from raddle.controller.southbound.openflow.tables import datapath_id, port_numbers, queues_of

MOST_BPS = 8 * (2**32 - 1)
"""The highest rate that linux-htb of Open vSwitch can say: it counts bytes per second in 32 bits."""


BACKOFF_MS, PROBE_MS = 1000, 5000
"""A switch without its controller looks for it every second, and asks a silent one whether it is there."""


@dataclass(frozen=True, slots=True)
class Extras:
    """What a bridge gets on request.

    Attributes:
        controller: where it connects to (`tcp:192.0.2.250:6653`); empty: nowhere.
        bfd_ms: how often it sends BFD to the switches among its neighbours; 0: never. One that has not been
            heard for three of these (RFC 5880, 6.8.4) is dead in groups.
        switches: names of the fabric's switches.
    """

    controller: str = ""
    bfd_ms: int = 0
    switches: Collection[str] = ()


def ovs_commands(switch: SwitchPlan, extras: Extras = Extras()) -> Iterator[str]:
    """Shell commands for the switch itself, whose interfaces have the names of the plan's ports."""
    bridge = switch.name
    yield (
        f"ovs-vsctl -- add-br {bridge} -- set bridge {bridge} "
        f"protocols=OpenFlow13,OpenFlow15 fail_mode=secure "
        f"other-config:datapath-id={datapath_id(switch):016x}"
    )
    numbers = port_numbers(switch)
    for port in switch.ports:
        if port.peer:
            yield (
                f"ovs-vsctl -- add-port {bridge} {port.name} "
                f"-- set interface {port.name} ofport_request={numbers[port.name]}"
            )
            yield _queue_command(switch, port)
            yield from _filters(switch, port)
            if extras.bfd_ms and port.peer.partition(":")[0] in extras.switches:
                yield (
                    f"ovs-vsctl -- set interface {port.name} bfd:enable=true "
                    f"bfd:min_tx={extras.bfd_ms} bfd:min_rx={extras.bfd_ms}"
                )
    if extras.controller:
        yield (
            f"ovs-vsctl -- set-controller {bridge} {extras.controller} "
            f"-- set controller {bridge} connection_mode=out-of-band "
            f"max_backoff={BACKOFF_MS} inactivity_probe={PROBE_MS}"
        )


def _queue_command(switch: SwitchPlan, port: PortPlan) -> str:
    """Classes of HTB: a weighted queue may always send its share, a strict one comes before the others."""
    qos = switch.qos
    rate = min(port.speed_bps, MOST_BPS)
    total = sum(qos.queue_weights)
    queues, made = [], []
    for number in sorted({0, *queues_of(switch)}):
        weight = qos.queue_weights[number]
        share = rate * weight // total if weight else rate // 100
        queues.append(f"queues:{number}=@q{number}")
        made.append(
            f"-- --id=@q{number} create queue other-config:min-rate={share} "
            f"other-config:priority={1 if weight else 0}"
        )
    return (
        f"ovs-vsctl -- set port {port.name} qos=@qos -- --id=@qos create qos type=linux-htb "
        f"other-config:max-rate={rate} {' '.join((*queues, *made))}"
    )


def _filters(switch: SwitchPlan, port: PortPlan) -> Iterator[str]:
    """The same choice by DSCP in the kernel: the user-space datapath does not carry set_queue there.

    Open vSwitch's class of queue n is 1:(n + 1).
    """
    qos = switch.qos
    start = f"tc filter add dev {port.name} parent 1:0 protocol"
    for dscp, tc in enumerate(qos.dscp_to_tc):
        if number := qos.tc_to_queue[tc]:
            end = f"{dscp << 2:#04x} 0xfc flowid 1:{number + 1:x}"
            yield f"{start} ip prio 4 u32 match ip dsfield {end}"
            yield f"{start} ipv6 prio 6 u32 match ip6 priority {end}"
