"""Hash polarisation: tiers that choose by the same bits of a hash."""

from __future__ import annotations

import numpy as np

from raddle.errors import Diagnostic
from raddle.topology.model import Fabric

_LEAF, _SPINE = 1, 2


def polarisation(fabric: Fabric) -> tuple[Diagnostic, ...]:
    """A warning where leaves and spines both choose among uplinks, by one offset into the hash.

    The flows that a leaf sends to a spine agree in the bits that it chose by, so that the spine, choosing by
    the same ones, sends them all the same way.
    """
    offset = fabric.routing.hash_offset
    if not isinstance(offset, int) or fabric.routing.adaptive:
        return ()
    arrays = fabric.arrays
    uplinks = np.bincount(arrays.a[arrays.carries], minlength=len(arrays.device_tier))
    if not all((uplinks[arrays.device_tier == tier] > 1).any() for tier in (_LEAF, _SPINE)):
        return ()
    programmed = any(switch.model.nos == "pins" for switch in fabric.switches)
    return (
        Diagnostic(
            "hash-polarisation",
            f"leaves and spines choose uplinks by the same bits of the hash (offset {offset}): all that a "
            "leaf sends to a spine goes to one superspine, where equal shares are counted on",
            hint="SONiC PINS is told no offset: pin what must be spread, or take SONiC switches"
            if programmed
            else "leave out 'offset', or set 'routing: {hash: {offset: per-tier}}'",
            severity="warning",
            place=("routing", "hash", "offset"),
        ),
    )
