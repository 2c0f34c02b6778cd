"""/healthz and /metrics over HTTP: is it well, and what has it seen (Prometheus text format 0.0.4)."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from raddle.controller.api.server import host_of, is_loopback
from raddle.controller.service.core import Controller
from raddle.controller.service.events import Event
from raddle.errors import InputError
from raddle.report import exposition
from raddle.report.exposition import family

ADDRESS = "127.0.0.1:50581"
STALLED_S = 120.0
"""Without a turn of the controller's thread it is not well, unless an update is under way."""

_POLL_S = 0.1
"""How long a standby that is to lead waits at most for its own server to end."""

_PREFIX = "raddle_controller_"
_BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_TIMED = ("update", "mend", "repair")


class Metrics:
    """Counts what a controller's bus tells."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._lock = threading.Lock()
        self._events: Counter[str] = Counter()
        self._seconds: dict[str, list[float]] = {kind: [0.0] * (len(_BOUNDS_S) + 2) for kind in _TIMED}
        controller.bus.hear(self._count)

    def text(self) -> str:
        """All that is exposed."""
        return "\n".join([*self._state(), *self._counts(), *exposition.process(), ""])

    def _count(self, event: Event) -> None:
        with self._lock:
            self._events[event.kind] += 1
            if event.seconds:
                row = self._seconds[event.kind]
                row[0] += event.seconds
                row[-1] += 1.0
                for place, bound_s in enumerate(_BOUNDS_S, 1):
                    row[place] += event.seconds <= bound_s

    def _state(self) -> Iterator[str]:
        controller, views = self._controller, list(self._controller.switches.views.values())
        states = sorted(Counter(view.state for view in views).items())
        by_state = [({"state": state}, float(count)) for state, count in states]
        yield from family(f"{_PREFIX}switches", "gauge", "Switches by state.", by_state)
        revision = controller.revision
        for name, says, value in (
            (
                "switches_connected",
                "Switches that are watched now.",
                sum(view.is_connected for view in views),
            ),
            ("ports_down", "Cabled ports without a link.", sum(len(view.down) for view in views)),
            ("dead_links", "Links that routes lead around.", len(controller.dead_links)),
            ("cut_off_endpoints", "Endpoints that no way leads to.", len(controller.cut_off.endpoints)),
            (
                "leaves_apart",
                "Pairs of other leaves between whose hosts no way leads.",
                len(controller.cut_off.leaves),
            ),
            ("revision", "The revision that is wanted.", revision.number if revision else 0),
            ("paused", "1 while paused.", int(controller.is_paused)),
        ):
            yield from family(f"{_PREFIX}{name}", "gauge", says, [({}, value)])

    def _counts(self) -> Iterator[str]:
        with self._lock:
            events, rows = dict(self._events), {kind: list(row) for kind, row in self._seconds.items()}
        counted = [({"kind": kind}, float(count)) for kind, count in sorted(events.items())]
        yield from family(f"{_PREFIX}events_total", "counter", "Events by kind.", counted)
        yield from exposition.head(
            f"{_PREFIX}seconds", "histogram", "How long updates, mends and repairs took."
        )
        for kind, (total, *buckets, times) in rows.items():
            for bound_s, within in zip(_BOUNDS_S, buckets, strict=True):
                yield f'raddle_controller_seconds_bucket{{kind="{kind}",le="{bound_s:g}"}} {within:g}'
            yield f'raddle_controller_seconds_bucket{{kind="{kind}",le="+Inf"}} {times:g}'
            yield f'raddle_controller_seconds_sum{{kind="{kind}"}} {total:.6f}'
            yield f'raddle_controller_seconds_count{{kind="{kind}"}} {times:g}'


class Monitor:
    """Serves both paths at an address, while the context is open. Nothing that it tells is secret.

    Args:
        problem: why whoever is served is not well; empty while it is.
        text: its metrics.

    Raises:
        InputError: `not-loopback`; `port-in-use`.
    """

    def __init__(self, problem: Callable[[], str], text: Callable[[], str], address: str = ADDRESS) -> None:
        host = host_of(address, "--metrics", ADDRESS)
        if not is_loopback(host):
            raise InputError.of(
                "not-loopback",
                f"cannot serve metrics at '{address}' in plain text, as others than this machine reach that",
                "use 127.0.0.1, and a proxy of your own for others",
            )
        try:
            self._server = ThreadingHTTPServer(
                (host.strip("[]"), int(address.rpartition(":")[2])), _handler(problem, text)
            )
        except OSError:
            raise InputError.of(
                "port-in-use", f"cannot listen on {address}", "choose another --metrics"
            ) from None
        self.address = f"{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="monitor", daemon=True
        )

    def __enter__(self) -> Monitor:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(problem: Callable[[], str], text: Callable[[], str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, text(), exposition.CONTENT_TYPE)
            elif self.path == "/healthz":
                reason = problem()
                self._answer(503 if reason else 200, f"{reason or 'ok'}\n", "text/plain")
            else:
                self._answer(404, "there are /healthz and /metrics\n", "text/plain")

        def _answer(self, code: int, text: str, kind: str) -> None:
            body = text.encode()
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Who asks is not logged."""

    return Handler


def process_metrics() -> str:
    """Of who stands by, and knows of no switch."""
    return "\n".join([*exposition.process(), ""])


def ill(controller: Controller) -> str:
    """Why a controller is not well, in words; empty if it is."""
    if not controller.is_running:
        return "it does not run"
    spent_s = time.monotonic() - controller.turned_s
    if spent_s > STALLED_S and controller.records.work is None:
        return f"nothing has happened for {spent_s:.0f} s"
    return ""
