"""The fabric file: text to a checked specification."""
