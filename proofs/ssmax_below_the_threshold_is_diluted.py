"""Scalable softmax below its threshold is diluted by length: proof."""

from __future__ import annotations

from tokendemo_formal.logic.terms import both, exp
from tokendemo_formal.proving import Proof, main
from tokendemo_formal.proving.lemmas.attention import mass_at_least, mass_at_most, mass_positive
from tokendemo_formal.proving.lemmas.quotients import odds_outgrown, quotient_at_most, scaled
from tokendemo_formal.proving.tactics import exp_of_sum
from tokendemo_formal.theorems.normalisers import g, log_n, n, scaled_S, scaled_U, sigma, t, x
from tokendemo_formal.theorems.setting import eps, k, m, s_S, s_U


def prove(p: Proof) -> None:
    system = p.assumption("the system's scores are at most t")
    adversary = p.assumption("the adversary's scores are at least g")
    no_turn = p.assumption("sigma is not negative")
    short = p.assumption("the lead t - g is below 1 / sigma")
    some_token = p.assumption("there is an adversary token")
    odds = p.assumption("e^x is at least the odds to overcome")
    long = p.assumption("the length is at least e^(x / (1 - sigma lead))")
    c = sigma * (t - g)
    gained, rest = sigma * log_n * (t - g), (1 - c) * log_n

    p.say("n = n^(sigma lead) n^(1 - sigma lead), and the length makes the second factor at least e^x.")
    one = p.have(m >= 1, [p.kernel.discrete(0, m), some_token])
    is_n = p.have(exp(log_n).eq(n), [p.axiom("exp_log", n), some_token])
    grows = p.have(log_n >= 0, [is_n, one, p.axiom("exp_zero"), p.axiom("exp_increasing", log_n, 0)])
    steep = p.have(sigma * log_n >= 0, [no_turn, grows])
    reached = p.have(x / (1 - c) <= log_n, [long, is_n, p.axiom("exp_increasing", log_n, x / (1 - c))], "exp increases")
    power = p.have(x <= rest, [reached, short])
    enough = p.have(exp(x) <= exp(rest), [power, p.axiom("exp_increasing", rest, x)])
    split = p.have(n.eq(exp(gained) * exp(rest)), [is_n, exp_of_sum(p.kernel, log_n, gained, rest)])

    p.say("The system weighs at most k n^(sigma t), the adversary at least m n^(sigma g).")
    best, least = sigma * log_n * t, sigma * log_n * g
    at_most = p.each(
        k,
        lambda i: sigma * log_n * s_S(i) <= best,
        lambda i: [system, steep, p.lemma(scaled, sigma * log_n, s_S(i), t)],
    )
    upper = p.have(
        scaled_S <= k * exp(best), [at_most, p.lemma(mass_at_most, k, lambda i: sigma * log_n * s_S(i), best)]
    )
    mass = p.lemma(mass_positive, k, lambda i: sigma * log_n * s_S(i))
    at_least = p.each(
        m,
        lambda j: least <= sigma * log_n * s_U(j),
        lambda j: [adversary, steep, p.lemma(scaled, sigma * log_n, g, s_U(j))],
    )
    lower = p.have(
        m * exp(least) <= scaled_U, [at_least, p.lemma(mass_at_least, m, lambda j: sigma * log_n * s_U(j), least)]
    )

    p.say("As k + m <= (k + 1) m, the system's odds are at most k (k + 1) / n^(1 - sigma lead).")
    signs = [p.axiom("exp_positive", a) for a in (gained, rest, least)]
    met = p.have(k * (k + 1) * 1 * (1 - eps) <= eps * exp(rest), [odds, enough, p.axiom("exp_positive", x)])
    outgrown = p.lemma(odds_outgrown, k, m, 1, exp(gained), exp(rest), eps)
    odds_now = p.have(both(k * exp(gained) * (1 - eps) <= eps * m, eps >= 0), [outgrown, met, split, one, *signs[:2]])
    times = p.lemma(scaled, exp(least), k * exp(gained) * (1 - eps), eps * m)
    factors = exp_of_sum(p.kernel, best, gained, least)
    bound = p.have(k * exp(best) * (1 - eps) <= eps * (m * exp(least)), [times, odds_now, signs[2], factors])
    against = p.have(
        scaled_S * (1 - eps) <= eps * scaled_U,
        [bound, odds_now, upper, lower, mass, signs[2]],
        "if eps > 1 the left side is negative",
    )
    p.conclude([against, mass, lower, one, signs[2], p.lemma(quotient_at_most, scaled_S, scaled_S + scaled_U, eps)])


if __name__ == "__main__":
    main("ssmax_below_the_threshold_is_diluted", prove)
