"""Whether every switch of a fabric can hold its lossless headroom, before and apart from a whole plan."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from raddle.controller.plan.buffers import TooSmallError, computed_headroom, plan_buffers
from raddle.controller.plan.model import BufferPlan, PortPlan
from raddle.errors import Diagnostic, InputError, Place
from raddle.topology.catalog import place_of_model
from raddle.topology.model import Fabric, Link, PortRef, Switch, SwitchModel
from raddle.topology.pg_profiles import pg_profile
from raddle.units import format_rate


def check_lossless(fabric: Fabric) -> tuple[Diagnostic, ...]:
    """`headroom-exceeds-buffer`, once for all switches of a model, `headroom-pool-too-small`, once for all,
    `unknown-pause-delay` and `ecn-not-held`.

    Of the switches that lack buffer of a model, or of the pool, the one that lacks most is named: what mends
    it mends the others. Ports that are kept for a cable have their headroom, too.
    """
    cables = _cables(fabric)
    worst: dict[Place, tuple[int, Diagnostic]] = {}
    short: Counter[Place] = Counter()
    problems: list[Diagnostic] = []
    for alike in _kinds(fabric, cables):
        switch = alike[0]
        try:
            _buffers(fabric, switch, cables)
        except TooSmallError as error:
            told = error.diagnostics[0]
            place = told.place
            short[place] += len(alike)
            if place not in worst or error.lack_bytes > worst[place][0]:
                if told.code == "headroom-exceeds-buffer":
                    told = replace(told, place=place_of_model(fabric, switch, "buffer"))
                kept = sum(PortRef(switch.name, port) in fabric.room_by_port for port in cables[switch.name])
                worst[place] = error.lack_bytes, _with_kept(told, kept)
        except InputError as error:
            problems += error.diagnostics
    for place, (_, problem) in worst.items():
        which = "of this model" if problem.code == "headroom-exceeds-buffer" else "like it"
        more = f", and more switches {which}, {short[place]} in all" if short[place] > 1 else ""
        problems.append(replace(problem, message=problem.message + more))
    problems += _marks_not_held(fabric, cables)
    return tuple(dict.fromkeys(problems))


def check_switches(fabric: Fabric) -> tuple[Diagnostic, ...]:
    """What `check_lossless` finds, and what SONiC switches cannot be given though a simulation takes it."""
    return (*check_lossless(fabric), *_marks_not_whole(fabric))


def _cables(fabric: Fabric) -> dict[str, dict[str, Link]]:
    """By switch and port, the cable that is in it or that it is kept for."""
    cables: dict[str, dict[str, Link]] = {switch.name: {} for switch in fabric.switches}
    for end, link in {**fabric.room_by_port, **fabric.link_by_port}.items():
        if end.device in cables:
            cables[end.device][end.port] = link
    return cables


def _kinds(fabric: Fabric, cables: Mapping[str, Mapping[str, Link]]) -> list[list[Switch]]:
    """Switches that have the same buffers: of a model, with ports and cables that are alike."""
    kinds: dict[object, list[Switch]] = {}
    for switch in fabric.switches:
        lit = sorted((link.speed_bps, link.length_m) for link in cables[switch.name].values())
        lanes = tuple(len(port.lanes) for port in switch.ports)
        kinds.setdefault((switch.model, lanes, tuple(lit)), []).append(switch)
    return list(kinds.values())


def _buffers(fabric: Fabric, switch: Switch, cables: Mapping[str, dict[str, Link]]) -> BufferPlan:
    return plan_buffers(
        switch.name,
        switch.model,
        _ports(switch, cables[switch.name], fabric),
        fabric.roce,
        fabric.pfc_reaction_ps,
        fabric.phy.fec_latency_ps,
    )


def _marks_not_held(fabric: Fabric, cables: Mapping[str, Mapping[str, Link]]) -> Iterator[Diagnostic]:
    """P4 switches mark by traffic class alone: all their ports have to mark alike."""
    own = dict(fabric.roce.ecn_speeds)
    for switch in fabric.switches if own else ():
        speeds = sorted({link.speed_bps for link in cables[switch.name].values()})
        if switch.model.nos == "p4" and len({own.get(speed, fabric.roce.ecn) for speed in speeds}) > 1:
            names = ", ".join(map(format_rate, speeds))
            message = (
                f"ports of {switch.name} are to mark by their speeds ({names}), "
                "and the P4 pipeline marks by traffic class alone"
            )
            hint = "give them the same thresholds, or leave 'roce: {ecn: {speeds: ...}}' out"
            yield Diagnostic("ecn-not-held", message, hint=hint, place=("roce", "ecn", "speeds"))
            return


def _marks_not_whole(fabric: Fabric) -> tuple[Diagnostic, ...]:
    """`ecn-not-held`: probabilities that SONiC switches cannot be given; simulations take them."""
    if not any(switch.model.nos == "sonic" for switch in fabric.switches):
        return ()
    rows: list[tuple[float, Place]] = [(fabric.roce.ecn.pmax, ("roce", "ecn", "pmax"))]
    for number, (_, ecn) in enumerate(fabric.roce.ecn_speeds):
        rows.append((ecn.pmax, ("roce", "ecn", "speeds", number, "pmax")))
    return tuple(
        Diagnostic(
            "ecn-not-held",
            f"SONiC's WRED_PROFILE holds whole percents, and {pmax * 100:g} % would be "
            f"{round(pmax * 100)} %: 'render' and 'apply' refuse it",
            hint=f"set 'pmax: {max(1, round(pmax * 100))}%'",
            place=place,
        )
        for pmax, place in rows
        if not is_whole_percent(pmax)
    )


def is_whole_percent(share: float) -> bool:
    return math.isclose(round(share * 100), share * 100, abs_tol=1e-9)


def _with_kept(problem: Diagnostic, kept: int) -> Diagnostic:
    """The problem with how many ports are only kept for a cable."""
    if not kept:
        return problem
    message = f"{problem.message}; {kept} of the ports are kept for cables of what is reserved or absent"
    return replace(problem, message=message, hint=f"reserve less, {problem.hint}")


def vendor_headroom(fabric: Fabric) -> tuple[Diagnostic, ...]:
    """Where a model's own headroom (`pg_profiles`, `buffers_defaults`) is another than what is computed or
    planned: warnings with both numbers."""
    if not fabric.roce.pfc or not fabric.roce.lossless:
        return ()
    return (*_vendor_rows(fabric), *_vendor_pools(fabric))


def _vendor_pools(fabric: Fabric) -> Iterator[Diagnostic]:
    """The switch of each model whose pool of headroom is largest, beside its vendor's."""
    cables = _cables(fabric)
    most: dict[SwitchModel, tuple[int, str]] = {}
    for switch, *_ in _kinds(fabric, cables):
        if switch.model.headroom_pool_bytes:
            planned = _buffers(fabric, switch, cables).headroom_pool_bytes, switch.name
            most[switch.model] = max(most.get(switch.model, planned), planned)
    for model, (planned_bytes, name) in most.items():
        vendor_bytes = model.headroom_pool_bytes
        if planned_bytes != vendor_bytes:
            word, hint = "below", ""  # the sum of what all groups need: more than that would lie idle
            if planned_bytes > vendor_bytes:
                word, hint = "above", f"'roce: {{headroom: {{pool: {vendor_bytes}B}}}}' takes the vendor's"
            yield Diagnostic(
                "vendor-headroom",
                f"a pool of {planned_bytes} B of headroom is planned for {name}, {word} the {vendor_bytes} B "
                "of its vendor",
                hint=hint,
                severity="warning",
                place=("models", model.name, "buffers_defaults"),
            )


def _vendor_rows(fabric: Fabric) -> Iterator[Diagnostic]:
    """By speed and length, where the vendor's headroom is another than what is computed, or has no row."""
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
    for model, speed_bps, cable_m in sorted(kinds, key=lambda kind: (kind[0].name, *kind[1:])):
        vendor = pg_profile(model, speed_bps, cable_m)
        where = f"{format_rate(speed_bps)} and {cable_m}m of cable at {model.name}"
        if vendor is None:
            if model.pg_profiles:
                message = f"its pg_profiles have no row for {where}: the headroom is computed"
                yield _about_vendor(model, message)
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
            yield _about_vendor(model, message)


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
