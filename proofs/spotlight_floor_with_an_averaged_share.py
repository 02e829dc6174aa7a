"""Spotlight with a share averaged over heads leaves one head without: counterexample."""

from __future__ import annotations

from tokendemo_formal.logic.terms import term
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.defences import averaged, averaged_steered, psi


def prove(p: Proof) -> None:
    p.say("The average of 9/10 and 1/1000000 is above psi = 2/5, so no bias is added to either head.")
    p.refute(
        {
            "the averaged share": averaged,
            "the floor claimed": psi / (1 + psi),
            "the second head's share": averaged_steered(term(1)),
        },
        because="the second head stays far below the floor",
    )


if __name__ == "__main__":
    main("spotlight_floor_with_an_averaged_share", prove)
