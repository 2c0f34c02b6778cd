"""What the controller remembers, as records in its store: revisions, the audit log, the update under way."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from raddle.controller.ledger import Ledger
from raddle.controller.plan.held import HeldPlan, held_from_json, held_to_json
from raddle.controller.service.store import Store

MAX_DIFF_LINES = 200
"""Of an audit entry; it says how many more there are."""

_RECENT = 100
"""Entries of the audit log among which those without an outcome are looked for."""

BEGUN = "begun"
"""Outcome of what is not done yet."""


@dataclass(frozen=True, slots=True)
class Drain:
    """What carries no traffic.

    Attributes:
        switch: its name, or a port of it for one link: `leaf0:Ethernet32`.
        until: when it carries some again (ISO 8601, UTC); empty: when somebody says so.
        is_shut: the port is down, whoever that cuts off; else routes lead around it.
    """

    switch: str
    until: str = ""
    is_shut: bool = False

    def is_over(self, moment: datetime) -> bool:
        return bool(self.until) and datetime.fromisoformat(self.until) <= moment


@dataclass(frozen=True, slots=True)
class Material:
    """What a plan is made of: the fabric file with all that it names, by path, and the plan's options.

    Attributes:
        main: which of the files is the fabric.
        origin: where they are from, in words.
    """

    files: Mapping[str, str]
    main: str
    options: Mapping[str, Any] = field(default_factory=dict)
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Revision:
    """A state that was asked for.

    Attributes:
        number: from 1.
        what: `apply`, `rollback to 3`, `drain spine1`, ...
        material, plan: keys of texts in the store.
        outcome: `begun`, `done`, or what became of it.
    """

    number: int
    time: str
    who: str
    what: str
    why: str
    origin: str
    material: str
    plan: str
    drains: tuple[Drain, ...] = ()
    outcome: str = BEGUN


@dataclass(frozen=True, slots=True)
class Audit:
    """An entry of the audit log. What takes time has two: one as it begins, one with its outcome.

    Attributes:
        revision: that the switches were to hold; 0 where it is about none.
        began: number of the entry with which it began; 0 for that one itself.
        diff: lines of what changes.
    """

    number: int
    time: str
    who: str
    what: str
    why: str
    outcome: str
    revision: int = 0
    began: int = 0
    diff: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """The update that is under way. `is_back`: it did not come out well, and `before` is put back.

    Attributes:
        before: number of the revision that the switches held; 0: none.
        audit: the entry with which it began.
    """

    revision: int
    before: int
    audit: int
    is_back: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Controls:
    """What operators have set."""

    is_paused: bool = False


class Records:
    """Records in a store. One thread writes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.shared_as = store.shared_as

    def share(self, ledger: Ledger) -> None:
        """Keep the record of what was applied in a store that others read, and take it from there."""
        if not self._store.shared_as:
            return
        if found := self._store.get("applied"):
            ledger.restore(zlib.decompress(found).decode())
        ledger.mirror = lambda text: self._store.commit({"applied": zlib.compress(text.encode())})

    @property
    def desired(self) -> int:
        """Number of the revision that the switches are to hold; 0: none yet."""
        return int(self._store.get("desired") or b"0")

    @property
    def work(self) -> Work | None:
        found = self._document("update")
        return Work(**found) if found else None

    @property
    def controls(self) -> Controls:
        return Controls(**(self._document("controls") or {}))

    def set_controls(self, controls: Controls, audit: Audit) -> None:
        self._store.commit({"controls": _bytes(asdict(controls)), **_audit(audit)})

    @property
    def owed(self) -> frozenset[str]:
        """The switches that may have missed a part of an update or repair, or may of the end of one."""
        return frozenset((self._document("owed") or {}).get("switches", ()))

    def set_owed(self, switches: Collection[str]) -> None:
        if self.owed != frozenset(switches):
            self._store.commit(_owed(switches))

    def revisions(self) -> list[Revision]:
        """All, the oldest first."""
        return [each for key in self._store.keys("revision/") if (each := self.revision(int(key[-8:])))]

    def revision(self, number: int) -> Revision | None:
        found = self._document(f"revision/{number:08}")
        if found is None:
            return None
        drains = tuple(Drain(**each) for each in found.pop("drains"))
        return Revision(**found, drains=drains)

    def audits(self, after: int = 0) -> list[Audit]:
        """Entries with higher numbers, the oldest first."""
        keys = [key for key in self._store.keys("audit/") if int(key[-8:]) > after]
        return [_audit_of(found) for key in keys if (found := self._document(key))]

    def left_open(self) -> list[Audit]:
        """Entries of what began and has no outcome, beside the update under way."""
        work, entries = self.work, self.audits(self.next_audit() - 1 - _RECENT)
        ended = {each.began for each in entries} | {work.audit if work else 0}
        return [each for each in entries if each.outcome == BEGUN and each.number not in ended]

    def next_revision(self) -> int:
        return _next(self._store, "revision/")

    def next_audit(self) -> int:
        return _next(self._store, "audit/")

    def material(self, revision: Revision) -> Material:
        return Material(**json.loads(self._text(revision.material)))

    def plan(self, revision: Revision) -> HeldPlan:
        return held_from_json(self._text(revision.plan))

    def note(self, audit: Audit, owed: Collection[str]) -> None:
        """Add an entry to the audit log, and put by what is owed to switches then."""
        self._store.commit({**_audit(audit), **_owed(owed)})

    def begin(
        self, revision: Revision, material: Material, held: HeldPlan, audit: Audit, before: int
    ) -> Revision:
        """An update begins: from now on it will be finished, or taken back, whoever is left to do it."""
        texts = [json.dumps(asdict(material), sort_keys=True), held_to_json(held)]
        keys = [f"text/{hashlib.sha256(text.encode()).hexdigest()}" for text in texts]
        for key, text in zip(keys, texts, strict=True):
            if self._store.get(key) is None:
                self._store.commit({key: zlib.compress(text.encode())})
        kept = replace(revision, material=keys[0], plan=keys[1])
        self._store.commit(
            {
                **_revision(kept),
                **_audit(audit),
                "update": _bytes(asdict(Work(kept.number, before, audit.number))),
            }
        )
        return kept

    def turn_back(self, work: Work, reason: str) -> Work:
        """From now on it is what was before that is put on the switches."""
        turned = replace(work, is_back=True, reason=reason)
        self._store.commit({"update": _bytes(asdict(turned))})
        return turned

    def finish(self, revision: Revision, audit: Audit, desired: int) -> None:
        """The update under way is over; `desired` is the revision that the switches are to hold now."""
        self._store.commit(
            {
                **_revision(revision),
                **_audit(audit),
                "update": None,
                "desired": str(desired).encode(),
            }
        )

    def _document(self, key: str) -> dict[str, Any] | None:
        found = self._store.get(key)
        return None if found is None else dict(json.loads(found))

    def _text(self, key: str) -> str:
        found = self._store.get(key)
        assert found is not None, "what a revision names was written before it"
        return zlib.decompress(found).decode()


def now() -> str:
    """ISO 8601, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def shortened(lines: list[str]) -> tuple[str, ...]:
    """As many lines as an audit entry has."""
    more = len(lines) - MAX_DIFF_LINES
    return tuple(lines) if more <= 0 else (*lines[:MAX_DIFF_LINES], f"... and {more} more")


def _next(store: Store, prefix: str) -> int:
    keys = store.keys(prefix)
    return 1 + (int(keys[-1].removeprefix(prefix)) if keys else 0)


def _bytes(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True).encode()


def _revision(revision: Revision) -> dict[str, bytes | None]:
    return {f"revision/{revision.number:08}": _bytes(asdict(revision))}


def _audit(audit: Audit) -> dict[str, bytes | None]:
    return {f"audit/{audit.number:08}": _bytes(asdict(audit))}


def _owed(switches: Collection[str]) -> dict[str, bytes | None]:
    return {"owed": _bytes({"switches": sorted(switches)})}


def _audit_of(document: dict[str, Any]) -> Audit:
    diff = tuple(document.pop("diff"))
    return Audit(**document, diff=diff)
