"""Traces over OTLP: what an update or a repair consisted of, and how long each part took at each switch.

OpenTelemetry comes with the extra `raddle[traces]`, and is imported when a tracer is opened. Its own
environment variables hold: OTEL_EXPORTER_OTLP_HEADERS for secrets, OTEL_EXPORTER_OTLP_CERTIFICATE, ...
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from raddle.controller.api.server import is_loopback
from raddle.controller.spans import Span
from raddle.errors import InputError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span as OtelSpan
    from opentelemetry.trace import Tracer

SERVICE = "raddle-controller"
"""Its `service.name`, unless OTEL_SERVICE_NAME says otherwise."""

_PATH = "/v1/traces"
"""Of a collector that is named without one (OTLP specification 1.5, "OTLP/HTTP Request")."""


class TracedSpan(Span):
    """A span of OpenTelemetry; without one of its own it is what root spans are made of."""

    def __init__(self, tracer: Tracer, span: OtelSpan | None = None) -> None:
        self._tracer, self._span = tracer, span

    @contextmanager
    def child(self, name: str, **facts: str | int | float) -> Iterator[Span]:
        from opentelemetry.context import Context
        from opentelemetry.trace import set_span_in_context

        # Parents are given, and not taken from the thread: switches are worked on by threads of a pool.
        context = set_span_in_context(self._span) if self._span else Context()
        with self._tracer.start_as_current_span(name, context, attributes=_named(facts)) as span:
            yield TracedSpan(self._tracer, span)

    def note(self, **facts: str | int | float) -> None:
        if self._span:
            self._span.set_attributes(_named(facts))


@contextmanager
def tracing(collector: str) -> Iterator[Span]:
    """A tracer that sends to a collector over OTLP/HTTP; what is left is sent as the context ends.

    Raises:
        InputError: `bad-collector`, `open-collector`; `no-opentelemetry`.
    """
    url = _checked(collector)
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise InputError.of(
            "no-opentelemetry",
            "traces need the Python packages opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http",
            "pip install 'raddle[traces]'",
        ) from None
    with exporting(OTLPSpanExporter(url)) as (root, _):
        yield root


@contextmanager
def exporting(exporter: SpanExporter) -> Iterator[tuple[Span, Callable[[], object]]]:
    """A tracer with any exporter of OpenTelemetry, and what makes it send at once."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    name = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": SERVICE}
    provider = TracerProvider(resource=Resource.create(name), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield TracedSpan(provider.get_tracer("raddle")), provider.force_flush
    finally:
        provider.shutdown()


def _checked(collector: str) -> str:
    """The URL to which spans go."""
    parts = urlsplit(collector)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise InputError.of(
            "bad-collector", f"'{collector}' is no collector of traces", "write http://127.0.0.1:4318"
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise InputError.of(
            "open-collector",
            f"traces would go to '{parts.hostname}' in plain text",
            "give https://, or a collector on this machine that sends them on",
        )
    return collector if parts.path.strip("/") else f"{collector.rstrip('/')}{_PATH}"


def _named(facts: dict[str, str | int | float]) -> dict[str, str | int | float]:
    return {f"raddle.{name}": value for name, value in facts.items()}
