"""Messages from the ranks of one group to those of another."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from raddle.lab.graph.kinds.record import Context, Made, NodeKind, StreamSpec
from raddle.lab.graph.model import Ints, Part, Step
from raddle.topology.yaml.fields import MessageSize, Name
from raddle.traffic.collectives import direct
from raddle.units import format_size
from raddle.workload import Seats, Workload


class SendSpec(StreamSpec):
    """Messages: `{send: 4MB, from: GROUP, to: GROUP}`."""

    send: MessageSize
    """Bytes of each message."""
    source: Name = Field(alias="from")
    """The group that sends: its n-th rank to the n-th of the other."""
    to: Name
    """The group that receives."""


def pairs_of(src: Ints, dst: Ints, size_bytes: int, label: str) -> Part:
    """A message from each rank of `src` to that of `dst`; some may be the same rank's."""
    ranks, number = np.unique(np.concatenate([src, dst]), return_inverse=True)
    count = len(src)
    schedule = direct.schedule(
        label, len(ranks), number[:count], number[count:], np.arange(count),
        np.full(count, size_bytes, np.int64),
    )  # fmt: skip
    nowhere = Seats.of_endpoints(np.zeros(0, np.int32))
    return Part(ranks, Workload(schedule, nowhere))


def _send(spec: SendSpec, context: Context) -> Made:
    src, dst = context.group(spec.source, "from").ranks, context.group(spec.to, "to").ranks
    if len(src) != len(dst):
        message = f"'{spec.source}' has {len(src)} ranks and '{spec.to}' {len(dst)}"
        raise context.error(
            "uneven-groups", message, ("to",), "the n-th of one sends to the n-th of the other"
        )
    if (src == dst).any():
        rank = int(src[src == dst][0])
        raise context.error(
            "uneven-groups", f"rank {rank} would send to itself", ("to",), "turn one group round"
        )
    stream = spec.stream or f"{spec.source} to {spec.to}"
    step = Step((pairs_of(src, dst, spec.send, "send"),), stream, "send")
    return Made((step,), f"send {format_size(spec.send)}", src)


SEND_KIND = NodeKind("send", SendSpec, _send)
