"""Position raises the share of a system that stands near the reader: counterexample."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.positions import TRAILING_S, TRAILING_U
from tokendemo_formal.theorems.setting import share


def prove(p: Proof) -> None:
    p.say("The system's token is the reader, at distance 0; the adversary's is at distance 1, with half the weight.")
    p.refute(
        shows={
            "the share without positions": share,
            "the system's weight": TRAILING_S,
            "the adversary's weight": TRAILING_U,
            "the share": TRAILING_S / (TRAILING_S + TRAILING_U),
        },
        because="2/3 is more than 1/2",
    )


if __name__ == "__main__":
    main("position_only_erodes", prove)
