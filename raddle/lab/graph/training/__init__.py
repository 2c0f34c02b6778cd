"""A step of training: what each rank computes, and what its parallelism makes it send."""
