"""What a change of a repository with fabrics must pass."""
