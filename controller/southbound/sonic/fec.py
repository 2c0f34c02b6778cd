"""Which FEC a port has to have, as its link does not come up with another one at the far end.

Sources, of IEEE 802.3: RS-FEC is part of every lane of 50 Gb/s and more (802.3cd, clauses 133 and 134) and
of the PCS of 200GBASE-R up (802.3bs, clause 119), whatever its lanes; of 25GBASE-SR (clause 112) and -LR
(802.3cc, clause 114); and of 100GBASE-SR4 (802.3bm, clause 95) and -CR4 (clause 92), but not of -LR4 (clause
88). Modules for DR, FR and LR of one lambda with an electrical side of 25 Gb/s lanes have it inside (clause
140), so that it is off at the port.

Assumptions: active cables of 100G are as the optics that they replace; 25GBASE-CR and 50G over two lanes (25G
Ethernet Consortium), which have the choice, have it too; 40GBASE-R and 10GBASE-R have none.
"""

from __future__ import annotations

from typing import Literal

from raddle.controller.plan.model import PortPlan
from raddle.topology.forms.cabling import REACH_M

_LONG = ("dr", "fr", "lr")
_G = 10**9


def fec_of(port: PortPlan) -> Literal["rs", "none"]:
    """SONiC's `fec`. Where no medium is given, the cable has one that its length needs."""
    if port.speed_bps >= 200 * _G or port.speed_bps // len(port.lanes) >= 50 * _G:
        return "rs"
    if port.speed_bps == 100 * _G:
        is_long = port.medium in _LONG if port.medium else port.cable_m > REACH_M["sr"]
        return "none" if is_long else "rs"
    return "rs" if port.speed_bps in (25 * _G, 50 * _G) else "none"
