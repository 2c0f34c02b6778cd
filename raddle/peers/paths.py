"""Which equal-cost path other simulators give to a flow.

Sources: SwitchNode::EcmpHash in ns3-hpcc's switch-node.cc (MurmurHash3 x86_32, A. Appleby); freeBSDHash and
permute_paths in csg-htsim's fat_tree_switch (the mixing step of B. Jenkins' lookup2, 1996).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

_WORD = 0xFFFFFFFF
_HTSIM_SEED = 13
"""Of main_roce.cpp, where `-seed` does not set another; the switches' hash salts come from it."""
_HTSIM_PATH_IDS = 256
_ACK_PATH_ID = 0


def ns3_hash(seed: int, src: int, dst: int, src_port: int, dst_port: int) -> int:
    """The ECMP hash of ns3-hpcc's switches.

    Args:
        seed: number of the switch's node.
        src, dst: numbers of the end nodes; their addresses are 11.x.y.1.
    """
    value = seed
    for key in (_ns3_address(src), _ns3_address(dst), src_port | dst_port << 16):
        mixed = key * 0xCC9E2D51 & _WORD
        mixed = _rotate(mixed, 15) * 0x1B873593 & _WORD
        value = (_rotate(value ^ mixed, 13) * 5 + 0xE6546B64) & _WORD
    value ^= 12
    value = (value ^ value >> 16) * 0x85EBCA6B & _WORD
    value = (value ^ value >> 13) * 0xC2B2AE35 & _WORD
    return value ^ value >> 16


def _rotate(value: int, bits: int) -> int:
    return (value << bits | value >> 32 - bits) & _WORD


def _ns3_address(node: int) -> int:
    return 0x0B000001 + (node >> 8 << 16) + ((node & 0xFF) << 8)


class HtsimPaths:
    """The uplinks that leaves of csg-htsim choose.

    Its RoCE sources seed the one random number generator from the clock, each anew, so that all flows of a
    run have one path id; what follows in the generator permutes each leaf's uplinks when it first needs them.
    Acknowledgements have path id 0.

    Args:
        clock_s: seconds since 1970 when the flows were made.
        leaves: numbers of the leaves in the order in which they first send something up.
        uplinks: of a leaf.
    """

    def __init__(self, clock_s: int, leaves: Iterable[int], uplinks: int) -> None:
        salts, paths = _HtsimRandom(_HTSIM_SEED), _HtsimRandom(clock_s)
        self._path_id = paths.next() % _HTSIM_PATH_IDS
        order = list(leaves)
        self._salts = [salts.next() for _ in range(max(order, default=-1) + 1)]
        self._uplinks: dict[int, list[int]] = {}
        for leaf in order:
            links = self._uplinks[leaf] = list(range(uplinks))
            for last in range(uplinks - 1, -1, -1):
                chosen = paths.next() % (last + 1)
                links[chosen], links[last] = links[last], links[chosen]

    def uplink(self, leaf: int, flow_id: int, *, is_ack: bool = False) -> int:
        """The uplink, counted from 0, that a leaf gives to the packets of a flow."""
        links = self._uplinks[leaf]
        path_id = _ACK_PATH_ID if is_ack else self._path_id
        return links[_htsim_hash(flow_id, path_id, self._salts[leaf]) % len(links)]


class _HtsimRandom:
    """random() of sim/rng.cpp: 31 bits of std::mt19937."""

    def __init__(self, seed: int) -> None:
        self._words = np.random.RandomState(seed)

    def next(self) -> int:
        return int(self._words.randint(0, 2**32, dtype=np.uint32)) & 0x7FFFFFFF


def _htsim_hash(flow_id: int, path_id: int, salt: int) -> int:
    a, b, c = 0x9E3779B9 + flow_id & _WORD, 0x9E3779B9 + salt & _WORD, path_id
    for right, left, again in ((13, 8, 13), (12, 16, 5), (3, 10, 15)):
        a = (a - b - c & _WORD) ^ c >> right
        b = (b - c - a & _WORD) ^ a << left & _WORD
        c = (c - a - b & _WORD) ^ b >> again
    return c
