"""A key between two others can't be favoured by a query: counterexample."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.query import owned_share, q


def prove(p: Proof) -> None:
    p.say("The system's tokens have the weights 2 and 1/2, or 1/2 and 2; the adversary's has 1.")
    p.refute(
        shows={"the share for the query log 2": owned_share(q), "for its opposite": owned_share(q, -1)},
        because="5/7 is more than 2/3, both times",
    )


if __name__ == "__main__":
    main("owning_the_query_is_enough", prove)
