"""A system behind the adversary reads it: counterexample."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.causality import attention, x, y
from tokendemo_formal.theorems.setting import m


def prove(p: Proof) -> None:
    p.say("The adversary's token is at the position 0, the system's at 1, which sees both.")
    p.refute(
        shows={"the system's output in run x": attention(x, m + 1, m, 0), "in run y": attention(y, m + 1, m, 0)},
        because="the system's output is 0 in one run and 1/2 in the other",
    )


if __name__ == "__main__":
    main("a_trailing_system_keeps_its_states", prove)
