"""Networks, how they learn, and what they predict."""

import os

# TensorFlow greets with pages of notes on its build; whoever wants them sets the level lower
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
