"""`raddle render`: one switch's configuration as its driver sends it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from finsy.proto import p4r

from raddle.cli.day0 import (
    first_boot,
    hash_files,
    hash_note,
    own_configs,
    patch_of,
    refuse_strangers,
    ztp_files,
)
from raddle.cli.fabric_argument import FabricArg
from raddle.cli.option_groups import with_option_groups
from raddle.cli.options import (
    JsonOption,
    P4InfoOption,
    PlanOption,
    PlanOptions,
    load_fabric,
    plan_for,
    refuse_unknown,
)
from raddle.cli.output_folder import OutputFolder
from raddle.controller.plan.make import plan_around
from raddle.controller.plan.model import Plan, SwitchPlan
from raddle.controller.plan.neighbours import neighbour_macs
from raddle.controller.ptf.access_lists import AccessLists
from raddle.controller.ptf.suite import suite
from raddle.controller.southbound.openflow.bootstrap import Extras, ovs_commands
from raddle.controller.southbound.openflow.rendering import describe
from raddle.controller.southbound.openflow.tables import switch_tables
from raddle.controller.southbound.p4runtime.pipelines import pins_pipeline
from raddle.controller.southbound.p4runtime.target import describe_target, p4_target
from raddle.controller.southbound.sonic.tables import pushed
from raddle.errors import InputError
from raddle.inventory import load_inventory
from raddle.lab.switches.access_lists import lists_of_config, lists_of_running
from raddle.topology.model import Nos
from raddle.topology.yaml.placing import placed

_PTF = files("raddle.controller.ptf") / "raddle_ptf.py"
"""What PTF runs with what is rendered."""

_TARGET = re.compile(r"(tcp|ssl):(\[[0-9A-Fa-f:.]+\]|[0-9.]+):\d{1,5}")
"""Source: ovs-vsctl(8), OpenFlow Controller Connectivity: addresses, no names."""


@with_option_groups
def render(
    fabric: FabricArg,
    options: PlanOptions,
    plan_file: PlanOption = None,
    switch: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which switch (default: all, by name)", show_default=False),
    ] = None,
    form: Annotated[
        Literal["sonic", "p4runtime", "openflow", "ptf"],
        typer.Option("--format", help="What the switch speaks; ptf: packet tests of it."),
    ] = "sonic",
    boot: Annotated[
        bool, typer.Option("--bootstrap", help="What it boots with (config_db.json), not what is pushed.")
    ] = False,
    over: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Lay --bootstrap over this config_db.json, or those of a folder (by name); ptf: test its "
            "access lists.",
        ),
    ] = None,
    inventory: Annotated[
        Path | None, typer.Option(metavar="FILE", help="As --over, of what the running switches hold.")
    ] = None,
    accept_identity: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="With --over or --inventory: lay over this switch's although it seems to be another's.",
        ),
    ] = None,
    patch: Annotated[
        bool, typer.Option("--patch", help="With --bootstrap: the JSON patch (RFC 6902) that makes it.")
    ] = False,
    ztp: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write what SONiC's ZTP reads: ztp.json, configurations, DHCP."),
    ] = None,
    url: Annotated[
        str,
        typer.Option(metavar="URL", help="With --ztp: where switches fetch its files.", show_default=False),
    ] = "",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Write NAME.json for each switch.")
    ] = None,
    controller: Annotated[
        str,
        typer.Option(
            metavar="tcp:ADDRESS:PORT",
            help="With --bootstrap of OpenFlow: where it connects to.",
            show_default=False,
        ),
    ] = "",
    bfd: Annotated[
        int | None,
        typer.Option(
            metavar="MS",
            help="With --bootstrap of OpenFlow: BFD between switches, a packet every MS.",
            min=1,
            max=60_000,
            show_default=False,
        ),
    ] = None,
    p4info: P4InfoOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a switch's part of the plan, or that of every switch, as its driver sends it.

    That is SONiC tables, OpenFlow groups and flows, or P4Runtime entities: of p4/fabric.p4, or with --p4info
    of SONiC PINS. With --format ptf it is packet tests of it. The result is JSON with and without --json.
    """
    is_day0 = boot or ztp is not None
    if accept_identity and not (over or inventory):
        raise InputError.of("bad-option", "--accept-identity goes with --over or --inventory")
    if patch and not (is_day0 and form == "sonic"):
        raise InputError.of("bad-option", "--patch is of --bootstrap of SONiC switches")
    if (over or inventory) and not (is_day0 and form == "sonic") and form != "ptf":
        raise InputError.of(
            "bad-option", "--over and --inventory are of --bootstrap of SONiC switches, and of --format ptf"
        )
    if (controller or bfd) and not (boot and form == "openflow"):
        raise InputError.of("bad-option", "--controller and --bfd are of --bootstrap of --format openflow")
    if controller and not _TARGET.fullmatch(controller):
        raise InputError.of(
            "bad-option",
            f"a switch cannot connect to '{controller}'",
            "write tcp:ADDRESS:PORT or ssl:ADDRESS:PORT, as ovs-vsctl set-controller has it",
        )
    if (ztp and (patch or output or form != "sonic")) or bool(ztp) != bool(url):
        raise InputError.of(
            "bad-option", "--ztp DIR goes with --url URL, and without --patch, -o and other formats"
        )
    model = load_fabric(fabric)
    refuse_unknown(model, (switch,) if switch is not None else ())
    if switch and plan_file is None and options.keep is None and options.policy(model) == "ecmp":
        plan = plan_around(model, switch)  # the others are not asked for
    else:
        plan = plan_for(model, options, plan_file).plan
    by_name = {each.name: each for each in plan.switches}
    pins = pins_pipeline(p4info) if p4info else None
    own = own_configs(over, inventory) if form != "ptf" or over else None
    refuse_unknown(model, accept_identity or ())
    if own:
        refuse_strangers(own, by_name, switch, accept_identity or ())
    chosen = {name: each for name, each in by_name.items() if switch in (None, name)}
    lists: Mapping[str, AccessLists] = {}
    if form == "ptf" and own:
        lists = {name: lists_of_config(name, own.of(name, switch)) for name in chosen}
    elif form == "ptf" and inventory:
        lists = lists_of_running(model, load_inventory(inventory), chosen)
    rendered: dict[str, Any] = {}
    for name, each in chosen.items():
        if is_day0 and form == "sonic":
            held = own.of(name, switch) if own else None
            rendered[name] = first_boot(model, each, held)
            rendered[name] = patch_of(held, rendered[name]) if patch else rendered[name]
        else:
            with placed(model):
                rendered[name] = _rendered(
                    plan, each, form, boot, pins, Extras(controller, bfd or 0, by_name), lists.get(name)
                )
    hashing = hash_files(chosen.values()) if is_day0 and form == "sonic" else {}
    if ztp:
        _write(ztp, ztp_files(model, rendered, url) | hashing)
        return
    if output:
        tests = {"raddle_ptf.py": _PTF.read_text("utf-8")} if form == "ptf" else {}
        _write(output, {f"{name}.json": _text(each) for name, each in rendered.items()} | hashing | tests)
        return
    if hashing:
        print(hash_note(list(hashing)), file=sys.stderr)
    print(json.dumps(rendered[switch] if switch else rendered, indent=2, sort_keys=True))


def _text(document: object) -> str:
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """All files, or none of them."""
    with OutputFolder(folder, ()) as place:
        place.finish(files)
    print(f"wrote {len(files)} files to {folder}", file=sys.stderr)


def _rendered(
    plan: Plan,
    switch: SwitchPlan,
    form: str,
    boot: bool,
    pins: p4r.ForwardingPipelineConfig | None,
    extras: Extras,
    lists: AccessLists | None,
) -> Mapping[str, object]:
    if form == "p4runtime":
        if boot:
            raise InputError.of("no-bootstrap", "a P4 switch boots empty", "leave --bootstrap out")
        nos: Nos = "pins" if pins else "p4"
        return describe_target(p4_target(replace(switch, nos=nos), neighbour_macs(plan), pins))
    if form == "ptf":
        if boot:
            raise InputError.of("no-bootstrap", "packet tests are no boot file", "leave --bootstrap out")
        return suite(plan, switch.name, lists)
    if form == "openflow":
        if boot:
            return {"commands": list(ovs_commands(switch, extras))}
        return describe(
            switch_tables(switch, neighbour_macs(plan), has_queues=True, has_selection_method=True)
        )
    return pushed(switch)
