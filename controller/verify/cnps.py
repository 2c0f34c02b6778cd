"""Congestion notification packets: they must be early, and none may be lost to other traffic."""

from __future__ import annotations

from collections.abc import Iterator

from raddle.controller.verify.finding import Finding
from raddle.state import DSCPS, PortState, SwitchState
from raddle.topology.model import RocePolicy

CNP_BYTES = 78
"""A CNP from Ethernet header to FCS (IBTA annex A17.9.3: BTH and 16 reserved bytes)."""


def check_cnps(state: SwitchState, port: PortState, roce: RocePolicy) -> Iterator[Finding]:
    """What is wrong with the way of CNPs through a port."""
    yield from _queue(port, roce)
    yield from _guarantee(state, port, roce)


def _queue(port: PortState, roce: RocePolicy) -> Iterator[Finding]:
    cnp = roce.cnp
    tc = port.dscp_to_tc[cnp.dscp]
    queue = port.tc_to_queue[tc]
    if tc != cnp.priority:
        message = f"CNPs (DSCP {cnp.dscp}) map to TC {tc}, not {cnp.priority}"
        yield Finding("cnp-queue", message, "map them to their own TC", ("roce", "cnp", "dscp"))
    elif queue in {each.priority for each in roce.lossless}:
        message = f"CNPs share queue {queue} with a lossless class, whose pauses hold them back"
        hint = "give CNPs a priority of their own, such as 6"
        yield Finding("cnp-queue", message, hint, ("roce", "cnp", "priority"))
    elif port.queues[queue].weight:
        message = f"the CNP queue {queue} is not of strict priority, so CNPs wait behind data"
        yield Finding("cnp-queue", message, "schedule it strictly", ("roce", "cnp", "priority"))


def _guarantee(state: SwitchState, port: PortState, roce: RocePolicy) -> Iterator[Finding]:
    """A warning where other lossy traffic can take the buffer that CNPs need, on the way in or out."""
    cnp = roce.cnp
    tc = port.dscp_to_tc[cnp.dscp]
    if roce.congestion_control != "dcqcn" or tc != cnp.priority:
        return  # there are none, or they are not where they belong, which `_queue` finds
    group, queue = port.tc_to_pg[tc], port.tc_to_queue[tc]
    if {group, queue} & {each.priority for each in roce.lossless if roce.pfc}:
        return  # they are paused, not dropped
    index, egress = port.pgs[group], port.queues[queue].buffer
    wred = port.queues[queue].wred
    others = [dscp for dscp in range(DSCPS) if dscp != cnp.dscp]
    why = ""
    if index is None:
        why = f"priority group {group} has no buffer"
    elif state.buffer_profiles[index].reserved_bytes < CNP_BYTES:
        why = f"priority group {group} has nothing reserved"
    elif any(port.tc_to_pg[port.dscp_to_tc[dscp]] == group for dscp in others):
        why = f"other traffic takes what priority group {group} has reserved"
    elif egress is not None and state.buffer_profiles[egress].reserved_bytes < CNP_BYTES:
        why = f"queue {queue} has nothing reserved"
    elif any(port.tc_to_queue[port.dscp_to_tc[dscp]] == queue for dscp in others):
        why = f"other traffic takes what queue {queue} has reserved"
    elif wred is not None and state.wred_profiles[wred].drops:
        why = f"WRED drops in queue {queue}"
    if why:
        message = f"CNPs (DSCP {cnp.dscp}) can be dropped when other traffic fills the buffer: {why}"
        hint = "give CNPs a priority of their own; raddle's plan then reserves buffer for them"
        yield Finding("cnp-droppable", message, hint, ("roce", "cnp"), "warning")
