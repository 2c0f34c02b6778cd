"""Traces of updates and repairs, as OpenTelemetry has them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from raddle.controller.api.tracing import exporting, tracing
from raddle.controller.service.settings import Settings
from raddle.errors import InputError
from tests.fabrics import leaf_spine
from tests.unit.controller.service.running import controlled, switches

pytest.importorskip("opentelemetry.sdk")
POD = leaf_spine(2, 2, 2, "routing: {policy: ecmp}\n")


def facts(span: Any) -> dict[str, Any]:
    return {name.removeprefix("raddle."): value for name, value in span.attributes.items()}


def test_an_update_is_a_trace_with_each_step_at_each_switch_and_a_repair_is_another(tmp_path: Path) -> None:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept = InMemorySpanExporter()
    with (
        exporting(kept) as (root, flush),
        switches(POD, tmp_path) as (farm, file, inventory),
        controlled(farm, file, Settings(inventory), spans=root) as running,
    ):
        running.wait_until_in_sync()
        running.controller.drain("ada", "new optics", "spine1").result()
        running.controller.undrain("ada", "they are in", "spine1").result()
        running.wait_until_in_sync()
        running.farm.plug("leaf0", "Ethernet16", False)
        running.wait_for(lambda: "repair" in running.kinds(), "no repair")
        flush()
        spans = kept.get_finished_spans()
    roots = [each for each in spans if each.parent is None]
    assert [each.name for each in roots] == ["update", "update", "update", "repair"]
    assert len({each.context.trace_id for each in roots}) == 4
    drain, repair = roots[1], roots[3]
    assert facts(drain) == {
        "who": "ada", "what": "drain spine1", "why": "new optics", "revision": 2, "outcome": "done"
    }  # fmt: skip

    def parts(of: Any) -> list[Any]:
        found: list[Any] = [
            each for each in spans if each.parent and each.parent.span_id == of.context.span_id
        ]
        for each in found:
            assert of.start_time <= each.start_time <= each.end_time <= of.end_time
        return sorted(found, key=lambda each: each.start_time)

    plan, push = parts(drain)
    assert (plan.name, push.name) == ("plan", "push")
    steps = parts(push)
    names = [each.name for each in steps]
    assert names[:2] == ["survey", "groundwork"]
    assert names[2] == "routes, round 1"
    assert names[-3:] == ["the rest", "verify", "watch"]
    assert {facts(each)["switch"] for each in parts(steps[0])} == {"leaf0", "leaf1", "spine0", "spine1"}
    # Both leaves turn away from spine1; before they have, it keeps its routes.
    assert {facts(each)["switch"] for each in parts(steps[2])} == {"leaf0", "leaf1"}
    assert facts(repair)["why"] == "leaf0:Ethernet16 - spine0:Ethernet0 is down"
    assert [(facts(each)["switch"], facts(each)["outcome"]) for each in parts(repair)] == [("leaf1", "done")]


@contextmanager
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A collector that takes what it is sent."""
    taken: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is logged."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", taken
        finally:
            server.shutdown()
            thread.join()


def test_what_is_left_goes_to_the_collector_as_the_controller_ends() -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    with collector() as (url, taken):
        with tracing(url) as root, root.child("update", what="apply") as span:
            span.note(outcome="done")
        [(path, body)] = taken
    assert path == "/v1/traces"
    [resource] = ExportTraceServiceRequest.FromString(body).resource_spans
    assert ("service.name", "raddle-controller") in [
        (each.key, each.value.string_value) for each in resource.resource.attributes
    ]
    [scope] = resource.scope_spans
    assert [(each.name, len(each.attributes)) for each in scope.spans] == [("update", 2)]


def test_what_fails_in_a_span_goes_through_and_is_noted() -> None:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept = InMemorySpanExporter()
    with exporting(kept) as (root, _), pytest.raises(ValueError, match="no such thing"), root.child("update"):
        raise ValueError("no such thing")
    [span] = kept.get_finished_spans()
    assert span.status.status_code.name == "ERROR"


def test_a_collector_that_is_none_or_reached_in_plain_text_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for url, message in (
        ("127.0.0.1:4318", r"bad-collector.*'127\.0\.0\.1:4318' is no collector"),
        ("http://ada:secret@127.0.0.1:4318", "bad-collector"),
        ("http://192.0.2.1:4318", r"open-collector.*'192\.0\.2\.1' in plain text"),
    ):
        with pytest.raises(InputError, match=message), tracing(url):
            pass
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with (
        pytest.raises(InputError, match=r"no-opentelemetry.*opentelemetry-sdk"),
        tracing("http://[::1]:4318"),
    ):
        pass
