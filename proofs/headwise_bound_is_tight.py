"""That some assignment brings all heads to their minima at once: refutation."""

from __future__ import annotations

from tokendemo_formal.logic.terms import total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.override import head, low
from tokendemo_formal.theorems.setting import H


def prove(p: Proof) -> None:
    p.refute(
        shows={
            "sum of the heads' minima": total(H, lambda h: low(h)),
            **{f"f_{h}({x})": head(h, x) for x in (0, 1) for h in (0, 1)},
            **{f"f({x})": total(H, lambda h, x=x: head(h, x)) for x in (0, 1)},
        },
        because="both assignments have margin 1/2, the minima add up to -1",
    )


if __name__ == "__main__":
    main("headwise_bound_is_tight", prove)
