"""What is timed against what, and the tables that these programs wrote."""
