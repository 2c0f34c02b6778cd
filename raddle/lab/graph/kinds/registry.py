"""Which kinds of nodes there are. A new one is a file beside this and its place here."""

from __future__ import annotations

from raddle.lab.graph.kinds.collective import COLLECTIVE_KIND, MATRIX_KIND
from raddle.lab.graph.kinds.compute import COMPUTE_KIND, DELAY_KIND
from raddle.lab.graph.kinds.moe import MOE_KIND
from raddle.lab.graph.kinds.record import NodeKind
from raddle.lab.graph.kinds.send import SEND_KIND
from raddle.lab.graph.kinds.serving import CACHE_KIND, DECODE_KIND, PREFILL_KIND
from raddle.lab.graph.kinds.trace import CHAKRA_KIND, GOAL_KIND, SIMAI_KIND
from raddle.lab.graph.kinds.training import TRAINING_KIND

KINDS: tuple[NodeKind, ...] = (
    COMPUTE_KIND,
    DELAY_KIND,
    COLLECTIVE_KIND,
    MATRIX_KIND,
    SEND_KIND,
    TRAINING_KIND,
    MOE_KIND,
    PREFILL_KIND,
    DECODE_KIND,
    CACHE_KIND,
    GOAL_KIND,
    CHAKRA_KIND,
    SIMAI_KIND,
)
