"""The paths that another simulator gives to flows, as a pin file."""

from __future__ import annotations

from raddle.peers.files import PeerFlows, PeerTopology
from raddle.peers.models import NS3_HPCC
from raddle.peers.names import PeerNames
from raddle.peers.network import PeerNetwork


def ns3_pins_csv(topology: PeerTopology, flows: PeerFlows, names: PeerNames) -> str:
    """The switches on every flow's way, as the hash of ns3-hpcc chooses them; the port of one where it has
    several links to the next."""
    network = PeerNetwork(topology, NS3_HPCC)
    lines = ["flow,path"]
    for flow in range(len(flows.src)):
        words = []
        for node, port in network.ns3_path(flows, flow):
            far = network.cables[node][port][1]
            is_one = sum(end == far for _, end, _ in network.cables[node]) == 1
            words.append(names.switch[node] if is_one else f"{names.switch[node]}:Ethernet{port}")
        lines.append(f"{flow + 1},{' '.join(words)}")
    return "\n".join(lines) + "\n"
