"""That enough tokens override any prompt: refutation."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.override import copies, vote
from tokendemo_formal.theorems.setting import n, surplus


def prove(p: Proof) -> None:
    p.refute(
        shows={
            "P": surplus,
            "vote of token 0": vote(0),
            "vote of token 1": vote(1),
            "f(no token)": copies(0, 0),
            "f(n copies of token 0)": copies(n, 0),
            "f(n copies of token 1)": copies(n, 1),
        },
        because="no vote is above 0: no number of copies takes anything from P",
    )
    p.say("Nor does any other assignment, of any length:")
    p.use("override_needs_a_dissenter", because="nobody dissents here")


if __name__ == "__main__":
    main("always_overridable", prove)
