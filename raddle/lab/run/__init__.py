"""What happens during a run, and what came of it."""
