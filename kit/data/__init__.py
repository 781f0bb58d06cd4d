"""Where digits come from, and which of them are the same."""
