"""Controllers that take turns end when they are told to, whenever that is."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from raddle.cli import controller_turns
from raddle.controller.api.monitor import Monitor
from raddle.controller.service import etcd
from raddle.controller.service.etcd import Leadership
from raddle.controller.service.events import Event
from raddle.controller.service.store import StoreError
from raddle.errors import InputError
from raddle.inventory import Inventory

TERM = signal.SIGTERM


def free_address() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


ADDRESS = free_address()


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """Give the test runner its signals back."""
    known = {number: signal.getsignal(number) for number in (TERM, signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in known.items():
        signal.signal(number, handler)


class Lead:
    """A lead that is had at once; what `meanwhile` does happens just before."""

    meanwhile: Callable[[Lead], None]
    problem = ""

    def __init__(self, store: object, who: str, lost: Callable[[], None]) -> None:
        self.lost = lost

    def wait(
        self, is_over: Callable[[], bool], tell: Callable[[str], None], hindrance: Callable[[], str]
    ) -> bool:
        Lead.meanwhile(self)
        return True

    def __enter__(self) -> Lead:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class Stub:
    def __init__(self, *given: object) -> None:
        self.stopped = threading.Event()
        self.term = 1
        self.metrics = ADDRESS
        self.inventory = Path("where.json")
        self.shared_as = ""

    def stop(self) -> None:
        self.stopped.set()

    def tell(self, *words: str) -> None:
        pass


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each controller that was served had been stopped."""
    found: list[bool] = []

    def serve(controller: Stub, doors: object, problem: object) -> None:
        found.append(controller.stopped.is_set())
        os.kill(os.getpid(), TERM)  # whatever was lost, the test ends

    monkeypatch.setattr(controller_turns, "Leadership", Lead)
    monkeypatch.setattr(controller_turns, "Controller", Stub)
    monkeypatch.setattr(controller_turns, "serve", serve)
    monkeypatch.setattr(controller_turns, "load_inventory", lambda path: Inventory("pod", {}))
    return found


def run() -> None:
    given: Any = Stub()
    controller_turns.run_in_turn(given, given, given, given, given, given)


def health() -> tuple[int, str]:
    """Status and text of what /healthz answers."""
    try:
        with urllib.request.urlopen(f"http://{ADDRESS}/healthz") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_sigterm_just_before_the_lead_ends_the_turn(served: list[bool]) -> None:
    Lead.meanwhile = lambda lead: os.kill(os.getpid(), TERM)
    run()
    assert served == [True]


def test_a_lead_that_is_lost_at_once_is_not_used(served: list[bool]) -> None:
    Lead.meanwhile = lambda lead: lead.lost()
    run()
    assert served == [True]


def test_a_lead_that_lasts_is_used(served: list[bool]) -> None:
    Lead.meanwhile = lambda lead: None
    run()
    assert served == [False]


def test_who_stands_by_is_well(served: list[bool]) -> None:
    answers = []

    def ask(lead: Lead) -> None:
        for path in ("healthz", "metrics"):
            with urllib.request.urlopen(f"http://{ADDRESS}/{path}") as answer:
                answers.append(answer.read().decode())

    Lead.meanwhile = ask
    run()
    assert answers[0] == "ok\n"
    assert "process_resident_memory_bytes" in answers[1]
    assert served == [False]


