"""What was applied to the switches of an inventory, and who is at it now: files beside the inventory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raddle.controller.locks import SwitchLock, lock_file, lock_switches
from raddle.controller.plan.held import HeldPlan, held_document, held_from_json
from raddle.controller.plan.model import SwitchPlan
from raddle.controller.plan.update import by_prefix
from raddle.controller.reconcile import Past, PushPolicy, SwitchResult, apply_plan
from raddle.controller.southbound.driver import RouteTable
from raddle.controller.southbound.sonic.ownership import written_entries
from raddle.controller.southbound.workers import Progress, silent
from raddle.errors import InputError
from raddle.inventory import Inventory

if TYPE_CHECKING:
    from raddle.controller.southbound.openflow.fleet import OpenFlowFleet

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class SwitchRecord:
    """What is known of a switch since the last apply.

    Attributes:
        state: how it came out of it.
        owned: entries (`TABLE/KEY`) of the tables that raddle owns that it has written, and not deleted.
        identity: what the switch said of itself, by name (`mac`, `serial`).
    """

    state: str = ""
    owned: tuple[str, ...] = ()
    identity: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Applied:
    """The last apply: the plan, when (ISO 8601, UTC), and how each switch came out of it."""

    held: HeldPlan
    time: str
    switches: Mapping[str, SwitchRecord]

    @property
    def past(self) -> Past:
        """What the next push goes by."""
        return Past(
            self._routes,
            {name: frozenset(each.owned) for name, each in self.switches.items()},
            {name: each.identity for name, each in self.switches.items()},
        )

    @property
    def _routes(self) -> dict[str, RouteTable]:
        """The routes of the switches that came out as planned."""
        return {
            switch.name: by_prefix(switch.routes)
            for switch in self.held.plan.switches
            if switch.name in self.switches and self.switches[switch.name].state == "in sync"
        }


class Ledger:
    """The record and the lock of an inventory: `pod.json` has `pod.applied.json` and `pod.lock` beside it.

    Attributes:
        mirror: takes the record's text before it is written.
    """

    def __init__(self, inventory: Path) -> None:
        self._record = inventory.with_suffix(".applied.json")
        self._lock = inventory.with_suffix(".lock")
        self.mirror: Callable[[str], None] = lambda text: None

    @contextmanager
    def locked(self, work: str, inventory: Inventory, group: str = "") -> Iterator[SwitchLock]:
        """Be the only one who changes these switches, and the only one who writes the record.

        Args:
            work: the command, for who finds the switches locked.
            group: as of `SwitchLock`.

        Raises:
            InputError: `locked`, somebody else is at it; `cannot-write`.
        """
        hint = "wait until it is done, then look again with --dry-run"
        with lock_file(self._lock, work, hint), lock_switches(inventory, work, group) as lock:
            yield lock

    def read(self, fabric: str) -> Applied | None:
        """The last apply to a fabric of this name; None if there is none.

        Raises:
            InputError: `bad-record`.
        """
        try:
            text = self._record.read_text()
            document = json.loads(text)
            if document["schema_version"] != SCHEMA_VERSION:
                raise ValueError(f"schema_version {document['schema_version']!r}")
            if document["plan"]["fabric"] != fabric:
                return None
            switches = {
                name: SwitchRecord(each["state"], tuple(each["owned"]), dict(each["identity"]))
                for name, each in document["switches"].items()
            }
            return Applied(held_from_json(json.dumps(document["plan"])), str(document["time"]), switches)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, InputError) as error:
            raise InputError.of(
                "bad-applied-record",
                f"'{self._record}' is not a record of what was applied ({error})",
                "move it away; then what raddle wrote counts as the operator's, unless --take-over is given",
            ) from None

    @contextmanager
    def intent(
        self, held: HeldPlan, before: Applied | None, concerns: Callable[[str], bool] = lambda switch: True
    ) -> Iterator[None]:
        """Put by what is about to be applied to the switches that it concerns: should this process die, what
        it has written is raddle's.

        Where the work is refused as a whole (InputError), the record is as it was.
        """
        old = self._record.read_bytes() if before else None
        earlier = before.switches if before else {}
        about = {
            plan.name: _intended(plan, earlier.get(plan.name))
            for plan in held.plan.switches
            if concerns(plan.name)
        }
        self._put(held, {**_kept(held, earlier), **about})
        try:
            yield
        except InputError:
            if old is None:
                self.forget()
            else:
                self.mirror(old.decode())
                self._record.write_bytes(old)
            raise

    def write(self, held: HeldPlan, results: Iterable[SwitchResult], before: Applied | None) -> None:
        """Put by what came of an apply, whole or not at all.

        Args:
            before: the record of the apply before it.

        Raises:
            InputError: `cannot-write`.
        """
        plans = {switch.name: switch for switch in held.plan.switches}
        earlier = before.switches if before else {}
        new = {each.switch: _record(each, plans[each.switch], earlier.get(each.switch)) for each in results}
        self._put(held, {**_kept(held, earlier), **new})

    def _put(self, held: HeldPlan, switches: Mapping[str, SwitchRecord]) -> None:
        document: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "plan": held_document(held),
            "switches": {name: asdict(each) for name, each in switches.items()},
        }
        text = json.dumps(document, sort_keys=True) + "\n"
        self.mirror(text)
        self.restore(text)

    def restore(self, text: str) -> None:
        """Write the record as it was put by elsewhere, whole or not at all.

        Raises:
            InputError: `cannot-write`.
        """
        draft = self._record.with_name(self._record.name + ".part")
        try:
            draft.write_text(text)
            draft.replace(self._record)
        except OSError as error:
            raise InputError.of("cannot-write", f"cannot write '{self._record}': {error.strerror}") from None

    def follow(self, held: HeldPlan) -> None:
        """The switches hold another plan now, and are otherwise as they were."""
        applied = self.read(held.plan.fabric)
        if applied:
            self._put(held, applied.switches)

    def accept(self, fabric: str, switch: str) -> None:
        """Another box stands for a switch: nothing is known of it, and nothing on it is raddle's."""
        applied = self.read(fabric)
        if applied:
            self._put(applied.held, {**applied.switches, switch: SwitchRecord()})

    def forget(self) -> None:
        """There are new switches at the inventory's addresses."""
        self._record.unlink(missing_ok=True)


