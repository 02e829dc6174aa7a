"""Without a mask the system reads what follows it: counterexample."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.causality import attention, x, y
from tokendemo_formal.theorems.setting import k, m


def prove(p: Proof) -> None:
    p.say("The system's token is at the position 0, the adversary's at 1; the head gives each half of the weight.")
    p.refute(
        shows={"the system's output in run x": attention(x, k + m, 0, 0), "in run y": attention(y, k + m, 0, 0)},
        because="the system's output is 0 in one run and 1/2 in the other",
    )


if __name__ == "__main__":
    main("bidirectional_attention_keeps_the_prefix", prove)
