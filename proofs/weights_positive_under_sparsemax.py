"""Sparsemax gives weight 0: counterexample."""

from __future__ import annotations

from tokendemo_formal.logic.terms import larger
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.voice import s, t


def prove(p: Proof) -> None:
    weights = [larger(0, s(i) - t) for i in (0, 1)]
    p.refute({"weight of the first": weights[0], "weight of the second": weights[1]}, "not between 0 and 1")


if __name__ == "__main__":
    main("weights_positive_under_sparsemax", prove)
