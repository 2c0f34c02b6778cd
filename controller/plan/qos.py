"""Classification, scheduling, marking and flow control of RoCEv2 traffic."""

from __future__ import annotations

from raddle.controller.plan.model import QosPlan
from raddle.state import DSCPS, PRIORITIES
from raddle.topology.model import RocePolicy

LOSSY_WEIGHT = 14
LOSSLESS_WEIGHT = 15
"""DWRR weights of SONiC's scheduler.0 and scheduler.1 (sonic-buildimage, qos_config.j2)."""


def plan_qos(roce: RocePolicy) -> QosPlan:
    """The QoS of every port.

    A lossless class keeps one number all the way: its DSCP maps to the TC, queue and priority group of its
    priority. CNPs have a queue of strict priority, because a late CNP is a late reaction (DCQCN, SIGCOMM
    2015, section 3.3), and a priority group of their own, so that what is reserved there is theirs.
    Everything else is TC 0. All other lossy TCs share one priority group, the lossless ones too where PFC
    is off.
    """
    lossless = tuple(sorted(each.priority for each in roce.lossless))
    guarded = lossless if roce.pfc else ()
    own = own_priority(roce)
    taken = (*guarded, *(() if own is None else (own,)))
    lossy_pg = next((pg for pg in range(PRIORITIES) if pg not in taken), own)
    assert lossy_pg is not None, "checked: not all priorities are lossless"
    dscp_to_tc = [0] * DSCPS
    for each in (*roce.lossless, roce.cnp):
        dscp_to_tc[each.dscp] = each.priority
    weights = [LOSSLESS_WEIGHT if tc in lossless else LOSSY_WEIGHT for tc in range(PRIORITIES)]
    if roce.cnp.priority not in lossless:
        weights[roce.cnp.priority] = 0
    return QosPlan(
        dscp_to_tc=tuple(dscp_to_tc),
        tc_to_queue=tuple(range(PRIORITIES)),
        tc_to_pg=tuple(tc if tc in taken else lossy_pg for tc in range(PRIORITIES)),
        queue_weights=tuple(weights),
        lossless=lossless,
        pfc=roce.pfc,
        ecn=roce.ecn,
        ecn_speeds=roce.ecn_speeds,
        watchdog=roce.watchdog,
        cnp=own,
    )


def own_priority(roce: RocePolicy) -> int | None:
    """The priority that CNPs alone have; None where there are none, or they share one with a lossless class
    or with all that no class claims."""
    shared = {0, *(each.priority for each in roce.lossless)}
    is_shared = roce.congestion_control != "dcqcn" or roce.cnp.priority in shared
    return None if is_shared else roce.cnp.priority
