"""LayerNorm bounds a head's scores: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Function
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.quotients import normed_square_sum
from tokendemo_formal.theorems.norms import centred, delta, layernorm, square_sum, u, v, x, y
from tokendemo_formal.theorems.setting import d


def prove(p: Proof) -> None:
    positive = p.assumption("the norm's delta is positive")

    p.say("A state of the squared length a has a / (a / d + delta) after the norm, which is below d.")

    def short(state: Function) -> Fact:
        normed = p.lemma(normed_square_sum, d, centred(state), delta)
        return p.have(square_sum(layernorm(state)) <= d, [positive, normed])

    p.say("So both states are short, and short states bound the scores.")
    known = [short(x), short(y)]
    p.conclude([p.use("normed_states_bound_the_scores", functions={u: layernorm(x), v: layernorm(y)}, by=known)])


if __name__ == "__main__":
    main("layernorm_bounds_the_scores", prove)
