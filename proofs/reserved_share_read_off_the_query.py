"""A reserved share that is read off the adversary's query vanishes: counterexample."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.defences import gated, q, q_0, reserved_by


def prove(p: Proof) -> None:
    p.say("With a = A = 1 and tau = 0 a share of 1/2 is enough, and the template's query reserves 9/10.")
    p.refute(
        {"rho for q_0": reserved_by(q_0), "rho for q": reserved_by(q), "f for q": gated},
        because="1/10 - 9/10 · 1/2 is below 0",
    )


if __name__ == "__main__":
    main("reserved_share_read_off_the_query", prove)
