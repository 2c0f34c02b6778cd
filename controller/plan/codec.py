"""A plan as JSON and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from raddle.controller.plan.model import Plan, SwitchPlan
from raddle.errors import Diagnostic, InputError

SCHEMA_VERSION = 1

MOST_NEXT_HOPS = 10_000_000
"""Of all routes of a plan that becomes JSON, where each route spells its own: about 125 bytes of text each,
and several times that in the memory of who reads it."""

_ADAPTER = TypeAdapter(Plan)
_SWITCH = TypeAdapter(SwitchPlan)
_NO_SWITCHES = '\n "switches": []'
"""A line of the document alone: what lies deeper is indented further, and JSON breaks no line in a string."""


def to_json(plan: Plan) -> str:
    """The plan as JSON: sorted keys, units in the names, the same bytes for equal plans.

    Raises:
        InputError: `plan-too-large`.
    """
    return "".join(json_pieces(plan))


def json_pieces(plan: Plan, beside: Mapping[str, Any] | None = None) -> Iterator[str]:
    """What `to_json` returns, a switch at a time; `beside` are more keys of the document.

    Raises:
        InputError: `plan-too-large`, before anything is made.
    """
    hops = sum(len(route.next_hops) for switch in plan.switches for route in switch.routes)
    if hops > MOST_NEXT_HOPS:
        routes = sum(len(switch.routes) for switch in plan.switches)
        raise InputError.of(
            "plan-too-large",
            f"the plan of '{plan.fabric}' has {routes} routes with {hops} next hops: JSON holds at most "
            f"{MOST_NEXT_HOPS} next hops",
            "'raddle plan' shows its table without -o and --json, and --html its page",
        )
    return _pieces(plan, beside or {})


def _pieces(plan: Plan, beside: Mapping[str, Any]) -> Iterator[str]:
    """A large plan is many times as large as one document in memory: each switch is one."""
    whole = _ADAPTER.dump_python(replace(plan, switches=()), mode="json")
    text = json.dumps({"schema_version": SCHEMA_VERSION, **whole, **beside}, indent=1, sort_keys=True) + "\n"
    if not plan.switches:
        yield text
        return
    before, _, after = text.partition(_NO_SWITCHES)
    yield before + _NO_SWITCHES.removesuffix("]")
    for number, switch in enumerate(plan.switches):
        own = json.dumps(_SWITCH.dump_python(switch, mode="json"), indent=1, sort_keys=True)
        yield ("," if number else "") + f"\n{own}".replace("\n", "\n  ")
    yield "\n ]" + after


def from_json(text: str, file: str = "PLAN.json") -> Plan:
    """Read a plan that `to_json` wrote to a file.

    Raises:
        InputError: `bad-plan`, for text that is not JSON, of another version, or lacks fields.
    """
    hint = "write one with 'raddle plan FABRIC.yaml -o PLAN.json'"
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError.no_json("bad-plan", text, file, error, hint) from None
    version = document.pop("schema_version", None) if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise InputError.of(
            "bad-plan", f"the plan has schema_version {version!r}; {SCHEMA_VERSION} is expected", hint
        )
    try:
        return _ADAPTER.validate_python(document)
    except ValidationError as error:
        raise InputError(
            Diagnostic("bad-plan", f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}", hint=hint)
            for problem in error.errors()
        ) from None
