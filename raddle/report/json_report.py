"""The benchmark as JSON, for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from raddle.report.model import BenchResult, InputFile, as_document

SCHEMA_VERSION = 1


def to_json(result: BenchResult, inputs: Sequence[InputFile] = ()) -> str:
    """One JSON object, keys sorted, ending in a newline; equal results give equal bytes."""
    return json.dumps(bench_document(result, inputs), indent=2, sort_keys=True, allow_nan=False) + "\n"


def jobs_json(results: Sequence[BenchResult], inputs: Sequence[InputFile] = ()) -> str:
    """The benchmarks of jobs that ran at the same time."""
    jobs = [bench_document(result, inputs) for result in results]
    document = {"schema_version": SCHEMA_VERSION, "jobs": jobs}
    return json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n"


def bench_document(result: BenchResult, inputs: Sequence[InputFile] = ()) -> dict[str, Any]:
    """What a benchmark's JSON holds; `raddle.report.schemas.bench_schema` describes it.

    Keys are the fields of `raddle.report.model`, with `schema_version`, `raddle_version`, the `inputs` that
    it was made of, `average_busbw_gbs`, and `drops` as an object from reason to packets.
    """
    document = as_document(result)
    for row in document["rows"]:
        row["drops"] = None if row["drops"] is None else dict(row["drops"])
    document["schema_version"] = SCHEMA_VERSION
    document["raddle_version"] = version("raddle")
    document["inputs"] = [asdict(each) for each in inputs]
    document["average_busbw_gbs"] = result.average_busbw_gbs
    return document
