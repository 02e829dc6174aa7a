"""With bounded scores no single token takes all of the attention: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import exp, natural, term
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_positive
from tokendemo_formal.proving.lemmas.sums import sum_constant
from tokendemo_formal.proving.tactics import for_each
from tokendemo_formal.theorems.setting import E_S, V, cap, hi, k, lo, m, s_S, s_U, s_V


def prove(p: Proof) -> None:
    floor = k * exp(lo) / (k * exp(lo) + exp(hi))
    system = p.assumption("there is a system token")
    positive = p.have(0 < floor, [system, p.axiom("exp_positive", lo), p.axiom("exp_positive", hi)])

    p.say("Let v be a token of the vocabulary, and let the adversary consist of it alone.")
    v = natural("v")
    score = p.have(
        s_V(v) <= hi, [p.kernel.at(p.assumption("the vocabulary's scores are at most hi"), v), p.kernel.assume(v < V)]
    )
    alone = for_each(p.kernel, 1, lambda j: s_V(v) <= hi, [score])
    room = p.evaluate(term(1) <= 1)
    share = p.use("share_floor_up_to_a_length", {m: 1, cap: 1}, {s_U: lambda j: s_V(v)}, [*p.assumptions, alone, room])
    mass = p.lemma(sum_constant, 1, exp(s_V(v)))
    shown = p.have(
        floor <= E_S / (E_S + exp(s_V(v))),
        [
            share,
            mass,
            p.lemma(mass_positive, k, s_S),
            system,
            p.axiom("exp_positive", s_V(v)),
            p.axiom("exp_positive", hi),
            p.axiom("exp_positive", lo),
        ],
    )
    each_token = p.kernel_fact(p.kernel.each(shown, v, V, "v"), "v was arbitrary", "rule of the kernel")
    p.conclude([positive, each_token])


if __name__ == "__main__":
    main("bounded_scores_leave_a_share", prove)
