"""An input without any say of its own moves the readout: refutation."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.guarantees import margin_W
from tokendemo_formal.theorems.setting import margin


def prove(p: Proof) -> None:
    p.refute(
        {"readout with the first input": margin, "with the second": margin_W},
        "the readout moves by 1/2, though every input reads 0",
    )


if __name__ == "__main__":
    main("privilege_costs_utility_by_the_vocabulary", prove)
