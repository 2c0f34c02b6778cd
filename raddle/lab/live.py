"""Traffic on switches that are up: the engine runs beside them, and their counters live.

Simulated time passes at a pace, so many simulated seconds in a second of wall time; on a machine that is too
slow for it, it passes more slowly. A change of a switch takes effect at the simulated instant at which it is
made.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType

from raddle import traffic
from raddle.errors import InputError, RaddleError
from raddle.lab.run.drive import Run, set_up
from raddle.lab.run.faults import Change, changes
from raddle.lab.run.settings import DEFAULT_SETTINGS, RunSettings
from raddle.lab.run.timeline import inflict
from raddle.lab.switches.counters import switch_counters
from raddle.lab.workloads.connections import connect
from raddle.nos.switch import SimulatedSwitch
from raddle.sim import FLOW_STATUS, Simulation
from raddle.state import SwitchState
from raddle.topology.model import Fabric
from raddle.workload import Workload

BARE_S = 10.0
"""Seconds of wall time without a change, then traffic starts without switches that forward nothing."""
TICK_S = 0.2
"""Seconds of wall time between two updates of the counters."""

_MOST_FLOWS = 10**7
_MOST_WAITS = 10**8
"""Of one flow for another. The engine holds every repetition; so many take about 4 GB."""

_PS_PER_S = 10**12


class TrafficDiedError(RaddleError):
    """Live traffic came to an end that nobody asked for."""

    exit_code = 1


def check_size(fabric: Fabric, workload: Workload) -> None:
    """Refuse traffic that the engine has no room for, before a switch starts for it.

    Raises:
        InputError: `bad-option`, with how often it may be repeated.
    """
    schedule, times = workload.schedule, workload.repeat
    sent, _ = connect(fabric, workload.seats, schedule)
    parts = sent.schedule.flows / max(schedule.flows, 1)
    # Each part of a message waits for all parts of another.
    flows = sent.schedule.flows
    once, twice = (round(traffic.waits_of(schedule, n) * parts**2) for n in (1, 2))
    waits = once + (times - 1) * (twice - once)
    if flows * times <= _MOST_FLOWS and waits <= _MOST_WAITS:
        return
    room = (_MOST_FLOWS // flows, 1 + (_MOST_WAITS - once) // max(twice - once, 1))
    most = 0 if once > _MOST_WAITS else min(room)
    what = (
        f"--repeat {times} makes {flows * times:.3g} flows that wait {waits:.3g} "
        f"times for another; live traffic has room for {_MOST_FLOWS:.0e} and {_MOST_WAITS:.0e}"
    )
    hint = f"--repeat {most} at most, of a larger --size if it is to last" if most else "take fewer ranks"
    raise InputError.of("bad-option", what, hint)


@dataclass(slots=True)
class LiveTraffic:
    """Traffic that runs on switches while the context is open.

    It starts when every switch has routes. `tell` hears of its start and its end, in words. What ends it
    otherwise is raised by `wait`. Of the settings' faults, times count from its start; cables are pulled at
    the switches.
    """

    fabric: Fabric
    switches: Mapping[str, SimulatedSwitch]
    workload: Workload
    pace: float
    settings: RunSettings = DEFAULT_SETTINGS
    tell: Callable[[str], None] = lambda text: None
    _changed: set[str] = field(default_factory=set)
    _due: list[Change] = field(default_factory=list)
    _wake: threading.Condition = field(default_factory=threading.Condition)
    _is_over: bool = False
    _thread: threading.Thread | None = None
    _failure: BaseException | None = None
    _failed: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> LiveTraffic:
        self._thread = threading.Thread(target=self._guarded, name="live-traffic", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._wake:
            self._is_over = True
            self._wake.notify()
        if self._thread:
            self._thread.join()

    def wait(self) -> None:
        """Stay until interrupted.

        Raises:
            TrafficDiedError: the traffic's thread has died; it says of what.
        """
        self._failed.wait()
        error = self._failure
        if isinstance(error, RaddleError):
            raise error
        raise TrafficDiedError(f"live traffic has ended: {type(error).__name__}: {error}") from error

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self._failure = error
            self._failed.set()

    def _run(self) -> None:
        configs: dict[str, object] = {}

        def watcher(name: str) -> Callable[[], None]:
            def note() -> None:
                # Counters change with every tick; only CONFIG_DB and APPL_DB change what a switch does.
                appl = self.switches[name].databases.appl
                if configs.get(name) is appl:
                    return
                configs[name] = appl
                with self._wake:
                    self._changed.add(name)
                    self._wake.notify()

            return note

        stops = [switch.watch(watcher(name)) for name, switch in self.switches.items()]
        try:
            states = self._wait_for_routes()
            if states:
                self._simulate(states)
        finally:
            for stop in stops:
                stop()

    def _wait_for_routes(self) -> dict[str, SwitchState]:
        """The states of all switches once each has a route and none has changed for a tick; {} at the end.

        A switch that forwards nothing, as one without a live link, is waited for no longer than `BARE_S`.
        """
        still_since_s = math.inf
        while True:
            self._next_changes(TICK_S)
            if self._is_over:
                return {}
            states = {name: switch.state() for name, switch in self.switches.items()}
            with self._wake:
                is_still = not self._changed
            bare = [name for name, state in states.items() if not any(route.ports for route in state.routes)]
            if not is_still or len(bare) == len(states):
                still_since_s = math.inf
                continue
            if not bare:
                return states
            still_since_s = min(still_since_s, time.monotonic())
            if time.monotonic() - still_since_s >= BARE_S:
                self.tell(f"no route leads anywhere on {', '.join(bare)}; traffic starts without")
                return states

    def _next_changes(self, timeout_s: float) -> set[str]:
        """The switches that have changed, as soon as one has or the time is over."""
        with self._wake:
            if not self._changed and not self._is_over:
                self._wake.wait(timeout_s)
            changed, self._changed = self._changed, set()
            return changed

    def _simulate(self, states: dict[str, SwitchState]) -> None:
        run = set_up(self.fabric, states, self.workload, self.settings)
        simulation, flows = run.simulation, self.workload.schedule.flows * self.workload.repeat
        self.tell(f"traffic of {flows} flows has started")
        clock = _Clock(self.pace)
        self._due[:] = changes(self.settings.faults)
        while not self._is_over:
            self._advance(simulation, clock, states)
            for name, counters in switch_counters(simulation).items():
                if name in self.switches:
                    self.switches[name].set_counters(counters, clock=clock.fields(simulation))
            simulation.clear_watermarks()  # a switch keeps the highest of all that it has read
            if simulation.is_done:
                self.tell(f"{_done(run)} of {flows} flows done at {simulation.now_ps / 1e9:.3f} ms")
                return

    @property
    def _over_p4(self) -> set[str]:
        """Switches whose tables change without a word."""
        return {name for name, switch in self.switches.items() if switch.p4}

    def _advance(self, simulation: Simulation, clock: _Clock, states: dict[str, SwitchState]) -> None:
        """Run a tick of wall time. A change of a switch cuts it in two; `states` is what they have."""
        end_s = time.monotonic() + TICK_S
        while (left_s := end_s - time.monotonic()) > 0 and not self._is_over:
            changed = self._next_changes(left_s)
            until_ps = clock.now_ps()
            while self._due and self._due[0].time_ps <= until_ps:
                change = self._due.pop(0)
                simulation.advance(max(change.time_ps, simulation.now_ps))
                inflict(simulation, change)
            if until_ps > simulation.now_ps:
                simulation.advance(until_ps)
            for name in changed | self._over_p4:
                if (state := self.switches[name].state()) != states[name]:
                    states[name] = state
                    simulation.set_switch(name, state)
        clock.forgive(simulation.now_ps)


def _done(run: Run) -> int:
    return int((run.messages().status == FLOW_STATUS.index("done")).sum())


class _Clock:
    """Simulated time as wall time goes on."""

    def __init__(self, pace: float) -> None:
        self._ps_per_s = pace * _PS_PER_S
        self._start_s = time.monotonic()
        self._pace = pace

    def now_ps(self) -> int:
        """The simulated instant that is due; at most a tick's worth ahead of the last forgiven one."""
        return int((time.monotonic() - self._start_s) * self._ps_per_s)

    def forgive(self, reached_ps: int) -> None:
        """Let go of simulated time that the engine was too slow for."""
        self._start_s = max(self._start_s, time.monotonic() - reached_ps / self._ps_per_s - TICK_S)

    def fields(self, simulation: Simulation) -> dict[str, str]:
        """STATE_DB's SIMULATION|clock."""
        return {
            "simulated_ps": str(simulation.now_ps),
            "simulated_s_per_wall_s": f"{self._pace:g}",
            "is_running": str(not simulation.is_done).lower(),
        }
