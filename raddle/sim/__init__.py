"""The engine's Python face: `Simulation`, its result columns, and the ECMP hash of the switches."""

from raddle.sim.simulation import (
    DROP_REASONS,
    FLOW_STATUS,
    NEVER,
    FlowColumns,
    PacketCounts,
    PortColumns,
    QpColumns,
    Simulation,
    payload_rate_gbs,
    qp_endpoints,
)

__all__ = [
    "DROP_REASONS",
    "FLOW_STATUS",
    "NEVER",
    "FlowColumns",
    "PacketCounts",
    "PortColumns",
    "QpColumns",
    "Simulation",
    "payload_rate_gbs",
    "qp_endpoints",
]
