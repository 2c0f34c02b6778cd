"""The schema of CONFIG_DB: what SONiC's YANG models say of the tables that this switch has."""

from raddle.nos.db.schema.check import TABLES, read_config, tables_of, validate
from raddle.nos.db.schema.model import TableSchema, Violation

__all__ = ["TABLES", "TableSchema", "Violation", "read_config", "tables_of", "validate"]
