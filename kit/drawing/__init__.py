"""A page on this machine to draw a digit in, which shows what a run reads."""

from kit.drawing.app import make_app

__all__ = ["make_app"]
