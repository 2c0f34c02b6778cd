"""What a run found: values (model), a table for people (table), JSON for machines (json_report)."""
