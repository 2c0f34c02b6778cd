"""What a node of a workload file can be: a file for each kind."""
