"""Every mixture of the vocabulary's values is approached by long inputs: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import Numeric, Term, both, exp, natural, total
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import attention_at_least, attention_at_most
from tokendemo_formal.proving.lemmas.quotients import product_nonnegative, quotient_at_least, quotient_at_most
from tokendemo_formal.proving.lemmas.sums import sum_monotone, sum_nonnegative, weighted_at_least, weighted_at_most
from tokendemo_formal.theorems.guarantees import C_V, E_V, P_V, R, counts, mixed, mixture, target
from tokendemo_formal.theorems.setting import E_S, N_S, V, a_S, a_V, k, s_S, s_V


def prove(p: Proof) -> None:
    rounded = p.assumption("each count is N lam e^(-s) rounded down")
    near = p.assumption("the vocabulary's readouts are within R of the mixture")
    weights = p.assumption("the mixture's weights sum to 1")

    def lost(v: Numeric) -> Term:
        return target * mixture(v) - counts(v) * exp(s_V(v))

    p.say("Rounding takes the mass d_v = N lam_v - n_v e^(s_v) from word v, between 0 and e^(s_v).")
    n = natural("n")
    mass = p.induction(
        n,
        total(n, lost).eq(target * total(n, lambda v: mixture(v)) - total(n, lambda v: counts(v) * exp(s_V(v)))),
        because="term by term",
    )
    votes = p.induction(
        n,
        total(n, lambda v: lost(v) * a_V(v)).eq(
            target * total(n, lambda v: mixture(v) * a_V(v)) - total(n, lambda v: counts(v) * exp(s_V(v)) * a_V(v))
        ),
        because="term by term",
    )
    lost_mass = p.have(total(V, lost).eq(target - C_V), [p.kernel.instantiate(mass, {n: V}), weights])
    lost_votes = p.kernel.instantiate(votes, {n: V})
    some = p.each(V, lambda v: lost(v) >= 0, [rounded])
    at_most_one = p.each(V, lambda v: lost(v) <= exp(s_V(v)), [rounded])
    rounding = p.have(
        both(target - C_V >= 0, target - C_V <= E_V),
        [
            lost_mass,
            some,
            at_most_one,
            p.lemma(sum_nonnegative, V, lost),
            p.lemma(sum_monotone, V, lost, lambda v: exp(s_V(v))),
        ],
        "so all words together lose between 0 and E_V",
    )

    p.say("What is lost reads within R of the mixture, so the words' votes are off by at most R (N - C).")
    least = p.each(V, lambda v: both(lost(v) >= 0, mixed - R <= a_V(v)), [some, near])
    most = p.each(V, lambda v: both(lost(v) >= 0, a_V(v) <= mixed + R), [some, near])
    words_least = p.have(
        mixed * C_V - R * (target - C_V) <= P_V,
        [most, p.lemma(weighted_at_most, V, lost, a_V, mixed + R), lost_votes, lost_mass],
    )
    words_most = p.have(
        mixed * C_V + R * (target - C_V) >= P_V,
        [least, p.lemma(weighted_at_least, V, lost, a_V, mixed - R), lost_votes, lost_mass],
    )

    p.say("The system's votes are off by at most R E_S.")
    system = p.assumption("the system's readouts are within R of the mixture")
    system_least = p.have(
        (mixed - R) * E_S <= N_S,
        [p.each(k, lambda i: mixed - R <= a_S(i), [system]), p.lemma(attention_at_least, k, s_S, a_S, mixed - R)],
    )
    system_most = p.have(
        (mixed + R) * E_S >= N_S,
        [p.each(k, lambda i: a_S(i) <= mixed + R, [system]), p.lemma(attention_at_most, k, s_S, a_S, mixed + R)],
    )

    p.say("Together they are off by at most R (E_S + E_V), which is B (E_S + N - E_V) for the bound B.")
    spread = p.have(
        R * E_V >= 0,
        [
            p.each(V, lambda v: mixed - R <= a_V(v), [near]),
            p.each(V, lambda v: a_V(v) <= mixed + R, [near]),
            p.lemma(attention_at_least, V, s_V, a_V, mixed - R),
            p.lemma(attention_at_most, V, s_V, a_V, mixed + R),
        ],
        "the words' readouts lie between mixture - R and mixture + R",
    )
    more = p.have(R * (target - C_V) <= R * E_V, [spread, rounding])
    all_spread = p.have(R * (E_S + E_V) >= 0, [spread, system_least, system_most])
    denominator = E_S + target - E_V
    bound = R * (E_S + E_V) / denominator
    large = p.have(denominator > 0, [p.assumption("N is large")])
    whole = p.have((bound * denominator).eq(R * (E_S + E_V)), [large])
    sign = p.have(bound >= 0, [whole, all_spread, large])
    enough = p.have(E_S + C_V >= denominator, [rounding])
    covered = p.have(
        bound * (E_S + C_V) >= R * (E_S + E_V),
        [enough, whole, sign, p.lemma(product_nonnegative, bound, E_S + C_V - denominator)],
    )
    positive = p.have(E_S + C_V > 0, [enough, large])
    below = p.have(
        mixed - bound <= (N_S + P_V) / (E_S + C_V),
        [
            p.have((mixed - bound) * (E_S + C_V) <= N_S + P_V, [covered, system_least, words_least, more]),
            positive,
            p.lemma(quotient_at_least, N_S + P_V, E_S + C_V, mixed - bound),
        ],
        "divided by the mass",
    )
    above = p.have(
        (N_S + P_V) / (E_S + C_V) <= mixed + bound,
        [
            p.have((mixed + bound) * (E_S + C_V) >= N_S + P_V, [covered, system_most, words_most, more]),
            positive,
            p.lemma(quotient_at_most, N_S + P_V, E_S + C_V, mixed + bound),
        ],
        "divided by the mass",
    )
    p.conclude([below, above, rounding])


if __name__ == "__main__":
    main("every_mixture_is_approached", prove)
