"""Whether keys and actions are ones that the pipeline can hold, in the canonical form in which they are kept.

Source: P4Runtime specification 1.4, sections 8.3 and 8.4 (bytestrings) and 9 (entities).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NoReturn

from finsy.proto import p4r, rpc_code

from raddle.nos.p4rt.pipeline import (
    EXACT,
    LPM,
    OPTIONAL,
    RANGE,
    TERNARY,
    ActionInfo,
    Pipeline,
    TableInfo,
    Value,
)


class UpdateError(Exception):
    """Why an update, read or packet is refused: a code of google.rpc and the text of it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> NoReturn:
    """Refuse what does not fit the P4Info."""
    raise UpdateError(rpc_code.INVALID_ARGUMENT, message)


def canonical(value: bytes, field: Value, where: str) -> bytes:
    """The shortest form of a value: no leading zero bytes, `\\0` for 0. A string stays as it is.

    Raises:
        UpdateError: OUT_OF_RANGE if the value needs more bits than the field has, or has no byte.
    """
    if not field.bits:
        return value
    if not value:
        raise UpdateError(rpc_code.OUT_OF_RANGE, f"{where}: the value of '{field.name}' is empty")
    if len(value) * 8 <= field.bits and value[0]:
        return value
    number = int.from_bytes(value, "big")
    if number >> field.bits:
        raise UpdateError(
            rpc_code.OUT_OF_RANGE,
            f"{where}: '{field.name}' is 0x{number:x}, which needs more than {field.bits} bits",
        )
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")


def find_table(pipeline: Pipeline, table_id: int) -> TableInfo:
    """The table of an id.

    Raises:
        UpdateError: the P4Info has none.
    """
    table = pipeline.tables.get(table_id)
    if table is None:
        invalid(f"table id 0x{table_id:08x} is not in the P4Info of {pipeline.name}")
    return table


def check_priority(table: TableInfo, priority: int) -> None:
    """Priorities stand where entries can overlap, and there alone."""
    if table.needs_priority and priority <= 0:
        invalid(f"{table.name}: an entry needs a priority above 0, not {priority}")
    if not table.needs_priority and priority:
        invalid(f"{table.name}: an entry has no priority, but {priority} was given")


def check_match(table: TableInfo, match: Iterable[p4r.FieldMatch]) -> list[p4r.FieldMatch]:
    """Match fields in canonical form, sorted by id.

    Raises:
        UpdateError: a field is unknown, twice, of another kind, or an exact one is missing.
    """
    kept: dict[int, p4r.FieldMatch] = {}
    for each in match:
        field = table.fields.get(each.field_id)
        if field is None:
            invalid(f"{table.name}: match field {each.field_id} is not in the P4Info")
        if each.field_id in kept:
            invalid(f"{table.name}: match field '{field.name}' is given twice")
        kept[each.field_id] = _field_match(table, field, each)
    for field in table.fields.values():
        if field.match == EXACT and field.id not in kept:
            invalid(f"{table.name}: exact match field '{field.name}' is missing")
    return [kept[id] for id in sorted(kept)]


_KINDS: dict[int, str] = {
    EXACT: "exact",
    LPM: "lpm",
    TERNARY: "ternary",
    RANGE: "range",
    OPTIONAL: "optional",
}


def _field_match(table: TableInfo, field: Value, match: p4r.FieldMatch) -> p4r.FieldMatch:
    kind = _KINDS.get(field.match, "other")
    if match.WhichOneof("field_match_type") != kind:
        invalid(f"{table.name}: match field '{field.name}' is of kind {kind}")
    kept = p4r.FieldMatch(field_id=field.id)
    if field.match == EXACT:
        kept.exact.value = canonical(match.exact.value, field, table.name)
    elif field.match == OPTIONAL:
        kept.optional.value = canonical(match.optional.value, field, table.name)
    elif field.match == LPM:
        length = match.lpm.prefix_len
        if not 0 < length <= field.bits:
            invalid(
                f"{table.name}: prefix length {length} of '{field.name}' is not in 1..{field.bits}; "
                "a match of everything is left out"
            )
        kept.lpm.value = canonical(match.lpm.value, field, table.name)
        kept.lpm.prefix_len = length
        _no_stray_bits(table, field, kept.lpm.value, (1 << field.bits) - (1 << (field.bits - length)))
    elif field.match == TERNARY:
        kept.ternary.value = canonical(match.ternary.value, field, table.name)
        kept.ternary.mask = canonical(match.ternary.mask, field, table.name)
        mask = int.from_bytes(kept.ternary.mask, "big")
        if field.bits and not mask:
            invalid(f"{table.name}: the mask of '{field.name}' is 0; a match of everything is left out")
        if field.bits:
            _no_stray_bits(table, field, kept.ternary.value, mask)
    else:
        kept.range.low = canonical(match.range.low, field, table.name)
        kept.range.high = canonical(match.range.high, field, table.name)
        low, high = (int.from_bytes(end, "big") for end in (kept.range.low, kept.range.high))
        if low > high:
            invalid(f"{table.name}: the range of '{field.name}' ends before it begins")
        if low == 0 and high == (1 << field.bits) - 1:
            invalid(f"{table.name}: the range of '{field.name}' is everything; it is left out")
    return kept


def _no_stray_bits(table: TableInfo, field: Value, value: bytes, mask: int) -> None:
    if int.from_bytes(value, "big") & ~mask:
        invalid(f"{table.name}: the value of '{field.name}' has bits outside of its mask")


def check_action(pipeline: Pipeline, action: p4r.Action, allowed: frozenset[int], where: str) -> p4r.Action:
    """An action with all its parameters, in canonical form, sorted by id.

    Raises:
        UpdateError: it is not allowed there, or a parameter is unknown, twice, too wide or missing.
    """
    info = pipeline.actions.get(action.action_id)
    if info is None or action.action_id not in allowed:
        name = f"'{info.name}'" if info else f"0x{action.action_id:08x}"
        invalid(f"{where}: action {name} is not possible here")
    values = _params(info, action, where)
    return p4r.Action(
        action_id=info.id,
        params=[p4r.Action.Param(param_id=id, value=values[id]) for id in sorted(values)],
    )


def _params(info: ActionInfo, action: p4r.Action, where: str) -> Mapping[int, bytes]:
    values: dict[int, bytes] = {}
    for param in action.params:
        spec = info.params.get(param.param_id)
        if spec is None:
            invalid(f"{where}: action '{info.name}' has no parameter {param.param_id}")
        if param.param_id in values:
            invalid(f"{where}: parameter '{spec.name}' of '{info.name}' is given twice")
        values[param.param_id] = canonical(param.value, spec, f"{where}: {info.name}")
    for spec in info.params.values():
        if spec.id not in values:
            invalid(f"{where}: parameter '{spec.name}' of '{info.name}' is missing")
    return values
