"""A Kaggle with one competition on this machine, to rehearse and to test against."""

from kit.local_kaggle.app import LocalKaggle

__all__ = ["LocalKaggle"]
