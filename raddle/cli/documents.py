"""JSON Schemas of what commands print with `--json`; docs/schemas has them as files.

A document is described by the records that it is made of, so that no field comes to one and not to the other.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from importlib.resources import files
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, create_model

from raddle.cli.doctor import Finding as MachineFinding
from raddle.controller.plan.diff import Change
from raddle.controller.plan.model import Plan
from raddle.controller.plan.summary import Summary
from raddle.controller.reconcile import SwitchResult
from raddle.controller.southbound.p4runtime.postcards import Postcard
from raddle.controller.verify.failures import Outcome, Verdict
from raddle.controller.verify.outside import OutsideReach
from raddle.controller.verify.parts import Part
from raddle.controller.verify.transient import Transient
from raddle.controller.verify.update_scope import UpdateScope
from raddle.lab.collisions import CollisionReport
from raddle.lab.cost.prices import prices_schema
from raddle.lab.elastic.file import elastic_schema
from raddle.lab.emulation.result import EmulationResult
from raddle.lab.graph.file import workload_schema
from raddle.lab.scenario.file import scenario_schema
from raddle.lab.sweep.file import sweep_schema
from raddle.lab.verify.missing import Missing
from raddle.peers.sonic.findings import Finding
from raddle.report.cost import Bill, PartSaving
from raddle.report.diagnosis import Diagnosis
from raddle.report.elastic import ElasticResult
from raddle.report.expect import Expectations
from raddle.report.explain import Explained
from raddle.report.model import is_for_pages
from raddle.report.scenario import ScenarioResult
from raddle.report.schemas import DIALECT, bench_schema, closed, run_schema
from raddle.report.sweep import SweepReport
from raddle.report.workload import WorkloadResult
from raddle.topology.model import Addressing, Ecn, LosslessClass, PlaneCopies, SwitchModel

Schema = dict[str, Any]


def schema_of(name: str) -> Schema:
    """The schema of a document."""
    made: dict[str, Callable[[], Schema]] = {
        "errors": _errors,
        "bench": bench_schema,
        "simulate": run_schema,
        "workload": workload_schema,
        "elastic": elastic_schema,
        "scenario": scenario_schema,
        "sweep": sweep_schema,
        "prices": prices_schema,
    }
    if name in made:
        return made[name]()
    kinds = _DOCUMENTS[name]
    schema = TypeAdapter(kinds[0] if len(kinds) == 1 else Any).json_schema(mode="serialization")
    if len(kinds) > 1:
        parts, schema = TypeAdapter.json_schemas(
            [(kind, "serialization", TypeAdapter(kind)) for kind in kinds]
        )
        schema["anyOf"] = list(parts.values())
    return {"$schema": DIALECT, **closed(schema), "title": f"raddle {name}"}


def _errors() -> Schema:
    text = files("raddle.report").joinpath("schemas/errors.schema.json").read_text(encoding="utf-8")
    schema: Schema = json.loads(text)
    return schema


def _record(name: str, /, *kinds: type, **more: Any) -> type[BaseModel]:
    """An object with the fields of these dataclasses, and with more."""
    known = {
        each.name: get_type_hints(kind)[each.name]
        for kind in kinds
        for each in fields(kind)
        if not is_for_pages(each)
    }
    columns: dict[str, Any] = {key: (kind, ...) for key, kind in (known | more).items()}
    return create_model(name, __config__=ConfigDict(extra="forbid"), **columns)


def _document(name: str, /, *kinds: type, **more: Any) -> type[BaseModel]:
    return _record(name, *kinds, schema_version=Literal[1], **more)


def _list_of(kind: Any) -> Any:
    return list[kind]


def _or_none(kind: Any) -> Any:
    return kind | None


_Load = _record("Load", load=float, port=str)
_Row = dict[str, str]

_VALIDATE = _document(
    "Validation",
    ok=bool,
    fabric=str,
    **dict.fromkeys(("leaves", "spines", "superspines", "planes", "endpoints", "hosts", "links"), int),
    bonds=int,
    external=int,
    copies=_or_none(PlaneCopies),
    links_up=int,
    oversubscription=float,
    bisection_bps=int,
    tenants=dict[str, int],
    addressing=Addressing,
    lossless=list[LosslessClass],
    cnp=LosslessClass,
    pfc=bool,
    ecn=Ecn,
    ecn_speeds=_list_of(_record("SpeedEcn", speed_bps=int, kmin_bytes=int, kmax_bytes=int, pmax=float)),
    congestion_control=str,
    warnings=_list_of(_record("Warning", code=str, message=str)),
    cables=_list_of(_record("WrongCable", code=str, message=str, hint=str)),
    mend=_list_of(_record("Work", step=str, a=str, b=str)),
)

_VERIFY = _document(
    "Verification",
    ok=bool,
    bisection_is_estimate=bool,
    fabric=str,
    subject=str,
    **dict.fromkeys(("endpoints", "pairs", "cut_off", "dependencies", "bisection_bps"), int),
    **dict.fromkeys(("failures_checked", "failures_judged", "failures_total"), int),
    present=Verdict,
    parts=_list_of(_record("PartOfFabric", Part, busiest=_Load)),
    deadlock_free=bool | None,
    missing=_list_of(_record("MissingSwitch", Missing)),
    outside=list[str],
    external=_list_of(_record("OutsidePrefix", OutsideReach)),
    outcomes=list[Outcome],
    busiest_link=_Load,
    oversubscription=dict[str, float],
    is_adaptive=bool,
    best_load=float | None,
    worst_load=_or_none(_record("WorstLoad", failure=str, load=float, port=str)),
    update=_or_none(_record("Update", Transient, UpdateScope)),
    cabling=list[str] | None,
    problems=_list_of(_record("Problem", code=str, severity=str, message=str, hint=str, where=str)),
)

_SHOW = _document(
    "Fabric",
    name=str,
    switches=_list_of(
        _record(
            "SwitchRow",
            **dict.fromkeys(("name", "role", "model", "hwsku"), str),
            **dict.fromkeys(("pod", "plane", "ports", "ports_cabled", "port_speed_bps", "buffer_bytes"), int),
            asn=int,
        )
    ),
    hosts=_list_of(
        _record(
            "HostRow",
            name=str,
            nics=list[str],
            nic_speed_bps=int,
            nic_bus_bps=int,
            scale_up_domain=int,
            accelerators=_or_none(
                _record(
                    "AcceleratorRow",
                    **dict.fromkeys(("kind", "model", "scale_up", "scale_up_topology"), str),
                    **dict.fromkeys(("count", "scale_up_bps", "scale_up_latency_ps"), int),
                    scale_up_in_network_bps=int,
                    bus_bps=int,
                )
            ),
        )
    ),
    links=_list_of(
        _record(
            "LinkRow",
            ends=list[str],
            speed_bps=int,
            length_m=float,
            is_up=bool,
            is_drained=bool,
            links_per_cable=int,
            medium=str | None,
        )
    ),
    tiers=_list_of(_record("Tier", name=str, links=int, links_up=int, up_bps=int)),
    oversubscription=float,
    bisection_bps=int,
    planes=int,
    tenants=_list_of(_record("TenantRow", name=str, accelerators=list[str], ranks=list[str])),
)

_CASE = _record(
    "Case",
    **dict.fromkeys(("suite", "name", "file", "fact"), str),
    ok=bool,
    seconds=float,
    details=list[str],
    values=list[float | None],
    problems=_list_of(
        _record(
            "Found",
            **dict.fromkeys(("code", "severity", "message", "hint", "file"), str),
            line=int,
            column=int,
        )
    ),
)

_RESULT = _record("Switch", SwitchResult, is_in_sync=bool, state=str)
_RESULTS = _document("Results", switches=_list_of(_RESULT), not_compared=list[str])
_WITH_LINKS = _record(
    "SwitchWithLinks",
    SwitchResult,
    is_in_sync=bool,
    state=str,
    ports_without_link=list[str] | None,
    routes_beside=list[str],
)
_MADE_OF = _record("MadeOf", fabric_digest=str, options_digest=str, plan_digest=str, options=dict[str, Any])

_ADOPTED = dict.fromkeys(("switches", "hosts", "cables"), int)

_DOCUMENTS: dict[str, tuple[type[BaseModel], ...]] = {
    "validate": (_VALIDATE,),
    "show": (
        _SHOW,
        *(_document(f"List of {part}", **{part: list[_Row]}) for part in ("switches", "hosts", "cables")),
    ),
    "plan": (
        _document("Plan", Plan, made_of=_MADE_OF),
        _document("Difference", summary=Summary, changes=list[Change], outside_gnmi=list[str]),
        _document("Collisions", CollisionReport),
    ),
    "verify": (_VERIFY,),
    "apply": (_document("Results", switches=_list_of(_RESULT), not_compared=list[str], by_hand=list[str]),),
    "status": (_document("Status", switches=_list_of(_WITH_LINKS), not_compared=list[str]),),
    "drift": (_RESULTS,),
    "telemetry": (_document("Telemetry", fabric=str, postcards=list[Postcard]),),
    "workload-result": (_document("Workload", WorkloadResult),),
    "elastic-result": (_document("Elastic", ElasticResult),),
    "expect": (_document("Expected", Expectations), _document("Diagnosed", Diagnosis)),
    "explain": (_document("Explained", Explained),),
    "run": (_document("Run", ok=bool, scenarios=_list_of(_record("Scenario", ScenarioResult, ok=bool))),),
    "doctor": (_document("Doctor", ok=bool, findings=_list_of(_record("Found", MachineFinding))),),
    "cost": (
        _document(
            "Cost",
            bills=_list_of(
                _record("FabricBill", Bill, total=float, power_w=float, rack_units=float, unpriced=list[str])
            ),
            savings=_list_of(
                _record(
                    "Saving", fabric=str, prices=str, share=float | None, parts=list[PartSaving], left_out=str
                )
            ),
        ),
    ),
    "sweep-result": (_document("SweepReport", SweepReport),),
    "check": (_document("CheckResult", ok=bool, not_checked=list[str], cases=_list_of(_CASE)),),
    "emulate": (_document("Emulation", EmulationResult, ok=bool),),
    "import": (_document("Adoption", fabric=str, findings=list[Finding], **_ADOPTED),),
    "models": (_document("Models", models=list[SwitchModel]),),
    "examples": (
        _document("Examples", examples=_list_of(_record("Example", name=str, title=str, file=str))),
        _document("Example text", text=str),
    ),
}
"""Each with the shapes that it has by option."""
