"""The schema of CONFIG_DB: what SONiC's YANG models say of the tables that this switch has."""

from raddle.nos.db.schema.check import TABLES, read_config, tables_of, validate
from raddle.nos.db.schema.model import TableSchema, Violation
from raddle.nos.db.schema.names import YANG_TABLES

__all__ = ["TABLES", "YANG_TABLES", "TableSchema", "Violation", "read_config", "tables_of", "validate"]
