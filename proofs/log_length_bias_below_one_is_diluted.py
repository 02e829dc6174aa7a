"""A bias of c log n, c < 1, on the system's scores is diluted by length: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import both, exp
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_at_least, mass_at_most, mass_positive
from tokendemo_formal.proving.lemmas.quotients import odds_outgrown, quotient_at_most, scaled
from tokendemo_formal.proving.tactics import exp_of_sum
from tokendemo_formal.theorems.normalisers import biased, c, log_n, n, x
from tokendemo_formal.theorems.setting import E_U, eps, hi, k, lo, m, s_S, s_U


def prove(p: Proof) -> None:
    system = p.assumption("the system's scores are at most hi")
    adversary = p.assumption("the adversary's scores are at least lo")
    slow = p.assumption("the bias grows more slowly than log n")
    some_token = p.assumption("there is an adversary token")
    odds = p.assumption("e^x is at least the odds to overcome")
    long = p.assumption("the length is at least e^(x / (1 - c))")
    rest = (1 - c) * log_n

    p.say("n = n^c n^(1 - c), and the length makes n^(1 - c) at least e^x.")
    is_n = p.have(exp(log_n).eq(n), [p.axiom("exp_log", n), some_token])
    reached = p.have(x / (1 - c) <= log_n, [long, is_n, p.axiom("exp_increasing", log_n, x / (1 - c))], "exp increases")
    power = p.have(x <= rest, [reached, slow])
    enough = p.have(exp(x) <= exp(rest), [power, p.axiom("exp_increasing", rest, x)])
    split = p.have(n.eq(exp(c * log_n) * exp(rest)), [is_n, exp_of_sum(p.kernel, log_n, c * log_n, rest)])

    p.say("The system weighs at most k e^hi n^c, the adversary at least m e^lo.")
    bias = hi + c * log_n
    at_most = p.each(k, lambda i: s_S(i) + c * log_n <= bias, [system])
    upper = p.have(biased(c) <= k * exp(bias), [at_most, p.lemma(mass_at_most, k, lambda i: s_S(i) + c * log_n, bias)])
    mass = p.lemma(mass_positive, k, lambda i: s_S(i) + c * log_n)
    lower = p.have(m * exp(lo) <= E_U, [adversary, p.lemma(mass_at_least, m, s_U, lo)])

    p.say("As k + m <= (k + 1) m, the system's odds are at most k (k + 1) e^(hi - lo) / n^(1 - c).")
    one = p.have(m >= 1, [p.kernel.discrete(0, m), some_token])
    factors = exp_of_sum(p.kernel, bias, hi - lo, lo, c * log_n)
    signs = [p.axiom("exp_positive", t) for t in (lo, hi - lo, c * log_n, rest)]
    met = p.have(
        k * (k + 1) * exp(hi - lo) * (1 - eps) <= eps * exp(rest), [odds, enough, signs[1], p.axiom("exp_positive", x)]
    )
    outgrown = p.lemma(odds_outgrown, k, m, exp(hi - lo), exp(c * log_n), exp(rest), eps)
    odds_now = p.have(
        both(k * exp(hi - lo) * exp(c * log_n) * (1 - eps) <= eps * m, eps >= 0), [outgrown, met, split, one, *signs]
    )
    times = p.lemma(scaled, exp(lo), k * exp(hi - lo) * exp(c * log_n) * (1 - eps), eps * m)
    bound = p.have(k * exp(bias) * (1 - eps) <= eps * (m * exp(lo)), [times, odds_now, signs[0], factors])
    against = p.have(
        biased(c) * (1 - eps) <= eps * E_U,
        [bound, odds_now, upper, lower, mass, signs[0]],
        "if eps > 1 the left side is negative",
    )
    p.conclude([against, mass, lower, one, signs[0], p.lemma(quotient_at_most, biased(c), biased(c) + E_U, eps)])


if __name__ == "__main__":
    main("log_length_bias_below_one_is_diluted", prove)
