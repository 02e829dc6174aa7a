"""Differential attention leaves the hull of its values: refutation."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.guarantees import lam, second_margin
from tokendemo_formal.theorems.setting import margin


def prove(p: Proof) -> None:
    p.refute(
        {
            "the first map's readout": margin,
            "the second map's": second_margin,
            "the output": (margin - lam * second_margin) / (1 - lam),
        },
        "the output 1/2 is below 1, though every token reads at least 1",
    )


if __name__ == "__main__":
    main("hull_safety_of_differential_attention", prove)
