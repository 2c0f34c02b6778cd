"""The controller's hand at the switches: compares and programs them, as the only one who does."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from raddle.controller.ledger import Ledger, apply_under_lock
from raddle.controller.locks import SwitchLock
from raddle.controller.plan.held import HeldPlan
from raddle.controller.reconcile import Past, PushPolicy, SwitchResult, apply_plan
from raddle.controller.rollout import Gate
from raddle.controller.service.settings import Settings
from raddle.controller.spans import NOT_TRACED, Span
from raddle.inventory import Inventory, load_inventory

if TYPE_CHECKING:
    from raddle.controller.southbound.openflow.fleet import OpenFlowFleet


class Pusher:
    """Compares and programs the switches of an inventory.

    Attributes:
        term: number of this controller's lead; 0 where there is but one.
        fleet: connections of the OpenFlow switches, where there are any.
    """

    def __init__(self, settings: Settings, gate: Gate, term: int) -> None:
        self._settings, self._gate, self.term = settings, gate, term
        self.ledger = Ledger(settings.inventory)
        self.inventory = self._load()
        self.fleet: OpenFlowFleet | None = None
        self._lock: SwitchLock | None = None

    @contextmanager
    def alone(self, group: str) -> Iterator[None]:
        """Be the only one who changes these switches.

        Args:
            group: of controllers that leave the lead to one of them; empty: there is but this one.

        Raises:
            InputError: `locked`, somebody else is at them.
        """
        with self.ledger.locked("controller run", self.inventory, group) as self._lock:
            yield

    def reload(self) -> None:
        """Read the inventory again. Raises InputError, and keeps what it has."""
        found = self._load()
        if self._lock:
            self._lock.hold(found)
        self.inventory = found

    def _load(self) -> Inventory:
        """The inventory; of several controllers the one with the later term outranks the others."""
        found = load_inventory(self._settings.inventory)
        if not self.term:
            return found
        ids = {name: found.election_ids.get(name, 0) + self.term for name in found.addresses}
        return replace(found, election_ids=ids)

    def apply(
        self, held: HeldPlan, only: Iterable[str] | None = None, span: Span = NOT_TRACED
    ) -> tuple[SwitchResult, ...]:
        """Make switches as planned: some, or all."""
        policy = replace(self._policy(only), span=span)
        return apply_under_lock(self.ledger, held, self.inventory, policy, fleet=self.fleet)

    def check(
        self, held: HeldPlan, only: Iterable[str] | None = None, unknown: Collection[str] = ()
    ) -> tuple[SwitchResult, ...]:
        """Compare switches with the plan. Of those in `unknown` nothing counts that is known from earlier."""
        past = self._past(held)
        identities = {name: each for name, each in past.identities.items() if name not in unknown}
        policy = replace(self._policy(only), dry_run=True)
        return apply_plan(
            held.plan, self.inventory, policy, past=replace(past, identities=identities), fleet=self.fleet
        )

    def identity(self, held: HeldPlan, switch: str) -> Mapping[str, str]:
        """What a switch said of itself when it was last programmed."""
        return self._past(held).identities.get(switch, {})

    def _past(self, held: HeldPlan) -> Past:
        applied = self.ledger.read(held.plan.fabric)
        return applied.past if applied else Past(written={})

    def _policy(self, only: Iterable[str] | None) -> PushPolicy:
        how = self._settings
        return PushPolicy(
            allow_flap=how.allow_flap,
            confirm_s=how.confirm_s,
            take_over=how.take_over,
            only=None if only is None else frozenset(only),
            at_once=how.at_once,
            passes_strangers=True,
            gate=self._gate,
        )
