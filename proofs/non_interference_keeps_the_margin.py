"""Non-interference keeps a margin that is there without an adversary: proof."""

from __future__ import annotations

from tokendemo_formal.proving import Proof, main
from tokendemo_formal.theorems.guarantees import f, inputs
from tokendemo_formal.theorems.setting import tau


def prove(p: Proof) -> None:
    same = p.assumption("no input changes the margin")
    safe = p.assumption("it is safe without an adversary")
    p.conclude([p.each(inputs, lambda u: f(u) >= tau, [same, safe], "it is that of the empty input")])


if __name__ == "__main__":
    main("non_interference_keeps_the_margin", prove)
