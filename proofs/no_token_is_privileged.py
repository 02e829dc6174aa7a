"""Under a causal mask influence goes one way: counterexample."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.causality import attention, x, y, z


def prove(p: Proof) -> None:
    p.say("The system's token, at position 0, sees itself; the adversary's, at position 1, sees both equally.")
    p.refute(
        shows={
            "the system's output in run x": attention(x, 1, 0, 0),
            "in run y, with another adversary": attention(y, 1, 0, 0),
            "the adversary's output in run x": attention(x, 2, 1, 0),
            "in run z, with another system": attention(z, 2, 1, 0),
        },
        because="changing the system's token changes the adversary's output from 0 to 1/2",
    )


if __name__ == "__main__":
    main("no_token_is_privileged", prove)
