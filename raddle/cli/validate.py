"""`raddle validate`: is the fabric file sound?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raddle.cli.fabric_argument import FabricArg
from raddle.controller.plan.addresses import address_families
from raddle.controller.plan.lossless_check import check_switches, vendor_headroom
from raddle.errors import Diagnostic, InputError
from raddle.topology import find, load
from raddle.topology.load import refuse_cut_off
from raddle.topology.model import Ecn, Fabric
from raddle.topology.views.bisection import bisection_bps, bisection_is_estimate, bisection_text
from raddle.topology.views.capacity import capacity_text, oversubscription, review
from raddle.topology.views.polarisation import polarisation
from raddle.topology.yaml.placing import in_file
from raddle.units import counted, format_rate, format_size

if TYPE_CHECKING:
    from raddle.topology.views.cable_mend import CableWork

SCHEMA_VERSION = 1


def validate(
    fabric: FabricArg,
    cables: Annotated[
        Path | None, typer.Option(metavar="CABLES.csv", help="Compare with the cables that are seen (LLDP).")
    ] = None,
    sonic_yang: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Check all switches against SONiC's YANG models in DIR (yanglint)."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a fabric where something is cut off.")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check schema, wiring, addressing, the lossless class and its headroom of a fabric file."""
    model = load(find(fabric))
    if strict:
        refuse_cut_off(model)
    _check_switches(model, sonic_yang)
    warnings = in_file(model, (*review(model), *polarisation(model), *vendor_headroom(model)))
    wrong, work = _compare_cables(model, cables) if cables else ((), ())
    if json_output:
        typer.echo(json.dumps(document_of(model, warnings, wrong, work), indent=2, sort_keys=True))
    else:
        _print_facts(model, warnings, wrong, work)
    if wrong:
        raise typer.Exit(1)


def _compare_cables(model: Fabric, cables: Path) -> tuple[tuple[Diagnostic, ...], tuple[CableWork, ...]]:
    """What differs from the cables that are seen, and the work that mends it."""
    from raddle.topology.views.cable_mend import mend_cables
    from raddle.topology.views.cable_truth import compare_cables, planned_names, read_cables

    seen = planned_names(model, read_cables(cables))
    wrong = compare_cables(model, seen)
    return wrong, mend_cables(model, seen) if wrong else ()


def _check_switches(model: Fabric, sonic_yang: Path | None) -> None:
    """What depends on each switch: its headroom, its addresses, and on demand its whole configuration.

    Raises:
        InputError: what a plan would end with.
    """
    if problems := check_switches(model):
        raise InputError(in_file(model, problems))
    if sonic_yang:
        from raddle.controller.plan import make_plan
        from raddle.controller.southbound.sonic.tables import intended
        from raddle.controller.southbound.sonic.yang import check_yang

        plan = make_plan(model, "ecmp")
        base = model.base
        tables = {each.name: {**base.get(each.name, {}), **intended(each)} for each in plan.switches}
        for name, own in tables.items():
            own["DEVICE_METADATA"]["localhost"] |= (
                base.get(name, {}).get("DEVICE_METADATA", {}).get("localhost", {})
            )
        check_yang(tables, sonic_yang)
    else:
        address_families(model)  # the pools hold a block for every leaf


def _print_facts(
    model: Fabric, warnings: Sequence[Diagnostic], wrong: Sequence[Diagnostic], work: Sequence[CableWork]
) -> None:
    for name, fact in facts_of(model).items():
        typer.echo(f"{name + ':':<12} {fact}")
    for each in (*warnings, *wrong):
        typer.echo(str(each), err=True)
    if work:
        typer.echo(f"to mend them, at the least {len(work)} step{'s' if len(work) > 1 else ''}:")
        for number, step in enumerate(work, 1):
            typer.echo(f"{number:4} {step}")
    typer.echo(f"{len(wrong)} cable{'s are' if len(wrong) > 1 else ' is'} wrong" if wrong else "ok")


def document_of(
    fabric: Fabric,
    warnings: Sequence[Diagnostic],
    wrong: Sequence[Diagnostic] = (),
    work: Sequence[CableWork] = (),
) -> dict[str, Any]:
    """What `facts_of` says, as a JSON object; `wrong` is what is cabled otherwise than it should be, `work`
    what mends it."""
    roce = fabric.roce
    return {
        "schema_version": SCHEMA_VERSION,
        "ok": not wrong,
        "fabric": fabric.name,
        "leaves": len(fabric.leaves),
        "spines": len(fabric.spines),
        "superspines": len(fabric.superspines),
        "planes": fabric.planes,
        "copies": asdict(fabric.copies) if fabric.copies else None,
        "endpoints": fabric.server_endpoints,
        "bonds": _bonds(fabric),
        "hosts": fabric.servers,
        "external": len(fabric.hosts) - fabric.servers,
        "links": len(fabric.links),
        "links_up": sum(link.is_up for link in fabric.links),
        "oversubscription": oversubscription(fabric),
        "bisection_bps": bisection_bps(fabric),
        "tenants": {tenant.name: len(tenant.accelerators) for tenant in fabric.tenants},
        "addressing": asdict(fabric.addressing),
        "lossless": [asdict(item) for item in roce.lossless],
        "cnp": asdict(roce.cnp),
        "pfc": roce.pfc,
        "ecn": asdict(roce.ecn),
        "ecn_speeds": [{"speed_bps": speed, **asdict(ecn)} for speed, ecn in roce.ecn_speeds],
        "congestion_control": roce.congestion_control,
        "warnings": [{"code": item.code, "message": item.message} for item in warnings],
        "cables": [{"code": item.code, "message": item.message, "hint": item.hint} for item in wrong],
        "mend": [{"step": each.kind, "a": str(each.a), "b": str(each.b)} for each in work],
    }