def apply_recorded(
    ledger: Ledger,
    held: HeldPlan,
    inventory: Inventory,
    work: str,
    policy: PushPolicy | None = None,
    progress: Progress = silent,
) -> tuple[SwitchResult, ...]:
    """`apply_plan` as the only one who changes these switches; what comes of it is put by.

    Args:
        work: the command, for who finds the switches locked.

    Raises:
        InputError: also `locked`, `cannot-write`, `bad-applied-record`.
    """
    with ledger.locked(work, inventory):
        return apply_under_lock(ledger, held, inventory, policy, progress)


def apply_under_lock(
    ledger: Ledger,
    held: HeldPlan,
    inventory: Inventory,
    policy: PushPolicy | None = None,
    progress: Progress = silent,
    fleet: OpenFlowFleet | None = None,
) -> tuple[SwitchResult, ...]:
    """As `apply_recorded`, for who holds the lock."""
    how = policy or PushPolicy()
    applied = ledger.read(held.plan.fabric)
    past = applied.past if applied else Past(written={})
    with ledger.intent(held, applied, how.concerns):
        results = apply_plan(held.plan, inventory, how, progress, past, fleet)
    ledger.write(held, results, applied)
    return results


def _kept(held: HeldPlan, earlier: Mapping[str, SwitchRecord]) -> dict[str, SwitchRecord]:
    """The records of the plan's switches."""
    return {plan.name: earlier[plan.name] for plan in held.plan.switches if plan.name in earlier}


def _intended(plan: SwitchPlan, before: SwitchRecord | None) -> SwitchRecord:
    """What may be on a switch if a push ends in the middle."""
    old = before or SwitchRecord()
    new = written_entries(plan) if plan.nos == "sonic" else ()
    return SwitchRecord("unknown", tuple(dict.fromkeys((*old.owned, *new))), old.identity)


def _record(result: SwitchResult, plan: SwitchPlan, before: SwitchRecord | None) -> SwitchRecord:
    """What is known of a switch now. What was written before counts until a push has come out well."""
    old = before or SwitchRecord()
    new = written_entries(plan) if plan.nos == "sonic" else ()
    if result.state == "in sync" or (
        result.is_reached and not (result.error or result.held or result.waiting)
    ):
        owned = new
    elif result.sets or result.is_unknown:
        owned = tuple(dict.fromkeys((*old.owned, *new)))
    else:
        owned = old.owned
    return SwitchRecord(result.state, owned, result.identity or old.identity)
