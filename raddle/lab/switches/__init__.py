"""Switches of a fabric: started or found, programmed, read back."""
