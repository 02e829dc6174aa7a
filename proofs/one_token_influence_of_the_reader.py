"""A new reader moves the readout by more than one other token can: refutation."""

from __future__ import annotations

from tokendemo_formal.logic.terms import exp
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.guarantees import a_x, a_y, s_x, s_y, t, with_token
from tokendemo_formal.theorems.setting import hi, lo, n


def prove(p: Proof) -> None:
    p.refute(
        {
            "readout of the first reader": with_token(s_x, a_x),
            "of the second": with_token(s_y, a_y, t),
            "bound": exp(hi) / (n * exp(lo) + exp(hi)),
        },
        "the readout moves by 9/16, and the bound is 2/5",
    )


if __name__ == "__main__":
    main("one_token_influence_of_the_reader", prove)
