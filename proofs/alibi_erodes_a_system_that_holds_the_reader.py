"""A reader that counts as a system token is never far from itself: counterexample."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.positions import HELD_S, LEADING_U


def prove(p: Proof) -> None:
    p.say("The system's weight is 1/8 from its token in front and 1 from the reader; the adversary's is 1/4 + 1/2.")
    p.refute(
        shows={"the system's weight": HELD_S, "the adversary's weight": LEADING_U, "the odds": HELD_S / LEADING_U},
        because="the odds are 3/2 and the bound is 1/4",
    )


if __name__ == "__main__":
    main("alibi_erodes_a_system_that_holds_the_reader", prove)
