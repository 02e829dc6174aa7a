"""One head without a mask is enough to interfere: refutation."""

from __future__ import annotations

from tokendemo_formal.logic.terms import total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.guarantees import head, head_alone
from tokendemo_formal.theorems.setting import H


def prove(p: Proof) -> None:
    p.refute(
        {"margin with the adversary": total(H, head), "without": total(H, head_alone)},
        "the first head's readout falls from 1 to (1 - 27) / 4",
    )


if __name__ == "__main__":
    main("all_but_one_head_masked", prove)
