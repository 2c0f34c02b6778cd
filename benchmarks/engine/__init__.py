"""The engine beside other simulators: speed, memory, threads, agreement."""
