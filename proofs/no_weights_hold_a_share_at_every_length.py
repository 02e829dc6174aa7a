"""Finite weights and bounded biases can't hold the system's share up at every length: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import both, exp, natural, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.attention import exp_difference, mass_positive
from tokendemo_formal.proving.lemmas.sums import sum_at_least, sum_member, sum_monotone, sum_scaled
from tokendemo_formal.theorems.limits import B, b_S, b_U, lightest
from tokendemo_formal.theorems.setting import E_S, V, a_U, a_V, eps, k, m, s_S, s_U, s_V


def prove(p: Proof) -> None:
    factor = p.axiom("exp_positive", B)
    E_S_biased = total(k, lambda i: exp(s_S(i) + b_S(i)))
    E_U_biased = total(m, lambda j: exp(s_U(j) + b_U(j)))

    p.say("Biases multiply the system's weights by e^B at most.")
    terms = p.each(
        k,
        lambda i: exp(s_S(i) + b_S(i)) <= exp(B) * exp(s_S(i)),
        lambda i: [
            p.assumption("the system's biases are at most B"),
            p.axiom("exp_sum", s_S(i), b_S(i)),
            p.axiom("exp_increasing", B, b_S(i)),
            p.axiom("exp_positive", s_S(i)),
        ],
    )
    system = p.have(
        E_S_biased <= exp(B) * E_S,
        [
            terms,
            p.lemma(sum_monotone, k, lambda i: exp(s_S(i) + b_S(i)), lambda i: exp(B) * exp(s_S(i))),
            p.lemma(sum_scaled, k, exp(B), lambda i: exp(s_S(i))),
        ],
    )

    p.say(
        "Each adversary token is some token v of the vocabulary, and e^(-s_v) is one term of the sum of all of those."
    )
    inverse = not_lightest(p)

    p.say("So its weight is at least 1 over that sum, and biases divide it by e^B at most.")
    least = exp(B) * lightest
    weights = p.each(
        m,
        lambda j: least * exp(s_U(j) + b_U(j)) >= 1,
        lambda j: [
            inverse,
            p.assumption("the adversary's biases are at least -B"),
            p.axiom("exp_increasing", b_U(j), -B),
            p.axiom("exp_sum", s_U(j), b_U(j)),
            p.axiom("exp_positive", s_U(j)),
            factor,
            exp_difference(p.kernel, 0, s_U(j)),
            exp_difference(p.kernel, 0, B),
            p.axiom("exp_zero"),
        ],
    )
    adversary = p.have(
        m <= least * E_U_biased,
        [
            weights,
            p.lemma(sum_at_least, m, lambda j: least * exp(s_U(j) + b_U(j)), 1),
            p.lemma(sum_scaled, m, least, lambda j: exp(s_U(j) + b_U(j))),
        ],
    )

    p.say("With m as large as assumed the adversary outweighs the system (1 - eps) : eps.")
    small, one = p.assumption("eps is positive"), p.assumption("there is an adversary token")
    biased_mass = p.lemma(mass_positive, m, lambda j: s_U(j) + b_U(j))
    finite = p.have(least > 0, [adversary, one, biased_mass], "as there is an adversary token")
    twice = p.have(
        exp(2 * B).eq(exp(B) * exp(B)),
        [p.axiom("exp_sum", B, B), p.kernel.equal(2 * B, B + B, lambda t: exp(t))],
    )
    length = p.have(
        E_S * exp(2 * B) * lightest * (1 - eps) <= m * eps,
        [p.assumption("the adversary has that many tokens"), small],
        "multiplied by eps",
    )
    both_long = p.have(
        (exp(B) * E_S * (1 - eps)) * least <= (E_U_biased * eps) * least, [length, adversary, twice, small]
    )
    odds = p.have(exp(B) * E_S * (1 - eps) <= E_U_biased * eps, [both_long, finite], "divided by a positive number")
    p.say("The share is then at most eps: for eps of 1 and more it is so anyway.")
    system_mass = p.lemma(mass_positive, k, lambda i: s_S(i) + b_S(i))
    p.conclude([system, odds, small, one, biased_mass, system_mass])


def not_lightest(p: Proof) -> Fact:
    """e^(-score) of each adversary token is at most the sum of those of the vocabulary."""
    positive = p.each(V, lambda v: exp(-s_V(v)) >= 0, lambda v: [p.axiom("exp_positive", -s_V(v))])
    j, v = natural("j"), natural("v")
    is_v = p.kernel.assume(both(s_U(j).eq(s_V(v)), a_U(j).eq(a_V(v))))
    goal = exp(-s_U(j)) <= lightest
    as_v = p.kernel.arithmetic(
        goal,
        [
            is_v,
            p.kernel.assume(v < V),
            positive,
            sum_member(p.kernel, V, lambda u: exp(-s_V(u)), v),
            p.kernel.equal(s_U(j), s_V(v), lambda t: exp(-t)),
        ],
    )
    below = p.kernel.assume(j < m)
    known = p.kernel.at(p.assumption("each adversary token is of the vocabulary"), j)
    one_of_them = p.kernel.arithmetic(known.conclusion.parts[1], [known, below])
    chosen = p.kernel.choose(one_of_them, v, as_v)
    return p.kernel_fact(p.kernel.each(chosen, j, m, "j"), "a term of a sum of positive ones", "smt")


if __name__ == "__main__":
    main("no_weights_hold_a_share_at_every_length", prove)
