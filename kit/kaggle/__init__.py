"""Kaggle: credentials, client, download, submit, history, doctor."""
