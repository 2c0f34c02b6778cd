"""The schema of CONFIG_DB: what SONiC's YANG models say of the tables that this switch has."""

from nos.db.schema.check import TABLES, read_config, validate
from nos.db.schema.model import Violation

__all__ = ["TABLES", "Violation", "read_config", "validate"]
