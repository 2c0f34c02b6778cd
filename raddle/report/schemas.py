"""JSON Schemas of the documents that commands print and write; docs/schemas has them as files."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from raddle.report.model import BenchResult

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_COUNT = {"type": "integer", "minimum": 0}
_COUNTS = {"type": "object", "additionalProperties": _COUNT}


def bench_schema() -> dict[str, Any]:
    """Of `bench --json` and bench.json: the fields of the result's records, once or for each job."""
    whole = TypeAdapter(BenchResult).json_schema(mode="serialization")
    kinds = whole.pop("$defs")
    del whole["properties"]["link_flows"], kinds["LinkFlows"], kinds["LinkFlow"]
    version = {"schema_version": {"const": 1}}
    whole["properties"] |= version | _made_of() | {"average_busbw_gbs": {"type": "number"}}
    kinds["SizeRow"]["properties"]["drops"] = _or_null(_COUNTS)
    kinds["BenchResult"] = whole
    kinds["Jobs"] = {
        "title": "Jobs of several tenants at the same time",
        "type": "object",
        "properties": version | {"jobs": _list({"$ref": "#/$defs/BenchResult"}) | {"minItems": 2}},
    }
    schema = {"$schema": DIALECT, "title": "raddle bench", "$defs": kinds}
    return closed(schema | {"anyOf": [{"$ref": "#/$defs/BenchResult"}, {"$ref": "#/$defs/Jobs"}]})


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with every field of every record required, and no others allowed."""
    for each in (schema, *schema.get("$defs", {}).values()):
        if "properties" in each:
            each |= {"required": sorted(each["properties"]), "additionalProperties": False}
    return schema


def run_schema() -> dict[str, Any]:
    """Of `simulate --json` and summary.json."""
    return {
        "$schema": DIALECT,
        "title": "raddle simulate",
        **_record(
            schema_version={"const": 1},
            **_made_of(),
            fabric=_text(),
            routing=_text(),
            congestion_control=_text(),
            seed=_COUNT,
            fidelity=_text(),
            fast_forward=_or_null(_record(flows=_COUNT, of_flows=_COUNT, periods=_COUNT, period_ps=_COUNT)),
            not_forwarded=_or_null(_record(why=_text(), has_steps={"type": "boolean"}, not_flowed=_text())),
            flowed=_or_null(_record(packets_s=_number(), late_ps=_COUNT, way=_number())),
            left_out=_list(_text()),
            time_ps=_COUNT,
            is_interrupted={"type": "boolean"},
            is_stalled={"type": "boolean"},
            flows=_COUNTS,
            fct_ps=_distribution(),
            slowdown=_distribution(),
            pfc_pauses=_or_null(_COUNT),
            pfc_pause_ps=_or_null(_COUNT),
            ecn_marks=_or_null(_COUNT),
            drops=_or_null(_COUNTS),
            diagnosis=_list(_text()),
            watchdog_events=_list(_record(time_ps=_COUNT, port=_text(), queue=_COUNT, event=_text())),
            repairs=_list(
                _record(
                    lost=_list(_text()),
                    back=_list(_text()),
                    heard_ps=_COUNT,
                    done_ps=_COUNT,
                    switches=_COUNT,
                    routes=_COUNT,
                )
            ),
            packets=_or_null(_record(injected=_COUNT, delivered=_COUNT, dropped=_COUNT, in_network=_COUNT)),
            busiest_link=_or_null(_record(name=_text(), utilisation=_number(), tx_bytes=_COUNT)),
        ),
    }


def _made_of() -> dict[str, Any]:
    """What a result was made with: this release, and files by their digests."""
    digest = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    return {"raddle_version": _text(), "inputs": _list(_record(name=_text(), sha256=digest))}


def _text() -> dict[str, Any]:
    return {"type": "string"}


def _number() -> dict[str, Any]:
    return {"type": "number", "minimum": 0}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _distribution() -> dict[str, Any]:
    names = ("mean", "max", "p50", "p99", "p999")
    return _or_null(_record(**{name: _number() for name in names}))


def _record(**properties: dict[str, Any]) -> dict[str, Any]:
    """An object with these keys and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }
