"""What the sizes of a switch's buffer pools count, by the switch's own numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from raddle.peers.sonic.reading import HeldSwitch
from raddle.topology.devices import PoolSize


@dataclass(frozen=True, slots=True)
class PoolReading:
    """`pool_size` of a switch model, and the buffer that the pools are of; "" and 0 where nothing tells.

    `reason` says by what, and is for a person to check.
    """

    pool_size: PoolSize | None = None
    buffer_bytes: int = 0
    reason: str = ""


def read_pools(switch: HeldSwitch, chip_bytes: int = 0) -> PoolReading:
    """Whether the `size` of the ingress pools counts their headroom (`xoff`), or that is beside it.

    A chip that is known (`chip_bytes`) and holds `size`, but not `xoff` beside it, counts it. Else the
    largest egress pool tells, which vendors make as large as all that ingress takes, as packets in headroom
    wait at an egress port, too. That is `size` where it counts headroom, the two together where it does not;
    or `size` and a pool of lossy egress, on chips that cut that off. What is nearest holds.
    """
    pools = switch.tables.get("BUFFER_POOL", {}).values()
    ingress = [pool for pool in pools if pool.get("type") in ("ingress", "both")]
    size, xoff = (sum(_bytes(pool, name) for pool in ingress) for name in ("size", "xoff"))
    egress = [own for pool in pools if pool.get("type") == "egress" and (own := _bytes(pool, "size"))]
    most = max(egress, default=0)
    if not xoff:
        return PoolReading(None, max(size, most))
    told = f"size {size} and xoff {xoff}"
    if size <= chip_bytes < size + xoff:
        reason = f"{told} are more than the chip's {chip_bytes} bytes"
        return PoolReading("shared-guaranteed-and-headroom", chip_bytes, reason)
    if not egress:
        return PoolReading(None, size + xoff)
    beside = abs(size + xoff - most)
    within = min(abs(size + lossy - most) for lossy in (0, *egress) if lossy != most)
    reason = f"{told} beside an egress pool of {most} bytes"
    if within < beside:
        return PoolReading("shared-guaranteed-and-headroom", max(size, most), reason)
    return PoolReading("shared-and-guaranteed", max(size + xoff, most), reason)


def _bytes(pool: Mapping[str, object], name: str) -> int:
    text = str(pool.get(name, ""))
    return int(text) if text.isdecimal() and text.isascii() else 0
