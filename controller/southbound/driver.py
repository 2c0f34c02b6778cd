"""What the controller asks of every switch, whatever programs it.

A driver is one switch during one run of a command: it is read, told what makes a new way, then routes in
rounds, then the rest, and is looked at afterwards. SONiC (gNMI), P4Runtime, PINS and OpenFlow are behind it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Protocol

from raddle.controller.plan.diff import Change
from raddle.controller.plan.model import NextHop
from raddle.controller.plan.update import Write

Wire = Literal["gnmi", "p4runtime", "openflow"]
"""How a switch is programmed."""

RouteTable = Mapping[str, tuple[NextHop, ...]]
"""Next hops by prefix."""


@dataclass(frozen=True, slots=True)
class Survey:
    """How a switch was found, and what making it as planned takes.

    Attributes:
        changes: how it differs from the plan.
        routes, wanted: the routes that it holds, and those of the plan.
        planned: requests that the changes take.
        estimate_s: about how long SONiC hardware takes for them.
        flaps: ports that go down and up on the way.
        bootstrap: paths that cannot be changed on a running switch.
        foreign: entries that raddle has not written and leaves as they are.
        beside: entries of others beside which the plan's do not do what they say.
        held: why nothing may be sent to it, although it would take it; empty if something may.
        error: why the plan does not fit the switch.
        up: ports that are set up; None where the driver sets no ports.
        hash_note: what the switch's groups do not hash; empty where they do as the plan has it.
    """

    changes: tuple[Change, ...] = ()
    routes: RouteTable = field(default_factory=dict)
    wanted: RouteTable = field(default_factory=dict)
    planned: int = 0
    estimate_s: float = 0.0
    flaps: tuple[str, ...] = ()
    bootstrap: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    held: str = ""
    error: str = ""
    up: frozenset[str] | None = None
    hash_note: str = ""

    @property
    def is_pushed(self) -> bool:
        """There is something to send, and nothing that forbids it."""
        return bool(self.planned) and not (self.held or self.error)


class Driver(Protocol):
    """A switch. Calls block, and only within the driver's own context, which is its session.

    All raise UnreachableError with a way out; of those `RefusedError` says that the switch has answered and
    holds what it held before the call.

    Attributes:
        sent: requests that the switch has taken.
        watched: what `look` looks at, in words.
    """

    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def wire(self) -> Wire: ...
    @property
    def sent(self) -> int: ...
    @property
    def watched(self) -> tuple[str, ...]: ...

    def __enter__(self) -> Driver: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def survey(self) -> Survey:
        """Read the switch. Comes first, and once."""
        ...

    def lay_groundwork(self, apart: Collection[str]) -> None:
        """Bring what new routes need and what disturbs nothing; ports `apart` come up later."""
        ...

    def set_ports(self, ports: Collection[str], opens: bool) -> None:
        """Set ports up or down; asked only of switches whose survey says which are `up`."""
        ...

    def write_routes(self, writes: Sequence[Write]) -> None:
        """Carry out some of the writes between the survey's routes."""
        ...

    def finish(self, kept: Collection[str]) -> None:
        """Send what is left, except for the routes of the prefixes `kept`, and ports of those names."""
        ...

    def verify(self, kept: Collection[str]) -> str:
        """Read back: what is not as planned, beside what is `kept`; empty if all is."""
        ...

    def look(self) -> str:
        """What is wrong with the switch after the push; empty if it is well."""
        ...

    def restore(self, kept: Collection[str]) -> str:
        """Put back what was sent, except for the routes `kept`; returns what came of it, in words.

        Raises:
            UnreachableError: it could not; nobody knows what the switch holds.
        """
        ...
