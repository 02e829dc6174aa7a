"""Tokens whose readouts are 0 turn the sign of two heads' sum: counterexample."""

from __future__ import annotations

from tokendemo_formal.logic.terms import exp, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.defences import heads_margin, system_in
from tokendemo_formal.theorems.setting import H, k, sh_S


def prove(p: Proof) -> None:
    p.say("Alone the system's heads say 2 - 1 = 1. One token weighs 9 in the first head and 1/9 in the second.")
    alone = total(H, lambda h: system_in(h) / total(k, lambda i: exp(sh_S(h, i))))
    p.refute(
        {"the sum without the adversary": alone, "the sum with it": heads_margin},
        because="2/10 - 9/10 is below 0",
    )


if __name__ == "__main__":
    main("null_values_keep_the_sign_of_a_sum", prove)
