"""The lab's experiments and the search for hyperparameters, shared by any number of machines."""
