"""A margin at any length keeps the sign: proof."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.guarantees import f, inputs


def prove(p: Proof) -> None:
    margin = p.assumption("every input leaves a margin of at least tau")
    positive = p.assumption("tau is positive")
    p.conclude([p.each(inputs, lambda u: f(u) > 0, [margin, positive], "a number of at least tau > 0")])


if __name__ == "__main__":
    main("margin_keeps_the_sign", prove)
