"""A plan as JSON and back."""

from __future__ import annotations

import json

from pydantic import TypeAdapter, ValidationError

from raddle.controller.plan.model import Plan
from raddle.errors import Diagnostic, InputError

SCHEMA_VERSION = 1

_ADAPTER = TypeAdapter(Plan)


def to_json(plan: Plan) -> str:
    """The plan as JSON: sorted keys, units in the names, the same bytes for equal plans."""
    document = {"schema_version": SCHEMA_VERSION, **_ADAPTER.dump_python(plan, mode="json")}
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def from_json(text: str) -> Plan:
    """Read a plan that `to_json` wrote.

    Raises:
        InputError: `bad-plan`, for text that is not JSON, of another version, or lacks fields.
    """
    hint = "write one with 'raddle plan FABRIC.yaml -o PLAN.json'"
    try:
        document = json.loads(text)
    except ValueError as error:
        raise InputError.of("bad-plan", f"the plan is not JSON: {error}", hint) from None
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
