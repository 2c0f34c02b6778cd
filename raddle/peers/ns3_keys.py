"""The keys of the settings files of ns-3's RDMA model, and what becomes of each.

Sources: main() in scratch/third.cc of alibaba-edu/High-Precision-Congestion-Control; SimAI.conf of
aliyun/SimAI; scratch/network-load-balance.cc of conweave-project/conweave-ns3.
"""

from __future__ import annotations

READ = frozenset(
    {
        "ALPHA_RESUME_INTERVAL",
        "BUFFER_SIZE",
        "CC_MODE",
        "CLAMP_TARGET_RATE",
        "ENABLE_IRN",
        "ENABLE_PFC",
        "ENABLE_QCN",
        "ERROR_RATE_PER_LINK",
        "EWMA_GAIN",
        "FAST_RECOVERY_TIMES",
        "HAS_WIN",
        "KMAX_MAP",
        "KMIN_MAP",
        "L2_ACK_INTERVAL",
        "L2_BACK_TO_ZERO",
        "LB_MODE",
        "LINK_DOWN",
        "MIN_RATE",
        "PACKET_PAYLOAD_SIZE",
        "PMAX_MAP",
        "RATE_AI",
        "RATE_BOUND",
        "RATE_DECREASE_INTERVAL",
        "RATE_HAI",
        "RP_TIMER",
    }
)
"""What is read, or must have the one value that raddle simulates."""

RECORDED = frozenset(
    {
        "BW_MON_INTERVAL",
        "ENABLE_TRACE",
        "MON_END",
        "MON_START",
        "QLEN_MON_END",
        "QLEN_MON_INTERVAL",
        "QLEN_MON_START",
        "QP_MON_INTERVAL",
        "SW_MONITORING_INTERVAL",
    }
)
"""What says what is recorded, as every key that ends in _FILE."""

WITHOUT_EFFECT = frozenset(
    {
        "CONWEAVE_DEFAULT_VOQ_WAITING_TIME",
        "CONWEAVE_EXTRA_VOQ_FLUSH_TIME",
        "CONWEAVE_PATH_PAUSE_TIME",
        "CONWEAVE_REPLY_TIMEOUT_EXTRA",
        "CONWEAVE_TX_EXPIRY_TIME",
        "DATA_RATE",
        "DCTCP_RATE_AI",
        "FAST_REACT",
        "FLOWGEN_START_TIME",
        "FLOWGEN_STOP_TIME",
        "GLOBAL_T",
        "INT_MULTI",
        "L2_CHUNK_SIZE",
        "LINK_DELAY",
        "LOAD",
        "MI_THRESH",
        "MULTI_RATE",
        "PINT_LOG_BASE",
        "PINT_PROB",
        "RANDOM_SEED",
        "SAMPLE_FEEDBACK",
        "U_TARGET",
        "VAR_WIN",
    }
)
"""What acts before a run, or with other congestion control, windows and load balancing, which are refused."""

LEFT_OUT = {
    "ACK_HIGH_PRIO": "acknowledgements have the priority of their data",
    "PAUSE_TIME": "'roce: {pause_quanta: ...}' says how long a pause holds",
    "SIMULATOR_STOP_TIME": "'raddle simulate --until' ends a run",
    "USE_DYNAMIC_PFC_THRESHOLD": "thresholds are dynamic, 'roce: {dynamic_th: ...}'",
}
"""What changes ns-3's result and not raddle's, with the way out; told."""

NO_DIFFERENCE = {"ACK_HIGH_PRIO": "0", "USE_DYNAMIC_PFC_THRESHOLD": "1"}
"""Values with which there is nothing to tell."""


def is_key(name: str) -> bool:
    """Whether a settings file may have it."""
    known = name in READ or name in RECORDED or name in WITHOUT_EFFECT or name in LEFT_OUT
    return known or (name.endswith("_FILE") and name.isupper())
