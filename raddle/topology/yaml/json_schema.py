"""The JSON Schema of a fabric file, for editors: completion, descriptions, and mistakes as one types."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from raddle.topology.yaml.schema import FabricFile

SHIPPED = "fabric.schema.json"
"""The copy beside this module; `raddle schema` prints the same."""

_VARIABLE = r"\$\{"

URI = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema as pydantic sees the file, with texts where the file has texts (`400G`)."""
    schema = FabricFile.model_json_schema(mode="validation")
    schema["properties"] |= {
        "include": {
            "type": ["string", "array"],
            "items": {"type": "string"},
            "description": "Files that this one builds on, by path from here; what this one says wins.",
        },
        "variables": {
            "type": "object",
            "description": "Values that `${name}` stands for.",
        },
    }
    del schema["required"]  # an included file may hold a part
    return {**cleaned(schema), "$schema": URI, "title": "raddle fabric"}


def schema_text() -> str:
    """The schema as it is shipped and printed."""
    return json.dumps(json_schema(), indent=2, sort_keys=True) + "\n"


def shipped_text() -> str:
    """The shipped copy."""
    return files("raddle.topology").joinpath(SHIPPED).read_text(encoding="utf-8")


def cleaned(node: Any, *, has_variables: bool = True) -> Any:
    """The node as an editor needs it.

    Without pydantic's titles, without null (a key without a value is an error), without defaults that are
    numbers where the file has a text; a variable may stand for numbers and texts, where there are any.
    """
    if isinstance(node, list):
        return [cleaned(item, has_variables=has_variables) for item in node if item != {"type": "null"}]
    if not isinstance(node, dict):
        return node
    result = {
        key: cleaned(value, has_variables=has_variables)
        for key, value in node.items()
        if key != "title" or isinstance(value, dict)
    }
    choices = result.get("anyOf", [])
    if len(choices) == 1:
        result |= result.pop("anyOf")[0]
    default = result.get("default", "")
    if not isinstance(default, str | int | float) or (
        result.get("type") == "string" and default != str(default)
    ):
        del result["default"]
    if not has_variables:
        return result
    if "pattern" in result:
        result["pattern"] += f"|{_VARIABLE}"
    elif result.get("type") in ("integer", "boolean"):
        result |= {"type": [result["type"], "string"], "pattern": _VARIABLE}
    return result
