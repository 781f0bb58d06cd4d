"""The submission kit for Kaggle's Digit Recognizer competition."""

__version__ = "0.1.0"
