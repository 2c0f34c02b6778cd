"""Where printed numbers come from: formula, inputs with their lines, source."""
