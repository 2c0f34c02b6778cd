"""Headroom that priority groups share: how many may be in it at once before it is full."""

from __future__ import annotations

from collections.abc import Container, Iterator
from itertools import accumulate

from raddle.controller.verify.finding import Finding
from raddle.state import BufferPool, SwitchState
from raddle.topology.model import HeadroomPolicy


def check_headroom_pools(
    state: SwitchState, policy: HeadroomPolicy, cabled: Container[str]
) -> Iterator[Finding]:
    """`headroom-shared-out` where groups count on more than the policy lets them share, `headroom-shared` as
    a warning, with how many groups are safe, where it lets them; `headroom-beside`, another, where groups of
    ports that the fabric does not cable, and no plan speaks of, count on the pool beyond its size.

    So many groups as have the largest headrooms that fit the pool together may be in headroom at once,
    whichever they are; one more can find it full, and loses what arrives after its pause.
    """
    needs: dict[int, list[int]] = {}
    beside: dict[int, dict[str, int]] = {}
    for port in state.ports:
        for index in port.pgs:
            if index is not None and state.buffer_profiles[index].xoff_bytes:
                profile = state.buffer_profiles[index]
                if port.name in cabled:
                    needs.setdefault(profile.pool, []).append(profile.xoff_bytes)
                else:
                    others = beside.setdefault(profile.pool, {})
                    others[port.name] = others.get(port.name, 0) + profile.xoff_bytes
    for number, others in sorted(beside.items()):
        yield from _beside(state.buffer_pools[number], sum(needs.get(number, ())), others)
    for number, groups in sorted(needs.items()):
        pool, total = state.buffer_pools[number], sum(groups)
        if not pool.xoff_bytes or total <= pool.xoff_bytes:
            continue
        if pool.xoff_bytes < policy.pool_of(total, max(groups)):
            yield Finding(
                "headroom-shared-out",
                f"priority groups count on {total} B of headroom, pool has {pool.xoff_bytes}",
                "raise the pool's xoff, shorten cables, or say that it is shared: 'roce: {headroom: {pool: "
                f"{pool.xoff_bytes}B}}}}'",
                ("roce", "headroom") if policy.is_shared else ("roce", "lossless"),
            )
            continue
        safe = sum(held <= pool.xoff_bytes for held in accumulate(sorted(groups, reverse=True)))
        yield Finding(
            "headroom-shared",
            f"{safe} of {len(groups)} lossless priority groups may be in headroom at once ({pool.xoff_bytes} "
            f"of {total} B); one more can lose packets",
            "lower over_subscribe_ratio, or leave it out, for headroom of every group's own",
            ("roce", "headroom"),
            "warning",
        )


def _beside(pool: BufferPool, own_bytes: int, others: dict[str, int]) -> Iterator[Finding]:
    """Ports outside the fabric whose groups' headroom no longer fits the pool beside the fabric's own."""
    total = own_bytes + sum(others.values())
    if not pool.xoff_bytes or total <= pool.xoff_bytes:
        return
    first, *more = others
    ports = f"{first} and {len(more)} more ports" if more else first
    yield Finding(
        "headroom-beside",
        f"with {ports}, which the fabric has no cable at, priority groups count on {total} B of headroom, "
        f"pool has {pool.xoff_bytes}",
        "take the lossless priority groups off ports that are not the fabric's, or list their cables",
        ("roce", "lossless"),
        "warning",
    )
