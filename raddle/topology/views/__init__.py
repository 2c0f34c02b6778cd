"""What readers see of a fabric: rows, capacity, drawings, cables."""
