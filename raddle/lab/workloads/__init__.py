"""What is sent: from collectives and from files."""
