"""That copies of one token override several heads where a mixture does: refutation."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Term, natural
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.override import heads
from tokendemo_formal.theorems.setting import ah_U, ah_V, sh_U, sh_V


def prove(p: Proof) -> None:
    def copies(v: int) -> Term:
        return heads(lambda h, j: sh_V(h, v), lambda h, j: ah_V(h, v))

    p.refute(
        shows={
            "f(one of each)": heads(sh_U, ah_U),
            "f(two copies of token 0)": copies(0),
            "f(two copies of token 1)": copies(1),
        },
        because="each token leaves one head at 1, and the other can't fall to -1",
    )
    p.say("Nor do n copies, whatever n: one head's vote is (1 - 10 n) / (1 + 10 n), the other's (1 + n) / (1 + n).")
    n = natural("n")
    p.have((1 - 10 * n) / (1 + 10 * n) + (1 + n) / (1 + n) > 0)


if __name__ == "__main__":
    main("one_repeated_token_is_enough", prove)
