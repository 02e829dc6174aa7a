"""Enough dissenters override a system whatever its bias: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.sums import sum_constant
from tokendemo_formal.theorems.setting import m, votes
from tokendemo_formal.theorems.share import g


def prove(p: Proof) -> None:
    criterion = p.use("bias_multiplies_the_length", by=p.assumptions)
    p.say("m tokens that pull g each pull m g.")
    terms = p.assumption("every adversary token pulls g")
    summed = p.kernel_fact(p.kernel.same(votes, total(m, lambda j: g), terms), "equal terms", "rule of the kernel")
    p.conclude([criterion, summed, p.lemma(sum_constant, m, g)])


if __name__ == "__main__":
    main("biased_system_is_overridden", prove)
