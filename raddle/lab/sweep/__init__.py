"""Campaigns of many small runs."""
