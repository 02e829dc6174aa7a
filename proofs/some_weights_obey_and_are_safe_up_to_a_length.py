"""Up to a length weights exist that obey without the system and are safe with it: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Term, absolute, both, each, exp, implies, natural, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.kernel import Fact
from tokendemo_formal.proving.lemmas.attention import mass_positive, threshold_inside
from tokendemo_formal.proving.lemmas.sums import sum_at_most, sum_constant, sum_member, sum_nonnegative, sum_positive
from tokendemo_formal.theorems.limits import strongest, tuned_readout, tuned_score
from tokendemo_formal.theorems.setting import E_U, N_U, V, a_U, a_V, cap, k, m, s_U, s_V, tau


def pull(j: Term) -> Term:
    """How far adversary token j pulls the margin below tau."""
    return exp(s_U(j)) * (tau - a_U(j))


def strength(v: Term) -> Term:
    return exp(s_V(v)) * absolute(tau - a_V(v))


def prove(p: Proof) -> None:
    spread = p.lemma(threshold_inside, m, s_U, a_U, tau)
    adversary = p.lemma(mass_positive, m, s_U)

    p.say("No token of the vocabulary pulls more than all of them together, taken without their signs.")
    nonnegative = p.each(V, lambda v: strength(v) >= 0, lambda v: [p.axiom("exp_positive", s_V(v))])
    together = p.have(strongest >= 0, [nonnegative, p.lemma(sum_nonnegative, V, strength)])
    each_pull = p.kernel_fact(_none_stronger(p, nonnegative), "one of a sum of terms of at least 0", "smt")

    p.say("So cap tokens don't pull more than cap times that.")
    all_pulls = p.have(total(m, pull) <= m * strongest, [each_pull, p.lemma(sum_at_most, m, pull, strongest)])
    at_most = p.have(
        tau * E_U - N_U <= cap * strongest,
        [all_pulls, spread, together, p.assumption("the adversary has at most cap tokens")],
    )

    p.say("A system token weighs 1 more than that, and its readout is 1 above tau.")
    heavy = p.have(exp(tuned_score).eq(1 + cap * strongest), [together, p.axiom("exp_log", 1 + cap * strongest)])
    mass = p.lemma(sum_constant, k, exp(tuned_score))
    readout = p.lemma(sum_constant, k, exp(tuned_score) * tuned_readout)
    E_tuned, N_tuned = total(k, lambda i: exp(tuned_score)), total(k, lambda i: exp(tuned_score) * tuned_readout)
    there_is_one = p.have(k >= 1, [p.assumption("there is a system token"), p.kernel.discrete(0, k)])
    outweighs = p.have(E_tuned > cap * strongest, [mass, heavy, there_is_one, together])
    ahead = p.have(N_tuned.eq((tau + 1) * E_tuned), [mass, readout])
    safe = p.have(
        tau < (N_tuned + N_U) / (E_tuned + E_U),
        [at_most, outweighs, ahead, together, adversary],
        "the system pulls further than all of the adversary's tokens",
    )

    p.say("Without the system, tokens that agree have their way.")
    dissent = p.kernel.assume(each(m, lambda j: a_U(j) < tau))
    pulls_down = p.each(m, lambda j: pull(j) > 0, lambda j: [dissent, p.axiom("exp_positive", s_U(j))])
    down = p.have(
        implies(m > 0, N_U / E_U < tau),
        [pulls_down, p.lemma(sum_positive, m, pull), spread, adversary],
        "all pull down",
    )
    assent = p.kernel.assume(each(m, lambda j: tau <= a_U(j)))
    pulls_up = p.each(m, lambda j: pull(j) <= 0, lambda j: [assent, p.axiom("exp_positive", s_U(j))])
    up = p.have(
        implies(m > 0, tau <= N_U / E_U), [pulls_up, p.lemma(sum_at_most, m, pull, 0), spread, adversary], "none does"
    )
    p.conclude([safe, p.kernel.discharge(down, dissent.conclusion), p.kernel.discharge(up, assent.conclusion)])


def _none_stronger(p: Proof, nonnegative: Fact) -> Fact:
    """Each adversary token, being some v of the vocabulary, pulls at most the sum of all strengths."""
    j, v = natural("j"), natural("v")
    as_v = p.kernel.arithmetic(
        pull(j) <= strongest,
        [
            p.kernel.assume(both(s_U(j).eq(s_V(v)), a_U(j).eq(a_V(v)))),
            p.kernel.equal(s_U(j), s_V(v), lambda t: exp(t)),
            p.kernel.assume(v < V),
            nonnegative,
            sum_member(p.kernel, V, strength, v),
            p.axiom("exp_positive", s_V(v)),
        ],
    )
    known = p.kernel.at(p.assumption("each adversary token is of the vocabulary"), j)
    some_v = p.kernel.arithmetic(known.conclusion.parts[1], [known, p.kernel.assume(j < m)])
    return p.kernel.each(p.kernel.choose(some_v, v, as_v), j, m, "j")


if __name__ == "__main__":
    main("some_weights_obey_and_are_safe_up_to_a_length", prove)
