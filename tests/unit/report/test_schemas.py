"""The documents of results are what their published schemas say."""

import json
from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator, ValidationError

from raddle.report.json_report import jobs_json, to_json
from raddle.report.model import InputFile, LinkUse
from raddle.report.run_files import FlowRow, PortRow, RunResult, WatchdogRow, run_document
from raddle.report.schemas import bench_schema, run_schema

FLOW = FlowRow("1", "host0", "host1", 4096, "done", 0, 10, 20, 10, 1.0, 0, 0, 0, None)
PORT = PortRow("leaf0:Ethernet0", 3, 4154, 1, 2, 4154, 4154, 1, 5, (("mtu", 2),))
RUN = RunResult(
    fabric="pod",
    routing="ecmp",
    congestion_control="none",
    seed=1,
    time_ps=100,
    is_interrupted=False,
    is_stalled=False,
    flows=(FLOW,),
    ports=(PORT,),
    packets=(1, 1, 0, 0),
    watchdog_events=(WatchdogRow(5, "leaf0:Ethernet0", 3, "storm"),),
    links=(LinkUse("host0:eth0 -> leaf0:Ethernet0", 4154, 0.5, 1, 0, 0, 0),),
    inputs=(InputFile("pod.yaml", "0" * 64),),
)


def test_benchmarks_are_as_their_schema_says(clean_result, congested_result):
    validator = Draft202012Validator(bench_schema())
    for result in (clean_result, congested_result, replace(clean_result, is_interrupted=True)):
        validator.validate(json.loads(to_json(result)))


def test_jobs_at_the_same_time_are_as_the_schema_says(clean_result, congested_result):
    validator = Draft202012Validator(bench_schema())
    document = json.loads(jobs_json([clean_result, congested_result]))
    validator.validate(document)
    for wrong in (document | {"job": []}, {**document, "jobs": [{}, {}]}, {"schema_version": 1}):
        with pytest.raises(ValidationError):
            validator.validate(wrong)


def test_runs_are_as_their_schema_says():
    validator = Draft202012Validator(run_schema())
    for result in (RUN, replace(RUN, flows=(), ports=(), links=(), inputs=())):
        validator.validate(json.loads(json.dumps(run_document(result))))


@pytest.mark.parametrize("key", ["fct_ps", "inputs", "seed"])
def test_a_document_that_lacks_a_key_or_has_another_is_refused(key):
    validator = Draft202012Validator(run_schema())
    document = run_document(RUN)
    with pytest.raises(ValidationError):
        validator.validate({name: value for name, value in document.items() if name != key})
    with pytest.raises(ValidationError):
        validator.validate(document | {f"{key}_too": 1})