def test_who_stands_by_without_its_store_is_not_well_until_that_answers(
    served: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is away twice, and then there, where another leads at first."""
    is_there = iter([False, False, True])
    answers: list[tuple[int, str]] = []

    class Store:
        term = 1
        shared_as = ""

        def get(self, key: str) -> None:
            return None

        def grant(self) -> str:
            if not next(is_there):
                raise StoreError("etcd at 127.0.0.1:1 does not answer: refused\n  hint: is it running?")
            return "7"

        def keep_alive(self, lease: str) -> bool:
            return True

        def campaign(self, who: str, lease: str) -> bool:
            return len(answers) == 2

        def leader(self) -> str:
            return "another"

        def revoke(self, lease: str) -> None:
            pass

    class Ears(Stub):
        def tell(self, *words: str) -> None:
            if len(answers) == 2:
                return
            answers.append(health())

    monkeypatch.setattr(controller_turns, "Leadership", Leadership)
    monkeypatch.setattr(etcd, "LEASE_S", 0.3)
    given: Any = Stub()
    bus: Any = Ears()
    store: Any = Store()
    controller_turns.run_in_turn(store, given, given, given, bus, given)
    assert answers == [(503, "etcd at 127.0.0.1:1 does not answer: refused\n"), (200, "ok\n")]
    assert served == [False]


class OtherLeads:
    """A store of which another controller leads until it is said that none does."""

    term = 1
    shared_as = ""
    is_free = False

    def get(self, key: str) -> None:
        return None

    def grant(self) -> str:
        return "7"

    def keep_alive(self, lease: str) -> bool:
        return True

    def campaign(self, who: str, lease: str) -> bool:
        return self.is_free

    def leader(self) -> str:
        return "another"

    def revoke(self, lease: str) -> None:
        pass


def no_inventory(path: Path) -> Inventory:
    raise InputError.of("no-inventory", f"no inventory file '{path}'")


def test_who_could_not_lead_does_not_start(served: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller_turns, "load_inventory", no_inventory)
    Lead.meanwhile = lambda lead: None
    with pytest.raises(InputError, match="no-inventory"):
        run()
    assert served == []


def test_who_cannot_lead_any_more_says_so_and_leaves_it_to_others(
    served: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lead is free from the moment at which the inventory is gone; it is taken when that is back."""
    answers: list[tuple[int, str]] = []
    store = OtherLeads()

    class Ears(Stub):
        def tell(self, *words: str) -> None:
            if len(answers) == 2:
                return
            answers.append(health())
            there = len(answers) == 2
            monkeypatch.setattr(
                controller_turns,
                "load_inventory",
                (lambda path: Inventory("pod", {})) if there else no_inventory,
            )
            store.is_free = True
            assert served == []

    monkeypatch.setattr(controller_turns, "Leadership", Leadership)
    monkeypatch.setattr(etcd, "LEASE_S", 0.3)
    given: Any = Stub()
    bus: Any = Ears()
    opened: Any = store
    controller_turns.run_in_turn(opened, given, given, given, bus, given)
    assert answers == [(200, "ok\n"), (503, "cannot lead: no inventory file 'where.json'\n")]
    assert served == [False]


def test_a_standby_whose_lead_fails_stands_by_again(
    served: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[str] = []

    def serve(controller: Stub, doors: object, problem: object) -> None:
        turns.append("leads")
        if len(turns) == 1:
            raise InputError.of("locked", "the switches are held")
        os.kill(os.getpid(), TERM)

    monkeypatch.setattr(controller_turns, "serve", serve)
    monkeypatch.setattr(controller_turns, "LEASE_S", 0.1)
    Lead.meanwhile = lambda lead: None
    with pytest.raises(InputError, match="locked"):  # the first is told to who has started it
        run()
    turns.clear()

    class Waits(Lead):
        def wait(
            self, is_over: Callable[[], bool], tell: Callable[[str], None], hindrance: Callable[[], str]
        ) -> bool:
            tell("stands by")
            return not is_over()

    monkeypatch.setattr(controller_turns, "Leadership", Waits)
    run()
    assert turns == ["leads", "leads"]


def test_an_inventory_of_another_fabric_than_the_stores_cannot_lead(
    served: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller_turns, "load_inventory", lambda path: Inventory("hall", {}))
    records: Any = None
    said = controller_turns._hindrance(records, Path("where.json"), ["pod"])
    assert said == "'where.json' is the inventory of 'hall', and the store is of 'pod'"


def test_a_lead_of_which_the_store_has_not_said_a_word_is_not_well() -> None:
    store: Any = OtherLeads()
    assert Leadership(store, "one", lambda: None).problem == "the store has not answered yet"


def test_who_stands_by_beside_its_leader_leaves_it_the_port(served: list[bool]) -> None:
    Lead.meanwhile = lambda lead: None
    with Monitor(str, str, ADDRESS):
        run()
    assert served == [False]


def test_after_an_update_or_repair_what_stays_is_not_looked_through_again() -> None:
    gc.unfreeze()
    try:
        for event, is_settled in (
            (Event("update", "begins"), False),
            (Event("mend", "done", seconds=1.0), False),
            (Event("repair", "done", seconds=0.1), True),
            (Event("update", "done", seconds=1.0), True),
        ):
            before = gc.get_freeze_count()
            controller_turns.settle_objects(event)
            assert (gc.get_freeze_count() > before) is is_settled, event
            gc.unfreeze()
    finally:
        gc.unfreeze()
