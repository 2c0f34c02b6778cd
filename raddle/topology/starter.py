"""A fabric file to start from: complete, commented, and of the size that is asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from raddle.errors import Diagnostic, InputError
from raddle.topology.catalog import builtin_models
from raddle.topology.model import SwitchModel
from raddle.topology.yaml.reading import did_you_mean
from raddle.units import format_rate

Kind = Literal["leaf-spine", "rail-optimized", "fat-tree"]

_HEAD = """\
# {title}
# Check it with 'raddle validate', look at it with 'raddle show'; docs/fabric.md has every key.
raddle: 1
name: {name}
fabric:
  kind: {kind}
{variants}"""

_TAIL = """\
hosts:
  per_leaf: {per_leaf}                  # {per_leaf_says}
  accelerators: {{kind: gpu, count: {accelerators}{scale_up}}}{scale_up_says}
  nics: {{per_accelerator: 1, {ports}speed: {speed}, cable: 3m}}
roce:
  mtu: 4096                     # bytes of payload per packet
  lossless: {{priority: 3, dscp: 26}}     # RDMA traffic: PFC and ECN
  cnp: {{priority: 6, dscp: 48}}          # congestion notification packets
  ecn: {{kmin: 800KB, kmax: 3200KB, pmax: 20%}}
routing: {{policy: {policy}}}{policy_says}
{addressing}# overrides:
#   links:
#     - {{ends: [{link}], state: down}}
"""


@dataclass(frozen=True, slots=True)
class StarterRequest:
    """What a starter file must hold: at least `accelerators` in servers of `per_server`.

    Attributes:
        nic_bps: speed of a NIC; None is that of a switch port.
        breakout: ports made of each front-panel port, and their speed; None is what the NICs need.
        leaves, spines: how many, of a fabric of two tiers; None is as few as do.
        oversubscription: most bandwidth below a leaf over that above it.
        nic_ports: ports of each NIC; planes: copies of the switches that a server's ports go round.
        tors: leaves that the ports of a NIC go to, with one address if they are a `bond`.
    """

    name: str
    kind: Kind
    accelerators: int
    per_server: int
    model: str
    nic_bps: int | None = None
    breakout: tuple[int, int] | None = None
    leaves: int | None = None
    spines: int | None = None
    oversubscription: float = 1.0
    nic_ports: int = 1
    planes: int = 1
    tors: int = 1
    bond: bool = False

    @property
    def servers(self) -> int:
        return -(-self.accelerators // self.per_server)

    @property
    def on_leaf(self) -> int:
        """Ports of a server at a leaf, where it has all of a plane: the rails, where it has one at each."""
        return self.per_server * self.nic_ports // (self.planes * self.tors)

    @property
    def needs_scale_up(self) -> bool:
        """Whether a server has NICs on different planes, which only its own network connects."""
        return self.nic_ports % self.planes != 0

    def problems(self) -> Iterator[Diagnostic]:
        """What of ports, planes and leaves does not go together."""
        ports = self.per_server * self.nic_ports
        if ports % self.planes:
            message = f"the {ports} NIC ports of a server cannot go round {self.planes} planes"
            hint = "--nic-ports says how many a NIC has, one for each accelerator"
            yield Diagnostic("bad-option", message, hint=hint)
        if self.tors == 2 and (self.nic_ports != 2 or self.planes > 1):
            message = f"--tors 2 takes NICs of 2 ports and one plane, not {self.nic_ports} and {self.planes}"
            yield Diagnostic("bad-option", message, hint="add --nic-ports 2, or leave --planes")
        if self.bond and self.tors != 2:
            yield Diagnostic(
                "bad-option", "--bond is of NICs on two leaves", hint="add --tors 2 --nic-ports 2"
            )


@dataclass(frozen=True, slots=True)
class _Panel:
    """A switch as the request breaks it out: `ports` of `port_bps`, to NICs of `nic_bps`."""

    model: str
    ports: int
    port_bps: int
    nic_bps: int
    breakout: str
    ratio: float

    def uplinks(self, down: int) -> int:
        """Uplinks that a leaf with `down` NICs needs."""
        return max(1, math.ceil(down * self.nic_bps / (self.ratio * self.port_bps) - 1e-9))

    def holds(self, down: int, request: StarterRequest) -> bool:
        """Whether one leaf has ports for all NICs of a plane, and nothing asks for more switches."""
        return down <= self.ports and request.spines is None and request.leaves in (None, 1)

    def most_down(self, step: int) -> int:
        """Most NICs of a leaf, a multiple of `step`, that leave room for their uplinks."""
        fits = (down for down in range(self.ports // step * step, 0, -step))
        return next((down for down in fits if down + self.uplinks(down) <= self.ports), 0)

    @property
    def tier(self) -> str:
        """What a tier of these switches says beside its count."""
        return f"model: {self.model}" + (f", breakout: {self.breakout}" if self.breakout else "")


def starter(request: StarterRequest) -> str:
    """The text of a fabric file for a request.

    Raises:
        InputError: `unknown-model`, `bad-option`, or `does-not-fit` where the form cannot hold as many
            accelerators with what the request asks besides.
    """
    if problems := tuple(request.problems()):
        raise InputError(problems)
    models = builtin_models()
    if request.model not in models:
        hint = did_you_mean(request.model, models, f"known models: {', '.join(models)}")
        raise InputError.of("unknown-model", f"no switch model '{request.model}'", hint)
    panel = _panel(request, models[request.model])
    body = {"leaf-spine": _leaf_spine, "rail-optimized": _rails, "fat-tree": _fat_tree}[request.kind]
    return body(request, panel)


def _panel(request: StarterRequest, model: SwitchModel) -> _Panel:
    mode = request.breakout or _mode_for(request.nic_bps, model)
    parts, port_bps = mode or (1, model.port_speed_bps)
    nic_bps = request.nic_bps or port_bps
    if nic_bps > port_bps:
        raise InputError.of(
            "does-not-fit",
            f"NICs of {format_rate(nic_bps)} on ports of {format_rate(port_bps)} of '{model.name}'",
            "take a slower NIC, no breakout, or another switch model",
        )
    breakout = f"{parts}x{format_rate(port_bps)}" if mode else ""
    if _exceeds(model, parts):
        raise InputError.of(
            "does-not-fit",
            f"'{model.name}' cannot have all its ports as {breakout}",
            "take fewer parts, or another switch model",
        )
    ports = model.port_count * parts
    return _Panel(model.name, ports, port_bps, nic_bps, breakout, request.oversubscription)


def _mode_for(nic_bps: int | None, model: SwitchModel) -> tuple[int, int] | None:
    """The breakout that gives ports of the NICs' speed, where lanes can be shared out so."""
    if nic_bps is None or nic_bps >= model.port_speed_bps:
        return None
    parts, rest = divmod(model.port_speed_bps, nic_bps)
    if rest or parts > 8 or model.lanes_per_port % parts:
        return None
    while _exceeds(model, parts):
        parts //= 2
    return (parts, model.port_speed_bps // parts) if parts > 1 else None


def _exceeds(model: SwitchModel, parts: int) -> bool:
    """Whether the chip has fewer ports than that, in all or in a pipeline, or not this breakout."""
    if parts == 1:
        return False
    mode = f"{parts}x{format_rate(model.port_speed_bps // parts)}"
    return (
        0 < model.max_ports < parts * model.port_count
        or 0 < model.group_max_ports < parts * model.group_cages
        or (bool(model.breakouts) and mode not in model.breakouts)
    )


def _leaf_spine(request: StarterRequest, panel: _Panel) -> str:
    step, tors = request.on_leaf, request.tors
    if tors == 1 and panel.holds(request.servers * step, request):
        return _text(request, panel, _one_leaf(panel), request.servers, "servers on the leaf")
    most = panel.most_down(step)
    if request.leaves:
        _whole(request.leaves, tors, "the leaves of a NIC")
        per_leaf, leaves = -(-request.servers * tors // request.leaves), request.leaves
    else:
        per_leaf = most // step
        leaves = -(-request.servers // per_leaf) * tors if per_leaf else 0
    used = per_leaf * step
    fits = 0 < used <= most and leaves <= panel.ports
    room = panel.ports if tors == 1 and panel.holds(panel.ports, request) and request.leaves else most
    largest = room // step * ((request.leaves or panel.ports) // tors) * request.per_server
    _require(fits, request, panel, largest)
    return _text(
        request, panel, _two_tiers(request, panel, leaves, used, ""), per_leaf, "servers on each leaf"
    )


def _whole(leaves: int, step: int, what: str) -> None:
    if leaves % step:
        raise InputError.of("bad-option", f"--leaves {leaves} is not a multiple of {step}, {what}")


def _rails(request: StarterRequest, panel: _Panel) -> str:
    most = panel.most_down(1)
    step = request.on_leaf * request.tors  # the leaves of a group of servers
    if step == 1 and panel.holds(request.servers, request):
        return _text(request, panel, _one_leaf(panel), request.servers, "servers on the leaf")
    if request.leaves:
        _whole(
            request.leaves, step, "the NICs of a server" if step == request.per_server else "those of a group"
        )
    groups = request.leaves // step if request.leaves else -(-request.servers // max(1, most))
    per_leaf = -(-request.servers // groups)
    leaves = groups * step
    if not (request.leaves or request.spines) and (per_leaf > most or leaves > panel.ports):
        return _rail_tree(request, panel, most)
    room = panel.ports if step == 1 and panel.holds(panel.ports, request) and request.leaves else most
    largest = (request.leaves or panel.ports) // step * room * request.per_server
    _require(per_leaf <= most and leaves <= panel.ports, request, panel, largest)
    one = "one per rail" if request.tors == 1 else f"{request.tors} per rail"
    note = f"   # {one}" if groups == 1 else f"   # {one} and {groups} groups of servers"
    body = _two_tiers(request, panel, leaves, per_leaf, note)
    return _text(request, panel, body, per_leaf, "servers on each leaf of a rail")


def _rail_tree(request: StarterRequest, panel: _Panel, down: int) -> str:
    """Rails in three tiers: pods of as many groups of leaves, of `down` servers each, as fit spines."""
    half = panel.ports // 2
    step = request.on_leaf * request.tors
    groups = half // step
    pods = max(2, -(-request.servers // (down * groups))) if groups and down else 0
    largest = panel.ports * groups * down * request.per_server
    _require(0 < pods <= panel.ports, request, panel, largest)
    groups = -(-request.servers // (down * pods))
    up, climbs = panel.uplinks(down), groups * step
    above = _per_pair(climbs, pods, panel.ports)
    leaves = f"{{per_pod: {groups * step}, {panel.tier}}}   # one per rail and {groups} groups"
    body = f"""\
  pods: {pods}
  leaves: {leaves}
  spines: {{per_pod: {up}, {panel.tier}}}
  superspines: {{count: {up * climbs // above}, {panel.tier}}}
  uplinks: {{per_pair: 1, cable: 30m}}   # {_balance(request, up, down)}
  spine_uplinks: {{per_pair: {above}, cable: 300m, medium: dr}}
"""
    return _text(request, panel, body, down, "servers on each leaf of a rail")


def _one_leaf(panel: _Panel) -> str:
    """The tier of a fabric, or a plane, that one leaf holds: there is nothing for spines to connect."""
    return f"  leaves: {{count: 1, {panel.tier}}}\n"


def _two_tiers(request: StarterRequest, panel: _Panel, leaves: int, down: int, note: str) -> str:
    """Tiers of a fabric whose leaves have `down` ports to hosts."""
    up = panel.uplinks(down)
    if request.spines:
        spines, per_pair = request.spines, -(-up // request.spines)
        if per_pair * leaves > panel.ports or per_pair * spines + down > panel.ports:
            raise InputError.of(
                "does-not-fit",
                f"{spines} spines with {per_pair} links to each of {leaves} leaves need more ports than the "
                f"{panel.ports} of '{panel.model}'",
                f"{up} uplinks of a leaf must be spread over them; give another number, or none",
            )
    else:
        per_pair = _per_pair(up, leaves, panel.ports)
        spines = up // per_pair
    return f"""\
  leaves: {{count: {leaves}, {panel.tier}}}{note}
  spines: {{count: {spines}, {panel.tier}}}
  uplinks: {{per_pair: {per_pair}, cable: 30m}}   # {_balance(request, spines * per_pair, down)}
"""


def _balance(request: StarterRequest, up: int, down: int) -> str:
    ratio = request.oversubscription
    return f"{up} up for {down} down: " + ("non-blocking" if ratio <= 1 else f"at most {ratio:g}:1")


def _fat_tree(request: StarterRequest, panel: _Panel) -> str:
    if request.leaves or request.spines:
        option = "--leaves" if request.leaves else "--spines"
        hint = "its pods are as many as the accelerators need; edit the file for other numbers"
        raise InputError.of("bad-option", f"{option} is for forms of two tiers, not for a fat-tree", hint)
    half = panel.ports // 2
    step, tors = request.on_leaf, request.tors
    most = panel.most_down(step) // step  # servers on a leaf
    groups = half // tors  # of leaves that share servers, in a pod
    pods = max(2, -(-request.servers // (most * groups))) if most and groups else 0
    largest = most * groups * panel.ports * request.per_server
    _require(0 < pods <= panel.ports, request, panel, largest)
    groups = -(-request.servers // (most * pods))
    per_leaf = -(-request.servers // (groups * pods))
    leaves, up = groups * tors, panel.uplinks(per_leaf * step)
    per_pair = _per_pair(up, leaves, half)
    spines, climbs = up // per_pair, leaves * per_pair
    above = _per_pair(climbs, pods, panel.ports)
    body = f"""\
  pods: {pods}
  leaves: {{per_pod: {leaves}, {panel.tier}}}
  spines: {{per_pod: {spines}, {panel.tier}}}
  superspines: {{count: {spines * climbs // above}, {panel.tier}}}
  uplinks: {{per_pair: {per_pair}, cable: 30m}}   # {_balance(request, up, per_leaf * step)}
  spine_uplinks: {{per_pair: {above}, cable: 300m, medium: dr}}
"""
    return _text(request, panel, body, per_leaf, "servers on each leaf")


def _variants(request: StarterRequest) -> str:
    planes = f"  planes: {request.planes}   # copies of all switches\n" if request.planes > 1 else ""
    return planes + ("  tors: 2   # the two ports of a NIC are on two leaves\n" if request.tors == 2 else "")


def _nic_ports(request: StarterRequest) -> str:
    if request.nic_ports == 1:
        return ""
    return f"ports: {request.nic_ports}, " + ("bond: true, " if request.bond else "")


def _per_pair(up: int, lower: int, ports: int) -> int:
    """Parallel links to each of as few upper switches as can take all lower ones and share `up` evenly."""
    most = max(1, ports // lower)
    return max(links for links in range(1, min(up, most) + 1) if up % links == 0)


def _require(fits: bool, request: StarterRequest, panel: _Panel, most: int) -> None:
    if not fits:
        kind = (
            "non-blocking"
            if request.oversubscription <= 1
            else f"{request.oversubscription:g}:1 oversubscribed"
        )
        leaves = "1 leaf" if request.leaves == 1 else f"{request.leaves} leaves"
        given = f" with {leaves}" if request.leaves else ""
        raise InputError.of(
            "does-not-fit",
            f"{request.accelerators} accelerators, {request.per_server} to a server, do not fit a {kind} "
            f"'{request.kind}' of '{panel.model}'{given}, which has at most {most}",
            "take a fat-tree, more leaves, or switches with more ports",
        )


def _text(request: StarterRequest, panel: _Panel, body: str, per_leaf: int, per_leaf_says: str) -> str:
    is_large = request.accelerators * request.nic_ports > 16_384
    pools = "{hosts: 10.0.0.0/10, loopbacks: 10.128.0.0/16, underlay: 10.64.0.0/10}"
    ratio = request.oversubscription
    capacity = "non-blocking" if ratio <= 1 else f"oversubscribed {ratio:g}:1 at most"
    head = _HEAD.format(
        title=f"{request.accelerators} accelerators or more, {request.per_server} to a server, {capacity}.",
        name=request.name,
        kind=request.kind,
        variants=_variants(request),
    )
    plane = "p0-" if request.planes > 1 else ""
    nic_port = "eth0" if request.nic_ports == 1 else "eth0p0"
    tail = _TAIL.format(
        per_leaf=per_leaf,
        per_leaf_says=per_leaf_says,
        accelerators=request.per_server,
        scale_up=", scale_up: {bandwidth: 3.6T}" if request.needs_scale_up else "",
        scale_up_says="   # NVLink of an H100 to others" if request.needs_scale_up else "",
        ports=_nic_ports(request),
        link=f"{plane}leaf0, {plane}spine0" if "  spines:" in body else f'"host0:{nic_port}", {plane}leaf0',
        speed=format_rate(panel.nic_bps),
        policy="ecmp" if request.bond else "pinned",
        policy_says="         # flows to bonds are hashed" if request.bond else "       # or ecmp",
        addressing=f"addressing: {pools}\n" if is_large else "",
    )
    return head + body + tail
