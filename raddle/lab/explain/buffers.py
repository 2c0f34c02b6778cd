"""Headroom and the thresholds of pauses and marks."""

from __future__ import annotations

import math

from raddle.controller.plan.buffers import PAUSE_QUANTA, QUANTUM_BITS, port_headroom
from raddle.controller.plan.model import LosslessProfile, SwitchPlan
from raddle.errors import InputError
from raddle.lab.explain.lines import Lines
from raddle.report.explain import Explained, Given
from raddle.topology.model import Ecn, Fabric, Link, PortRef, SwitchModel
from raddle.topology.pg_profiles import pg_profile
from raddle.units import format_length, format_rate, format_size, parse_length_m, parse_rate_bps

_FORMULA = "sonic-swss, cfgmgr/buffer_headroom_mellanox.lua; IEEE 802.1Q-2022, annex N"


def switch_port(fabric: Fabric, text: str) -> tuple[PortRef, Link]:
    """A cabled port of a switch, and its link.

    Raises:
        InputError: `no-such-part`, it is none.
    """
    device, _, port = text.partition(":")
    ref = PortRef(device, port)
    if device not in fabric.switch_by_name or ref not in fabric.link_by_port:
        message = f"'{text}' is no cabled port of a switch"
        raise InputError.of("no-such-part", message, "write it as leaf0:Ethernet0 ('raddle show' has them)")
    return ref, fabric.link_by_port[ref]


def _profile(plan: SwitchPlan, port: str) -> LosslessProfile:
    found = next((each for each in plan.buffers.profiles if port in each.ports), None)
    if found is None:
        message = "no priority of this fabric is lossless, so nothing is kept for it"
        raise InputError.of("no-such-part", message, "'roce: {pfc: true, lossless: ...}' makes one so")
    return found


def explain_headroom(fabric: Fabric, plan: SwitchPlan, ref: PortRef, link: Link) -> Explained:
    """What may still arrive at a port after it has sent a pause."""
    model, profile = fabric.switch_by_name[ref.device].model, _profile(plan, ref.port)
    what, value = f"headroom of {ref}, for each lossless priority group", f"{profile.headroom_bytes} bytes"
    lines = Lines(fabric)
    cable = lines.of_link("cable", format_length(link.length_m), link, "cable", parse_length_m)
    speed = lines.of_link("speed", format_rate(link.speed_bps), link, "speed", parse_rate_bps)
    if row := pg_profile(model, profile.speed_bps, profile.cable_m):
        formula = f"the row of {format_rate(row.speed_bps)} and {row.cable_m:.0f} m of the model's own table"
        own = Given("xoff", f"{row.xoff_bytes}", f"pg_profiles of model {model.name}")
        return Explained(what, value, formula, (), (speed, cable, own), ("SONiC's pg_profile_lookup.ini",))
    lanes = max(len(port.lanes) for port in plan.ports if port.name in profile.ports)
    room = port_headroom(
        model, profile.speed_bps, profile.cable_m, fabric.roce, fabric.pfc_reaction_ps,
        fabric.phy.fec_latency_ps, lanes,
    )  # fmt: skip
    assert room.after_pause_bytes == profile.headroom_bytes
    packet_bytes = fabric.roce.headroom.lossless_mtu_bytes or fabric.roce.port_mtu_bytes
    steps = [
        ("packet in the pause's way", f"{packet_bytes} B"),
        ("occupancy", f"{room.occupancy:.4g}: cells of {model.cell_bytes} B for packets of 64 B"),
        *((name, f"{size:.0f} B") for name, size in room.delays),
        ("packet + occupancy x the rest", f"{room.xoff_bytes} B, in whole KiB"),
    ]
    if room.speed_overhead_bytes:
        steps.append(("a frame more, as of 8 lanes", f"{profile.headroom_bytes} B, in whole KiB"))
    inputs = (
        speed, cable,
        Given("cable, as SONiC has it", f"{profile.cable_m:.0f}m", "whole metres, at least 1"),
        *_of_policy(fabric, lines),
        *_of_model(lines, model),
        Given("lanes", f"{lanes}", f"model {model.name}"),
    )  # fmt: skip
    quanta = PAUSE_QUANTA[profile.speed_bps]
    is_standard = fabric.pfc_reaction_ps * profile.speed_bps / 8e12 <= quanta * QUANTUM_BITS / 8
    told = f"IEEE 802.3, 31B.3.7: {quanta} quanta of {QUANTUM_BITS} bits" if is_standard else "the NIC's"
    formula = "packet + occupancy x (frame + cable + MAC and PHY + reaction + buffer + pipeline and FEC)"
    sources = (_FORMULA, f"peer's reaction: {told}", "docs/models/buffers.md")
    return Explained(what, value, formula, tuple(steps), inputs, sources)


