"""Other tools' traces of what ranks compute and send."""
