"""Heads that are added up leave the hull of the summed values: refutation."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Term, exp, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.guarantees import ah, sh
from tokendemo_formal.theorems.setting import n


def prove(p: Proof) -> None:
    def output(h: int) -> Term:
        return total(n, lambda i: exp(sh(h, i)) * ah(h, i)) / total(n, lambda i: exp(sh(h, i)))

    p.refute(
        {"the first head's output": output(0), "the second head's": output(1)},
        "1 + 1 is below 3, though every word reads 3 in all",
    )


if __name__ == "__main__":
    main("hull_safety_of_summed_heads", prove)
