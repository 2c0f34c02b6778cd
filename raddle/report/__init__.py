"""What a run found: values, a table for people, JSON for machines."""

from raddle.report.json_report import to_json
from raddle.report.model import (
    BenchResult,
    Collision,
    LinkUse,
    PinSummary,
    SizeRow,
    UnfinishedFlow,
)
from raddle.report.table import to_table

__all__ = [
    "BenchResult",
    "Collision",
    "LinkUse",
    "PinSummary",
    "SizeRow",
    "UnfinishedFlow",
    "to_json",
    "to_table",
]
