"""Measurements at scale, each behind a script: scripts/bench_engine, scripts/bench_plan ..."""
