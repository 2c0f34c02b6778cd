"""Closed forms of what the busiest NIC carries of the buffer, for equal servers.

N servers of k accelerators, n = N k; a NIC for each accelerator. What a form says is compared with the sum
over an algorithm's messages before it is printed. Source: docs/models/servers.md, "What each port carries";
for rings Patarasuk and Yuan, JPDC 69(2), 2009, for double trees Sanders, Speck and Traeff, 2009.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from raddle.traffic import Shape


@dataclass(frozen=True, slots=True)
class Form:
    """`text` in N, k and n, and its value."""

    text: str
    value: Callable[[int, int], float]


def _ring(steps: int) -> Form:
    text = "2(n-1)/n" if steps == 2 else "(n-1)/n"
    return Form(f"{text} / k", lambda servers, each: steps * (servers * each - 1) / (servers * each) / each)


_TREE = Form("min(2, 1 + (N-2)/2) / k", lambda servers, each: min(2.0, 1 + (servers - 2) / 2) / each)
_HALVING = Form("2(N-1)/N / k", lambda servers, each: 2 * (servers - 1) / servers / each)
_ALL_TO_ALL = Form("(N-1)/N", lambda servers, each: (servers - 1) / servers)
_SCATTERED = Form("(N-1)/N / k", lambda servers, each: (servers - 1) / servers / each)
_WHOLE = Form("1", lambda servers, each: 1.0)

FORMS: dict[tuple[str, str], tuple[Form, ...]] = {
    ("all_reduce", "ring"): (_ring(2),),
    ("all_reduce", "tree"): (_TREE,),
    ("all_reduce", "nvls_tree"): (_TREE,),
    ("all_reduce", "halving_doubling"): (_HALVING,),
    ("all_gather", "ring"): (_ring(1),),
    ("reduce_scatter", "ring"): (_ring(1),),
    ("all_to_all", "pairwise"): (_ALL_TO_ALL,),
    ("all_to_all", "direct"): (_ALL_TO_ALL,),
    ("all_to_all", "pxn"): (_ALL_TO_ALL,),
    ("broadcast", "ring"): (Form("1/k", lambda servers, each: 1 / each),),
    ("reduce", "ring"): (Form("1/k", lambda servers, each: 1 / each),),
    ("send_recv", "direct"): (_WHOLE,),
    ("send_recv", "pxn"): (_WHOLE, _SCATTERED),
}


def form_of(collective: str, algorithm: str, shape: Shape, share: float) -> str:
    """The closed form whose value `share` is; empty where there is none, or servers are not alike."""
    sizes = {len(server) for server in shape.servers}
    if len(sizes) > 1:
        return ""
    for form in FORMS.get((collective, algorithm), ()):
        if np.isclose(form.value(len(shape.servers), sizes.copy().pop()), share, rtol=2e-3):
            return form.text
    return ""
