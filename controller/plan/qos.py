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
    2015, section 3.3). Everything else is TC 0. All lossy TCs share one priority group, the lossless ones
    too where PFC is off.
    """
    lossless = tuple(sorted(each.priority for each in roce.lossless))
    guarded = lossless if roce.pfc else ()
    lossy_pg = next(pg for pg in range(PRIORITIES) if pg not in guarded)
    dscp_to_tc = [0] * DSCPS
    for each in (*roce.lossless, roce.cnp):
        dscp_to_tc[each.dscp] = each.priority
    weights = [LOSSLESS_WEIGHT if tc in lossless else LOSSY_WEIGHT for tc in range(PRIORITIES)]
    if roce.cnp.priority not in lossless:
        weights[roce.cnp.priority] = 0
    return QosPlan(
        dscp_to_tc=tuple(dscp_to_tc),
        tc_to_queue=tuple(range(PRIORITIES)),
        tc_to_pg=tuple(tc if tc in guarded else lossy_pg for tc in range(PRIORITIES)),
        queue_weights=tuple(weights),
        lossless=lossless,
        pfc=roce.pfc,
        ecn=roce.ecn,
        watchdog=roce.watchdog,
    )
