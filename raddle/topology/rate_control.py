"""What NICs can do about congestion: one record for each rate control, with its parameters.

`RATE_CONTROLS` are the rows of the engine (native/include/raddle/rate_control.hpp) in its order; fields have
the names that the engine has for them. A test holds both lists against each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

CongestionControl = Literal["none", "dcqcn"]
"""Names of the rate controls, as in fabric files."""


@dataclass(frozen=True, slots=True)
class LineRate:
    """None: a queue pair sends as fast as its link takes it."""

    name: ClassVar[CongestionControl] = "none"


@dataclass(frozen=True, slots=True)
class Dcqcn:
    """DCQCN's parameters under the names of the paper (Zhu et al., SIGCOMM 2015, sections 3 and 5).

    The defaults are those of ConnectX NICs, DCQCN_SETS has them and the paper's.

    Attributes:
        g: gain of the alpha filter.
        alpha_timer_ps: time without CNP after which alpha decays.
        rate_timer_ps: period of the timer that raises the rate.
        byte_counter_bytes: bytes sent after which the rate is raised; 0: the timer alone raises it.
        fast_recovery_steps: F: step F of the timer or of the counter is the first of additive increase; step
            F + 1 without a byte counter.
        rate_ai_bps, rate_hai_bps: additive and hyper increase. With a byte counter the i-th hyper increase
            adds i times as much (the paper, after QCN, IEEE 802.1Qau); without one each adds the same (ns-3's
            HPCC code). Isekai's model of ConnectX adds the same with a byte counter, too: it climbs slower.
        min_rate_bps: least rate.
        clamp_target_rate: every CNP sets the target to the current rate; False: only the first after a
            raise does.
        decrease_timer_ps: period at whose end the rate falls if a CNP came within it; alpha then moves with
            its timer, up if a CNP came and down if not. 0: each CNP moves rate and alpha at once.
    """

    name: ClassVar[CongestionControl] = "dcqcn"

    g: float = 5 / 1024
    alpha_timer_ps: int = 1_000_000
    rate_timer_ps: int = 300_000_000
    byte_counter_bytes: int = 32_767 * 64
    fast_recovery_steps: int = 1
    rate_ai_bps: int = 5_000_000
    rate_hai_bps: int = 50_000_000
    min_rate_bps: int = 1_000_000
    clamp_target_rate: bool = False
    decrease_timer_ps: int = 4_000_000


@dataclass(frozen=True, slots=True)
class DcqcnSet:
    """Parameters of the reaction point and, of the notification point, the least time between two CNPs."""

    dcqcn: Dcqcn
    cnp_interval_ps: int


DcqcnSetName = Literal["connectx", "sigcomm2015"]

DCQCN_SETS: dict[DcqcnSetName, DcqcnSet] = {
    "connectx": DcqcnSet(Dcqcn(), cnp_interval_ps=4_000_000),
    "sigcomm2015": DcqcnSet(
        Dcqcn(
            g=1 / 256,
            alpha_timer_ps=55_000_000,
            rate_timer_ps=55_000_000,
            byte_counter_bytes=10_000_000,
            fast_recovery_steps=5,
            rate_ai_bps=40_000_000,
            rate_hai_bps=400_000_000,
            min_rate_bps=1_000_000,
            clamp_target_rate=True,
            decrease_timer_ps=0,
        ),
        cnp_interval_ps=50_000_000,
    ),
}
"""Values that belong together: a set that mixes them sees CNPs too seldom for its alpha, or too often.

connectx: NVIDIA, "DCQCN CC Parameters" (ConnectX-4 and later): dce_tcp_g 1019/1024, dce_tcp_rtt 1 us,
rate_reduce_monitor_period 4 us, rpg_time_reset 300 us, rpg_byte_reset 32767, rpg_threshold 1, rpg_ai_rate
5 Mb/s, rpg_hai_rate 50 Mb/s, rpg_min_rate 1 Mb/s, clamp_tgt_rate 0; of the notification point
min_time_between_cnps 4 us, as such NICs report it. The unit of rpg_byte_reset is 64 bytes (2.1 MB): so has
it Isekai (rdma_roce_cc_dcqcn.cc), Google's simulator of NICs, after the vendor's list of parameters, and
testers of RoCE set 2 MB beside the same 5 Mb/s (Spirent, Rocev2DcqcnProfile). mstflint's text says bytes, but
gives 150 as default, which no packet fits, and IEEE 802.1Qau's 150 are kilobytes.

sigcomm2015: Zhu et al., sections 3 and 5: g 1/256, K and T 55 us, B 10 MB, F 5, R_AI 40 Mb/s, N 50 us; each
CNP sets the target (equation 1). The paper gives neither R_HAI nor a least rate: ten times R_AI, as IEEE
802.1Qau has it, and 1 Mb/s are assumptions. Its values are for 40G: at 400G they leave most of a link idle.
"""


RateControl = LineRate | Dcqcn
RATE_CONTROLS: tuple[type[RateControl], ...] = (LineRate, Dcqcn)
