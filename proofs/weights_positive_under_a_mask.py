"""A mask gives weight 0: counterexample."""

from __future__ import annotations

from tokendemo_formal.logic.terms import exp, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.setting import n
from tokendemo_formal.theorems.voice import g, s


def prove(p: Proof) -> None:
    visible = total(n, lambda i: g(i) * exp(s(i)))
    weights = [g(i) * exp(s(i)) / visible for i in (0, 1)]
    p.refute({"weight of the visible": weights[0], "weight of the hidden": weights[1]}, "not between 0 and 1")


if __name__ == "__main__":
    main("weights_positive_under_a_mask", prove)
