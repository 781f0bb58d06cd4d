"""A page on this machine to draw a digit in, which shows what a run reads."""
