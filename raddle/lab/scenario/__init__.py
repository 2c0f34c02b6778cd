"""Scenarios: jobs on a fabric, what goes wrong meanwhile, and what is expected of it."""
