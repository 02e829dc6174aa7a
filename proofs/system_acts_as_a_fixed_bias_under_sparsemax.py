"""Under sparsemax the system changes the ratios of the adversary's weights: counterexample."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.share import sparse_weight, t_0, t_1


def prove(p: Proof) -> None:
    shows = {
        f"weight of adversary token {j} {words}": sparse_weight(j, t)
        for words, t in (("without the system", t_0), ("with it", t_1))
        for j in (0, 1)
    }
    p.refute(shows, "3/4 to 1/4 is not 1/2 to 0")


if __name__ == "__main__":
    main("system_acts_as_a_fixed_bias_under_sparsemax", prove)