def _of_policy(fabric: Fabric, lines: Lines) -> tuple[Given, ...]:
    roce, reaction_ns = fabric.roce, fabric.pfc_reaction_ps / 1e3
    frame = f"{roce.headroom.lossless_mtu_bytes or roce.port_mtu_bytes}"
    small, fec_ns = f"{roce.headroom.small_packet_share:.0%}", fabric.phy.fec_latency_ps / 1e3
    return (
        lines.given("port MTU", f"{roce.port_mtu_bytes}", ("roce", "port_mtu")),
        lines.given("lossless frame", frame, ("roce", "headroom", "mtu"), otherwise="the port's MTU"),
        lines.given("share of small packets", small, ("roce", "headroom", "small_packets")),
        lines.given("NIC's reaction", f"{reaction_ns:.0f}ns", ("hosts", "nics", "pfc_reaction")),
        lines.given("FEC", f"{fec_ns:.0f}ns", ("phy", "fec_latency")),
    )


def _of_model(lines: Lines, model: SwitchModel) -> tuple[Given, ...]:
    own, latency_ns = ("models", model.name), model.pipeline_latency_ps / 1e3
    where = f"model {model.name}"
    return (
        lines.given("cell", f"{model.cell_bytes}B", (*own, "cell"), otherwise=where),
        lines.given("pipeline", f"{latency_ns:.0f}ns", (*own, "latency"), otherwise=where),
    )


def explain_pause(fabric: Fabric, plan: SwitchPlan, ref: PortRef, is_xon: bool) -> Explained:
    """From how many bytes on a priority group of a port pauses its peer, or lets it go on."""
    profile, model = _profile(plan, ref.port), fabric.switch_by_name[ref.device].model
    alpha, pool = 2.0**profile.dynamic_th, plan.buffers.shared_bytes
    alone = alpha / (1 + alpha) * pool
    steps = [
        ("alpha", f"2^{profile.dynamic_th} = {alpha:g}"),
        ("shared pool", f"{pool} B: the buffer without headroom and what is reserved"),
        ("alone in the pool", f"alpha / (1 + alpha) x pool = {alone:.0f} B"),
    ]
    name, value, formula = "xoff", alone, "shared bytes of the group > alpha x free bytes of the pool"
    if is_xon:
        name, value = "xon", max(alone - profile.xon_offset_bytes, 0)
        formula = f"shared bytes of the group <= threshold of xoff - {profile.xon_offset_bytes} B"
        steps.append(("xon offset", f"{profile.xon_offset_bytes} B, a frame of the port's MTU in cells"))
    lines, buffer = Lines(fabric), format_size(model.buffer_bytes)
    inputs = (
        lines.given("dynamic_th", f"{profile.dynamic_th}", ("roce", "dynamic_th")),
        lines.given("buffer", buffer, ("models", model.name, "buffer"), otherwise=f"model {model.name}"),
        Given("headroom", f"{plan.buffers.headroom_pool_bytes}B", "'raddle explain FABRIC headroom PORT'"),
        lines.given("lossless priorities", f"{len(fabric.roce.lossless)}", ("roce", "lossless")),
        lines.given("port MTU", f"{fabric.roce.port_mtu_bytes}", ("roce", "port_mtu")),
    )
    sources = ("dynamic thresholds: Choudhury, Hahne, IEEE/ACM ToN 6, 1998; SAI, saibuffer.h",)
    left = ("what others queue: with n groups full the threshold is alpha / (1 + n alpha) of the pool",)
    what = f"{name} of a priority group of {ref}, where nothing else is queued"
    return Explained(what, f"{math.floor(value)} bytes", formula, tuple(steps), inputs, sources, left)


def explain_marking(fabric: Fabric, name: str) -> Explained:
    """`kmin`, `kmax` or `pmax`."""
    ecn, lines = fabric.roce.ecn, Lines(fabric)
    given = {each: lines.given(each, text, ("roce", "ecn", each)) for each, text in _thresholds(ecn).items()}
    others = tuple(
        lines.given(
            f"{name} at {format_rate(speed)}", _thresholds(own)[name], ("roce", "ecn", "speeds", row, name)
        )
        for row, (speed, own) in enumerate(fabric.roce.ecn_speeds)
    )
    middle = (ecn.kmin_bytes + ecn.kmax_bytes) // 2
    steps = (
        ("up to kmin", "no packet is marked"),
        (f"queue of {format_size(middle)}", f"{ecn.pmax / 2:.1%} of packets are marked"),
        ("above kmax", "all packets are marked"),
    )
    sources = ("DCQCN: Zhu et al., SIGCOMM 2015, section 3.1", "SONiC: WRED_PROFILE, green thresholds")
    left = ("up to which kmax marks come before pauses: 'raddle verify' says it",)
    formula = "share of marked packets = pmax x (queue - kmin) / (kmax - kmin)"
    what = f"{name} of every lossless queue{', at ports of other speeds than these' if others else ''}"
    inputs = (*given.values(), *others)
    return Explained(what, given[name].value, formula, steps, inputs, sources, left)


def _thresholds(ecn: Ecn) -> dict[str, str]:
    sizes = {"kmin": format_size(ecn.kmin_bytes), "kmax": format_size(ecn.kmax_bytes)}
    return sizes | {"pmax": f"{ecn.pmax * 100:g}%"}
