"""RoPE's score rises again within a context: counterexample."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.positions import r, rotary, t


def prove(p: Proof) -> None:
    p.say("The score is the sum of the 32 cosines of the distance times the frequencies.")
    p.refute(
        shows={"the score at distance 305": rotary(t), "at distance 320": rotary(t + r)},
        because="14.05 is more than 3.63",
    )


if __name__ == "__main__":
    main("rotary_erodes", prove)
