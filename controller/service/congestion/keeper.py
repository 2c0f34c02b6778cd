"""Looks for congestion as counters come in, tells of it, and has it mended where that is allowed.

In the controller's thread of change, but for `hear`.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from raddle.controller.plan.replan import with_links
from raddle.controller.service.congestion.acting import Acting, Trial
from raddle.controller.service.congestion.find import Seeker
from raddle.controller.service.congestion.finding import Finding, Mend
from raddle.controller.service.congestion.loads import LoadOf, Loads
from raddle.controller.service.congestion.steady import Steady
from raddle.controller.service.desired import Desired, Planner
from raddle.controller.service.events import Bus
from raddle.controller.service.records import Drain, Material, Revision
from raddle.controller.service.settings import Settings
from raddle.controller.service.watch.counters import Reading
from raddle.errors import InputError

KIND = "congestion"
"""Of its events."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What the controller does for it.

    Attributes:
        update: brings material and drains to the switches, given what and why; how that came out.
        rollback: brings a revision back, given why and its number.
    """

    update: Callable[[str, str, Material, tuple[Drain, ...], Desired], Revision]
    rollback: Callable[[str, int], Revision]
    plan: Callable[[Material, tuple[Drain, ...]], Desired]


@dataclass(frozen=True, slots=True)
class Present:
    """What the switches are held to now; `dead` are links that routes lead around."""

    revision: Revision
    material: Material
    desired: Desired
    dead: frozenset[str] = frozenset()


class Keeper:
    """Keeps an eye on congestion.

    Attributes:
        held: what is found and lasts.
    """

    def __init__(self, settings: Settings, bus: Bus, planner: Planner, orders: Orders) -> None:
        self._period_s, self._may_act = settings.congestion_s, settings.acts
        self._tells_hosts = settings.source_ports is not None
        self._bus, self._planner, self._orders = bus, planner, orders
        self._inbox: queue.SimpleQueue[Reading | str] = queue.SimpleQueue()
        self._present: Present | None = None
        self._seeker: Seeker | None = None
        self._loads: Loads | None = None
        self._steady = Steady()
        self._acting = Acting(settings.moves, settings.moves_window_s)
        self._moved: tuple[int, int] = (0, 0)
        self._reasons: dict[str, str] = {}
        self._looked_s = 0.0
        self._is_fresh = self._is_spent = False

    @property
    def held(self) -> tuple[Finding, ...]:
        return tuple(self._steady.held.values())

    @property
    def loads(self) -> LoadOf:
        return dict(self._loads.ports) if self._loads else {}

    def hear(self, reading: Reading) -> None:
        """Take a reading of a switch, from any thread."""
        self._inbox.put(reading)

    def lose(self, switch: str, reason: str) -> None:
        """A switch gives no counters, from any thread."""
        self._inbox.put(switch)
        if self._reasons.get(switch) != reason:
            self._reasons[switch] = reason
            self._bus.tell("problem", reason, switch)

    def look(self, present: Present, now_s: float) -> None:
        """Look at what has come in; tell what has changed, and do something about it where that is due."""
        if present is not self._present:
            self._turn_to(present)
        assert self._loads
        assert self._seeker
        with suppress(queue.Empty):
            while True:
                heard = self._inbox.get_nowait()
                if isinstance(heard, str):
                    self._loads.forget(heard)
                else:
                    self._is_fresh |= self._loads.take(heard)
                    self._reasons.pop(heard.switch, None)
        if not self._is_fresh or now_s - self._looked_s < self._period_s:
            return
        self._is_fresh, self._looked_s = False, now_s
        seeker, ports = self._seeker, self._loads.ports
        begun, over = self._steady.take(seeker.find(ports), lambda each: seeker.clean_frames(each, ports))
        for each in begun:
            self._bus.tell(KIND, str(each), each.place.partition(":")[0])
        for each in over:
            self._bus.tell(KIND, f"{each.kind} at {each.link} is over", each.place.partition(":")[0])
        if self._may_act:
            self._act(present, now_s)

    def _turn_to(self, present: Present) -> None:
        """Another plan, maybe of another fabric: what ports did stays known where they are still there."""
        fabric = present.desired.fabric
        if self._present is None or self._present.desired.fabric.links != fabric.links:
            self._loads = Loads(fabric)
        flows = self._planner.jobs(present.material, fabric)
        dead = {present.desired.links[name] for name in present.dead}
        alive = with_links(fabric, [link.is_up and link.index not in dead for link in fabric.links])
        self._seeker = Seeker(alive, flows, self._planner.repinned(present.material) is None)
        self._present = present

    def _act(self, present: Present, now_s: float) -> None:
        held = self._steady.held
        if judged := self._acting.judge(held, now_s):
            self._after(present, *judged)
            return
        finding = self._acting.next(held, now_s)
        if finding is None:
            self._tell_if_spent(now_s)
            return
        assert finding.mend
        try:
            material, drains, desired = self._planned(present, finding.mend)
            done = self._orders.update(
                str(finding.mend), f"congestion: {finding.seen}", material, drains, desired
            )
        except InputError as error:
            first = error.diagnostics[0]
            why = "; ".join(filter(None, (f"{first.message} ({first.code})", first.hint)))
            self._refuse(finding.mend, why, now_s)
            return
        if not done.outcome.startswith("done"):
            self._refuse(finding.mend, done.outcome, now_s)
            return
        self._moved = done.number, present.revision.number
        self._acting.made(finding, held, now_s)
        why = f"because of {finding.kind} at {finding.link}"
        self._bus.tell(KIND, f"{finding.mend}: revision {done.number}, {why}")

    def _planned(self, present: Present, mend: Mend) -> tuple[Material, tuple[Drain, ...], Desired]:
        """What a mend asks for, once it is proven.

        Raises:
            InputError: `not-proven`; `no-source-ports`, nobody tells hosts; or there is no such plan.
        """
        material, drains = present.material, present.revision.drains
        if mend.remedy in ("re-pin", "source-ports"):
            pinned = self._planner.repinned(material)
            assert pinned, "a finding asks for it only where it is possible"
            material = pinned
        else:
            drains = (*drains, Drain(mend.place, is_shut=mend.remedy == "isolate"))
        desired = self._orders.plan(material, drains)
        if (ports := desired.held.plan.source_ports) and not self._tells_hosts:
            raise InputError.of(
                "no-source-ports", f"{len(ports)} pairs of hosts would have to take other source ports",
                "give --source-ports FILE, from which hosts take them",
            )  # fmt: skip
        before = self._planner.problems(present.desired)
        if new := [each for each in self._planner.problems(desired) if each not in before]:
            raise InputError.of("not-proven", f"verify says: {new[0]}")
        return material, drains, desired

    def _refuse(self, mend: Mend, why: str, now_s: float) -> None:
        self._acting.refused(mend, now_s)
        self._bus.tell(KIND, f"{mend} is not done: {why}")

    def _after(self, present: Present, trial: Trial, has_helped: bool) -> None:
        """A move was judged: it stays, or is taken back."""
        ours, before = self._moved
        if has_helped:
            what = f"{trial.finding.kind} at {trial.finding.link}"
            self._bus.tell(KIND, f"{trial.mend} has helped: {what} is over")
        elif present.revision.number != ours:
            self._bus.tell(KIND, f"{trial.mend} has not helped, and stays: there are later revisions")
        else:
            done = self._orders.rollback(f"{trial.mend} has not helped", before)
            self._bus.tell(KIND, f"{trial.mend} has not helped: revision {done.number}, {done.outcome}")

    def _tell_if_spent(self, now_s: float) -> None:
        """Say once that no move is left in this span."""
        is_spent = self._acting.is_spent(now_s)
        if is_spent and not self._is_spent and any(each.mend for each in self._steady.held.values()):
            self._bus.tell(KIND, f"no move is left: {self._acting.moves} in {self._acting.window_s:.0f} s")
        self._is_spent = is_spent
