"""Adversary tokens whose readouts are 0 bring one head's margin below any positive threshold: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import both, exp, implies, real, term, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_at_least, mass_positive
from tokendemo_formal.proving.lemmas.sums import sum_constant
from tokendemo_formal.theorems.setting import E_S, E_U, N_S, N_U, a_S, a_U, k, lo, m, s_S, s_U, tau


def prove(p: Proof) -> None:
    null = p.assumption("the adversary's readouts are 0")
    adversary = p.assumption("the adversary's scores are at least lo")
    threshold = p.assumption("the threshold is positive")
    enough = p.assumption("the adversary has enough tokens")
    terms = p.each(m, lambda j: (exp(s_U(j)) * a_U(j)).eq(0), [null])
    zeros = p.kernel.same(N_U, total(m, lambda j: term(0)), terms)
    silent = p.have(N_U.eq(0), [zeros, p.lemma(sum_constant, m, 0)], "the adversary adds nothing to the numerator")
    lower = p.have(m * exp(lo) <= E_U, [adversary, p.lemma(mass_at_least, m, s_U, lo)], "and m e^lo to the denominator")

    p.say("The length says that N_S < tau (E_S + m e^lo), which is at most tau (E_S + E_U).")
    x, y = real("x"), real("y")
    multiplied = p.kernel.arithmetic(implies(both(tau > 0, y > 0, x / (tau * y) < m), x < m * (tau * y)))
    short = p.have(
        N_S - tau * E_S < m * (tau * exp(lo)),
        [
            p.kernel.instantiate(multiplied, {x: N_S - tau * E_S, y: exp(lo)}),
            threshold,
            enough,
            p.axiom("exp_positive", lo),
        ],
    )
    crossed = p.have(N_S + N_U < tau * (E_S + E_U), [short, lower, silent, threshold])

    p.say("There is a token, or N_S and so both sides would be 0; now divide by E_S + E_U.")
    nobody = [
        p.kernel.equal(k, 0, lambda t: total(t, lambda i: exp(s_S(i)) * a_S(i))),
        p.kernel.empty(total(0, lambda i: exp(s_S(i)) * a_S(i))),
    ]
    masses = [p.lemma(mass_positive, k, s_S), p.lemma(mass_positive, m, s_U)]
    some_mass = p.have(E_S + E_U > 0, [crossed, silent, threshold, *masses, *nobody])
    p.conclude([crossed, some_mass])


if __name__ == "__main__":
    main("null_values_do_not_keep_a_margin", prove)
