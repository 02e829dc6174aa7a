"""What proofs need to know of sums of any length, and of numbers: each shown by induction on the length, or by solvers.

Each function returns a fact, for the sequences (as functions of an index) and numbers given. What holds for all of them
is proved in general once a kernel, and instantiated.
"""
