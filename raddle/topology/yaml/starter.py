"""A fabric file to start from: complete, commented, and of the size that is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from raddle.errors import InputError
from raddle.topology.catalog import builtin_models
from raddle.topology.model import SwitchModel
from raddle.topology.yaml.reading import did_you_mean

Kind = Literal["leaf-spine", "rail-optimized", "fat-tree"]

_HEAD = """\
# {title}
# Check it with 'raddle validate', look at it with 'raddle show'; docs/fabric.md has every key.
raddle: 1
name: {name}
fabric:
  kind: {kind}
"""

_TAIL = """\
hosts:
  per_leaf: {per_leaf}                  # {per_leaf_says}
  accelerators: {{kind: gpu, count: {accelerators}}}
  nics: {{per_accelerator: 1, speed: {speed}, cable: 3m}}
roce:
  mtu: 4096                     # bytes of payload per packet
  lossless: {{priority: 3, dscp: 26}}     # RDMA traffic: PFC and ECN
  cnp: {{priority: 6, dscp: 48}}          # congestion notification packets
  ecn: {{kmin: 800KB, kmax: 3200KB, pmax: 20%}}
routing: {{policy: pinned}}       # or ecmp
{addressing}# overrides:
#   links:
#     - {{ends: [leaf0, spine0], state: down}}
"""


@dataclass(frozen=True, slots=True)
class StarterRequest:
    """What a starter file must hold: at least `accelerators` in servers of `per_server`, non-blocking."""

    name: str
    kind: Kind
    accelerators: int
    per_server: int
    model: str


def starter(request: StarterRequest) -> str:
    """The text of a fabric file for a request.

    Raises:
        InputError: `unknown-model`, or `does-not-fit` where the form cannot hold as many accelerators.
    """
    models = builtin_models()
    if request.model not in models:
        hint = did_you_mean(request.model, models, f"known models: {', '.join(models)}")
        raise InputError.of("unknown-model", f"no switch model '{request.model}'", hint)
    model = models[request.model]
    body = {"leaf-spine": _leaf_spine, "rail-optimized": _rails, "fat-tree": _fat_tree}[request.kind]
    return body(request, model)


def _leaf_spine(request: StarterRequest, model: SwitchModel) -> str:
    half = model.port_count // 2
    per_leaf = half // request.per_server
    used = per_leaf * request.per_server
    leaves = -(-request.accelerators // used) if used else 0
    _require(used > 0 and leaves <= model.port_count, request, model, used * model.port_count)
    return _text(request, model, _two_tiers(leaves, used, "", model), per_leaf, "servers on each leaf")


def _rails(request: StarterRequest, model: SwitchModel) -> str:
    half = model.port_count // 2
    servers = -(-request.accelerators // request.per_server)
    groups = -(-servers // half)
    per_leaf = -(-servers // groups)
    leaves = groups * request.per_server
    most = model.port_count // request.per_server * half * request.per_server
    _require(leaves <= model.port_count, request, model, most)
    note = "   # one per rail" if groups == 1 else f"   # one per rail and {groups} groups of servers"
    body = _two_tiers(leaves, per_leaf, note, model)
    return _text(request, model, body, per_leaf, "servers on each leaf of a rail")


def _two_tiers(leaves: int, used: int, note: str, model: SwitchModel) -> str:
    """Tiers of a non-blocking fabric whose leaves have `used` ports to hosts."""
    per_pair = _per_pair(used, leaves, model)
    return f"""\
  leaves: {{count: {leaves}, model: {model.name}}}{note}
  spines: {{count: {used // per_pair}, model: {model.name}}}
  uplinks: {{per_pair: {per_pair}, cable: 30m}}   # {used} up for {used} down: non-blocking
"""


def _fat_tree(request: StarterRequest, model: SwitchModel) -> str:
    half = model.port_count // 2
    per_leaf = half // request.per_server
    used = per_leaf * request.per_server
    pods = max(2, -(-request.accelerators // (used * half))) if used else 0
    _require(used > 0 and pods <= model.port_count, request, model, used * half * model.port_count)
    above = _per_pair(half, pods, model)
    body = f"""\
  pods: {pods}
  leaves: {{per_pod: {half}, model: {model.name}}}
  spines: {{per_pod: {half}, model: {model.name}}}
  superspines: {{count: {half * half // above}, model: {model.name}}}
  uplinks: {{per_pair: 1, cable: 30m}}
  spine_uplinks: {{per_pair: {above}, cable: 300m, medium: dr}}
"""
    return _text(request, model, body, per_leaf, "servers on each leaf")


def _per_pair(up: int, lower: int, model: SwitchModel) -> int:
    """Parallel links to each of as few upper switches as can take all lower ones and share `up` evenly."""
    most = max(1, model.port_count // lower)
    return max(links for links in range(1, min(up, most) + 1) if up % links == 0)


def _require(fits: bool, request: StarterRequest, model: SwitchModel, most: int) -> None:
    if not fits:
        raise InputError.of(
            "does-not-fit",
            f"{request.accelerators} accelerators, {request.per_server} to a server, do not fit a "
            f"non-blocking '{request.kind}' of '{model.name}', which has at most {most}",
            "take a fat-tree, or switches with more ports",
        )


def _text(request: StarterRequest, model: SwitchModel, body: str, per_leaf: int, per_leaf_says: str) -> str:
    is_large = request.accelerators > 16_384
    pools = "{hosts: 10.0.0.0/10, loopbacks: 10.128.0.0/16, underlay: 10.64.0.0/10}"
    head = _HEAD.format(
        title=f"{request.accelerators} accelerators or more, {request.per_server} to a server, non-blocking.",
        name=request.name,
        kind=request.kind,
    )
    tail = _TAIL.format(
        per_leaf=per_leaf,
        per_leaf_says=per_leaf_says,
        accelerators=request.per_server,
        speed=f"{model.port_speed_bps // 10**9}G",
        addressing=f"addressing: {pools}\n" if is_large else "",
    )
    return head + body + tail
