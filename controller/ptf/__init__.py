"""Packet tests of one switch, made of its part of the plan, for PTF (https://github.com/p4lang/ptf).

`raddle_ptf.py` is what PTF runs, beside the JSON of `suite`; it needs nothing of raddle.
"""
