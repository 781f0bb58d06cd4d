"""A Kaggle with one competition on this machine, to rehearse and to test against."""
