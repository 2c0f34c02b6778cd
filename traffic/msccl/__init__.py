"""Collectives that another program has scheduled, as MSCCL XML."""
