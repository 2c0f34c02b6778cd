"""Runs that wire controller, switches, traffic and engine together."""
