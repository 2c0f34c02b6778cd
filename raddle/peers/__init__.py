"""Other simulators' files, models and recorded runs."""
