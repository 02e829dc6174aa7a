"""A bias of c log n, c > 1, on the system's scores takes all attention as the text grows: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import both, exp
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_at_least, mass_at_most, mass_positive
from tokendemo_formal.proving.lemmas.quotients import quotient_at_least, scaled
from tokendemo_formal.proving.tactics import exp_of_sum
from tokendemo_formal.theorems.normalisers import biased, c, log_n, n, x
from tokendemo_formal.theorems.setting import E_U, eps, hi, k, lo, m, s_S, s_U


def prove(p: Proof) -> None:
    system = p.assumption("the system's scores are at least lo")
    adversary = p.assumption("the adversary's scores are at most hi")
    fast = p.assumption("the bias grows faster than log n")
    odds = p.assumption("e^x is at least the odds to overcome")
    long = p.assumption("the length is at least e^(x / (c - 1))")
    rest = (c - 1) * log_n

    p.say("n^c = n n^(c - 1), and the length makes n^(c - 1) at least e^x.")
    some_token = p.have(n > 0, [long, p.axiom("exp_positive", x / (c - 1))])
    is_n = p.have(exp(log_n).eq(n), [p.axiom("exp_log", n), some_token])
    reached = p.have(x / (c - 1) <= log_n, [long, is_n, p.axiom("exp_increasing", log_n, x / (c - 1))], "exp increases")
    power = p.have(x <= rest, [reached, fast])
    enough = p.have(exp(x) <= exp(rest), [power, p.axiom("exp_increasing", rest, x)])

    p.say("The system weighs at least k e^lo n n^(c - 1), the adversary at most m e^hi, so at most n e^hi.")
    bias = lo + c * log_n
    factors = p.have(exp(bias).eq(exp(lo) * n * exp(rest)), [exp_of_sum(p.kernel, bias, lo, log_n, rest), is_n])
    at_least = p.each(k, lambda i: bias <= s_S(i) + c * log_n, [system])
    lower = p.have(
        k * exp(bias) <= biased(c), [at_least, p.lemma(mass_at_least, k, lambda i: s_S(i) + c * log_n, bias)]
    )
    own = p.lemma(mass_positive, k, lambda i: s_S(i) + c * log_n)
    upper = p.have(E_U <= m * exp(hi), [adversary, p.lemma(mass_at_most, m, s_U, hi)])
    other = p.lemma(mass_positive, m, s_U)

    p.say("So the adversary's odds are at most e^(hi - lo) / (k n^(c - 1)).")
    signs = [p.axiom("exp_positive", t) for t in (lo, hi - lo, rest)]
    sign = p.have(eps > 0, [odds, signs[1], p.axiom("exp_positive", x)])
    met = p.have(exp(hi - lo) * (1 - eps) <= eps * (k * exp(rest)), [odds, enough, sign])
    most = m * exp(lo)
    weight = eps * (k * exp(rest) * exp(lo))
    signed = p.have(both(most >= 0, weight >= 0, k * exp(bias) >= 0), [sign, *signs, p.axiom("exp_positive", bias)])
    width = exp_of_sum(p.kernel, hi, hi - lo, lo)
    bound = p.have(
        m * exp(hi) * (1 - eps) <= eps * (k * exp(bias)),
        [
            p.lemma(scaled, most, exp(hi - lo) * (1 - eps), eps * (k * exp(rest))),
            p.lemma(scaled, weight, m, n),
            met,
            signed,
            width,
            factors,
        ],
    )
    against = p.have(
        E_U * (1 - eps) <= eps * biased(c),
        [bound, upper, lower, sign, other, own],
        "if eps > 1 the left side is negative",
    )
    some_mass = p.have(
        biased(c) + E_U > 0,
        [own, other, some_token],
    )
    p.conclude([p.lemma(quotient_at_least, biased(c), biased(c) + E_U, 1 - eps), against, some_mass])


if __name__ == "__main__":
    main("log_length_bias_above_one_wins", prove)
