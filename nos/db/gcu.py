"""The Generic Config Updater: which changes of CONFIG_DB a running SONiC switch accepts.

Source: sonic-utilities generic_config_updater (change applier, field operation validators and their
configuration file). The texts of refusals are GCU's; what libyang finds follows on lines of its own, where a
real switch only logs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from raddle.hwsku import Updater
from raddle.nos.db.databases import ConfigDb, HashDb
from raddle.nos.db.patch import PatchError, PatchOp, apply_operations, difference
from raddle.nos.db.schema import TABLES, TableSchema, Violation, read_config, validate
from raddle.sonic_tables import YANG_TABLES

_NEVER_REMOVED = (
    ("PFC_WD", "GLOBAL", "POLL_INTERVAL"),
    ("PFC_WD", "GLOBAL"),
    ("LOOPBACK_INTERFACE", "Loopback0"),
)
_VALIDATORS = "generic_config_updater.field_operation_validators"
_GUARDED = {
    "BUFFER_POOL": "rdma_config_update_validator",
    "BUFFER_PROFILE": "buffer_profile_config_update_validator",
    "PFC_WD": "rdma_config_update_validator",
}
"""Tables whose changes depend on the chip, and the validators that say so."""

_SHOWN_VIOLATIONS = 20


Tables = Mapping[str, TableSchema]
"""What tables a switch has."""


def apply_patch(
    config: ConfigDb, operations: list[PatchOp], state: HashDb, tables: Tables = TABLES
) -> ConfigDb:
    """CONFIG_DB after a patch that GCU accepts; all of it or nothing.

    `state` is STATE_DB, which says which speeds and FEC modes a port has.

    Raises:
        PatchError: the patch is refused.
    """
    try:
        target, malformed = read_config(apply_operations(config, operations), keeps_null=True)
    except PatchError as error:
        raise PatchError(f"Error: {error}") from None
    _check_target(config, target, malformed, state, tables)
    return target


def replace_config(config: ConfigDb, document: object, state: HashDb, tables: Tables = TABLES) -> ConfigDb:
    """CONFIG_DB replaced as a whole by a config_db.json document, as `config replace` does it.

    Raises:
        PatchError: the document, or the change to it, is refused.
    """
    target, malformed = read_config(document, keeps_null=True)
    _check_target(config, target, malformed, state, tables)
    return target


def _check_target(
    config: ConfigDb, target: ConfigDb, malformed: list[Violation], state: HashDb, tables: Tables
) -> None:
    if malformed:
        raise invalid(malformed)
    for operation in difference(config, target):
        _check_operation(operation, config, state)
    empty = [name for name, table in target.items() if not table]
    if empty:
        plural = "s" if len(empty) > 1 else ""
        raise PatchError(
            "Error: Given patch is not valid because it will result in empty tables which is not allowed in "
            f"ConfigDb. Table{plural}: {', '.join(empty)}"
        )
    unknown = [
        name for name in _changed_tables(config, target) if name not in tables and name not in YANG_TABLES
    ]
    if unknown:
        raise PatchError(
            "Error: Given patch is not valid because it has changes to tables without YANG models. "
            f"Table{'s' if len(unknown) > 1 else ''}: {', '.join(unknown)}"
        )
    if violations := validate(target, tables):
        raise invalid(violations)


def _changed_tables(config: ConfigDb, target: ConfigDb) -> list[str]:
    return [name for name in (config | target) if config.get(name) != target.get(name)]


def invalid(violations: Iterable[Violation]) -> PatchError:
    """The refusal of a configuration that the models do not allow."""
    lines = [f"{path}: {message}" for path, message in violations]
    if len(lines) > _SHOWN_VIOLATIONS:
        lines[_SHOWN_VIOLATIONS:] = [f"and {len(lines) - _SHOWN_VIOLATIONS} more"]
    head = "Error: Given patch will produce invalid config. Error: Data Loading Failed"
    return PatchError("\n".join([head, *lines]))


def _check_operation(operation: PatchOp, config: ConfigDb, state: HashDb) -> None:
    """GCU's field operation validators, on one operation of the difference."""
    if operation.op == "remove" and operation.path in _NEVER_REMOVED:
        raise PatchError(
            "Error: Given patch operation is invalid. Operation: remove is illegal on field: "
            + operation.pointer
        )
    table = operation.path[0]
    if table in _GUARDED:
        updater = Updater.of(config.get("DEVICE_METADATA", {}).get("localhost", {}))
        if not updater.allows(operation.op, operation.path, operation.value):
            raise _illegal(table, _GUARDED[table])
    if table == "PORT" and not _port_supports(operation, state):
        raise _illegal(table, "port_config_update_validator")


def _illegal(table: str, validator: str) -> PatchError:
    return PatchError(
        f"Error: Modification of {table} table is illegal- validating function {_VALIDATORS}.{validator} "
        "returned False"
    )


def _port_supports(operation: PatchOp, state: HashDb) -> bool:
    """Speed and FEC must be among those that STATE_DB lists for the port."""
    if operation.op == "remove" or len(operation.path) < 2:
        return True
    known = state.get("PORT_TABLE", {}).get(operation.path[1], {})
    value = operation.value
    wanted = value if isinstance(value, Mapping) else {operation.path[-1]: value}
    for field, supported in (("speed", "supported_speeds"), ("fec", "supported_fecs")):
        if field in wanted and supported in known and wanted[field] not in known[supported].split(","):
            return False
    return True