def facts_of(fabric: Fabric) -> dict[str, str]:
    """What the file says, one line per subject."""
    up = sum(link.is_up for link in fabric.links)
    speeds = ", ".join(format_rate(bps) for bps in sorted({link.speed_bps for link in fabric.links}))
    bonds = _bonds(fabric)
    place = fabric.network
    network = {"network": f"{place.name}, with {fabric.servers} of {place.hosts} hosts"} if place else {}
    return {
        "fabric": fabric.name,
        **network,
        **({"planes": fabric.copies.text} if fabric.copies else {}),
        "devices": _devices(fabric),
        "links": f"{len(fabric.links)} at {speeds}, {up} up",
        **({"bonds": f"{bonds} of two ports, with an address each"} if bonds else {}),
        **({"in all": _in_all(fabric, fabric.copies.planes)} if fabric.copies else {}),
        "capacity": capacity_text(fabric),
        "bisection": bisection_text(bisection_bps(fabric), bisection_is_estimate(fabric)),
        "addressing": _addressing(fabric),
        "lossless": _lossless(fabric),
        "ecn": _ecn(fabric),
    }


def _bonds(fabric: Fabric) -> int:
    return sum(each.twin is not None for each in fabric.endpoints) // 2


def _in_all(fabric: Fabric, planes: int) -> str:
    leaves, above = len(fabric.leaves), len(fabric.switches) - len(fabric.leaves)
    ports, links = planes * len(fabric.endpoints), planes * len(fabric.links)
    counts = [
        counted(planes * leaves, "leaf", "leaves"),
        counted(planes * above, "switch above", "switches above"),
        counted(ports, "NIC port", "NIC ports"),
        counted(links, "link", "links"),
    ]
    return ", ".join(counts)


def _devices(fabric: Fabric) -> str:
    counts = [counted(len(fabric.leaves), "leaf", "leaves"), counted(len(fabric.spines), "spine", "spines")]
    if fabric.superspines:
        counts.append(counted(len(fabric.superspines), "superspine", "superspines"))
    planes = f" in {fabric.planes} planes" if fabric.planes > 1 else ""
    outside = len(fabric.hosts) - fabric.servers
    beyond = f", {counted(outside, 'link', 'links')} to the outside" if outside else ""
    return f"{', '.join(counts)}{planes}, {counted(fabric.servers, 'host', 'hosts')}{beyond}"


def _addressing(fabric: Fabric) -> str:
    pools = fabric.addressing
    families = []
    if pools.families != "ipv6":
        families.append((pools.hosts, pools.loopbacks, pools.underlay))
    if pools.families != "ipv4":
        families.append((pools.ipv6_hosts, pools.ipv6_loopbacks, pools.ipv6_underlay))
    hosts, loopbacks, underlay = (" and ".join(names) for names in zip(*families, strict=True))
    return f"hosts {hosts}, loopbacks {loopbacks}, underlay {underlay if pools.is_numbered else 'unnumbered'}"


def _lossless(fabric: Fabric) -> str:
    roce = fabric.roce
    if not roce.lossless:
        return "none"
    classes = ", ".join(f"priority {item.priority} (DSCP {item.dscp})" for item in roce.lossless)
    pfc = "PFC" if roce.pfc else "no PFC"
    return f"{classes}, {pfc}; CNPs on priority {roce.cnp.priority} (DSCP {roce.cnp.dscp})"


def _ecn(fabric: Fabric) -> str:
    own = [f"{_marking(ecn)} at {format_rate(speed)}" for speed, ecn in fabric.roce.ecn_speeds]
    return "; ".join(
        [_marking(fabric.roce.ecn), *own, f"congestion control {fabric.roce.congestion_control}"]
    )


def _marking(ecn: Ecn) -> str:
    sizes = f"kmin {format_size(ecn.kmin_bytes)}, kmax {format_size(ecn.kmax_bytes)}"
    return f"{sizes}, pmax {ecn.pmax * 100:g}%"
