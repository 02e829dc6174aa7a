"""Adversary tokens whose readouts are 0 keep the sign of one head's margin: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import both, exp, implies, real, term, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_positive
from tokendemo_formal.proving.lemmas.sums import sum_constant
from tokendemo_formal.theorems.setting import E_S, E_U, N_S, N_U, a_S, a_U, k, m, s_S, s_U


def prove(p: Proof) -> None:
    positive = p.assumption("the system's own readout is positive")
    null = p.assumption("the adversary's readouts are 0")
    terms = p.each(m, lambda j: (exp(s_U(j)) * a_U(j)).eq(0), [null])
    zeros = p.kernel.same(N_U, total(m, lambda j: term(0)), terms)
    silent = p.have(N_U.eq(0), [zeros, p.lemma(sum_constant, m, 0)], "the adversary adds nothing to the numerator")

    p.say("A sum over no system token would be 0, so there is one and the masses are positive.")
    nobody = [
        p.kernel.equal(k, 0, lambda t: total(t, lambda i: exp(s_S(i)) * a_S(i))),
        p.kernel.empty(total(0, lambda i: exp(s_S(i)) * a_S(i))),
    ]
    some_system = p.have(k > 0, [positive, *nobody])
    masses = p.have(
        both(E_S > 0, E_U >= 0), [p.lemma(mass_positive, k, s_S), p.lemma(mass_positive, m, s_U), some_system]
    )
    w, x, y = real("w"), real("x"), real("y")
    scaling = p.kernel.arithmetic(
        implies(both(x > 0, y >= 0, w > 0), both((w / (x + y)).eq(x / (x + y) * (w / x)), w / (x + y) > 0))
    )
    zero = p.have((N_S + N_U).eq(N_S), [silent])
    same = p.kernel.equal(N_S + N_U, N_S, lambda t: t / (E_S + E_U))
    p.conclude([p.kernel.instantiate(scaling, {w: N_S, x: E_S, y: E_U}), zero, same, masses, positive])


if __name__ == "__main__":
    main("null_values_keep_the_sign", prove)
