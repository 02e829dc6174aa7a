"""Not every token has the same weight: counterexample."""

from __future__ import annotations

from tokendemo_formal.logic.terms import exp
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.voice import Z, s


def prove(p: Proof) -> None:
    p.refute({"weight of the first": exp(s(0)) / Z, "weight of the second": exp(s(1)) / Z}, "neither is 1/2")


if __name__ == "__main__":
    main("equal_voice", prove)
