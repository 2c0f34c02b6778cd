"""Which entities refer to which others, and that none is missing.

Source: P4Runtime specification 1.4, sections 9.2.1 and 9.2.2; @refers_to as SONiC PINS has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from typing import Any

from finsy.proto import p4r, rpc_code

from raddle.nos.p4rt.check import UpdateError
from raddle.nos.p4rt.pipeline import Pipeline, TableInfo, Value, references_of

_Reference = tuple[Hashable, ...]


class References:
    """The books of what is there and what is used."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._is_there: Counter[_Reference] = Counter()
        self._is_used: Counter[_Reference] = Counter()

    def account(self, entity: Any, sign: int) -> None:
        """Note an entity that comes (+1) or goes (-1)."""
        for reference in self._offers(entity):
            self._is_there[reference] += sign
        for reference, _ in self._needs(entity):
            self._is_used[reference] += sign

    def check(self, old: Any, new: Any) -> None:
        """What `new` needs must be there; what `old` offered must not be missed by others.

        Raises:
            UpdateError: NOT_FOUND or FAILED_PRECONDITION.
        """
        if new is not None:
            for reference, name in self._needs(new):
                if not self._is_there[reference]:
                    raise UpdateError(rpc_code.NOT_FOUND, f"{name} does not exist")
        if old is not None:
            for reference in self._offers(old):
                if self._is_used[reference] and not self._is_there[reference]:
                    raise UpdateError(
                        rpc_code.FAILED_PRECONDITION,
                        f"{self._name(reference)} is in use by {self._is_used[reference]} others",
                    )

    def _offers(self, entity: Any) -> Iterator[_Reference]:
        """What others may refer to."""
        if isinstance(entity, p4r.ActionProfileMember):
            yield "member", entity.action_profile_id, entity.member_id
        elif isinstance(entity, p4r.ActionProfileGroup):
            yield "group", entity.action_profile_id, entity.group_id
        elif isinstance(entity, p4r.TableEntry):
            values = {each.field_id: each.exact.value for each in entity.match}
            for fields in self._pipeline.referred.get(entity.table_id, ()):
                yield "entry", entity.table_id, tuple((field, values.get(field, b"")) for field in fields)

    def _needs(self, entity: Any) -> Iterator[tuple[_Reference, str]]:
        """What an entity refers to, with its name for messages."""
        if isinstance(entity, p4r.ActionProfileGroup):
            for each in entity.members:
                yield (
                    ("member", entity.action_profile_id, each.member_id),
                    f"group {entity.group_id}: member {each.member_id}",
                )
        elif isinstance(entity, p4r.ActionProfileMember):
            yield from self._action_needs(entity.action)
        elif isinstance(entity, p4r.TableEntry):
            table = self._pipeline.tables[entity.table_id]
            values = {each.field_id: each.exact.value for each in entity.match if each.HasField("exact")}
            yield from self._value_needs(table.name, table.fields, values)
            yield from self._table_action_needs(table, entity.action)

    def _table_action_needs(
        self, table: TableInfo, action: p4r.TableAction
    ) -> Iterator[tuple[_Reference, str]]:
        kind = action.WhichOneof("type")
        if kind == "action":
            yield from self._action_needs(action.action)
        elif kind == "action_profile_member_id":
            id = action.action_profile_member_id
            yield ("member", table.profile, id), f"{table.name}: member {id}"
        elif kind == "action_profile_group_id":
            id = action.action_profile_group_id
            yield ("group", table.profile, id), f"{table.name}: group {id}"
        elif kind == "action_profile_action_set":
            for each in action.action_profile_action_set.action_profile_actions:
                yield from self._action_needs(each.action)

    def _action_needs(self, action: p4r.Action) -> Iterator[tuple[_Reference, str]]:
        info = self._pipeline.actions[action.action_id]
        values = {param.param_id: param.value for param in action.params}
        yield from self._value_needs(info.name, info.params, values)

    def _value_needs(
        self, where: str, specs: Any, values: dict[int, bytes]
    ) -> Iterator[tuple[_Reference, str]]:
        known: list[Value] = [spec for spec in specs.values() if values.get(spec.id)]
        for table, pairs in references_of(known).items():
            reference = ("entry", table, tuple((field, values[id]) for field, id in pairs))
            yield reference, f"{where}: {self._name(reference)}"

    def _name(self, reference: _Reference) -> str:
        kind, holder, key = reference
        if kind != "entry":
            return f"{kind} {key}"
        assert isinstance(holder, int)
        assert isinstance(key, tuple)
        table = self._pipeline.tables[holder]
        shown = ", ".join(
            f"{table.fields[field].name} {value_text(table.fields[field], value)}" for field, value in key
        )
        return f"{table.name} entry with {shown}"


def value_text(field: Value, value: bytes) -> str:
    """A value as people read it."""
    return f"0x{value.hex()}" if field.bits else repr(value.decode("utf-8", "replace"))
