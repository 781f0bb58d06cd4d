"""Networks, how they learn, and what they predict."""
