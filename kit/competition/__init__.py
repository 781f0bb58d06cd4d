"""The submission file, and Kaggle."""
