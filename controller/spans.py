"""What an update or a repair consists of, as spans of a trace. Without a tracer they are nothing.

`raddle.controller.api.tracing` hands them to OpenTelemetry.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext


class Span:
    """A stretch of work that nobody records."""

    def child(self, name: str, **facts: str | int | float) -> AbstractContextManager[Span]:
        """A part of it, while the context is open; what is raised in it goes through."""
        return nullcontext(self)

    def note(self, **facts: str | int | float) -> None:
        """Facts that are known by now."""


NOT_TRACED = Span()
