"""Whether every switch of a fabric can hold its lossless headroom, before and apart from a whole plan."""

from __future__ import annotations

import math

from raddle.controller.plan.buffers import computed_headroom, plan_buffers
from raddle.controller.plan.model import PortPlan
from raddle.errors import Diagnostic, InputError
from raddle.topology.model import Fabric, Link, PortRef, Switch, SwitchModel
from raddle.topology.pg_profiles import pg_profile
from raddle.units import format_rate


def check_lossless(fabric: Fabric) -> tuple[Diagnostic, ...]:
    """`headroom-exceeds-buffer` and `unknown-pause-delay`, once for all switches that are alike."""
    cables: dict[str, dict[str, Link]] = {switch.name: {} for switch in fabric.switches}
    for link in fabric.links:
        for end in (link.a, link.b):
            if end.device in cables:
                cables[end.device][end.port] = link
    seen: set[tuple[SwitchModel, tuple[tuple[int, float], ...]]] = set()
    problems: list[Diagnostic] = []
    for switch in fabric.switches:
        at_port = cables[switch.name]
        alike = switch.model, tuple(sorted((link.speed_bps, link.length_m) for link in at_port.values()))
        if alike in seen:
            continue
        seen.add(alike)
        ports = _ports(switch, at_port, fabric)
        try:
            plan_buffers(
                switch.name,
                switch.model,
                ports,
                fabric.roce,
                fabric.pfc_reaction_ps,
                fabric.phy.fec_latency_ps,
            )
        except InputError as error:
            problems += error.diagnostics
    return tuple(dict.fromkeys(problems))


def vendor_headroom(fabric: Fabric) -> tuple[Diagnostic, ...]:
    """Where a model's own headroom (`pg_profiles`) is another than what is computed: warnings with both."""
    if not fabric.roce.pfc or not fabric.roce.lossless:
        return ()
    lanes = {
        PortRef(switch.name, port.name): len(port.lanes)
        for switch in fabric.switches
        for port in switch.ports
    }
    kinds: dict[tuple[SwitchModel, int, int], int] = {}
    for link in fabric.links:
        for end in (link.a, link.b):
            if end in lanes:
                model = fabric.switch_by_name[end.device].model
                kind = model, link.speed_bps, max(1, math.ceil(link.length_m))
                kinds[kind] = max(kinds.get(kind, 0), lanes[end])
    found = []
    for model, speed_bps, cable_m in sorted(kinds, key=lambda kind: (kind[0].name, *kind[1:])):
        vendor = pg_profile(model, speed_bps, cable_m)
        where = f"{format_rate(speed_bps)} and {cable_m}m of cable at {model.name}"
        if vendor is None:
            if model.pg_profiles:
                message = f"its pg_profiles have no row for {where}: the headroom is computed"
                found.append(_about_vendor(model, message))
            continue
        computed = computed_headroom(
            model,
            speed_bps,
            cable_m,
            fabric.roce,
            fabric.pfc_reaction_ps,
            fabric.phy.fec_latency_ps,
            kinds[model, speed_bps, cable_m],
        )
        if computed != vendor.xoff_bytes:
            word = "below" if computed < vendor.xoff_bytes else "above"
            message = (
                f"for {where} a headroom of {computed} B is computed, {word} the {vendor.xoff_bytes} B of "
                "its vendor, which count"
            )
            found.append(_about_vendor(model, message))
    return tuple(found)


def _about_vendor(model: SwitchModel, message: str) -> Diagnostic:
    place = ("models", model.name, "pg_profiles")
    return Diagnostic("vendor-headroom", message, severity="warning", place=place)


def _ports(switch: Switch, cables: dict[str, Link], fabric: Fabric) -> tuple[PortPlan, ...]:
    return tuple(
        PortPlan(
            name=port.name,
            alias=port.alias,
            index=port.index,
            lanes=port.lanes,
            speed_bps=cables[port.name].speed_bps,
            mtu_bytes=fabric.roce.port_mtu_bytes,
            is_enabled=True,
            peer=str(_peer(cables[port.name], switch)),
            cable_m=cables[port.name].length_m,
        )
        for port in switch.ports
        if port.name in cables
    )


def _peer(link: Link, switch: Switch) -> PortRef:
    return link.b if link.a.device == switch.name else link.a
