"""In a second layer the adversary's tokens have seen the system: counterexample."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.setting import k
from tokendemo_formal.theorems.share import second_score


def prove(p: Proof) -> None:
    shows = {
        f"second score of adversary token {j} {words}": second_score(j, count)
        for words, count in (("without the system", 0), ("with it", k))
        for j in (0, 1)
    }
    p.refute(shows, "a ratio of 1/3, where without the system it is 1")


if __name__ == "__main__":
    main("system_acts_as_a_fixed_bias_at_depth", prove)
