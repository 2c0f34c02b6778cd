"""Expert parallelism of mixtures of experts: where tokens go, and what that sends."""
