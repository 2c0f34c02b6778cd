"""Headroom that priority groups share: how many may be in it at once before it is full."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from raddle.controller.verify.finding import Finding
from raddle.state import SwitchState
from raddle.topology.model import HeadroomPolicy


def check_headroom_pools(state: SwitchState, policy: HeadroomPolicy) -> Iterator[Finding]:
    """`headroom-shared-out` where groups count on more than the policy lets them share, `headroom-shared` as
    a warning, with how many groups are safe, where it lets them.

    So many groups as have the largest headrooms that fit the pool together may be in headroom at once,
    whichever they are; one more can find it full, and loses what arrives after its pause.
    """
    needs: dict[int, list[int]] = {}
    for port in state.ports:
        for index in port.pgs:
            if index is not None and state.buffer_profiles[index].xoff_bytes:
                profile = state.buffer_profiles[index]
                needs.setdefault(profile.pool, []).append(profile.xoff_bytes)
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
