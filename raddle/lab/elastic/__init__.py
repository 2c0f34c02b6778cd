"""Accelerators that serve by day and train by night."""
