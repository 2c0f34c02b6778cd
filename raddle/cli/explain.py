"""`raddle explain`: where a printed number comes from."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from raddle import traffic
from raddle.cli.fabric_argument import FabricArg
from raddle.cli.option_groups import with_option_groups
from raddle.cli.options import JsonOption, PlanOptions, load_fabric
from raddle.errors import InputError
from raddle.lab.bench_request import BenchRequest
from raddle.lab.expect.expectations import Ask, usual_draws
from raddle.lab.explain.buffers import explain_headroom, explain_marking, explain_pause, switch_port
from raddle.lab.explain.busbw import explain_busbw
from raddle.lab.explain.routing import explain_path, explain_weight
from raddle.lab.run.settings import RunSettings
from raddle.report.explain import Explained, explained_document, explained_text
from raddle.topology.model import Fabric
from raddle.units import parse_message_bytes

Topic = Literal["headroom", "xoff", "xon", "kmin", "kmax", "pmax", "weight", "path", "busbw"]

_WANTED: dict[str, tuple[str, ...]] = {
    "headroom": ("PORT",), "xoff": ("PORT",), "xon": ("PORT",), "kmin": (), "kmax": (), "pmax": (),
    "weight": ("SWITCH", "ENDPOINT"), "path": ("FROM", "TO"), "busbw": (),
}  # fmt: skip


@with_option_groups
def explain(
    fabric: FabricArg,
    topic: Annotated[Topic, typer.Argument(metavar="NUMBER", help=", ".join(_WANTED))],
    options: PlanOptions,
    of: Annotated[
        list[str] | None,
        typer.Argument(metavar="[OF]...", help="A port, a switch and an endpoint, or two endpoints."),
    ] = None,
    size: Annotated[str, typer.Option(help="Of busbw: the buffers' size.", show_default=True)] = "1G",
    as_json: JsonOption = False,
) -> None:
    """Where a number comes from: formula, steps, inputs with their lines of the fabric file, source.

    headroom, xoff, xon PORT (leaf0:Ethernet0); kmin, kmax, pmax; weight SWITCH ENDPOINT; path FROM TO (of a
    queue pair, hop by hop); busbw of a collective (--collective, --algorithm, --size).
    """
    named, wanted = of or [], _WANTED[topic]
    if len(named) != len(wanted):
        form = " ".join([f"raddle explain FABRIC {topic}", *wanted])
        raise InputError.of("bad-option", f"'{topic}' is of {len(wanted)} names, not {len(named)}", form)
    found = _explained(load_fabric(fabric), topic, named, options, size)
    print(explained_document(found) if as_json else explained_text(found), end="")


def _explained(fabric: Fabric, topic: Topic, named: list[str], options: PlanOptions, size: str) -> Explained:
    if topic == "busbw":
        return explain_busbw(fabric, _ask(fabric, options, size))
    if topic in ("kmin", "kmax", "pmax"):
        return explain_marking(fabric, topic)
    if topic in ("weight", "path"):
        plan = options.make(fabric).plan
        if topic == "weight":
            return explain_weight(fabric, plan, *named)
        return explain_path(fabric, plan, named[0], named[1], 1 if options.seed is None else options.seed)
    ref, link = switch_port(fabric, named[0])
    plan = options.make(fabric).plan
    switch = next(each for each in plan.switches if each.name == ref.device)
    if topic == "headroom":
        return explain_headroom(fabric, switch, ref, link)
    return explain_pause(fabric, switch, ref, is_xon=topic == "xon")


def _ask(fabric: Fabric, options: PlanOptions, size: str) -> Ask:
    try:
        size_bytes = parse_message_bytes(size)
    except ValueError as error:
        raise InputError.of("bad-option", f"--size: {error}", "write it as 64M") from None
    seed = 1 if options.seed is None else options.seed
    request = BenchRequest(
        collective=options.collective or "all_reduce",
        algorithm=options.algorithm,
        sizes_bytes=(size_bytes,),
        routing=options.policy(fabric),
        scopes=options.scopes(seed),
        settings=RunSettings(seed=seed),
        terms=traffic.Terms(root=options.root),
    )
    return Ask(request, usual_draws(fabric))
