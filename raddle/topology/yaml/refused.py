"""Words for what fabrics have and raddle does not plan, why, and what there is instead."""

from __future__ import annotations

_BORDER = (
    "links to the world outside have one key of their own, and this is not it",
    "write 'external: [{name: wan0, port: \"leaf3:Ethernet248\", address: 192.0.2.1/31, as_number: 65010}]'",
)
_OVERLAY = (
    "overlays are not planned: tenants share one routed network",
    "leave it out; 'tenants' own accelerators, and 'networks' share no switch",
)
_MC_LAG = (
    "leaves that keep each other in step (MC-LAG, stacking) are not planned",
    "write 'nics: {ports: 2, bond: true}' with 'tors: 2': both leaves announce a bond's address",
)
_VOQ = (
    "buffers behind each port (VOQ) are not simulated: a switch has one shared buffer",
    "give 'buffer' what one of its chips shares: counts and routes are right, queues and pauses are not",
)
_MESH = (
    "switches of one tier with links to each other are not planned: routes go up and then down",
    "take leaf-spine, rail-optimized or fat-tree",
)
_VLAN = (
    "VLANs, their interfaces and VRFs are not planned: hosts are on routed ports",
    "give a switch what it boots with besides under 'base': tables VLAN, VLAN_MEMBER, VLAN_INTERFACE, VRF",
)

_WORDS = {
    _BORDER: ("externals", "border", "borders", "wan", "internet", "upstream", "bgp"),
    _OVERLAY: ("evpn", "vxlan", "overlay", "vni", "vtep", "nvgre", "geneve", "srv6"),
    _MC_LAG: ("mclag", "mlag", "mc_lag", "peer_link", "stack", "lacp", "lag", "port_channel", "portchannel"),
    _VOQ: (
        "voq",
        "chassis",
        "deep_buffer",
        "deep_buffers",
        "buffer_per_port",
        "line_cards",
        "linecards",
        "vsq",
    ),
    _MESH: (
        "dragonfly",
        "torus",
        "hyperx",
        "slimfly",
        "slim_fly",
        "jellyfish",
        "mesh",
        "hypercube",
        "bcube",
        "dcell",
    ),
    _VLAN: ("vlan", "vlans", "svi", "svis", "vrf", "vrfs"),
}

REFUSED = {word: what for what, words in _WORDS.items() for word in words}
"""By word: why it is refused, and what to write instead."""


def refusal(word: str) -> tuple[str, str] | None:
    """Why a word is refused and what there is instead; None of any other word."""
    return REFUSED.get(word.lower().replace("-", "_"))
