"""The driver of switches that are programmed over P4Runtime."""
