"""The P4Runtime side of a switch: the pipeline that it was given, and the entities in its tables."""
