"""Kaggle on this machine: the competition's side of the wire, to rehearse and to test against."""

from kit.local_kaggle.server import LocalKaggle

__all__ = ["LocalKaggle"]
