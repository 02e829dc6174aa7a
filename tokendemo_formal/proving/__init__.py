"""Proving theorems: a kernel of rules, lemmas about sums, solvers, and proof scripts with computed statuses."""

from __future__ import annotations

from tokendemo_formal.proving.proof import Proof, Result, Status, main, run

__all__ = ["Proof", "Result", "Status", "main", "run"]
