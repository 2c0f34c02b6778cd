"""What the `size` of a switch's ingress pools counts, where its vendor counts otherwise than SAI."""

from __future__ import annotations

from dataclasses import replace

from raddle.state import SwitchState
from raddle.topology.model import SwitchModel


def with_pools_by_sai(state: SwitchState, model: SwitchModel) -> SwitchState:
    """The state with ingress pools whose `size_bytes` is without headroom, as `BufferPool` says.

    A configuration does not tell: SONiC hands `size` and `xoff` to the vendor's SDK as they are. A pool whose
    headroom is all of it, or more, shares nothing.
    """
    if model.pool_size != "shared-guaranteed-and-headroom":
        return state
    pools = tuple(
        replace(pool, size_bytes=max(pool.size_bytes - pool.xoff_bytes, 0)) if pool.is_ingress else pool
        for pool in state.buffer_pools
    )
    return replace(state, buffer_pools=pools)
