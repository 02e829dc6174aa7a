"""A small term language in which theorems are stated: terms, how they are printed, and their exact values."""
