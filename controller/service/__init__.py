"""The controller that stays: desired state, watched switches, repair, history."""
