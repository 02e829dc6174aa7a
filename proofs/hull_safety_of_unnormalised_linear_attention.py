"""Linear attention without a normaliser leaves the hull of its values: refutation."""

from __future__ import annotations

from tokendemo_formal.logic.terms import total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.guarantees import readout, x
from tokendemo_formal.theorems.setting import n


def prove(p: Proof) -> None:
    p.refute(
        {"the output": total(n, lambda i: x(i) * readout(i))},
        "the output 3/4 is below 1, though every token reads at least 1",
    )


if __name__ == "__main__":
    main("hull_safety_of_unnormalised_linear_attention", prove)
