"""Judges runs, only on images that they have not seen."""
